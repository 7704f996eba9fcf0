"""Gives waiting jobs to printers: woken by events, with a slow sweep as a safety net.

A printer is reserved in one transaction with the job; the database allows one job a printer, whoever dispatches.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from cloud.bus import Subscription
from cloud.printing.attempts import Attempts
from cloud.printing.cleaning import Cleaner
from cloud.printing.jobs import WAKE
from cloud.printing.live import LivePrinter
from cloud.printing.machines import machine
from cloud.printing.matching import Demand, Fit, Waiting, demand, fit, reason
from cloud.printing.room import Room, next_change
from cloud.printing.views import Row
from cloud.storage import jobs as queries
from cloud.storage.errors import ConflictError, StoreError
from cloud.storage.printing import takes_jobs
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

SWEEP: Final = 30.0
_AFTER_ERROR: Final = 1.0


class Dispatcher:
    """One task that goes through the queue whenever something happened that may let a job go."""

    def __init__(self, room: Room, attempts: Attempts, cleaner: Cleaner, *, sweep: float = SWEEP) -> None:
        self._room = room
        self._attempts = attempts
        self._cleaner = cleaner
        self._sweep = sweep
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None

    def start(self) -> None:
        """Begin; the bus has to be started."""
        self._subscription = self._room.bus.subscribe(WAKE, lambda _subject, _data: self._wake.set())
        self._wake.set()
        self._task = asyncio.create_task(self._run(), name="dispatcher")

    async def close(self) -> None:
        """Start nothing more."""
        if self._subscription is not None:
            self._subscription.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        swept = loop.time()
        while True:
            await next_change(self._wake, self._sweep)
            try:
                if loop.time() - swept >= self._sweep:
                    await self._attempts.resume()
                    swept = loop.time()
                await self.run_once()
            except Exception:
                log.exception("dispatcher.pass_failed")
                await asyncio.sleep(_AFTER_ERROR)
                self._wake.set()
            self._cleaner.consider_all()

    async def run_once(self) -> None:
        """Go through every tenant's queue once."""
        for tenant_id in await self._room.store.read(queries.tenants_waiting):
            try:
                await self._serve(tenant_id)
            except StoreError:
                raise
            except Exception:
                log.exception("dispatcher.farm_failed", tenant=tenant_id)  # the others are not to suffer from it

    async def _serve(self, tenant_id: str) -> None:
        async def unit(tx: TenantTx) -> tuple[list[Row], set[str]]:
            return await queries.queue(tx), await queries.held_printers(tx)

        queue, taken = await self._room.tenant(tenant_id).read(unit)
        reasons: dict[str, str] = {}
        told: dict[tuple[object, ...], str] = {}
        for row in queue:
            key = tuple(row[name] for name in _SAME)
            if key not in told:
                choice = self._choose(demand(row), self._room.live.of_tenant(tenant_id), taken)
                if not isinstance(choice, str):
                    if await self._give(row, choice):
                        taken.add(choice.meta["id"])
                        told.clear()  # what was free before may be taken now
                    continue
                told[key] = choice
            if told[key] != row["waiting_reason"]:
                reasons[row["id"]] = told[key]
        await self._tell(tenant_id, reasons)

    def _choose(self, job: Demand, printers: list[LivePrinter], taken: set[str]) -> LivePrinter | str:
        """The printer to take, the one with the fewest inexact colours first; or why the job waits."""
        best: tuple[int, LivePrinter] | None = None
        waiting: list[tuple[str, Waiting]] = []
        for one in printers:
            printer_id = one.meta["id"]
            if job.target not in (None, printer_id):
                continue
            result = fit(job, machine(one, held=printer_id in taken))
            if isinstance(result, Fit) and (resting := self._attempts.cooling(printer_id)) is not None:
                result = Waiting(code="resting", sentence=resting)
            if isinstance(result, Waiting):
                waiting.append((one.meta["name"], result))
            elif best is None or result.inexact < best[0]:
                best = result.inexact, one
        return reason(waiting) if best is None else best[1]

    async def _give(self, row: Row, one: LivePrinter) -> bool:
        """Reserve printer and job together; False when either is no longer free."""
        printer_id = one.meta["id"]

        async def unit(tx: TenantTx) -> Row | None:
            if not await takes_jobs(tx, printer_id):
                return None
            changes = {
                "printer_id": printer_id,
                "attempt": row["attempt"] + 1,
                "task_id": "",
                "failure_code": None,
                "failure_reason": None,
                "error_code": None,
            }
            return await self._room.moves.move(
                tx,
                row["id"],
                "assigned",
                expect=("queued",),
                actor="dispatcher",
                changes=changes,
                version=row["version"],
            )

        try:
            assigned = await self._room.tenant(row["tenant_id"]).write(unit)
        except ConflictError:
            assigned = None  # another job got the printer first
        if assigned is None:
            # Seen from memory it was free: what the database says arrives there in a moment.
            asyncio.get_running_loop().call_later(_AFTER_ERROR, self._wake.set)
            return False
        log.info("job.assigned", job=row["id"], printer=printer_id)
        self._attempts.begin(assigned)
        return True

    async def _tell(self, tenant_id: str, reasons: Mapping[str, str]) -> None:
        """Why jobs wait, written only when it is another reason than before."""
        if not reasons:
            return

        async def unit(tx: TenantTx) -> None:
            for job_id, sentence in reasons.items():
                await self._room.moves.note_waiting(tx, job_id, sentence)

        await self._room.tenant(tenant_id).write(unit)


_SAME: Final = ("filaments", "model_id", "nozzle", "color_policy", "ams_mapping", "target_printer_id")
"""Jobs that agree in these wait for the same."""
