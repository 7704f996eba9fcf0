"""/api/color-presets: the filament colours a farm uses, by the names people call them."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.collection import Collection
from cloud.api.errors import ApiError
from cloud.api.shapes import Color, Line, ListQuery, Name
from cloud.catalog.resources import COLOR_PRESETS
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

FilamentType = Annotated[str, Meta(min_length=1, max_length=40)]
_OLD_NAMES: Final = frozenset({"material_type", "manufacturer", "notes"})


class ColorPresetIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    color_name: Name
    hex_code: Color
    filament_type: FilamentType | UnsetType = UNSET
    is_active: bool = True
    material_type: FilamentType | UnsetType = UNSET
    """The same as `filament_type`, as clients of the old system name it. One of them is needed."""
    manufacturer: Line | UnsetType | None = UNSET
    """Of the old system, like `notes`; not heeded, nor was it there."""
    notes: Line | UnsetType | None = UNSET


class ColorPresetPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    color_name: Name | UnsetType = UNSET
    hex_code: Color | UnsetType = UNSET
    filament_type: FilamentType | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    material_type: FilamentType | UnsetType = UNSET
    """The same as `filament_type`, as clients of the old system name it."""
    manufacturer: Line | UnsetType | None = UNSET
    """Of the old system, like `notes`; not heeded, nor was it there."""
    notes: Line | UnsetType | None = UNSET


class ColorPresetOut(Struct, frozen=True, kw_only=True):
    id: str
    color_name: str
    hex_code: str
    filament_type: str
    material_type: str
    """The same as `filament_type`, as clients of the old system name it."""
    is_active: bool
    created_at: str
    updated_at: str
    version: int


class ColorPresetsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    filament_type: FilamentType | None = None
    is_active: bool | None = None


class ColorPresetsApi(Collection):
    path = "/api/color-presets/"
    noun = "colour preset"
    rows = COLOR_PRESETS
    shape = ColorPresetOut
    new = ColorPresetIn
    patch = ColorPresetPatch
    query = ColorPresetsQuery

    def out(self, row: Row) -> ColorPresetOut:
        return msgspec.convert({**row, "material_type": row["filament_type"]}, ColorPresetOut)

    async def creating(self, tx: TenantTx, values: dict[str, Any]) -> Mapping[str, Any]:
        columns = _columns(values)
        if "filament_type" not in columns:
            problem = "Say in `filament_type` what it is."
            raise ApiError(422, "invalid", problem, details={"path": "$.filament_type", "problem": problem})
        return columns

    async def changing(self, tx: TenantTx, before: Row, values: dict[str, Any]) -> Mapping[str, Any]:
        return _columns(values)


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not kept, and the old name put right; today's name wins."""
    columns = {name: value for name, value in values.items() if name not in _OLD_NAMES}
    if "material_type" in values:
        columns.setdefault("filament_type", values["material_type"])
    return columns
