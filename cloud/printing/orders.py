"""What a caller says when it creates or changes a job."""

import msgspec
from msgspec import UNSET, UnsetType

from cloud.printing.filaments import ColorPolicy


class PrintOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Switches of `project_file`; None leaves the printer's habit."""

    bed_leveling: bool | None = None
    flow_cali: bool | None = None
    vibration_cali: bool | None = None
    layer_inspect: bool | None = None
    timelapse: bool | None = None


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """One or several runs of one plate of a file."""

    print_file_id: str | None = None
    """None = the file of the SKU's product."""
    product_sku_id: str | None = None
    """What it is printed for; None = what the order line is about, if it names one."""
    order_line_id: str | None = None
    color: str | None = None
    """In words; None = the SKU's."""
    number_of_units: int | None = None
    """Pieces that a finished run yields; None = what the file says."""
    plate: int | None = None
    """None = the only one."""
    printer_id: str | None = None
    """None = any that fits."""
    priority: int = 0
    """Higher goes first."""
    copies: int = 1
    color_policy: ColorPolicy = "match"
    ams_mapping: list[int] | None = None
    """Spools chosen by hand for the named printer: index = filament slot - 1, value = tray id, -1 = external spool."""
    options: PrintOptions = PrintOptions()
    hold: bool = False
    """Wait in the queue until somebody starts it."""


class JobChange(msgspec.Struct, frozen=True, kw_only=True):
    """What may be changed while a job waits. What is left out stays."""

    printer_id: str | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    rank: float | UnsetType = UNSET
    color_policy: ColorPolicy | UnsetType = UNSET
    ams_mapping: list[int] | UnsetType | None = UNSET
    options: PrintOptions | UnsetType = UNSET
    hold: bool | UnsetType = UNSET
    product_sku_id: str | UnsetType | None = UNSET
    order_line_id: str | UnsetType | None = UNSET
    color: str | UnsetType | None = UNSET
    number_of_units: int | UnsetType = UNSET
