"""/api/color-presets: the filament colours a farm uses, by the names people call them."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.collection import Collection
from cloud.api.shapes import Color, ListQuery, Name
from cloud.catalog.resources import COLOR_PRESETS

FilamentType = Annotated[str, Meta(min_length=1, max_length=40)]


class ColorPresetIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    color_name: Name
    hex_code: Color
    filament_type: FilamentType
    is_active: bool = True


class ColorPresetPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    color_name: Name | UnsetType = UNSET
    hex_code: Color | UnsetType = UNSET
    filament_type: FilamentType | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class ColorPresetOut(Struct, frozen=True, kw_only=True):
    id: str
    color_name: str
    hex_code: str
    filament_type: str
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
