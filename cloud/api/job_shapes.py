"""Print jobs as the API takes and gives them, with the field names of the old system."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.collection import MAX_BULK
from cloud.api.shapes import Id, Line, ListQuery, Moment
from cloud.printing.filaments import ColorPolicy
from cloud.printing.jobs import Status
from cloud.printing.ordering import MAX_PRIORITY
from cloud.printing.orders import PrintOptions
from cloud.printing.service import MAX_COPIES

Plate = Annotated[int, Meta(ge=1, le=999)]
Priority = Annotated[int, Meta(ge=-MAX_PRIORITY, le=MAX_PRIORITY)]
Mapping = Annotated[list[Annotated[int, Meta(ge=-1, le=255)]], Meta(max_length=32)]
Rank = Annotated[float, Meta(ge=-1e12, le=1e12)]
Units = Annotated[int, Meta(ge=1, le=10_000)]


class JobIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One or several runs of one plate of a file."""

    print_file_id: Id | None = None
    """Left out: the file of the SKU's product."""
    product_sku_id: Id | None = None
    """What it is printed for; left out, what the order line is about."""
    order_line_id: Id | None = None
    color: Line | None = None
    """In words; left out, the SKU's. What the printer needs stands in the file."""
    number_of_units: Units | None = None
    """Pieces that a finished run yields; left out, what the file says."""
    plate: Plate | None = None
    """Left out: the only one there is."""
    printer_id: Id | None = None
    """Left out: any printer that fits."""
    priority: Priority = 0
    """Higher goes first."""
    copies: Annotated[int, Meta(ge=1, le=MAX_COPIES)] = 1
    color_policy: ColorPolicy = "match"
    """`match`: type and colour of the filament must fit; `type`: only the type."""
    ams_mapping: Mapping | None = None
    """Spools chosen by hand for the named printer: index = filament slot - 1, value = tray id, -1 = external spool."""
    options: PrintOptions | None = None
    hold: bool = False
    """Wait in the queue until somebody starts it."""


class JobPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed while a job waits; what is left out stays."""

    printer_id: Id | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    rank: Rank | UnsetType = UNSET
    color_policy: ColorPolicy | UnsetType = UNSET
    ams_mapping: Mapping | UnsetType | None = UNSET
    options: PrintOptions | UnsetType = UNSET
    hold: bool | UnsetType = UNSET
    product_sku_id: Id | UnsetType | None = UNSET
    order_line_id: Id | UnsetType | None = UNSET
    color: Line | UnsetType | None = UNSET
    number_of_units: Units | UnsetType = UNSET


class NeededFilament(Struct, frozen=True, kw_only=True):
    slot: int
    type: str
    color: str | None = None
    grams: float | None = None
    profile: str = ""


class JobOut(Struct, frozen=True, kw_only=True):
    id: str
    print_file_id: str | None
    """None only on a migrated job whose file was gone."""
    file_name: str
    plate: int
    status: Status
    held: bool
    cancel_requested: bool
    """Somebody wants it to end; the printer has not said that it did."""
    target_printer_id: str | None
    printer_id: str | None
    priority: int
    rank: float
    attempt: int
    color_policy: ColorPolicy
    ams_mapping: list[int] | None
    options: PrintOptions
    filaments: list[NeededFilament]
    model_id: str | None
    nozzle: float | None
    estimated_seconds: int | None
    progress_percentage: int
    remaining_seconds: int | None
    layer: int | None
    layers: int | None
    upload_percent: int | None
    waiting_reason: str | None
    failure_code: str | None
    failure_reason: str | None
    error_code: int | None
    submitted_by: str
    time_submitted: str
    time_started: str | None
    time_completed: str | None
    updated_at: str
    version: int
    thumbnail: str | None
    product_sku_id: str | None
    order_line_id: str | None
    color: str | None
    filament_type: str | None
    filament_needed_grams: float | None
    number_of_units: int
    """Pieces that a finished run yields."""
    bambu_job_id: str | None
    """The printer's own number, on migrated jobs."""
    product_id: str | None
    """Of the SKU, else of the print file."""
    product_name: str | None
    sku_name: str | None
    printer_name: str | None
    """Of the printer it is on, else of the one it waits for."""
    printer_model: str | None
    printer_numeric_id: int | None
    material_type: str | None
    requires_assembly: bool
    """The product's pieces are put together after printing."""
    quantity_per_print: int
    """The same as number_of_units."""
    estimated_print_time_minutes: int | None
    actual_print_time_minutes: int | None
    """From its start on the printer to its end, pauses included."""


class JobStep(Struct, frozen=True, kw_only=True):
    """One line of a job's history."""

    at: str
    from_status: str | None
    to_status: str
    reason: str
    actor: str
    printer_id: str | None
    attempt: int
    details: dict[str, Any]


class JobDetail(JobOut, frozen=True, kw_only=True):
    """A job with its history, oldest line first."""

    history: list[JobStep]


class JobList(Struct, frozen=True):
    items: list[JobOut]
    total: int


class JobsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`search` is part of the file's name."""

    status: Annotated[list[Status], Meta(max_length=20)] | None = None
    """Only these; repeat the name or use commas."""
    printer_id: Id | None = None
    """On this printer, or waiting for it by name."""
    product_sku_id: Id | None = None
    order_line_id: Id | None = None
    print_file_id: Id | None = None
    time_submitted_from: Moment | None = None
    time_submitted_to: Moment | None = None
    """Before this moment."""


class JobsBulkIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to be done to many jobs. For each it is done or refused by itself."""

    action: Literal["cancel", "delete", "start", "update"]
    ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_BULK)]
    changes: JobPatch | UnsetType = UNSET
    """For `update`."""


class CancelQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    force: bool = False
    """Give up on a printer that will not come back; what it still does, it does unseen."""
