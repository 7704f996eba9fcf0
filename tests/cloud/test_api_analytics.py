"""/api/analytics: figures that can be checked by hand."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text, update

from cloud.storage import clock
from cloud.storage.store import Tx
from cloud.storage.tables import printers
from tests.cloud.api_kit import JSON, Cloud, running_cloud
from tests.cloud.production_kit import add_job, add_sku

PATH = "/api/analytics/"
JUNE = "?from=2026-06-01&to=2026-07-01"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def ended(cloud: Cloud, day: str, hours: float, status: str = "completed", **values: Any) -> str:
    """A job that ended at noon of a day, after so many hours."""
    noon = clock.parse(f"{day}T12:00:00Z")
    start = clock.stamp(noon.fromtimestamp(noon.timestamp() - hours * 3600, noon.tzinfo))
    times = {"time_submitted": start, "time_started": start, "time_completed": clock.stamp(noon)}
    return await add_job(cloud, status=status, **times, **values)


def filaments(**grams: float) -> str:
    needed = [{"slot": n, "type": kind, "grams": amount} for n, (kind, amount) in enumerate(grams.items(), 1)]
    return msgspec.json.encode(needed).decode()


async def summary(cloud: Cloud, query: str = JUNE) -> JSON:
    answer: JSON = await cloud.owner.ok("GET", f"{PATH}summary{query}")
    return answer


async def test_a_farm_without_jobs_has_figures_of_nothing(cloud: Cloud) -> None:
    figures = await summary(cloud, "")
    assert figures["jobs"] == {
        "total": 0, "completed": 0, "failed": 0, "cancelled": 0, "success_rate": None, "print_hours": 0.0,
    }  # fmt: skip
    assert (figures["printers"], figures["filaments"], figures["products"]) == ([], [], [])
    assert len(figures["days"]) == 31  # 30 days from some moment touch 31 dates
    assert figures["stock"]["value"] == 0
    start, end = (clock.parse(figures["period"][name]) for name in ("start", "end"))
    assert (end - start).days == 30


async def test_a_job_counts_in_the_period_in_which_it_ended(cloud: Cloud) -> None:
    for day, hours, status in (
        ("2026-05-31", 9.0, "completed"),
        ("2026-06-01", 2.0, "completed"),
        ("2026-06-01", 1.5, "failed"),
        ("2026-06-15", 0.5, "cancelled"),
        ("2026-06-30", 4.0, "completed"),
        ("2026-07-01", 9.0, "completed"),
    ):
        await ended(cloud, day, hours, status, number_of_units=3)
    await add_job(cloud, status="queued")
    never_begun = {"status": "failed", "time_completed": "2026-06-02T00:00:00.000Z"}
    await add_job(cloud, **never_begun)
    figures = await summary(cloud)
    assert figures["jobs"] == {
        "total": 5, "completed": 2, "failed": 2, "cancelled": 1, "success_rate": 0.5, "print_hours": 8.0,
    }  # fmt: skip
    assert figures["open_jobs"] == {"queued": 1, "on_printers": 0}
    days = figures["days"]
    assert (len(days), days[0]["day"], days[-1]["day"]) == (30, "2026-06-01", "2026-06-30")
    assert days[0] == {
        "day": "2026-06-01", "completed": 1, "failed": 1, "cancelled": 0, "units": 3, "print_hours": 3.5,
    }  # fmt: skip
    assert sum(day["units"] for day in days) == 6


async def test_a_printers_use_is_cut_at_the_ends_of_the_period(cloud: Cloud) -> None:
    first, idle = await cloud.printer(), await cloud.printer("01P00A000000002", name="Idle")

    async def long_ago(tx: Tx) -> None:
        await tx.run(update(printers).values(created_at="2026-01-01T00:00:00.000Z"))

    await cloud.services.store.write(long_ago)
    await ended(cloud, "2026-06-01", 18.0, printer_id=first["id"])  # began at 18:00 the day before
    await ended(cloud, "2026-06-02", 6.0, "failed", printer_id=first["id"])
    await ended(cloud, "2026-06-03", 24.0, printer_id=first["id"])  # ended after the period
    rows = {row["name"]: row for row in (await summary(cloud, "?from=2026-06-01&to=2026-06-03"))["printers"]}
    used = rows["P1S"]
    assert (used["completed"], used["failed"], used["success_rate"], used["print_hours"]) == (1, 1, 0.5, 24.0)
    assert (used["busy_hours"], used["utilisation"]) == (30.0, 0.625)
    assert (rows["Idle"]["printer_id"], rows["Idle"]["utilisation"], rows["Idle"]["total"]) == (idle["id"], 0.0, 0)


async def test_a_running_job_keeps_its_printer_busy_until_now(cloud: Cloud) -> None:
    printer = await cloud.printer()
    await add_job(cloud, status="printing", printer_id=printer["id"], time_started=clock.after(-7200))
    figures = await summary(cloud, "")
    used = figures["printers"][0]
    assert used["busy_hours"] == pytest.approx(2.0, abs=0.05)
    assert used["utilisation"] == 1.0  # it is here since a moment ago
    assert (used["total"], figures["open_jobs"]["on_printers"]) == (0, 1)


async def test_filament_is_added_up_by_type_and_lost_by_how_far_a_job_came(cloud: Cloud) -> None:
    two = filaments(PLA=10.0, PETG=5.5)
    await ended(cloud, "2026-06-01", 1, filaments=two, progress_percentage=100)
    await ended(cloud, "2026-06-02", 1, filaments=two, progress_percentage=100)
    await ended(cloud, "2026-06-02", 1, "failed", filaments=two, progress_percentage=40)
    await ended(cloud, "2026-06-03", 1, filament_type="PLA", filament_needed_grams=7.0)  # migrated: no list
    await ended(cloud, "2026-06-03", 1)
    assert (await summary(cloud))["filaments"] == [
        {"filament_type": "PLA", "grams": 27.0, "lost_grams": 4.0},
        {"filament_type": "PETG", "grams": 11.0, "lost_grams": 2.2},
    ]


async def test_products_are_told_by_the_pieces_that_were_made(cloud: Cloud) -> None:
    black, red = await add_sku(cloud, "BR-BLACK"), await add_sku(cloud, "BR-RED")
    await ended(cloud, "2026-06-01", 1, product_sku_id=black, number_of_units=4)
    await ended(cloud, "2026-06-02", 2, product_sku_id=black, number_of_units=4)
    await ended(cloud, "2026-06-02", 1, "failed", product_sku_id=black, number_of_units=4)
    await ended(cloud, "2026-06-02", 3, product_sku_id=red, number_of_units=5)
    await ended(cloud, "2026-06-02", 1)
    rows = (await summary(cloud))["products"]
    assert [(row["sku"], row["jobs"], row["units"], row["print_hours"]) for row in rows] == [
        ("BR-BLACK", 2, 8, 3.0), ("BR-RED", 1, 5, 3.0), (None, 1, 1, 1.0),
    ]  # fmt: skip
    assert (rows[0]["product_sku_id"], rows[0]["product_name"]) == (black, "Bracket BR-BLACK")


async def test_stock_is_valued_by_price_and_what_runs_low_is_named(cloud: Cloud) -> None:
    for sku, level, threshold, price, active in (
        ("A", 10, 5, 1250, True),
        ("B", 2, 5, 99, True),
        ("C", 3, 0, None, True),
        ("D", 0, 0, 500, True),
        ("E", 7, 9, 100, False),
    ):
        values = {"low_stock_threshold": threshold, "price": price, "is_active": active}
        await add_sku(cloud, sku, stock_level=level, **values)
    stock = (await summary(cloud, ""))["stock"]
    low = stock.pop("low_stock")
    assert stock == {"skus": 4, "pieces": 15, "value": 12698, "skus_without_price": 1, "low": 1, "empty": 1}
    assert [(row["sku"], row["stock_level"], row["low_stock_threshold"]) for row in low] == [("B", 2, 5)]


async def test_the_days_come_as_csv(cloud: Cloud) -> None:
    await ended(cloud, "2026-06-01", 2)
    async with cloud.owner.http.get(f"{PATH}days.csv{JUNE}") as answer:
        assert answer.content_type == "text/csv"
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert len(rows) == 30
    assert rows[0] == {
        "day": "2026-06-01", "completed": "1", "failed": "0", "cancelled": "0", "units": "1", "print_hours": "2.0",
    }  # fmt: skip


async def test_a_period_that_is_none_is_refused(cloud: Cloud) -> None:
    for query in (
        "?from=2026-07-01&to=2026-06-01",
        "?from=2026-06-01&to=2026-06-01",
        "?from=2026-02-30",
        "?to=0001-01-01",
        "?from=0000-01-01&to=0000-01-02",
        "?from=2000-01-01",
        "?from=june",
    ):
        for path in ("summary", "days.csv"):
            assert await cloud.owner.refused("GET", PATH + path + query) == (422, "invalid"), query
    whole = await summary(cloud, "?from=2026-06-01T00:00:00Z&to=2026-06-02T00:00:00.001Z")
    assert [day["day"] for day in whole["days"]] == ["2026-06-01", "2026-06-02"]


async def test_another_tenant_sees_none_of_it(cloud: Cloud) -> None:
    await ended(cloud, "2026-06-01", 2)
    await add_sku(cloud, stock_level=4, price=100)
    stranger = await cloud.stranger()
    figures = await stranger.ok("GET", f"{PATH}summary{JUNE}")
    assert (figures["jobs"]["total"], figures["stock"]["skus"], figures["products"]) == (0, 0, [])


async def test_ended_jobs_are_found_by_an_index(tmp_path: Path) -> None:
    """On SQLite; PostgreSQL reads a table as small as a test's as a whole."""
    plan = text(
        "EXPLAIN QUERY PLAN SELECT count(*) FROM print_jobs WHERE tenant_id = 'ten_a' "
        "AND time_completed >= '2026-06-01' AND time_completed < '2026-07-01' AND status IN ('completed', 'failed')"
    )
    async with running_cloud(tmp_path) as cloud:
        rows = await cloud.services.store.read(lambda tx: tx.all(plan))
    assert any("ix_print_jobs_tenant_id_time_completed" in row["detail"] for row in rows)
