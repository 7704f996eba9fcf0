"""What a sliced `.gcode.3mf` holds, as the rest of the cloud sees it."""

import msgspec

NO_MODEL_ID = "no_model_id"
"""slice_info names no printer; the model, if any, is from the slicer's settings."""
UNKNOWN_MODEL = "unknown_model"
"""The file names a printer that is not in the table."""
NO_SLICE_INFO = "no_slice_info"
"""A plate has gcode but no entry in slice_info: figures are from the gcode's header."""
NO_MD5 = "no_md5"
"""A plate's gcode has no checksum beside it."""
SETTINGS_UNREADABLE = "settings_unreadable"
"""The slicer's settings document is damaged; nothing essential is lost."""


class Filament(msgspec.Struct, frozen=True, kw_only=True):
    """One filament that a plate really uses."""

    slot: int
    """1-based and sparse: a file may use 1 and 4. Index in `ams_mapping` is slot - 1."""
    type: str
    """As the slicer names it: "PLA", "PETG-CF"; "" when not stated."""
    color: str | None
    """`#RRGGBB`, upper case."""
    grams: float | None
    meters: float | None
    profile: str
    """The filament profile's id (`tray_info_idx`), such as "GFA00"; "" when not stated."""


class PrintObject(msgspec.Struct, frozen=True, kw_only=True):
    """One object on a plate; `id` is what `skip_objects` wants."""

    id: int
    name: str


class Plate(msgspec.Struct, frozen=True, kw_only=True):
    """One printable plate: its gcode is `Metadata/plate_<index>.gcode`."""

    index: int
    seconds: int | None
    """Estimated time, preparation included."""
    grams: float | None
    layers: int | None
    model_id: str | None
    nozzle_diameters: list[float]
    """mm, one per nozzle; empty when not stated."""
    bed_type: str | None
    """As `project_file` names it: textured_plate, cool_plate, eng_plate, hot_plate, supertack_plate."""
    filaments: list[Filament]
    objects: list[PrintObject]
    skippable: bool
    """Objects are labelled in the gcode, so that single ones can be skipped."""
    gcode_bytes: int
    gcode_md5: str
    """32 upper-case hex digits of the real bytes."""
    thumbnail: str | None
    """Name of the member that holds the 512 px picture."""
    thumbnail_small: str | None
    slicer_warnings: list[str]


class SlicedFile(msgspec.Struct, frozen=True, kw_only=True):
    """All printable plates of one file, in order of their index."""

    slicer: str
    slicer_version: str
    model_id: str | None
    """Code of the printer it was sliced for, such as "C12"; None when the file does not tell."""
    model_name: str | None
    default_print_profile: str
    """The slicer's profile for the process, such as "0.20mm Standard @BBL P1S"; "" when not stated."""
    plates: list[Plate]
    flags: list[str]
    """What was odd but acceptable; the constants of this module."""
