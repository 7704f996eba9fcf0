"""Queries: figures over a period, added up by the database.

A job counts in the period in which it ended. `seconds` are from its start to its end, pauses included.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, Float, and_, case, cast, func, literal, not_, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, Select
from sqlalchemy.sql.functions import FunctionElement

from cloud.storage.store import Row
from cloud.storage.tables import FINISHED, HOLDING, print_jobs, printers, product_skus, products
from cloud.storage.tenant import TenantTx

MAX_LISTED: Final = 200
"""Of SKUs in one answer, the most printed or the emptiest."""


class _Epoch(FunctionElement[float]):
    """Seconds since some moment that is the same for all, of a time as clock.py writes it."""

    type = Float()
    inherit_cache = True


@compiles(_Epoch, "sqlite")
def _epoch_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"(julianday({compiler.process(element.clauses, **options)}) * 86400.0)"


@compiles(_Epoch)  # the standard's form, which also names the column in results
def _epoch(element: Any, compiler: Any, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    return f"CAST(EXTRACT(EPOCH FROM CAST({text} AS TIMESTAMP WITH TIME ZONE)) AS DOUBLE PRECISION)"


_jobs = print_jobs.c
_count = func.count().label("jobs")
_done = _jobs.status == "completed"
_units = func.coalesce(func.sum(_jobs.number_of_units).filter(_done), 0).label("units")


def _span(start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[float]:
    """Their sum in seconds; what never began took no time."""
    return func.coalesce(func.sum(_Epoch(end) - _Epoch(start)), 0.0)


_seconds = _span(_jobs.time_started, _jobs.time_completed).label("seconds")


async def by_printer(tx: TenantTx, start: str, end: str) -> list[Row]:
    """Rows of (printer_id, status, jobs, seconds); printer_id is None for jobs that never had one."""
    keys = (_jobs.printer_id, _jobs.status)
    return await tx.all(select(*keys, _count, _seconds).where(*_ended(tx, start, end)).group_by(*keys))


async def by_day(tx: TenantTx, start: str, end: str) -> list[Row]:
    """Rows of (day, status, jobs, units, seconds); days are UTC, those without a job are left out."""
    day = func.substr(_jobs.time_completed, 1, 10).label("day")
    inner = select(day, _jobs.status, _jobs.number_of_units, _jobs.time_started, _jobs.time_completed)
    ended = inner.where(*_ended(tx, start, end)).subquery().c
    made = func.sum(ended.number_of_units).filter(ended.status == "completed")
    units = func.coalesce(made, 0).label("units")
    seconds = _span(ended.time_started, ended.time_completed).label("seconds")
    return await tx.all(select(ended.day, ended.status, _count, units, seconds).group_by(ended.day, ended.status))


async def by_sku(tx: TenantTx, start: str, end: str) -> list[Row]:
    """Rows of (product_sku_id, sku, product_id, product_name, jobs, units, seconds) of completed jobs.

    The most units come first; jobs for no SKU are one row of Nones.
    """
    joined = print_jobs.outerjoin(
        product_skus, and_(product_skus.c.tenant_id == _jobs.tenant_id, product_skus.c.id == _jobs.product_sku_id)
    ).outerjoin(
        products, and_(products.c.tenant_id == product_skus.c.tenant_id, products.c.id == product_skus.c.product_id)
    )
    keys = (_jobs.product_sku_id, product_skus.c.sku, product_skus.c.product_id)
    columns = (*keys, products.c.name.label("product_name"), _count, _units, _seconds)
    made: Select[Any] = select(*columns).select_from(joined).where(*_ended(tx, start, end), _done)
    return await tx.all(made.group_by(*keys, products.c.name).order_by(_units.desc(), keys[0]).limit(MAX_LISTED))


async def by_filament(tx: TenantTx, start: str, end: str) -> list[Row]:
    """Rows of (filaments, filament_type, filament_needed_grams, completed, lost): what jobs needed, and how often.

    `filaments` is the JSON of a job. `completed` counts runs; `lost` adds up how far failed and cancelled ones came, in
    runs. There are about as many rows as plates were printed, not as jobs.
    """
    keys = (_jobs.filaments, _jobs.filament_type, _jobs.filament_needed_grams)
    completed = func.count().filter(_done).label("completed")
    lost = func.coalesce(func.sum(_jobs.progress_percentage).filter(not_(_done)), 0).label("lost")
    grouped = select(*keys, completed, lost).where(*_ended(tx, start, end)).group_by(*keys)
    return [{**row, "lost": row["lost"] / 100} for row in await tx.all(grouped)]


async def busy(tx: TenantTx, start: str, end: str) -> list[Row]:
    """Rows of (printer_id, seconds): how long jobs held each printer running within the period, whenever they ended.

    Jobs that still run count up to `end`.
    """
    running = and_(_jobs.time_completed.is_(None), _jobs.status.in_(HOLDING))
    where = (
        _jobs.tenant_id == tx.tenant_id,
        _jobs.printer_id.is_not(None),
        _jobs.time_started < end,
        or_(_jobs.time_completed > start, running),
    )
    begun = case((_jobs.time_started < start, literal(start)), else_=_jobs.time_started)
    over = case((_jobs.time_completed < end, _jobs.time_completed), else_=literal(end))
    rows = select(_jobs.printer_id, begun.label("begun"), over.label("over")).where(*where).subquery().c
    spent = _span(rows.begun, rows.over).label("seconds")
    return await tx.all(select(rows.printer_id, spent).group_by(rows.printer_id))


async def open_jobs(tx: TenantTx) -> list[Row]:
    """Rows of (status, jobs), as they are now."""
    where = (_jobs.tenant_id == tx.tenant_id, _jobs.status.not_in(FINISHED))
    return await tx.all(select(_jobs.status, _count).where(*where).group_by(_jobs.status))


async def all_printers(tx: TenantTx) -> list[Row]:
    """Rows of (id, name, created_at), by name."""
    columns = (printers.c.id, printers.c.name, printers.c.created_at)
    mine = select(*columns).where(printers.c.tenant_id == tx.tenant_id)
    return await tx.all(mine.order_by(printers.c.name, printers.c.id))


_skus = product_skus.c
_low = and_(_skus.low_stock_threshold > 0, _skus.stock_level <= _skus.low_stock_threshold)


async def stock(tx: TenantTx) -> Row:
    """One row of (skus, pieces, value, unpriced, low, empty) of active SKUs, as they are now; value in cents."""
    worth = cast(_skus.stock_level, Float) * _skus.price
    columns = {
        "skus": func.count(),
        "pieces": func.coalesce(func.sum(cast(_skus.stock_level, BigInteger)), 0),
        "value": func.coalesce(func.sum(worth), 0.0),
        "unpriced": func.count().filter(_skus.price.is_(None), _skus.stock_level > 0),
        "low": func.count().filter(_low),
        "empty": func.count().filter(_skus.stock_level == 0),
    }
    where = (_skus.tenant_id == tx.tenant_id, _skus.is_active)
    row = await tx.one(select(*(column.label(name) for name, column in columns.items())).where(*where))
    return row or {}


async def low_stock(tx: TenantTx) -> list[Row]:
    """Rows of (id, sku, stock_level, low_stock_threshold) of active SKUs at or below it, the emptiest first."""
    columns = (_skus.id, _skus.sku, _skus.stock_level, _skus.low_stock_threshold)
    where = (_skus.tenant_id == tx.tenant_id, _skus.is_active, _low)
    ordered = select(*columns).where(*where).order_by(_skus.stock_level, _skus.sku, _skus.id)
    return await tx.all(ordered.limit(MAX_LISTED))


def _ended(tx: TenantTx, start: str, end: str) -> tuple[ColumnElement[bool], ...]:
    return (
        _jobs.tenant_id == tx.tenant_id,
        _jobs.time_completed >= start,
        _jobs.time_completed < end,
        _jobs.status.in_(FINISHED),
    )
