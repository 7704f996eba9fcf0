"""All attempts that are under way on this node, what takes them up again after a restart, and stopping prints."""

import asyncio
from typing import Final

import msgspec
import structlog

from cloud.printing.asks import Answer
from cloud.printing.attempt import Attempt
from cloud.printing.controls import STOPPABLE
from cloud.printing.room import Room
from cloud.printing.seen import ON_PRINTER, held, ours, seen
from cloud.printing.starting import Patience
from cloud.printing.views import Row, View
from cloud.storage import jobs as queries
from cloud.storage.tenant import TenantTx
from shared_protocol.status import BUSY

log = structlog.get_logger(__name__)

BEFORE_PRINT: Final = ("assigned", "uploading", "starting")
STOP_EVERY: Final = 10.0
"""Seconds between two stop commands to a printer that has not stopped."""
_AGAIN: Final = 5.0
_COOLDOWN: Final = (10.0, 30.0, 60.0, 120.0)


class Cooldown(msgspec.Struct, frozen=True):
    """A printer that gave a job back: not tried again before `until` (loop time), unless something about it changes."""

    until: float
    times: int
    looks: tuple[object, ...]
    sentence: str


class Attempts:
    """One running task an attempt; a job has at most one."""

    def __init__(self, room: Room, patience: Patience | None = None) -> None:
        self._room = room
        self._patience = patience or Patience()
        self._running: dict[str, tuple[asyncio.Task[None], Attempt]] = {}
        self._stopped_at: dict[str, float] = {}
        self._cooldowns: dict[str, Cooldown] = {}
        self._closing = False

    def begin(self, row: Row, *, resumed: bool = False) -> None:
        """Run the attempt that the row describes."""
        if row["id"] in self._running or self._closing:
            return
        attempt = Attempt(self._room, row, self._patience, resumed=resumed)
        task = asyncio.create_task(self._run(attempt, row), name=f"attempt {row['id']}")
        self._running[row["id"]] = (task, attempt)

    async def resume(self) -> None:
        """Take up what is between queue and print, and nobody's: left by an earlier life of the service, or by this
        one when the database went away.
        """
        for row in await self._room.store.read(queries.unsettled):
            if row["status"] not in BEFORE_PRINT or row["id"] in self._running:
                continue
            self._room.live.put_job(row)
            view = self._room.live.job(row["id"])
            if view is not None and view["version"] == row["version"]:  # else it has moved on while we read
                log.info("attempt.resumed", job=row["id"], status=row["status"])
                self.begin(row, resumed=True)

    @property
    def running(self) -> list[str]:
        """The jobs whose attempts are under way."""
        return list(self._running)

    async def stop(self, job_id: str) -> None:
        """The job was cancelled: break its transfer off."""
        if job_id in self._running:
            await self._running[job_id][1].stop()

    async def stop_printer(self, job_id: str) -> Answer | None:
        """Tell the printer to stop a job that is to be cancelled, if it shows it and was not told just now.

        None when there was nothing to tell: the wish stands in the database, and is tried again with each report.
        """
        view = self._room.live.job(job_id)
        one = self._room.live.printer(view["printer_id"]) if view and view["printer_id"] else None
        if view is None or one is None or not one.online or view["status"] not in ON_PRINTER:
            return None
        look, now = seen(one.status), asyncio.get_running_loop().time()
        if look.state not in BUSY or not ours(held(view), look):
            return None
        if now - self._stopped_at.get(job_id, float("-inf")) < STOP_EVERY:
            return None
        self._stopped_at[job_id] = now
        # Whatever comes of it: a printer that goes on printing is told again.
        asyncio.get_running_loop().call_later(STOP_EVERY + 0.1, self._room.look_again, one.meta["id"])
        answer = await self._room.controls.try_command(one.meta["id"], "stop", expect=STOPPABLE)
        log.info("job.stop", job=job_id, printer=one.meta["id"], ok=answer.ok, code=answer.code)
        return answer

    def cooling(self, printer_id: str) -> str | None:
        """Why a printer that just gave a job back is left alone for a moment; None when it may be tried."""
        known = self._cooldowns.get(printer_id)
        if known is None or known.until <= asyncio.get_running_loop().time() or known.looks != self._looks(printer_id):
            return None
        return known.sentence

    async def close(self) -> None:
        """End every attempt where it stands; the rows say where that is."""
        self._closing = True
        tasks = [task for task, _ in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- inside

    async def _run(self, attempt: Attempt, row: Row) -> None:
        job_id = row["id"]
        try:
            await attempt.run()
        except Exception:
            log.exception("attempt.broken", job=job_id, printer=row["printer_id"])
            await asyncio.sleep(_AGAIN)
        finally:
            del self._running[job_id]
        try:
            await self._after(job_id, row)
        except Exception:
            log.exception("attempt.left", job=job_id, printer=row["printer_id"])  # `resume` takes it up

    async def _after(self, job_id: str, row: Row) -> None:
        """Go on from the row when the attempt broke, and keep off a printer that gave the job back."""
        now = await self._room.tenant(row["tenant_id"]).read(lambda tx: _row(tx, job_id))
        if now is not None and now["status"] in BEFORE_PRINT:
            self.begin(now, resumed=True)
        elif now is not None and now["status"] == "queued":
            self._cool(row["printer_id"], (now["waiting_reason"] or "").partition(": ")[2].removesuffix("."))
        else:
            self._cooldowns.pop(row["printer_id"], None)
        self._stopped_at = {one: at for one, at in self._stopped_at.items() if self._room.live.job(one) is not None}
        self._room.moves.wake()
        self._room.look_again(row["printer_id"])

    def _cool(self, printer_id: str, sentence: str) -> None:
        known = self._cooldowns.get(printer_id)
        times = known.times + 1 if known else 0
        until = asyncio.get_running_loop().time() + _COOLDOWN[min(times, len(_COOLDOWN) - 1)]
        self._cooldowns[printer_id] = Cooldown(until, times, self._looks(printer_id), sentence)
        asyncio.get_running_loop().call_at(until, self._room.moves.wake)

    def _looks(self, printer_id: str) -> tuple[object, ...]:
        """What about a printer would make another try worth while when it changes."""
        one = self._room.live.printer(printer_id)
        if one is None:
            return ()
        status: View = one.status
        names = ("link", "state", "error", "control", "storage")
        return (one.fresh, one.meta["cleared"], *(status.get(name) for name in names))


async def _row(tx: TenantTx, job_id: str) -> Row | None:
    return await queries.get(tx, job_id)
