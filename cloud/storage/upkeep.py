"""Queries: how a printer does over time - failures in a row, hours, maintenance - and what takes it out of service."""

from typing import Any, Final, Literal

from sqlalchemy import case, update

from cloud.storage import clock, ids
from cloud.storage.rows import Rows
from cloud.storage.store import Row
from cloud.storage.tables import maintenance_log, printers
from cloud.storage.tenant import TenantTx

MAINTENANCE_LOG: Final = Rows(maintenance_log, sorts=("started_at",), default_sort=("-started_at",))


Says = Literal["good", "bad", "nothing"]
"""What the end of a job says of the printer it was on."""


async def count_end(tx: TenantTx, printer_id: str, *, seconds: int, says: Says) -> int:
    """A job on the printer ended after `seconds` of printing; the printer's failures in a row then."""
    now = printers.c.consecutive_failures
    failures: Any = {"good": 0, "bad": now + 1, "nothing": now}[says]
    values = {"total_print_time": printers.c.total_print_time + seconds, "consecutive_failures": failures}
    row = await tx.one(update(printers).where(*_is(tx, printer_id)).values(values).returning(now))
    return int(row["consecutive_failures"]) if row else 0


async def disable_once(tx: TenantTx, printer_id: str, reason: str) -> Row | None:
    """No more jobs, by what the printer did; an earlier reason stays. Its `disabled_reason` and `disabled_at` then."""
    first = printers.c.disabled_at.is_(None)
    values = {
        "disabled_reason": case((first, reason), else_=printers.c.disabled_reason),
        "disabled_at": case((first, clock.now()), else_=printers.c.disabled_at),
    }
    columns = (printers.c.disabled_reason, printers.c.disabled_at)
    return await tx.one(update(printers).where(*_is(tx, printer_id)).values(values).returning(*columns))


async def log_start(tx: TenantTx, printer_id: str, *, kind: str, reason: str, at: str, actor: str) -> str:
    """The id of the new line."""
    line = {"id": ids.new("mnt"), "tenant_id": tx.tenant_id, "printer_id": printer_id}
    what = {"type": kind, "reason": reason, "started_at": at, "started_by": actor}
    await tx.run(maintenance_log.insert().values(**line, **what))
    return line["id"]


async def log_end(tx: TenantTx, printer_id: str, *, at: str, actor: str, notes: str) -> str | None:
    """Complete the line that is open; its id, None when none is."""
    open_line = (
        maintenance_log.c.tenant_id == tx.tenant_id,
        maintenance_log.c.printer_id == printer_id,
        maintenance_log.c.completed_at.is_(None),
    )
    values = {"completed_at": at, "completed_by": actor, "notes": notes}
    row = await tx.one(update(maintenance_log).where(*open_line).values(values).returning(maintenance_log.c.id))
    return None if row is None else str(row["id"])


def _is(tx: TenantTx, printer_id: str) -> tuple[Any, ...]:
    return printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id
