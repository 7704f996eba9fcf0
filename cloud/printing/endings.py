"""How an attempt that did not get to print is written down."""

from collections.abc import Mapping
from typing import Any, Final

import structlog

from cloud.printing.outcomes import HopelessError, RequeueError, WithdrawnError
from cloud.printing.room import Room
from cloud.printing.views import Row
from cloud.storage import jobs as queries
from cloud.storage.printing import set_cleared
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

MAX_COUNTED: Final = 3
"""Attempts that may fail for a reason of their own; waiting for a printer to come back is not counted."""
_BEFORE: Final = ("assigned", "uploading", "starting")
_ACTOR: Final = "dispatcher"


async def settle(room: Room, row: Row, error: RequeueError | HopelessError | WithdrawnError) -> None:
    """Move the job to where the ending says; a wish to cancel is fulfilled by any ending."""

    async def unit(tx: TenantTx) -> Row | None:
        now = await queries.get(tx, row["id"])
        if now is None or now["task_id"] != row["task_id"]:
            return None
        if isinstance(error, RequeueError) and error.plate_occupied and await set_cleared(tx, row["printer_id"], False):
            tx.after_commit(lambda: room.live.set_cleared(row["printer_id"], False))
        if isinstance(error, WithdrawnError) or now["cancel_requested_at"] is not None:
            reason = "cancelled before it printed"
            return await room.moves.move(tx, row["id"], "cancelled", expect=_BEFORE, reason=reason, actor=_ACTOR)
        if isinstance(error, HopelessError):
            return await _fail(room, tx, row, code=error.code, sentence=error.sentence, number=error.error)
        if error.counted and await _counted(tx, row["id"]) + 1 >= MAX_COUNTED:
            return await _fail(room, tx, row, code=error.code, sentence=error.sentence, number=0)
        return await _requeue(room, tx, row, error)

    moved = await room.tenant(row["tenant_id"]).write(unit)
    log.warning(
        "attempt.ended",
        job=row["id"],
        printer=row["printer_id"],
        code=getattr(error, "code", "cancelled"),
        to=moved["status"] if moved else None,
    )


async def _fail(room: Room, tx: TenantTx, row: Row, *, code: str, sentence: str, number: int) -> Row | None:
    changes = {"failure_code": code, "failure_reason": sentence, "error_code": number or None}
    return await room.moves.move(
        tx, row["id"], "failed", expect=_BEFORE, reason=sentence, actor=_ACTOR, changes=changes
    )


async def _requeue(room: Room, tx: TenantTx, row: Row, error: RequeueError) -> Row | None:
    one = room.live.printer(row["printer_id"])
    name = one.meta["name"] if one else "The printer"
    details: Mapping[str, Any] = {"code": error.code, "counted": error.counted}
    return await room.moves.move(
        tx,
        row["id"],
        "queued",
        expect=_BEFORE,
        reason=error.sentence,
        actor=_ACTOR,
        changes={"waiting_reason": f"{name}: {error.sentence}"},
        details=details,
    )


async def _counted(tx: TenantTx, job_id: str) -> int:
    return sum('"counted":true' in line["details"] for line in await queries.history(tx, job_id))
