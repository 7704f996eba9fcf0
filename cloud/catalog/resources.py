"""The catalog's tables as they are listed and edited."""

from typing import Final

from cloud.storage.rows import Rows
from cloud.storage.tables import build_plate_types, color_presets

COLOR_PRESETS: Final = Rows(
    color_presets,
    prefix="col",
    sorts=("color_name", "filament_type", "created_at"),
    default_sort=("color_name",),
    searched=("color_name",),
)
BUILD_PLATE_TYPES: Final = Rows(
    build_plate_types,
    prefix="plt",
    sorts=("name", "is_active", "created_at"),
    default_sort=("name",),
    searched=("name", "description"),
)
