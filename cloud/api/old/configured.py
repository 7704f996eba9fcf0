"""/api/printers as the old system answered: each printer by its number, and a sentence around everything.

Today's API has the same paths with another envelope, so these are for API keys with `old_answers` only.
"""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from cloud.api.kit import Call, Endpoint
from cloud.api.old.controls import OldFileInfo, kind_of
from cloud.api.old.live import OldLiveWord, live_word
from cloud.api.old.shapes import Done, WholeList, as_new, counted, old, said
from cloud.api.old.telling import OldOut, told
from cloud.api.printer_controls import PRINTER_ERRORS
from cloud.api.printer_files import PrinterFilesApi
from cloud.api.printer_shapes import Address, Model, Number, PrinterIn, PrinterOut, PrinterPatch, PrintersQuery, Serial
from cloud.api.printer_upkeep import PrinterUpkeepApi
from cloud.api.printers import PrintersApi
from cloud.api.shapes import Id, Name
from cloud.printing.controls import Controls
from cloud.storage.secrets import Secret

_TODAY: Final = {"id": "printer_id", "ip": "ip_address", "serial": "serial_number", "enabled": "is_active"}
"""What the old names are today."""


class ConfiguredPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is null or left out stays."""

    id: Number | Annotated[str, Meta(pattern=r"^[0-9]{1,6}$(?!\n)")] | None = None
    """The number people use."""
    name: Name | None = None
    ip: Address | None = None
    access_code: Secret | None = None
    """Written, never given back; empty = as it is."""
    serial: Serial | None = None
    model: Model | None = None
    enabled: bool | None = None


class ConfiguredIn(ConfiguredPatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    ip: Address
    access_code: Secret
    serial: Serial


class Configured(Struct, frozen=True, kw_only=True):
    id: str
    """The number, as text."""
    name: str
    ip: str
    serial: str
    model: str
    enabled: bool
    connected: bool


class ConfiguredDone(Done, frozen=True, kw_only=True):
    printer: Configured


class ConfiguredList(Done, frozen=True, kw_only=True):
    printers: list[Configured]
    total_count: int


class StatusOut(OldOut, frozen=True, kw_only=True):
    status: OldLiveWord


class FileListOut(OldOut, frozen=True, kw_only=True):
    files: list[OldFileInfo]
    total_count: int


class OldConfiguredApi:
    """Works through the endpoints of today."""

    def __init__(
        self, printers: PrintersApi, upkeep: PrinterUpkeepApi, on_printers: PrinterFilesApi, controls: Controls
    ) -> None:
        self._printers = printers
        self._upkeep = upkeep
        self._on_printers = on_printers
        self._controls = controls

    def endpoints(self) -> list[Endpoint]:
        every, one = "/api/printers/", "/api/printers/{id}"
        return [
            old("GET", every, self.list),
            old("POST", every, self.create, errors=(409,)),
            old("PUT", one, self.update, errors=(409,)),
            old("DELETE", one, self.delete, errors=(409,)),
            old("GET", f"{one}/status", self.status),
            old("POST", f"{one}/connect", self.connect, errors=(409,)),
            old("POST", f"{one}/disconnect", self.disconnect, errors=(409,)),
            old("POST", f"{one}/enable", self.enable),
            old("GET", f"{one}/files", self.list_files, errors=PRINTER_ERRORS),
        ]

    async def list(self, call: Call, query: WholeList) -> ConfiguredList:
        """The printers, in the order of the dashboard."""
        page = await self._printers.list(call, PrintersQuery(limit=query.limit, offset=query.offset))
        counted(call, page.total)
        return ConfiguredList(
            message=f"{page.total} printers.", printers=[_old(one) for one in page.items], total_count=page.total
        )

    async def create(self, call: Call, body: ConfiguredIn) -> ConfiguredDone:
        """Add a printer; the only hub there is connects to it."""
        made = await self._printers.create(call, as_new(_today(body), PrinterIn))
        return ConfiguredDone(message=f"The printer {made.name} is added.", printer=_old(made))

    async def update(self, call: Call, printer_id: Id, body: ConfiguredPatch) -> ConfiguredDone:
        """Change a printer."""
        changed = await self._printers.update(call, printer_id, as_new(_today(body), PrinterPatch))
        return ConfiguredDone(message=f"The printer {changed.name} is changed.", printer=_old(changed))

    async def delete(self, call: Call, printer_id: Id) -> Done:
        """Remove a printer that no job is on or waits for."""
        await self._printers.delete(call, printer_id)
        return Done(message="The printer is deleted.")

    async def status(self, call: Call, printer_id: Id) -> StatusOut:
        """What the printer does right now, in a word."""
        one = self._controls.printer(call.store, printer_id)
        return StatusOut(**told(one, ""), status=live_word(one))

    async def connect(self, call: Call, printer_id: Id) -> OldOut:
        """Let the hub hold a session with the printer."""
        await self._printers.connect(call, printer_id)
        return self._done(call, printer_id, "The hub connects to the printer.")

    async def disconnect(self, call: Call, printer_id: Id) -> OldOut:
        """Let the hub leave the printer alone."""
        await self._printers.disconnect(call, printer_id)
        return self._done(call, printer_id, "The hub leaves the printer alone.")

    async def enable(self, call: Call, printer_id: Id) -> OldOut:
        """Let a disabled printer have jobs again."""
        await self._upkeep.enable(call, printer_id)
        return self._done(call, printer_id, "The printer gets jobs again.")

    async def list_files(self, call: Call, printer_id: Id) -> FileListOut:
        """The sliced files on the printer."""
        found = await self._on_printers.list_files(call, printer_id)
        files = [
            OldFileInfo(
                name=one.name, size=one.size, created_at=None, modified_at=one.modified, file_type=kind_of(one.name)
            )
            for one in found.items
        ]
        one = self._controls.printer(call.store, printer_id)
        return FileListOut(**told(one, ""), files=files, total_count=len(files))

    def _done(self, call: Call, printer_id: str, message: str) -> OldOut:
        return OldOut(**told(self._controls.printer(call.store, printer_id), message))


def _today(body: ConfiguredPatch) -> dict[str, Any]:
    values = {_TODAY.get(name, name): value for name, value in said(body).items()}
    if "printer_id" in values:
        values["printer_id"] = int(values["printer_id"])
    if body.access_code is not None and not body.access_code.reveal().strip():
        del values["access_code"]
    return values


def _old(printer: PrinterOut) -> Configured:
    return Configured(
        id=str(printer.printer_id),
        name=printer.name,
        ip=printer.ip_address,
        serial=printer.serial_number,
        model=printer.model_name or printer.model,
        enabled=printer.is_active,
        connected=printer.is_connected,
    )
