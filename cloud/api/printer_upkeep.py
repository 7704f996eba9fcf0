"""/api/printers/{id}/maintenance, /enable, /disable: taking a printer out of service and back."""

import msgspec
from msgspec import Struct

from cloud.api.collection import Page, listing_of
from cloud.api.kit import Call, Endpoint
from cloud.api.printer_shapes import Kind, PrinterOut, Why, printer_out
from cloud.api.shapes import Id, ListQuery, Text
from cloud.printing.live import LivePrinters
from cloud.printing.upkeep import Upkeep
from cloud.storage.printers import Printer
from cloud.storage.upkeep import MAINTENANCE_LOG


class MaintenanceIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: Kind = "general"
    reason: Why = ""
    maintenance_type: Kind | None = None
    """This and `notes`: as clients of the old system name them."""
    notes: Why | None = None


class MaintenanceEnd(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    notes: Text = ""
    task_id: str = ""
    """Of the old system; not heeded: a printer is in one maintenance at a time."""


class DisableIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Why = ""


class MaintenanceOut(Struct, frozen=True, kw_only=True):
    """The printer as it is now, and what that means, in words."""

    success: bool = True
    printer: PrinterOut
    message: str


class MaintenanceLine(Struct, frozen=True, kw_only=True):
    """Once out of service."""

    id: str
    printer_id: str
    type: str
    reason: str
    started_at: str
    started_by: str
    completed_at: str | None
    completed_by: str | None
    notes: str


class MaintenanceQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class PrinterUpkeepApi:
    """Endpoints about printers that are not to print."""

    def __init__(self, upkeep: Upkeep, live: LivePrinters) -> None:
        self._upkeep = upkeep
        self._live = live

    def endpoints(self) -> list[Endpoint]:
        one = "/api/printers/{id}"
        return [
            Endpoint("GET", f"{one}/maintenance", self.maintenance_log, sorts=MAINTENANCE_LOG.sorts),
            Endpoint("POST", f"{one}/maintenance/start", self.maintenance_start, errors=(409,)),
            Endpoint("POST", f"{one}/maintenance/complete", self.maintenance_complete, errors=(409,)),
            Endpoint("POST", f"{one}/disable", self.disable),
            Endpoint("POST", f"{one}/enable", self.enable),
        ]

    async def maintenance_log(self, call: Call, printer_id: Id, query: MaintenanceQuery) -> Page[MaintenanceLine]:
        """What was done to a printer, the last first."""
        listing = listing_of(query, MAINTENANCE_LOG.sorts)
        listing = msgspec.structs.replace(listing, filters={"printer_id": printer_id})
        rows, total = await self._upkeep.log(call.store, printer_id, listing)
        return Page([msgspec.convert(row, MaintenanceLine) for row in rows], total)

    async def maintenance_start(self, call: Call, printer_id: Id, body: MaintenanceIn) -> MaintenanceOut:
        """Give a printer no more jobs while somebody works on it. A job that is on it goes on."""
        actor = call.principal.actor
        kind, reason = body.maintenance_type or body.type, body.reason or body.notes or ""
        printer, busy = await self._upkeep.start(call.store, printer_id, kind=kind, reason=reason, actor=actor)
        after = "The job on it goes on, and no other follows" if busy else "It gets no job"
        return MaintenanceOut(printer=self._out(printer), message=f"{after} until maintenance is completed.")

    async def maintenance_complete(self, call: Call, printer_id: Id, body: MaintenanceEnd) -> MaintenanceOut:
        """Put a printer back into service."""
        actor = call.principal.actor
        printer = await self._upkeep.complete(call.store, printer_id, notes=body.notes, actor=actor)
        message = "It may get jobs again." if printer.disabled_at is None else "It stays disabled: enable it."
        return MaintenanceOut(printer=self._out(printer), message=message)

    async def disable(self, call: Call, printer_id: Id, body: DisableIn) -> PrinterOut:
        """Give a printer no more jobs until somebody enables it. A job that is on it goes on."""
        return self._out(await self._upkeep.disable(call.store, printer_id, body.reason))

    async def enable(self, call: Call, printer_id: Id) -> PrinterOut:
        """Let a disabled printer have jobs again; its failures are forgiven."""
        return self._out(await self._upkeep.enable(call.store, printer_id))

    def _out(self, printer: Printer) -> PrinterOut:
        return printer_out(printer, self._live.printer(printer.id), self._live.view(printer.id))
