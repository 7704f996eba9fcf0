"""/api/color-presets/filament-types/list: the types of filament that colour presets name."""

from typing import Annotated

from msgspec import Meta, Struct

from cloud.api.color_presets import ColorPresetsApi, ColorPresetsQuery
from cloud.api.kit import Call, Endpoint
from cloud.api.old.shapes import BOUND, old


class FilamentTypes(Struct, frozen=True, kw_only=True):
    filament_types: list[str]
    count: Annotated[int, Meta(ge=0)]


class OldPresetsApi:
    """Works through the endpoints of today."""

    def __init__(self, presets: ColorPresetsApi) -> None:
        self._presets = presets

    def endpoints(self) -> list[Endpoint]:
        return [old("GET", "/api/color-presets/filament-types/list", self.filament_types)]

    async def filament_types(self, call: Call) -> FilamentTypes:
        """The types that active colour presets name, by the alphabet."""
        page = await self._presets.list(call, ColorPresetsQuery(is_active=True, limit=BOUND))
        names = sorted({preset.filament_type for preset in page.items})
        return FilamentTypes(filament_types=names, count=len(names))
