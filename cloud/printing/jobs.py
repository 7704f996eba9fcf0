"""The state machine of a job: the only place that changes a job's status.

queued → assigned → uploading → starting → printing ⇄ paused → completed | failed | cancelled. Every move is a
compare-and-set in the database and writes the job's history in the same transaction; after the commit the live view
and the dispatcher learn of it. `completed`, `failed` and `cancelled` are final.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

from cloud.bus import Bus
from cloud.printing import tally
from cloud.printing.live import LivePrinters
from cloud.storage import clock
from cloud.storage import jobs as queries
from cloud.storage.store import Row
from cloud.storage.tables import FINISHED, HOLDING, JOB_STATUSES
from cloud.storage.tenant import TenantTx

Status = Literal[
    "queued", "assigned", "uploading", "starting", "printing", "paused", "completed", "failed", "cancelled"
]

WAKE: Final = "jobs.wake"
"""Bus subject: something changed that may let a waiting job go."""

MOVES: Final[Mapping[str, frozenset[str]]] = {
    "queued": frozenset({"assigned", "failed", "cancelled"}),
    "assigned": frozenset({"queued", "uploading", "failed", "cancelled"}),
    "uploading": frozenset({"queued", "starting", "failed", "cancelled"}),
    # A print may be over before anybody looked; a start that provably did not happen may be tried again.
    "starting": frozenset({"queued", "printing", "paused", "completed", "failed", "cancelled"}),
    "printing": frozenset({"paused", "completed", "failed", "cancelled"}),
    "paused": frozenset({"printing", "completed", "failed", "cancelled"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

_RELEASED: Final[Mapping[str, Any]] = {
    "printer_id": None,
    "remote_path": "",
    "url_form": "",
    "upload_percent": None,
    "progress_percentage": 0,
    "remaining_seconds": None,
    "layer": None,
}


class JobMoves:
    """Moves and changes of jobs, with what has to follow each commit."""

    def __init__(self, live: LivePrinters, bus: Bus) -> None:
        self._live = live
        self._bus = bus

    async def move(
        self,
        tx: TenantTx,
        job_id: str,
        to: Status,
        *,
        expect: Collection[str],
        reason: str = "",
        actor: str = "",
        changes: Mapping[str, Any] | None = None,
        details: Mapping[str, Any] | None = None,
        version: int | None = None,
    ) -> Row | None:
        """Bring a job from one of the `expect`ed states to `to`; its new row, or None when it is in another state.

        Raises ValueError when the machine knows no such move, and storage.errors.Conflict(unique) when another job
        holds the printer. `actor` is a user id, or the part of the system that acts.
        """
        if unknown := [one for one in expect if to not in MOVES[one]]:
            raise ValueError(f"a job never goes from {unknown[0]} to {to}")
        before = await queries.get(tx, job_id)
        if before is None or before["status"] not in expect:
            return None
        values = {**_consequences(before, to), **(changes or {}), "status": to}
        seen = before["version"] if version is None else version
        row = await queries.change(tx, job_id, values, statuses=(before["status"],), version=seen)
        if row is None:
            return None
        await self._record(tx, before, row, reason, actor, details=details)
        if to in FINISHED and row["printer_id"] is not None:
            # Here and nowhere else: the compare-and-set above lets an end happen once, however often it is told.
            changes = await tally.count(tx, row)
            tx.after_commit(lambda: self._live.change_printer(row["printer_id"], changes))
        tx.after_commit(lambda: self._follow(row))
        return row

    async def create(self, tx: TenantTx, values: Mapping[str, Any], *, actor: str) -> Row:
        """Add a job to the queue."""
        row = await queries.insert(tx, {**values, "status": "queued"})
        await self._record(tx, None, row, "", actor)
        tx.after_commit(lambda: self._follow(row))
        return row

    async def change(
        self, tx: TenantTx, job_id: str, values: Mapping[str, Any], *, statuses: Collection[str] = JOB_STATUSES
    ) -> Row | None:
        """Change anything but the status; the new row, or None when the job is in none of `statuses`."""
        if "status" in values:
            raise ValueError("a status is changed by move()")
        row = await queries.change(tx, job_id, values, statuses=statuses)
        if row is not None:
            tx.after_commit(lambda: self._live.put_job(row))
        return row

    async def note_waiting(self, tx: TenantTx, job_id: str, sentence: str) -> None:
        """Say why a job waits, if it still does."""
        row = await queries.note_waiting(tx, job_id, sentence)
        if row is not None:
            tx.after_commit(lambda: self._live.put_job(row))

    async def delete(self, tx: TenantTx, job_id: str) -> bool:
        """Remove a job that waits or is over, with its history; False when it is neither."""
        gone = await queries.remove(tx, job_id, statuses=("queued", *FINISHED))
        if gone:
            tx.after_commit(lambda: self._live.remove_job(job_id))
        return gone

    def wake(self) -> None:
        """Tell the dispatcher that something changed."""
        self._bus.publish(WAKE, b"")

    async def _record(
        self,
        tx: TenantTx,
        before: Row | None,
        row: Row,
        reason: str,
        actor: str,
        *,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        line = {
            "job_id": row["id"],
            "from_status": before["status"] if before else None,
            "to_status": row["status"],
            "reason": reason,
            "actor": actor,
            # Going back to the queue lets go of the printer: the line says which one it was.
            "printer_id": row["printer_id"] or (before["printer_id"] if before else None),
            "attempt": row["attempt"],
            "details": details,
        }
        await queries.add_history(tx, line)

    def _follow(self, row: Row) -> None:
        self._live.put_job(row)
        if row["status"] not in HOLDING:
            self.wake()


def _consequences(before: Row, to: str) -> Mapping[str, Any]:
    """What belongs to a move whoever asks for it."""
    if to == "queued":
        return _RELEASED
    values: dict[str, Any] = {"waiting_reason": None}
    if to in ("printing", "paused", "completed") and before["time_started"] is None:
        values["time_started"] = clock.now()
    if to in FINISHED:
        values.update(time_completed=clock.now(), remaining_seconds=None, cancel_requested_at=None)
    if to == "completed":
        values.update(progress_percentage=100, failure_code=None, failure_reason=None, error_code=None)
    return values
