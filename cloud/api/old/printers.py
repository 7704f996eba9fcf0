"""/api/printers-sync: printers, as a whole list and in wrapped answers. Access codes are taken, never given."""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from cloud.api.kit import Call, Endpoint
from cloud.api.old.shapes import Done, WholeList, as_new, as_old, counted, old, said
from cloud.api.printer_shapes import (
    Address,
    Kind,
    Model,
    Nozzle,
    Place,
    PrinterIn,
    PrinterOut,
    PrinterPatch,
    PrintersQuery,
    Serial,
)
from cloud.api.printer_upkeep import MaintenanceEnd, MaintenanceIn, PrinterUpkeepApi
from cloud.api.printers import PrintersApi
from cloud.api.shapes import Color, Id, Line, Name
from cloud.storage.secrets import Secret

OldWord = Literal["idle", "printing", "maintenance", "offline"]
_BUSY: Final = ("printing", "paused")
_UNHEEDED: Final = ("status", "firmware_version", "in_maintenance", "maintenance_type", "access_code", "filament_level")


class OldPrinterPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is null or left out stays."""

    name: Name | None = None
    model: Model | None = None
    manufacturer: Name | None = None
    ip_address: Address | None = None
    access_code: Secret | None = None
    """Written, never given back; empty = as it is."""
    serial_number: Serial | None = None
    location: Line | None = None
    sort_order: Place | None = None
    current_color: Line | None = None
    current_color_hex: Color | None = None
    current_filament_type: Line | None = None
    current_build_plate: Line | None = None
    filament_level: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    """Grams. Not heeded: the printer tells percent, and nobody knows of which spool."""
    nozzle_size: Nozzle | None = None
    in_maintenance: bool | None = None
    """Takes the printer out of service, or puts it back."""
    maintenance_type: Kind | None = None
    status: Line | None = None
    """Not heeded, like firmware_version: the printer says both."""
    firmware_version: Line | None = None


class OldPrinterIn(OldPrinterPatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    ip_address: Address
    access_code: Secret
    serial_number: Serial


class OldPrinter(Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    name: str
    model: str
    """In words: "P1S"."""
    manufacturer: str
    firmware_version: str
    total_print_time: int
    last_maintenance_date: str | None
    status: OldWord
    current_color: str | None
    current_color_hex: str | None
    current_filament_type: str | None
    current_build_plate: str | None
    filament_level: None = None
    """Grams: not known."""
    nozzle_size: float | None
    location: str | None
    connection_type: str
    ip_address: str
    serial_number: str
    access_code: None = None
    """Never told."""
    is_connected: bool
    last_connection_attempt: None = None
    """Not known: the hub tries by itself."""
    connection_error: str | None
    is_active: bool
    cleared: bool
    sort_order: int
    printer_id: int
    in_maintenance: bool
    maintenance_type: str | None
    created_at: str
    updated_at: str


class PrinterDone(Done, frozen=True, kw_only=True):
    printer: OldPrinter


class OldPrintersApi:
    """Works through the endpoints of today."""

    def __init__(self, printers: PrintersApi, upkeep: PrinterUpkeepApi) -> None:
        self._printers = printers
        self._upkeep = upkeep

    def endpoints(self) -> list[Endpoint]:
        every = "/api/printers-sync/"
        return [
            old("GET", every, self.every_printer),
            old("POST", every, self.add_printer, errors=(409,)),
            old("PUT", f"{every}{{id}}", self.change_printer, errors=(409,)),
            old("DELETE", f"{every}{{id}}", self.delete_printer, errors=(409,)),
        ]

    async def every_printer(self, call: Call, query: WholeList) -> list[OldPrinter]:
        """The active printers, in the order of the dashboard."""
        page = await self._printers.list(call, PrintersQuery(is_active=True, limit=query.limit, offset=query.offset))
        counted(call, page.total)
        return [_old(call, one) for one in page.items]

    async def add_printer(self, call: Call, body: OldPrinterIn) -> PrinterDone:
        """Add a printer; the only hub there is connects to it."""
        made = await self._printers.create(call, as_new({**_heeded(body), "access_code": body.access_code}, PrinterIn))
        return PrinterDone(message=f"The printer {made.name} is added.", printer=_old(call, made))

    async def change_printer(self, call: Call, printer_id: Id, body: OldPrinterPatch) -> PrinterDone:
        """Change a printer; `in_maintenance` takes it out of service and puts it back."""
        values = _heeded(body)
        if body.access_code is not None and body.access_code.reveal().strip():
            values["access_code"] = body.access_code
        changed = await self._printers.get(call, printer_id)
        if values:
            changed = await self._printers.update(call, printer_id, as_new(values, PrinterPatch))
        if body.in_maintenance is not None and body.in_maintenance != changed.in_maintenance:
            changed = await self._serve(call, printer_id, body)
        return PrinterDone(message=f"The printer {changed.name} is changed.", printer=_old(call, changed))

    async def delete_printer(self, call: Call, printer_id: Id) -> Done:
        """Remove a printer that no job is on or waits for."""
        await self._printers.delete(call, printer_id)
        return Done(message="The printer is deleted.")

    async def _serve(self, call: Call, printer_id: str, body: OldPrinterPatch) -> PrinterOut:
        if body.in_maintenance:
            begin = MaintenanceIn(maintenance_type=body.maintenance_type)
            return (await self._upkeep.maintenance_start(call, printer_id, begin)).printer
        return (await self._upkeep.maintenance_complete(call, printer_id, MaintenanceEnd())).printer


def _heeded(body: OldPrinterPatch) -> dict[str, Any]:
    return said(body, *_UNHEEDED)


def _word(printer: PrinterOut) -> OldWord:
    if printer.in_maintenance:
        return "maintenance"
    if printer.status == "offline":
        return "offline"
    return "printing" if printer.status in _BUSY else "idle"


def _old(call: Call, printer: PrinterOut) -> OldPrinter:
    return as_old(
        printer,
        OldPrinter,
        tenant_id=call.tenant_id,
        model=printer.model_name or printer.model,
        status=_word(printer),
        filament_level=None,
    )
