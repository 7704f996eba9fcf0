"""/api/v1/live-status and the sockets of the same name: what printers do right now, in the old system's words."""

from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from cloud.api.errors import not_found
from cloud.api.kit import Call, Endpoint
from cloud.api.old.shapes import old
from cloud.api.old.telling import Progress, Temperatures, temperatures
from cloud.api.printer_shapes import PrinterWord, status_word
from cloud.api.shapes import Id
from cloud.printing.live import LivePrinter, LivePrinters
from cloud.storage import clock

OldLiveWord = Literal["idle", "printing", "paused", "stopped", "finished", "failed", "offline"]
_WORDS: Final[dict[PrinterWord, OldLiveWord]] = {
    "offline": "offline",
    "idle": "idle",
    "printing": "printing",
    "paused": "paused",
    "finished": "finished",
    "failed": "failed",
    "error": "failed",
}
_UNDER_WAY: Final = ("printing", "paused")


class CurrentJob(Struct, frozen=True, kw_only=True):
    filename: str
    print_id: str
    subtask_name: str
    project_id: str = ""


class LiveProgress(Progress, frozen=True, kw_only=True):
    """The old front end reads the last three names, other clients those of the old server's documents."""

    layers_current: int
    layers_total: int
    time_remaining: int


class LiveStatus(Struct, frozen=True, kw_only=True):
    printer_id: str
    """The printer's number, as text."""
    status: OldLiveWord
    is_connected: bool
    progress: LiveProgress | None
    temperatures: Temperatures
    light_on: bool
    current_job: CurrentJob | None
    timestamp: str


class LiveOne(Struct, frozen=True, kw_only=True):
    type: Literal["live_status"] = "live_status"
    data: LiveStatus
    timestamp: str


class LiveAll(Struct, frozen=True, kw_only=True):
    type: Literal["live_status"] = "live_status"
    data: list[LiveStatus]
    timestamp: str


class OldLiveApi:
    """Looks at the live view; asks no printer."""

    def __init__(self, live: LivePrinters) -> None:
        self._live = live

    def endpoints(self) -> list[Endpoint]:
        return [
            old("GET", "/api/v1/live-status/all", self.live_of_all),
            old("GET", "/api/v1/live-status/{id}", self.live_of_one),
        ]

    async def live_of_all(self, call: Call) -> LiveAll:
        """What every active printer does right now."""
        return self._all(call.tenant_id)

    async def live_of_one(self, call: Call, printer_id: Id) -> LiveOne:
        """What a printer does right now."""
        one = self._found(call.tenant_id, printer_id)
        if one is None:
            raise not_found("printer")
        return LiveOne(data=_status(one), timestamp=clock.now())

    def message(self, tenant_id: str, printer: str | None) -> bytes:
        """What a socket is told: of one printer, by its number or id, or of all."""
        if printer is None:
            return msgspec.json.encode(self._all(tenant_id))
        one = self._found(tenant_id, printer)
        if one is None:
            return msgspec.json.encode({"type": "error", "message": "There is no such printer."})
        return msgspec.json.encode(LiveOne(data=_status(one), timestamp=clock.now()))

    def _all(self, tenant_id: str) -> LiveAll:
        active = (one for one in self._live.of_tenant(tenant_id) if one.meta["is_active"])
        return LiveAll(data=[_status(one) for one in active], timestamp=clock.now())

    def _found(self, tenant_id: str, printer: str) -> LivePrinter | None:
        mine = self._live.of_tenant(tenant_id)
        return next((one for one in mine if printer in (one.meta["id"], str(one.meta["printer_id"]))), None)


def live_word(one: LivePrinter) -> OldLiveWord:
    """What the printer does, in the word of the old live status."""
    return _WORDS[status_word(one)]


def _status(one: LivePrinter) -> LiveStatus:
    word = status_word(one)
    known: dict[str, Any] = one.status if one.online else {}
    progress, job = None, None
    if word in _UNDER_WAY:
        progress = LiveProgress(
            percentage=known.get("percent", 0),
            elapsed_time=None,
            remaining_time=known.get("remaining"),
            current_layer=known.get("layer"),
            total_layers=known.get("layers"),
            layers_current=known.get("layer") or 0,
            layers_total=known.get("layers") or 0,
            time_remaining=known.get("remaining") or 0,
        )
        task = known.get("task", "")
        job = CurrentJob(filename=known.get("file") or task, print_id=known.get("task_id", ""), subtask_name=task)
    return LiveStatus(
        printer_id=str(one.meta["printer_id"]),
        status=live_word(one),
        is_connected=one.online,
        progress=progress,
        temperatures=temperatures(known),
        light_on=bool(known.get("light")),
        current_job=job,
        timestamp=one.seen_at or clock.now(),
    )
