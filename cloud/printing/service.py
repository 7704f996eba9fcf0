"""Jobs as the API offers them: create, look at, change, start, pause, resume, cancel; and clearing a plate.

Everything takes the caller's TenantStore. What cannot be done is a DomainError with a sentence for the person.
"""

from collections.abc import Collection
from typing import Final

import structlog

from cloud.errors import DomainError, conflict, not_found
from cloud.printing.attempts import Attempts
from cloud.printing.controls import PAUSABLE, STOPPABLE, Controls, refused
from cloud.printing.jobs import JobMoves
from cloud.printing.live import LivePrinters
from cloud.printing.ordering import changed_columns, new_columns
from cloud.printing.orders import JobChange, NewJob
from cloud.printing.seen import ON_PRINTER
from cloud.printing.views import Row, View, history_view, job_view
from cloud.storage import clock
from cloud.storage import jobs as queries
from cloud.storage.errors import StaleError
from cloud.storage.printing import set_cleared
from cloud.storage.rows import Listing
from cloud.storage.tenant import TenantStore, TenantTx
from shared_protocol.status import BUSY

log = structlog.get_logger(__name__)

MAX_COPIES: Final = 100


class JobService:
    """The jobs of all tenants; each call works in one."""

    def __init__(self, live: LivePrinters, moves: JobMoves, attempts: Attempts, controls: Controls) -> None:
        self._live = live
        self._moves = moves
        self._attempts = attempts
        self._controls = controls

    # ---- making and looking

    async def create(self, tenant: TenantStore, new: NewJob, *, actor: str) -> list[View]:
        """Queue `new.copies` jobs.

        DomainErrors: those of `ordering.new_columns`, and invalid.
        """
        if not 1 <= new.copies <= MAX_COPIES:
            raise DomainError("invalid", 422, f"Between 1 and {MAX_COPIES} copies can be queued at once.")

        async def unit(tx: TenantTx) -> list[Row]:
            values = await new_columns(tx, new, actor)
            return [await self._moves.create(tx, values, actor=actor) for _ in range(new.copies)]

        return [job_view(row) for row in await tenant.write(unit)]

    async def history(self, tenant: TenantStore, job_id: str, *, limit: int, offset: int) -> tuple[list[View], int]:
        """Part of a job's history, oldest line first, and how long it is. DomainError: not_found."""

        async def unit(tx: TenantTx) -> tuple[list[View], int]:
            await self._row(tx, job_id)
            lines, total = await queries.history_page(tx, job_id, limit, offset)
            return [history_view(line) for line in lines], total

        return await tenant.read(unit)

    async def list(
        self, tenant: TenantStore, listing: Listing, *, printer_id: str | None = None
    ) -> tuple[list[View], int]:
        """A page of jobs, and how many match in all; of a printer also those that wait for it by name."""
        rows, total = await tenant.read(lambda tx: queries.find(tx, listing, printer_id=printer_id))
        return [self._current(row) for row in rows], total

    async def get(self, tenant: TenantStore, job_id: str) -> View:
        """One job with its `history`. DomainError: not_found."""

        async def unit(tx: TenantTx) -> View | None:
            row = await queries.get(tx, job_id)
            if row is None:
                return None
            lines = [history_view(line) for line in await queries.history(tx, job_id)]
            return {**self._current(row), "history": lines}

        view = await tenant.read(unit)
        if view is None:
            raise not_found("job")
        return view

    async def update(self, tenant: TenantStore, job_id: str, change: JobChange, *, version: int | None = None) -> View:
        """Change a job that waits.

        StaleError unless it is of `version`. DomainErrors: not_found, not_queued, unknown_reference, wrong_model,
        wrong_nozzle, invalid.
        """

        async def unit(tx: TenantTx) -> Row:
            values = await changed_columns(tx, await self._row(tx, job_id, version), change)
            changed = await self._moves.change(tx, job_id, values, statuses=("queued",))
            if changed is None:
                raise conflict("not_queued", "Only a job that waits can be changed.")
            return changed

        row = await tenant.write(unit)
        self._moves.wake()
        return job_view(row)

    async def delete(self, tenant: TenantStore, job_id: str, *, version: int | None = None) -> None:
        """Remove a job that waits or is over.

        StaleError unless it is of `version`. DomainErrors: not_found, job_active.
        """

        async def unit(tx: TenantTx) -> None:
            await self._row(tx, job_id, version)
            if not await self._moves.delete(tx, job_id):
                raise conflict("job_active", "Cancel the job first: a printer is working on it.")

        await tenant.write(unit)

    # ---- running

    async def start(self, tenant: TenantStore, job_id: str, *, actor: str) -> View:
        """Release a held job and make it the next one. DomainErrors: not_found, not_queued."""
        return job_view(await tenant.write(lambda tx: self.release(tx, job_id, actor=actor)))

    async def release(self, tx: TenantTx, job_id: str, *, actor: str) -> Row:
        """As `start`, within a transaction: several released in one go before the dispatcher looks at any of them."""
        await self._row(tx, job_id)
        priority, rank = await queries.top_of_queue(tx)
        values = {"held": False, "priority": priority, "rank": rank - 1}
        row = await self._moves.change(tx, job_id, values, statuses=("queued",))
        if row is None:
            raise conflict("not_queued", "The job does not wait any more.")
        log.info("job.next", job=job_id, actor=actor)
        tx.after_commit(self._moves.wake)
        return row

    async def pause(self, tenant: TenantStore, job_id: str, *, actor: str) -> View:
        """Ask the printer to pause; the job is `paused` when the printer says so. DomainError: what it refused."""
        log.info("job.pause", job=job_id, actor=actor)
        return await self._steer(tenant, job_id, "pause", "printing", PAUSABLE)

    async def resume(self, tenant: TenantStore, job_id: str, *, actor: str) -> View:
        """Ask the printer to go on; the job is `printing` when the printer says so."""
        log.info("job.resume", job=job_id, actor=actor)
        return await self._steer(tenant, job_id, "resume", "paused", ("pause",))

    async def cancel(self, tenant: TenantStore, job_id: str, *, actor: str, force: bool = False) -> View:
        """End a job. One that waits or is being carried ends at once; one on a printer when the printer has stopped.

        The wish survives restarts and outages: the printer is stopped as soon as it can be reached. A print that
        ends by itself before that is told as it ended. `force` lets go of a printer that will not come back.
        DomainErrors: not_found, job_over, and `locked` when the printer takes no commands.
        """
        row = await tenant.write(lambda tx: self._cancelled_or_wished(tx, job_id, actor, force))
        await self._attempts.stop(job_id)
        if row["status"] in ON_PRINTER:
            await self._stop_printing(tenant, row)
        return await self.get(tenant, job_id)

    async def clear_plate(self, tenant: TenantStore, printer_id: str, *, actor: str) -> None:
        """Somebody took the print off: the next job may start. DomainErrors: not_found, printing."""
        one = self._controls.printer(tenant, printer_id)
        if one.online and one.status.get("state") in BUSY:
            raise conflict("printing", "The printer is printing: its plate cannot be clear.")

        async def unit(tx: TenantTx) -> None:
            held = await queries.holding(tx, printer_id)
            if held is not None and held["status"] in ON_PRINTER:
                raise conflict("printing", "A job is on this printer: its plate cannot be clear.")
            if not await set_cleared(tx, printer_id, True):
                raise not_found("printer")
            tx.after_commit(lambda: self._live.set_cleared(printer_id, True))

        await tenant.write(unit)
        log.info("plate.cleared", printer=printer_id, actor=actor)
        self._moves.wake()

    async def pause_printer(self, tenant: TenantStore, printer_id: str, *, command_id: str = "") -> None:
        """Pause whatever a printer prints, also what was not started here."""
        nothing = "The printer prints nothing that could be paused."
        await self._controls.command(
            tenant, printer_id, "pause", expect=PAUSABLE, command_id=command_id, otherwise=nothing
        )

    async def resume_printer(self, tenant: TenantStore, printer_id: str, *, command_id: str = "") -> None:
        """Let a paused printer go on."""
        not_paused = "The printer is not paused."
        await self._controls.command(
            tenant, printer_id, "resume", expect=("pause",), command_id=command_id, otherwise=not_paused
        )

    async def stop_printer(self, tenant: TenantStore, printer_id: str, *, actor: str) -> None:
        """Stop whatever a printer prints; a job of ours on it is cancelled."""
        one = self._controls.printer(tenant, printer_id)
        if one.job_id is not None:
            await self.cancel(tenant, one.job_id, actor=actor)
        else:
            await self._controls.command(tenant, printer_id, "stop", expect=STOPPABLE)

    # ---- inside

    async def _cancelled_or_wished(self, tx: TenantTx, job_id: str, actor: str, force: bool) -> Row:
        await self._row(tx, job_id)
        at_once = ("queued", "assigned", "uploading", *(ON_PRINTER if force else ()))
        reason = "given up without word from the printer" if force else "cancelled"
        row = await self._moves.move(tx, job_id, "cancelled", expect=at_once, reason=reason, actor=actor)
        if row is None:
            wish = {"cancel_requested_at": clock.now(), "cancel_requested_by": actor}
            row = await self._moves.change(tx, job_id, wish, statuses=ON_PRINTER)
        elif force and row["printer_id"] is not None and await set_cleared(tx, row["printer_id"], False):
            printer_id = str(row["printer_id"])
            tx.after_commit(lambda: self._live.set_cleared(printer_id, False))
        if row is None:
            raise conflict("job_over", "The job is over.")
        return row

    async def _stop_printing(self, tenant: TenantStore, row: Row) -> None:
        answer = await self._attempts.stop_printer(row["id"])
        if answer is None or answer.ok or answer.code != "locked":
            return  # whatever is not certain yet is repeated until the printer has stopped
        wish = {"cancel_requested_at": None, "cancel_requested_by": None}
        await tenant.write(lambda tx: self._moves.change(tx, row["id"], wish, statuses=ON_PRINTER))
        raise refused(answer)

    async def _steer(self, tenant: TenantStore, job_id: str, name: str, status: str, expect: Collection[str]) -> View:
        row = await tenant.read(lambda tx: self._row(tx, job_id))
        if row["status"] != status:
            raise conflict("wrong_state", f"The job is {row['status']}.")
        answer = await self._controls.try_command(row["printer_id"], name, expect=expect)
        if not answer.ok:
            raise refused(answer)
        return await self.get(tenant, job_id)

    async def _row(self, tx: TenantTx, job_id: str, version: int | None = None) -> Row:
        row = await queries.get(tx, job_id)
        if row is None:
            raise not_found("job")
        if version is not None and row["version"] != version:
            raise StaleError(row["version"])
        return row

    def _current(self, row: Row) -> View:
        """A row's view, with the figures that reach the database only every few seconds."""
        known = self._live.job(row["id"])
        if known is not None and known["version"] == row["version"]:
            return dict(known)
        return job_view(row)
