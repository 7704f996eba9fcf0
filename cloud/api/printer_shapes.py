"""Printers as the API takes and gives them, with the field names of the old system."""

import ipaddress
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.errors import ApiError
from cloud.api.shapes import Color, Id, Line, ListQuery, Name, Port
from cloud.catalog import models
from cloud.printing.live import LivePrinter
from cloud.storage.printers import Printer
from cloud.storage.secrets import Secret

PrinterWord = Literal["offline", "idle", "printing", "paused", "finished", "failed", "error"]

Serial = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[0-9A-Za-z]+$(?!\n)")]
Address = Annotated[str, Meta(min_length=2, max_length=45, pattern=r"^[0-9A-Fa-f.:]+$(?!\n)")]
Model = Annotated[str, Meta(min_length=1, max_length=40)]
Number = Annotated[int, Meta(ge=1, le=1_000_000)]
Nozzle = Annotated[float, Meta(ge=0.1, le=2.0)]
Place = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Kind = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[^\u0000-\u001f\u007f]*$(?!\n)")]
"""Of maintenance: "nozzle", "belts"."""
Why = Line
MAX_CODE: Final = 64
MAX_PRINTERS: Final = 10_000
"""In one answer: clients of the old system know no pages."""

_WORDS: Final[dict[str, PrinterWord]] = {
    "idle": "idle",
    "init": "idle",
    "prepare": "printing",
    "slicing": "printing",
    "running": "printing",
    "pause": "paused",
    "finish": "finished",
    "failed": "failed",
}


class PrinterIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A printer to be added."""

    name: Name
    ip_address: Address
    serial_number: Serial
    access_code: Secret
    """Written, never given back."""
    model: Model | None = None
    """Name or code, "P1S" or "C12"; left out, it is told by the serial number."""
    hub_id: Id | None = None
    """Left out: the only hub there is."""
    printer_id: Number | None = None
    """The number people use; left out, the next free one."""
    mqtt_port: Port | None = None
    ftps_port: Port | None = None
    camera_port: Port | None = None
    nozzle_size: Nozzle | None = None
    current_build_plate: Line | None = None
    location: Line | None = None
    sort_order: Place | None = None
    manufacturer: Name | None = None
    current_color: Line | None = None
    """What is loaded, for a printer without an AMS that tells."""
    current_color_hex: Color | None = None
    current_filament_type: Line | None = None
    filament_level: Percent | None = None
    connect: bool = True
    is_active: bool = True


class PrinterPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed; what is left out stays."""

    name: Name | UnsetType = UNSET
    ip_address: Address | UnsetType = UNSET
    serial_number: Serial | UnsetType = UNSET
    access_code: Secret | UnsetType = UNSET
    model: Model | UnsetType = UNSET
    hub_id: Id | UnsetType | None = UNSET
    printer_id: Number | UnsetType = UNSET
    mqtt_port: Port | UnsetType | None = UNSET
    ftps_port: Port | UnsetType | None = UNSET
    camera_port: Port | UnsetType | None = UNSET
    nozzle_size: Nozzle | UnsetType | None = UNSET
    current_build_plate: Line | UnsetType | None = UNSET
    location: Line | UnsetType | None = UNSET
    sort_order: Place | UnsetType = UNSET
    manufacturer: Name | UnsetType = UNSET
    current_color: Line | UnsetType | None = UNSET
    current_color_hex: Color | UnsetType | None = UNSET
    current_filament_type: Line | UnsetType | None = UNSET
    filament_level: Percent | UnsetType | None = UNSET
    connect: bool | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class PrinterRow(Struct, frozen=True, kw_only=True):
    """A printer as one line of a table."""

    id: str
    printer_id: int
    name: str
    manufacturer: str
    model: str
    """The model's code, "C12"."""
    model_name: str | None
    ip_address: str
    serial_number: str
    has_access_code: bool
    firmware_version: str
    """Empty until the printer has told."""
    hub_id: str | None
    connection_type: Literal["bambu"] = "bambu"
    connection_error: str | None
    """Why there is no session with the printer, in a sentence."""
    mqtt_port: int
    ftps_port: int
    camera_port: int
    is_active: bool
    is_connected: bool
    """The hub is there and holds a session with the printer."""
    status: PrinterWord
    cleared: bool
    """The plate is free for the next job."""
    connect: bool
    nozzle_size: float | None
    current_build_plate: str | None
    current_color: str | None
    current_color_hex: str | None
    current_filament_type: str | None
    filament_level: int | None
    """Percent. What the tray in use says outweighs what a person said; that goes for these four."""
    location: str | None
    sort_order: int
    total_print_time: int
    """Seconds."""
    last_maintenance_date: str | None
    in_maintenance: bool
    maintenance_type: str | None
    maintenance_reason: str | None
    maintenance_started_at: str | None
    consecutive_failures: int
    """Jobs that failed because of the printer since one was completed."""
    disabled_reason: str | None
    disabled_at: str | None
    """Set: it gets no jobs until somebody enables it."""
    created_at: str
    updated_at: str
    version: int
    """Raised by what people change, not by what the printer does."""


class PrinterOut(PrinterRow, frozen=True, kw_only=True):
    live: dict[str, Any]
    """What is known right now, as browsers get it over the WebSocket."""


class PrinterList(Struct, frozen=True):
    items: list[PrinterOut]
    total: int


class PrintersQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which printers; without anything, all of them."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PRINTERS)] = MAX_PRINTERS
    model: Model | None = None
    """Name or code."""
    status: Annotated[list[PrinterWord], Meta(max_length=7)] | None = None
    """Any of these; repeat the name or use commas."""
    is_active: bool | None = None
    in_maintenance: bool | None = None
    hub_id: Id | None = None
    location: Line | None = None


class OrderIn(Struct, frozen=True, forbid_unknown_fields=True):
    ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_PRINTERS)]
    """These first, in this order."""


class PrinterStatus(Struct, frozen=True, kw_only=True):
    """The state of one printer."""

    id: str
    status: PrinterWord
    is_connected: bool
    live: dict[str, Any]


_DEFAULT_PORTS: Final = {"mqtt_port": 8883, "ftps_port": 990, "camera_port": 6000}


def columns(body: PrinterIn | PrinterPatch) -> dict[str, Any]:
    """What the body says, as columns, without the access code. Raises ApiError 422 on a bad address or model."""
    values = {
        name: value
        for name in body.__struct_fields__
        if name != "access_code" and (value := getattr(body, name)) is not UNSET
    }
    for name, port in _DEFAULT_PORTS.items():
        if name in values and values[name] is None:
            values[name] = port
    if isinstance(body, PrinterIn):
        # What the table has a default for is left to it.
        values = {name: value for name, value in values.items() if value is not None}
    if "ip_address" in values:
        values["ip_address"] = _address(values["ip_address"])
    if "serial_number" in values:
        values["serial_number"] = values["serial_number"].upper()
    if "model" in values or isinstance(body, PrinterIn):
        values["model"] = _model(values.get("model"), values.get("serial_number", ""))
    return values


def checked_code(code: Secret) -> Secret:
    """Raises ApiError 422 on something that is no access code."""
    text = code.reveal().strip()
    if not 1 <= len(text) <= MAX_CODE or not text.isascii() or not text.isprintable():
        raise _refused("$.access_code", f"An access code has 1 to {MAX_CODE} plain characters.")
    return Secret(text)


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise _refused("$.ip_address", "This is not an IP address.") from None
    if address.is_multicast or address.is_unspecified:
        raise _refused("$.ip_address", "No printer has this address.")
    return str(address)


def known_model(word: str) -> str:
    """The code of a model by its name or code; an unknown one stays as it is."""
    found = models.by_code(word) or models.by_name(word)
    return found.code if found else word


def _model(word: str | None, serial: str) -> str:
    found = models.by_serial(serial) if word is None else models.by_code(word) or models.by_name(word)
    if found is None:
        known = ", ".join(sorted({model.name for model in models.MODELS}))
        raise _refused("$.model", f"The model is not known. Known are: {known}.")
    return found.code


def _refused(path: str, problem: str) -> ApiError:
    return ApiError(422, "invalid", problem, details={"path": path, "problem": problem})


def status_word(live: LivePrinter | None) -> PrinterWord:
    """One word of the old system's for what the printer does."""
    if live is None or not live.online:
        return "offline"
    word = _WORDS.get(live.status.get("state", ""), "idle")
    if word == "idle" and live.status.get("error"):
        return "error"
    if word == "failed" and not live.status.get("error"):
        return "idle"  # cancelled at the printer: ready again on every model
    return word


def printer_out(printer: Printer, live: LivePrinter | None, view: dict[str, Any] | None) -> PrinterOut:
    """A printer's row and what is known of it now."""
    model = models.by_code(printer.model)
    status = live.status if live is not None else {}
    loaded = _loaded(printer, status)
    plain = {name: getattr(printer, name) for name in PrinterOut.__struct_fields__ if hasattr(printer, name)}
    return PrinterOut(
        **{**plain, **loaded},
        model_name=model.name if model else None,
        has_access_code=bool(printer.access_code_enc),
        is_connected=live is not None and live.online,
        status=status_word(live),
        firmware_version=status.get("firmware", ""),
        connection_error=status.get("problem"),
        live=view or {},
    )


def _loaded(printer: Printer, status: dict[str, Any]) -> dict[str, Any]:
    """Columns about the filament in use, as the printer tells them."""
    tray = next((one for one in status.get("trays", ()) if one["id"] == status.get("tray") and one["loaded"]), None)
    if tray is None:
        return {}
    told: dict[str, Any] = {}
    if tray["type"]:
        told["current_filament_type"] = tray["type"]
    if tray["color"]:
        same = (printer.current_color_hex or "").upper() == tray["color"].upper()
        # The printer knows no names of colours: a person's name stays as long as it is this colour's.
        told |= {"current_color_hex": tray["color"], "current_color": printer.current_color if same else tray["color"]}
    if tray.get("remain", -1) >= 0:
        told["filament_level"] = tray["remain"]
    return told
