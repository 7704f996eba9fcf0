"""Moves jobs by what printers report, and keeps the plate gate. Shared by the observer and by running attempts."""

import asyncio

import structlog

from cloud.printing.jobs import JobMoves
from cloud.printing.live import LivePrinter, LivePrinters
from cloud.printing.seen import GRACE, ON_PRINTER, Later, Seen, Verdict, held, judge, ours, seen
from cloud.printing.views import Row
from cloud.printing.words import CANCELLED_CODES
from cloud.storage import jobs as queries
from cloud.storage.printing import set_cleared
from cloud.storage.store import Store
from cloud.storage.tables import FINISHED
from cloud.storage.tenant import TenantStore, TenantTx
from shared_protocol.status import BUSY

log = structlog.get_logger(__name__)

STOP_CODE_SECONDS = 30.0
"""A stop code is shown for some seconds only; the state that follows it may come later."""


class Settler:
    """Applies `seen.judge` to the jobs that printers hold."""

    def __init__(self, store: Store, live: LivePrinters, moves: JobMoves) -> None:
        self._store = store
        self._live = live
        self._moves = moves
        self._stopped: dict[str, float] = {}
        self._unclear: dict[str, tuple[str, float]] = {}

    def note(self, printer_id: str, look: Seen) -> None:
        """Remember what is shown for moments only."""
        if look.error in CANCELLED_CODES:
            self._stopped[printer_id] = _now()

    async def look(self, printer_id: str) -> Later | None:
        """Settle what the live status says about the job on a printer. Later: call again then."""
        one = self._live.printer(printer_id)
        if one is None or not one.online:
            return None
        look = seen(one.status)
        self.note(printer_id, look)
        if look.state in BUSY and one.meta["cleared"]:
            await self._close_gate(one.tenant_id, printer_id)
        view = self._live.job(one.job_id)
        if view is None:
            self._unclear.pop(printer_id, None)
            return None
        verdict = judge(held(view), look, stopped_lately=self._lately(printer_id), waited=self._waited(one, look))
        if isinstance(verdict, Verdict):
            return await self._apply(one, view["id"], view["version"], verdict)
        if verdict is None:
            self._unclear.pop(printer_id, None)
        return verdict

    async def apply_event(self, tx: TenantTx, printer_id: str, data: Row) -> None:
        """Settle what a hub's `state` event says, in the transaction that notes the event."""
        look = seen(data)
        self.note(printer_id, look)
        if data.get("from") in BUSY or look.state in BUSY:
            await self.gate(tx, printer_id)
        row = await queries.holding(tx, printer_id)
        if row is None:
            return
        verdict = judge(held(row), look, stopped_lately=self._lately(printer_id), waited=False)
        if isinstance(verdict, Verdict):
            await self._move(tx, row, verdict)

    async def gate(self, tx: TenantTx, printer_id: str) -> None:
        """Something lies on the plate from now on."""
        if await set_cleared(tx, printer_id, False):
            tx.after_commit(lambda: self._live.set_cleared(printer_id, False))

    async def _apply(self, one: LivePrinter, job_id: str, version: int, verdict: Verdict) -> Later | None:
        self._unclear.pop(one.meta["id"], None)

        async def unit(tx: TenantTx) -> bool:
            row = await queries.get(tx, job_id)
            return row is not None and row["version"] == version and await self._move(tx, row, verdict) is not None

        moved = await TenantStore(self._store, one.tenant_id).write(unit)
        # The job changed under this look: what it is now deserves another.
        return None if moved else Later(0.2)

    async def _move(self, tx: TenantTx, row: Row, verdict: Verdict) -> Row | None:
        changes: dict[str, object] = {"error_code": verdict.error or None}
        if verdict.to == "failed":
            changes.update(failure_code=verdict.code, failure_reason=verdict.reason)
        moved = await self._moves.move(
            tx,
            row["id"],
            verdict.to,
            expect=tuple(status for status in ON_PRINTER if status != verdict.to),
            reason=verdict.reason,
            actor="printer",
            changes=changes,
        )
        if moved is not None:
            await self.gate(tx, row["printer_id"])
            if verdict.to in FINISHED:
                self._stopped.pop(row["printer_id"], None)  # the code told about this job, not about the next
            log.info("job.moved", job=row["id"], printer=row["printer_id"], to=verdict.to, code=verdict.code)
        return moved

    async def _close_gate(self, tenant_id: str, printer_id: str) -> None:
        await TenantStore(self._store, tenant_id).write(lambda tx: self.gate(tx, printer_id))

    def _lately(self, printer_id: str) -> bool:
        return _now() - self._stopped.get(printer_id, float("-inf")) < STOP_CODE_SECONDS

    def _waited(self, one: LivePrinter, look: Seen) -> bool:
        """Whether the printer has said the same unclear thing for GRACE seconds."""
        printer_id = one.meta["id"]
        view = self._live.job(one.job_id)
        told = f"{look.state} {look.task_id} {view is not None and ours(held(view), look)}"
        known = self._unclear.get(printer_id)
        if known is None or known[0] != told:
            self._unclear[printer_id] = (told, _now())
            return False
        return _now() - known[1] >= GRACE - 0.1  # a timer may fire a little early


def _now() -> float:
    return asyncio.get_running_loop().time()
