"""From an uploaded file to a print that was seen to run. An acknowledged command is not a started print.

Rules: reference/bambu.md §3.6 and §10. A start is sent under an id made of the job and the number of this start: the
hub does it once, however often it is asked, and answers a repeat with what became of the first. Only a printer that
was looked at long enough, online all the while, and never showed the print, proves that there was no start.
"""

import asyncio
from typing import Any, Final

import msgspec
import structlog

from cloud.printing.asks import Answer, CommandAsk
from cloud.printing.controls import UNSURE
from cloud.printing.live import LivePrinter
from cloud.printing.machines import machine
from cloud.printing.matching import Fit, Waiting, demand, startable
from cloud.printing.orders import PrintOptions
from cloud.printing.outcomes import HopelessError, RequeueError, SupersededError, WithdrawnError
from cloud.printing.room import Room, next_change
from cloud.printing.seen import Held, Later, Seen, held, ours, print_url, seen, task_name
from cloud.printing.views import Row, View
from cloud.printing.words import (
    BUSY_CODES,
    CANCELLED_CODES,
    LOCKED,
    OBJECT_ON_PLATE,
    UNAUTHORISED,
    WRONG_URL_CODES,
    error_sentence,
    failure_sentence,
)
from shared_protocol.status import BUSY, READY

log = structlog.get_logger(__name__)

_NEVER_SENT: Final = frozenset(
    {"hub_offline", "offline", "expired", "unknown_printer", "auth_failed", "busy", "wrong_state"}
)
_START_TTL_MS: Final = 20_000
_MAX_ASKS: Final = 3


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to watch, in seconds of a printer that is online. Shorter in tests."""

    accept: float = 90.0
    """From the command to the first sign of the print; an H2D keeps its old state for 55 s."""
    run: float = 300.0
    """From the first sign to RUNNING: a large file is digested for 210 s on an H2D."""
    error: float = 3.0
    """From FAILED to the error that explains it, and before an old state is believed after a reconnect."""
    repeat: float = 5.0
    """Between two askings of an unanswered start."""


class WrongUrlError(Exception):
    """The printer did not find the file under this form of address, or never moved: the other form may do."""

    def __init__(self, error: int) -> None:
        super().__init__(error)
        self.error = error


class Watch:
    """Sends one start of one job, and watches the printer until the start is certain or certainly not."""

    def __init__(self, room: Room, row: Row, patience: Patience, *, resumed: bool, error_before: int = 0) -> None:
        self._room = room
        self._row = row
        self._patience = patience
        self._resumed = resumed
        """An earlier life of this service may have asked already."""
        self._sure = False
        """The hub took this very start; otherwise it has to be asked (again)."""
        self._asked = 0
        self._error_before = error_before
        self._online = 0.0
        self._since: dict[str, float] = {}

    @property
    def _printer(self) -> LivePrinter:
        one = self._room.live.printer(self._row["printer_id"])
        if one is None:
            raise HopelessError("printer_removed", "The printer was removed.")
        return one

    async def send(self, fit: Fit) -> None:
        """Ask for the start. Raises RequeueError or HopelessError when it certainly did not happen."""
        self._asked += 1
        answer = await self._room.hubs.command(self._printer.meta["hub_id"], self._command(fit))
        log.info("job.start", job=self._row["id"], printer=self._row["printer_id"], ok=answer.ok, code=answer.code)
        self._understand(answer)

    async def run(self) -> None:
        """Returns when the job has left `starting` because the printer was seen with it.

        Raises WrongUrlError, RequeueError, HopelessError, WithdrawnError or SupersededError.
        """
        loop = asyncio.get_running_loop()
        async with self._room.listening(self._row["printer_id"]) as changed:
            before = loop.time()
            while self._view()["status"] == "starting":
                now = loop.time()
                if self._printer.online:
                    self._online += now - before
                    later = await self._room.settler.look(self._row["printer_id"])
                    if self._view()["status"] == "starting":
                        await self._consider(held(self._view()), seen(self._printer.status))
                    await next_change(changed, min(0.5, later.seconds if isinstance(later, Later) else 0.5))
                else:
                    self._since.clear()
                    await next_change(changed, 2.0)
                before = now

    def _view(self) -> View:
        view = self._room.live.job(self._row["id"])
        if view is None or view["task_id"] != self._row["task_id"]:
            raise SupersededError
        return view

    async def _consider(self, job: Held, look: Seen) -> None:
        if ours(job, look):
            self._sure = True
            self._consider_ours(job, look)
        elif self._online < self._patience.error:
            return  # events that explain an old state may still be under way
        elif look.state in BUSY:
            raise RequeueError("busy", "The printer began to print something else.")
        elif look.state in READY:
            await self._consider_idle(job, look)

    def _consider_ours(self, job: Held, look: Seen) -> None:
        if look.state == "failed" and (look.error or self._lasts("failed", self._patience.error)):
            if job.cancel_requested or look.error in CANCELLED_CODES:
                raise WithdrawnError
            raise self._by_error(look.error)
        if look.state in BUSY and self._lasts("busy", self._patience.run):
            raise HopelessError("start_stuck", "The printer took the print but did not get as far as printing.")
        if look.state == "idle" and self._lasts("idle", self._patience.accept):
            raise WrongUrlError(look.error)

    async def _consider_idle(self, job: Held, look: Seen) -> None:
        if not self._sure:
            await self._ask_again(job)
        elif (
            look.error and look.error != self._error_before and self._lasts(f"error {look.error}", self._patience.error)
        ):
            raise WithdrawnError if job.cancel_requested else self._by_error(look.error)
        elif self._online >= self._patience.accept:
            raise WithdrawnError if job.cancel_requested else WrongUrlError(0)

    async def _ask_again(self, job: Held) -> None:
        """The start may not have reached the printer: the hub knows, and does it at most once."""
        if job.cancel_requested and self._asked == 0:
            raise WithdrawnError
        if self._asked >= _MAX_ASKS:
            self._sure = True  # from here on only looking helps
            return
        if not self._lasts(f"ask {self._asked}", self._patience.repeat if self._asked else 0.0):
            return
        fit = startable(demand(self._row), machine(self._printer, held=False))
        if isinstance(fit, Waiting):
            raise RequeueError(fit.code, fit.sentence)
        await self.send(fit)

    def _lasts(self, what: str, seconds: float) -> bool:
        """Whether this has been so for so long."""
        now = asyncio.get_running_loop().time()
        return now - self._since.setdefault(what, now) >= seconds

    def _understand(self, answer: Answer) -> None:
        """Go on looking, or raise when the start certainly did not happen and asking again does not help."""
        if answer.ok:
            self._sure = True
            return
        if answer.code in UNSURE:
            return
        sentence = failure_sentence(answer.code, answer.message)
        if answer.code not in _NEVER_SENT:
            if answer.code == "locked":
                raise RequeueError("locked", LOCKED, counted=True)
            raise HopelessError(answer.code, sentence)
        if self._asked == 1 and not self._resumed:
            raise RequeueError(answer.code, sentence)
        # An earlier asking may have reached the printer: a busy one may be busy with this very print.
        if answer.code in ("busy", "wrong_state"):
            self._sure = True
        else:
            self._asked -= 1

    def _by_error(self, error: int) -> Exception:
        if error in WRONG_URL_CODES:
            return WrongUrlError(error)
        sentence = error_sentence(error) if error else "The printer gave up the print before it began."
        if error in BUSY_CODES:
            return RequeueError("busy", sentence, counted=True)
        if error == OBJECT_ON_PLATE:
            return RequeueError("not_cleared", sentence, plate_occupied=True)
        if error in UNAUTHORISED:
            return RequeueError("locked", LOCKED, counted=True)
        return HopelessError("start_refused", sentence, error=error)

    def _command(self, fit: Fit) -> CommandAsk:
        return CommandAsk(
            printer_id=self._row["printer_id"],
            id=f"start-{self._row['id'][-20:]}-{self._row['task_id']}",
            name="start",
            args=start_args(self._row, fit),
            ttl_ms=_START_TTL_MS,
            expect=list(READY),
        )


def start_args(row: Row, fit: Fit) -> dict[str, Any]:
    """Arguments of the hub's `start` command, as shared_protocol declares them."""
    path = str(row["remote_path"])
    options = msgspec.json.decode(row["options"], type=PrintOptions)
    chosen = {name: value for name in PrintOptions.__struct_fields__ if (value := getattr(options, name)) is not None}
    return {
        "url": print_url(row["url_form"], path),
        "file": path.rsplit("/", 1)[-1],
        "plate": row["plate"],
        "task": task_name(row["file_name"], row["task_id"]),
        "task_id": row["task_id"],
        "use_ams": fit.use_ams,
        "mapping": fit.mapping,
        "bed_leveling": True,
        **chosen,
    }
