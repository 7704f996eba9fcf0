"""Figures of a period: what was printed, how well, on which printer, of what; and what is in stock."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec

from cloud.errors import DomainError
from cloud.storage import analytics as queries
from cloud.storage import clock
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 1100
HOUR: Final = 3600


class Period(msgspec.Struct, frozen=True, kw_only=True):
    start: str
    end: str
    """Before this moment."""


class JobFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that ended in the period."""

    total: int
    completed: int
    failed: int
    cancelled: int
    success_rate: float | None
    """Completed of completed and failed, 0 to 1; cancelled ones count for neither. None when there are none."""
    print_hours: float
    """From start to end of these jobs, pauses included, also of those that failed."""


class OpenJobs(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that have not ended, as they are now, whatever the period."""

    queued: int
    on_printers: int


class PrinterFigures(JobFigures, frozen=True, kw_only=True):
    """A printer's jobs that ended in the period."""

    printer_id: str
    name: str
    busy_hours: float
    """Within the period, of jobs whenever they ended, and of the one that runs now."""
    utilisation: float | None
    """busy_hours of the period's hours that are over and in which the printer was here, 0 to 1."""


class FilamentFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Filament of one type, by what the slicer says each job needs."""

    filament_type: str
    grams: float
    """Of completed jobs."""
    lost_grams: float
    """Of failed and cancelled ones, by how far they came."""


class ProductFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Completed jobs for one SKU."""

    product_sku_id: str | None
    """None: jobs for no SKU, together."""
    sku: str | None
    product_id: str | None
    product_name: str | None
    jobs: int
    units: int
    """Pieces that these jobs yield."""
    print_hours: float


class DayFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that ended on one day (UTC)."""

    day: str
    completed: int
    failed: int
    cancelled: int
    units: int
    print_hours: float


class LowStock(msgspec.Struct, frozen=True, kw_only=True):
    product_sku_id: str
    sku: str
    stock_level: int
    low_stock_threshold: int


class StockFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Active SKUs as they are now, whatever the period."""

    skus: int
    pieces: int
    value: int
    """Cents: stock times price, of the SKUs that have one."""
    skus_without_price: int
    """Of those in stock: their value is not in `value`."""
    low: int
    """At or below a threshold above 0."""
    empty: int
    low_stock: list[LowStock]
    """The emptiest first, 200 at most."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    period: Period
    jobs: JobFigures
    open_jobs: OpenJobs
    printers: list[PrinterFigures]
    filaments: list[FilamentFigures]
    """The most used first."""
    products: list[ProductFigures]
    """The most printed first, 200 at most."""
    days: list[DayFigures]
    """Every day that the period touches, also those without a job."""
    stock: StockFigures


def period_of(start: str | None, end: str | None) -> Period:
    """Days or moments to moments; by default the 30 days up to now. Raises DomainError."""
    until = _moment(end, "to") if end else clock.now()
    since = _moment(start, "from") if start else _days_before(until, DEFAULT_DAYS)
    if since >= until:
        raise DomainError("invalid", 422, "The period must begin before it ends.", path="$.from")
    if since < _days_before(until, MAX_DAYS):
        raise DomainError("invalid", 422, f"A period has {MAX_DAYS} days at most.", path="$.from")
    return Period(start=since, end=until)


async def summary(tx: TenantTx, period: Period) -> Summary:
    """All figures of a period, of one moment of the database."""
    span = (period.start, period.end)
    ended = await queries.by_printer(tx, *span)
    return Summary(
        period=period,
        jobs=msgspec.convert(_figures(ended), JobFigures),
        open_jobs=_open(await queries.open_jobs(tx)),
        printers=await _printers(tx, period, ended),
        filaments=_filaments(await queries.by_filament(tx, *span)),
        products=[_product(row) for row in await queries.by_sku(tx, *span)],
        days=await days(tx, period),
        stock=await _stock(tx),
    )


async def days(tx: TenantTx, period: Period) -> list[DayFigures]:
    """The period day by day."""
    rows: dict[str, list[Row]] = {}
    for row in await queries.by_day(tx, period.start, period.end):
        rows.setdefault(row["day"], []).append(row)
    return [_day(day, rows.get(day, [])) for day in _days_of(period)]


# ---- inside


async def _printers(tx: TenantTx, period: Period, ended: Sequence[Row]) -> list[PrinterFigures]:
    until = min(period.end, clock.now())
    busy = {row["printer_id"]: row["seconds"] for row in await queries.busy(tx, period.start, until)}
    found = []
    for printer in await queries.all_printers(tx):
        mine = [row for row in ended if row["printer_id"] == printer["id"]]
        seconds = busy.get(printer["id"], 0.0)
        there = _seconds_between(max(period.start, printer["created_at"]), until)
        figures = {
            **_figures(mine),
            "printer_id": printer["id"],
            "name": printer["name"],
            "busy_hours": _hours(seconds),
            "utilisation": round(min(seconds / there, 1.0), 4) if there > 0 else None,
        }
        found.append(msgspec.convert(figures, PrinterFigures))
    return found


def _figures(rows: Iterable[Row]) -> dict[str, Any]:
    """JobFigures of rows of (status, jobs, seconds)."""
    counts = {"completed": 0, "failed": 0, "cancelled": 0}
    seconds = 0.0
    for row in rows:
        counts[row["status"]] += row["jobs"]
        seconds += row["seconds"]
    judged = counts["completed"] + counts["failed"]
    rate = round(counts["completed"] / judged, 4) if judged else None
    return {"total": sum(counts.values()), **counts, "success_rate": rate, "print_hours": _hours(seconds)}


def _open(rows: Sequence[Row]) -> OpenJobs:
    counts = {row["status"]: row["jobs"] for row in rows}
    queued = counts.pop("queued", 0)
    return OpenJobs(queued=queued, on_printers=sum(counts.values()))


def _filaments(rows: Iterable[Row]) -> list[FilamentFigures]:
    """Each job's filaments; those of migrated jobs, which name only one, from their columns."""
    used: dict[str, float] = {}
    lost: dict[str, float] = {}
    for row in rows:
        needed = msgspec.json.decode(row["filaments"]) or [
            {"type": row["filament_type"], "grams": row["filament_needed_grams"]}
        ]
        for filament in needed:
            name, grams = filament.get("type") or "", filament.get("grams") or 0.0
            used[name] = used.get(name, 0.0) + grams * row["completed"]
            lost[name] = lost.get(name, 0.0) + grams * row["lost"]
    figures = [
        FilamentFigures(filament_type=name or "unknown", grams=round(used[name], 1), lost_grams=round(lost[name], 1))
        for name in used
        if used[name] or lost[name]
    ]
    return sorted(figures, key=lambda one: (-one.grams, -one.lost_grams, one.filament_type))


def _product(row: Row) -> ProductFigures:
    return msgspec.convert({**row, "print_hours": _hours(row["seconds"])}, ProductFigures)


def _day(day: str, rows: Sequence[Row]) -> DayFigures:
    figures = _figures(rows)
    return DayFigures(
        day=day,
        completed=figures["completed"],
        failed=figures["failed"],
        cancelled=figures["cancelled"],
        units=sum(row["units"] for row in rows),
        print_hours=figures["print_hours"],
    )


async def _stock(tx: TenantTx) -> StockFigures:
    row = await queries.stock(tx)
    low = [
        LowStock(
            product_sku_id=sku["id"],
            sku=sku["sku"],
            stock_level=sku["stock_level"],
            low_stock_threshold=sku["low_stock_threshold"],
        )
        for sku in await queries.low_stock(tx)
    ]
    return StockFigures(
        skus=row["skus"],
        pieces=int(row["pieces"]),
        value=round(row["value"]),
        skus_without_price=row["unpriced"],
        low=row["low"],
        empty=row["empty"],
        low_stock=low,
    )


def _days_of(period: Period) -> list[str]:
    first, last = clock.parse(period.start).date(), (clock.parse(period.end) - timedelta(milliseconds=1)).date()
    return [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]


def _moment(text: str, field: str) -> str:
    try:
        return clock.stamp(clock.parse(text if "T" in text else f"{text}T00:00:00Z"))
    except (ValueError, OverflowError):
        raise DomainError("invalid", 422, "There is no such day or time.", path=f"$.{field}") from None


def _days_before(moment: str, days: int) -> str:
    try:
        return clock.stamp(clock.parse(moment) - timedelta(days=days))
    except OverflowError:
        raise DomainError("invalid", 422, "There is no such day or time.", path="$.to") from None


def _seconds_between(start: str, end: str) -> float:
    return (clock.parse(end) - clock.parse(start)).total_seconds()


def _hours(seconds: float) -> float:
    return round(seconds / HOUR, 2)
