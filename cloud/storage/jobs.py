"""Queries about print jobs and their history. A job's `status` is written through `cloud/printing/jobs.py` only."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import and_, bindparam, delete, func, or_, select, update
from sqlalchemy.sql import Select

from cloud.storage import clock, ids
from cloud.storage.rows import Listing, Rows
from cloud.storage.store import Row, Tx
from cloud.storage.tables import FINISHED, HOLDING, job_history, print_jobs
from cloud.storage.tenant import TenantTx

JOBS: Final = Rows(
    print_jobs,
    sorts=(
        "time_submitted", "time_started", "time_completed", "updated_at", "status", "file_name", "priority", "rank",
        "estimated_seconds", "progress_percentage",
    ),
    default_sort=("-time_submitted",),
    searched=("file_name",),
)  # fmt: skip
"""For looking only: what changes a job goes through the functions below."""


async def insert(tx: TenantTx, values: Mapping[str, Any]) -> Row:
    """Add a job and return its row; what `values` leaves out gets its default."""
    now = clock.now()
    row = {"id": ids.new("job"), "time_submitted": now, "updated_at": now, **values, "tenant_id": tx.tenant_id}
    made = await tx.one(tx.insert(print_jobs).values(row).returning(*print_jobs.c))
    if made is None:
        raise RuntimeError("the database gave no row back for an insert")
    return made


async def get(tx: TenantTx, job_id: str) -> Row | None:
    """One job, or None."""
    return await tx.one(select(print_jobs).where(_is(tx, job_id)))


async def find(tx: TenantTx, listing: Listing, *, printer_id: str | None = None) -> tuple[list[Row], int]:
    """A page of jobs, and how many there are in all; of a printer also those that wait for it by name."""
    if printer_id is None:
        return await JOBS.page(tx, listing)
    waiting = and_(print_jobs.c.printer_id.is_(None), print_jobs.c.target_printer_id == printer_id)
    return await JOBS.page(tx, listing, or_(print_jobs.c.printer_id == printer_id, waiting))


async def forget_skus(tx: TenantTx, sku_ids: Collection[str]) -> None:
    """Jobs do not say any more which of these SKUs they were printed for."""
    where = (print_jobs.c.tenant_id == tx.tenant_id, print_jobs.c.product_sku_id.in_(list(sku_ids)))
    changed = {"product_sku_id": None, "version": print_jobs.c.version + 1}
    await tx.run(update(print_jobs).where(*where).values(changed))


async def queue(tx: TenantTx) -> list[Row]:
    """The jobs that wait, in the order in which they are to be printed; held ones are not among them."""
    order = (print_jobs.c.priority.desc(), print_jobs.c.rank, print_jobs.c.time_submitted, print_jobs.c.id)
    where = (print_jobs.c.tenant_id == tx.tenant_id, print_jobs.c.status == "queued", print_jobs.c.held.is_(False))
    return await tx.all(select(print_jobs).where(*where).order_by(*order))


async def holding(tx: TenantTx, printer_id: str) -> Row | None:
    """The job that holds a printer, or None. The database allows one at most."""
    mine = (print_jobs.c.tenant_id == tx.tenant_id, print_jobs.c.printer_id == printer_id)
    return await tx.one(select(print_jobs).where(*mine, print_jobs.c.status.in_(HOLDING)))


async def held_printers(tx: TenantTx) -> set[str]:
    """The printers that jobs hold."""
    where = (print_jobs.c.tenant_id == tx.tenant_id, print_jobs.c.status.in_(HOLDING))
    return {row["printer_id"] for row in await tx.all(select(print_jobs.c.printer_id).where(*where))}


async def change(
    tx: TenantTx, job_id: str, values: Mapping[str, Any], *, statuses: Collection[str], version: int | None = None
) -> Row | None:
    """Compare-and-set: the changed row, or None when the job is in none of `statuses` or of another version."""
    where = [_is(tx, job_id), print_jobs.c.status.in_(list(statuses))]
    if version is not None:
        where.append(print_jobs.c.version == version)
    changed = {**values, "updated_at": clock.now(), "version": print_jobs.c.version + 1}
    return await tx.one(update(print_jobs).where(*where).values(changed).returning(*print_jobs.c))


async def note_waiting(tx: TenantTx, job_id: str, sentence: str) -> Row | None:
    """Why a job waits; None when it does not. No new version: nobody has changed what an editor has before him."""
    where = (_is(tx, job_id), print_jobs.c.status == "queued")
    changed = {"waiting_reason": sentence, "updated_at": clock.now()}
    return await tx.one(update(print_jobs).where(*where).values(changed).returning(*print_jobs.c))


async def remove(tx: TenantTx, job_id: str, *, statuses: Collection[str]) -> bool:
    """Delete a job with its history, if it is in one of `statuses`."""
    return bool(await tx.run(delete(print_jobs).where(_is(tx, job_id), print_jobs.c.status.in_(list(statuses)))))


async def add_history(tx: TenantTx, values: Mapping[str, Any]) -> None:
    """One line of a job's history; `details` is encoded here."""
    details = msgspec.json.encode(values.get("details") or {}).decode()
    row = {"id": ids.new("his"), "at": clock.now(), **values, "details": details, "tenant_id": tx.tenant_id}
    await tx.run(tx.insert(job_history).values(row))


async def history(tx: TenantTx, job_id: str) -> list[Row]:
    """A job's history, oldest first."""
    where = (job_history.c.tenant_id == tx.tenant_id, job_history.c.job_id == job_id)
    return await tx.all(select(job_history).where(*where).order_by(job_history.c.at, job_history.c.id))


async def history_page(tx: TenantTx, job_id: str, limit: int, offset: int) -> tuple[list[Row], int]:
    """Part of a job's history, oldest first, and how long it is."""
    where = (job_history.c.tenant_id == tx.tenant_id, job_history.c.job_id == job_id)
    lines = select(job_history).where(*where).order_by(job_history.c.at, job_history.c.id)
    rows = await tx.all(lines.limit(limit).offset(offset))
    return rows, int(await tx.value(select(func.count()).select_from(job_history).where(*where)))


async def top_of_queue(tx: TenantTx) -> tuple[int, float]:
    """The highest priority and the lowest rank among waiting jobs; (0, 0.0) when there are none."""
    where = (print_jobs.c.tenant_id == tx.tenant_id, print_jobs.c.status == "queued")
    columns = (func.max(print_jobs.c.priority).label("priority"), func.min(print_jobs.c.rank).label("rank"))
    row = await tx.one(select(*columns).where(*where))
    return (row["priority"] or 0, row["rank"] or 0.0) if row else (0, 0.0)


async def task_id_used(tx: TenantTx, task_id: str) -> bool:
    """Whether a job already carries this number."""
    where = (print_jobs.c.tenant_id == tx.tenant_id, print_jobs.c.task_id == task_id)
    return await tx.value(select(print_jobs.c.id).where(*where).limit(1)) is not None


async def write_progress(tx: TenantTx, rows: Iterable[Mapping[str, Any]]) -> None:
    """Figures of running jobs in one batch.

    Each row: job_id, progress_percentage, remaining_seconds, layer, layers, upload_percent.
    """
    figures = ("progress_percentage", "remaining_seconds", "layer", "layers", "upload_percent")
    changed = update(print_jobs).where(
        print_jobs.c.id == bindparam("job_id"),
        print_jobs.c.tenant_id == tx.tenant_id,
        # Spelled out: the driver's executemany takes no list of values for IN.
        or_(*(print_jobs.c.status == status for status in HOLDING)),
    )
    ordered = sorted(rows, key=lambda one: str(one["job_id"]))  # two writers in one order never deadlock
    await tx.batch(changed.values({name: bindparam(name) for name in figures}), ordered)


async def recent(tx: Tx, finished_of_each: int) -> list[Row]:
    """Of every tenant: all open jobs, and the `finished_of_each` that ended last. For filling the live views."""
    place = func.row_number().over(partition_by=print_jobs.c.tenant_id, order_by=print_jobs.c.time_completed.desc())
    ended = select(print_jobs.c.id, place.label("place")).where(print_jobs.c.status.in_(FINISHED)).subquery()
    keep = select(ended.c.id).where(ended.c.place <= finished_of_each)
    chosen: Select[Any] = select(print_jobs).where(or_(print_jobs.c.status.not_in(FINISHED), print_jobs.c.id.in_(keep)))
    return await tx.all(chosen.order_by(print_jobs.c.time_completed, print_jobs.c.id))


async def unsettled(tx: Tx) -> list[Row]:
    """Every tenant's jobs that hold a printer: what a starting service has to take up again."""
    return await tx.all(select(print_jobs).where(print_jobs.c.status.in_(HOLDING)).order_by(print_jobs.c.id))


async def tenants_waiting(tx: Tx) -> list[str]:
    """The tenants that have a job in the queue."""
    rows = await tx.all(select(print_jobs.c.tenant_id).where(print_jobs.c.status == "queued").distinct())
    return [row["tenant_id"] for row in rows]


def _is(tx: TenantTx, job_id: str) -> Any:
    return and_(print_jobs.c.tenant_id == tx.tenant_id, print_jobs.c.id == job_id)
