"""/api/printers: the machines, what they do, and what can be asked of them."""

from collections.abc import AsyncIterator
from typing import Final

from msgspec import UNSET, Struct, structs
from starlette.responses import Response

from cloud.api.collection import csv_response, listing_of
from cloud.api.kit import Call, Endpoint
from cloud.api.printer_controls import PRINTER_ERRORS, CommandOut, command
from cloud.api.printer_shapes import (
    MAX_PRINTERS,
    OrderIn,
    PrinterIn,
    PrinterList,
    PrinterOut,
    PrinterPatch,
    PrinterRow,
    PrintersQuery,
    PrinterStatus,
    checked_code,
    columns,
    known_model,
    printer_out,
    status_word,
)
from cloud.api.shapes import Id
from cloud.catalog import models
from cloud.printing.controls import Controls
from cloud.printing.fleet import Fleet
from cloud.printing.live import LivePrinters
from cloud.printing.service import JobService
from cloud.storage.printers import LISTED, Printer

_Printers = list[PrinterOut]
_CSV: Final = {"text/csv": {"type": "string"}}


class ModelOut(Struct, frozen=True):
    code: str
    name: str
    has_camera: bool


class ModelList(Struct, frozen=True):
    items: list[ModelOut]
    total: int


class PrintersApi:
    """Endpoints about printers."""

    def __init__(self, fleet: Fleet, live: LivePrinters, jobs: JobService, controls: Controls) -> None:
        self._fleet = fleet
        self._live = live
        self._jobs = jobs
        self._controls = controls

    def endpoints(self) -> list[Endpoint]:
        one = "/api/printers/{id}"
        jpeg = {"image/jpeg": {"type": "string", "format": "binary"}}
        return [
            Endpoint("GET", "/api/printers/", self.list, sorts=LISTED.sorts),
            Endpoint("GET", "/api/printers/export.csv", self.export, answers=_CSV, sorts=LISTED.sorts),
            Endpoint("POST", "/api/printers/reorder", self.reorder, errors=(404,)),
            Endpoint("POST", "/api/printers/", self.create, status=201, errors=(409,)),
            Endpoint("GET", one, self.get),
            Endpoint("PUT", one, self.update, errors=(409,), versioned=True),
            Endpoint("PATCH", one, self.patch, errors=(409,), versioned=True),
            Endpoint("DELETE", one, self.delete, errors=(409,), versioned=True),
            Endpoint("GET", f"{one}/status", self.status),
            Endpoint("POST", f"{one}/connect", self.connect, errors=(409,)),
            Endpoint("POST", f"{one}/reconnect", self.reconnect, errors=(409,)),
            Endpoint("POST", f"{one}/disconnect", self.disconnect, errors=(409,)),
            Endpoint("POST", f"{one}/trust", self.trust, errors=(409,)),
            Endpoint("POST", f"{one}/clear", self.clear, errors=(409,)),
            command(f"{one}/pause", self.pause),
            command(f"{one}/resume", self.resume),
            Endpoint("POST", f"{one}/stop", self.stop, errors=PRINTER_ERRORS),
            Endpoint("GET", f"{one}/snapshot", self.snapshot, answers=jpeg, errors=PRINTER_ERRORS),
            Endpoint("GET", "/api/printer-models/", self.models),
        ]

    async def list(self, call: Call, query: PrintersQuery) -> PrinterList:
        """Printers, all of them unless less is asked for, in the order of the dashboard."""
        found = await self._matching(call, query)
        return PrinterList(found[query.offset : query.offset + query.limit], len(found))

    async def export(self, call: Call, query: PrintersQuery) -> Response:
        """All printers that match, as CSV.

        limit and offset are not heeded.
        """

        found = await self._matching(call, query)  # now: once an answer has begun, nothing can be refused

        async def rows() -> AsyncIterator[PrinterRow]:
            for printer in found:
                yield printer

        return csv_response("printers", PrinterRow, rows())

    async def reorder(self, call: Call, body: OrderIn) -> PrinterList:
        """Change the order of the dashboard; printers that are not named follow as they were."""
        items = [self._out(printer) for printer in await self._fleet.reorder(call.store, body.ids)]
        return PrinterList(items, len(items))

    async def create(self, call: Call, body: PrinterIn) -> PrinterOut:
        """Add a printer; its hub connects to it at once."""
        return self._out(await self._fleet.create(call.store, columns(body), checked_code(body.access_code)))

    async def get(self, call: Call, printer_id: Id) -> PrinterOut:
        """One printer."""
        return self._out(await self._fleet.get(call.store, printer_id))

    async def update(self, call: Call, printer_id: Id, body: PrinterPatch) -> PrinterOut:
        """Change a printer; what is left out stays."""
        code = None if body.access_code is UNSET else checked_code(body.access_code)
        changes = columns(body)
        return self._out(await self._fleet.update(call.store, printer_id, changes, code, version=call.version))

    async def patch(self, call: Call, printer_id: Id, body: PrinterPatch) -> PrinterOut:
        """Change a printer; the same as PUT."""
        return await self.update(call, printer_id, body)

    async def delete(self, call: Call, printer_id: Id) -> None:
        """Remove a printer that no job is on or waits for."""
        await self._fleet.delete(call.store, printer_id, version=call.version)

    async def status(self, call: Call, printer_id: Id) -> PrinterStatus:
        """What the printer does right now."""
        printer = await self._fleet.get(call.store, printer_id)
        live = self._live.printer(printer.id)
        return PrinterStatus(
            id=printer.id,
            status=status_word(live),
            is_connected=live is not None and live.online,
            live=self._live.view(printer.id) or {},
        )

    async def connect(self, call: Call, printer_id: Id) -> PrinterOut:
        """Let the hub hold a session with the printer."""
        return self._out(await self._fleet.update(call.store, printer_id, {"connect": True}))

    async def reconnect(self, call: Call, printer_id: Id) -> PrinterOut:
        """Let the hub hold a session with the printer; the same as connect: a hub tries again by itself."""
        return await self.connect(call, printer_id)

    async def disconnect(self, call: Call, printer_id: Id) -> PrinterOut:
        """Let the hub leave the printer alone."""
        return self._out(await self._fleet.update(call.store, printer_id, {"connect": False}))

    async def trust(self, call: Call, printer_id: Id) -> PrinterOut:
        """Accept the certificate the printer shows now, after a look at why it changed."""
        return self._out(await self._fleet.trust(call.store, printer_id))

    async def clear(self, call: Call, printer_id: Id) -> PrinterOut:
        """The plate has been cleared: the next job may start."""
        await self._jobs.clear_plate(call.store, printer_id, actor=call.principal.user_id)
        return self._out(await self._fleet.get(call.store, printer_id))

    async def pause(self, call: Call, printer_id: Id) -> CommandOut:
        """Pause whatever the printer prints, also what was not started here."""
        await self._jobs.pause_printer(call.store, printer_id, command_id=call.command_id)
        return CommandOut()

    async def resume(self, call: Call, printer_id: Id) -> CommandOut:
        """Let a paused printer go on."""
        await self._jobs.resume_printer(call.store, printer_id, command_id=call.command_id)
        return CommandOut()

    async def stop(self, call: Call, printer_id: Id) -> CommandOut:
        """Stop whatever the printer prints; a job of ours on it is cancelled."""
        await self._jobs.stop_printer(call.store, printer_id, actor=call.principal.user_id)
        return CommandOut(message="The printer is being stopped.")

    async def snapshot(self, call: Call, printer_id: Id) -> Response:
        """One fresh frame of the camera."""
        frame = await self._controls.snapshot(call.store, printer_id)
        return Response(frame, 200, {"cache-control": "no-store"}, "image/jpeg")

    async def models(self, call: Call) -> ModelList:
        """The printer models this version knows."""
        items = [ModelOut(model.code, model.name, model.has_jpeg_camera) for model in models.MODELS]
        return ModelList(items, len(items))

    async def _matching(self, call: Call, query: PrintersQuery) -> _Printers:
        """In order. What a printer does right now is not in the database: by that they are chosen here."""
        model = known_model(query.model) if query.model is not None else None
        listing = listing_of(structs.replace(query, status=None, model=model), LISTED.sorts)
        listing = structs.replace(listing, limit=MAX_PRINTERS, offset=0)
        found = [self._out(printer) for printer in await self._fleet.page(call.store, listing)]
        return found if query.status is None else [one for one in found if one.status in query.status]

    def _out(self, printer: Printer) -> PrinterOut:
        return printer_out(printer, self._live.printer(printer.id), self._live.view(printer.id))
