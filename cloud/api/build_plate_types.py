"""/api/build-plate-types: the kinds of build plate a farm has."""

from msgspec import UNSET, Struct, UnsetType

from cloud.api.collection import Collection
from cloud.api.shapes import ListQuery, Name, Text
from cloud.catalog.resources import BUILD_PLATE_TYPES


class BuildPlateTypeIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    description: Text = ""
    is_active: bool = True


class BuildPlateTypePatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class BuildPlateTypeOut(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    description: str
    is_active: bool
    created_at: str
    updated_at: str
    version: int


class BuildPlateTypesQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    is_active: bool | None = None


class BuildPlateTypesApi(Collection):
    path = "/api/build-plate-types/"
    noun = "build plate type"
    rows = BUILD_PLATE_TYPES
    shape = BuildPlateTypeOut
    new = BuildPlateTypeIn
    patch = BuildPlateTypePatch
    query = BuildPlateTypesQuery
