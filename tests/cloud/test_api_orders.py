"""/api/orders: orders with their lines, and the states they go through."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cloud.storage.tables import order_lines, orders
from tests.cloud.api_kit import JSON, Cloud, running_cloud
from tests.cloud.production_kit import add_job, add_sku

PATH = "/api/orders/"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def order(cloud: Cloud, number: str = "#1001", lines: Any = (), **values: Any) -> JSON:
    made: JSON = await cloud.owner.ok("POST", PATH, {"order_number": number, "lines": list(lines), **values})
    return made


async def test_an_order_is_made_with_its_lines_and_adds_them_up(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    lines: list[JSON] = [
        {"sku": "BR-BLACK", "product_sku_id": sku, "quantity": 3, "unit_price": 1250, "title": "Bracket"},
        *({"sku": f"OLD-{n}", "notes": "engrave: Ada"} for n in range(10)),
    ]
    made = await order(cloud, lines=lines, due_date="2026-12-24", total_price=4999, currency="EUR")
    assert [line["sku"] for line in made["lines"]] == [line["sku"] for line in lines]
    assert (made["status"], made["source"], made["lines_total"], made["quantity"]) == ("open", "manual", 3750, 13)
    assert (made["needs_mapping"], made["fulfilled_quantity"], made["ordered_at"] > "2026") == (True, 0, True)
    assert made == await cloud.owner.ok("GET", PATH + made["id"])
    assert (await cloud.owner.ok("GET", PATH))["items"] == [made]
    nested = await cloud.owner.ok("GET", f"{PATH}{made['id']}/lines")
    assert nested == {"items": made["lines"], "total": 11}


async def test_an_order_that_is_refused_leaves_nothing_behind(cloud: Cloud) -> None:
    good, bad = {"sku": "A"}, {"sku": "B", "product_sku_id": "sku_nobody"}
    body = {"order_number": "#1", "lines": [good, bad]}
    assert await cloud.owner.refused("POST", PATH, body) == (422, "unknown_reference")
    twice = {"order_number": "#1", "lines": [{**good, "external_id": "7"}, {**good, "external_id": "7"}]}
    assert await cloud.owner.refused("POST", PATH, twice) == (409, "duplicate")
    assert (await cloud.owner.ok("GET", PATH))["total"] == 0


async def test_a_number_is_used_once_by_each_source(cloud: Cloud) -> None:
    made = await order(cloud, "#1001", external_id="e1", source="shopify")
    await order(cloud, "#1001", source="manual")
    again = {"order_number": "#1001", "source": "shopify"}
    assert await cloud.owner.refused("POST", PATH, again) == (409, "duplicate")
    same = {"order_number": "#1002", "source": "shopify", "external_id": "e1"}
    assert await cloud.owner.refused("POST", PATH, same) == (409, "duplicate")
    other = await order(cloud, "#1003", source="shopify")
    assert await cloud.owner.refused("PATCH", PATH + other["id"], {"order_number": "#1001"}) == (409, "duplicate")
    assert (await cloud.owner.ok("GET", PATH + "?source=shopify&order_number=%231001"))["items"][0]["id"] == made["id"]


async def test_an_order_goes_its_way_and_its_lines_are_fulfilled_with_it(cloud: Cloud) -> None:
    made = await order(cloud, lines=[{"sku": "A", "quantity": 3}])
    one = PATH + made["id"]
    for early in ("ready", "fulfilled"):
        assert await cloud.owner.refused("PATCH", one, {"status": early}) == (409, "wrong_state")
    for status in ("in_production", "ready", "ready", "fulfilled"):
        assert (await cloud.owner.ok("PATCH", one, {"status": status}))["status"] == status
    done = await cloud.owner.ok("GET", one)
    assert (done["fulfilled_quantity"], done["fulfilled_at"] >= done["ordered_at"]) == (3, True)
    for status in ("cancelled", "open"):
        assert await cloud.owner.refused("PATCH", one, {"status": status}) == (409, "wrong_state")
    line = f"{one}/lines/{made['lines'][0]['id']}"
    assert await cloud.owner.refused("PATCH", line, {"quantity": 4}) == (409, "wrong_state")
    assert await cloud.owner.refused("POST", f"{one}/lines", {"sku": "B"}) == (409, "wrong_state")
    assert await cloud.owner.refused("DELETE", line) == (409, "wrong_state")
    assert (await cloud.owner.ok("PATCH", one, {"notes": "went by bicycle"}))["notes"] == "went by bicycle"


async def test_fulfilled_or_cancelled_but_never_both(cloud: Cloud) -> None:
    for number in range(5):
        one = PATH + (await order(cloud, f"#{number}", [{"sku": "A"}]))["id"]
        for status in ("in_production", "ready"):
            await cloud.owner.ok("PATCH", one, {"status": status})
        answers = await asyncio.gather(
            *(cloud.owner.call("PATCH", one, {"status": status}) for status in ("fulfilled", "cancelled"))
        )
        assert sorted(status for status, _ in answers) == [200, 409]
        end = await cloud.owner.ok("GET", one)
        assert end["fulfilled_quantity"] == (1 if end["status"] == "fulfilled" else 0)


async def test_a_line_whose_sku_nobody_knew_is_mapped_later(cloud: Cloud) -> None:
    made = await order(cloud, lines=[{"sku": "SHOP-7"}])
    assert made["needs_mapping"]
    line = f"{PATH}{made['id']}/lines/{made['lines'][0]['id']}"
    assert await cloud.owner.refused("PATCH", line, {"product_sku_id": "sku_nobody"}) == (422, "unknown_reference")
    sku = await add_sku(cloud)
    mapped = await cloud.owner.ok("PATCH", line, {"product_sku_id": sku, "quantity": 2, "fulfilled_quantity": 1})
    assert (mapped["sku"], mapped["product_sku_id"], mapped["fulfilled_quantity"]) == ("SHOP-7", sku, 1)
    now = await cloud.owner.ok("GET", PATH + made["id"])
    assert (now["needs_mapping"], now["lines"], now["version"]) == (False, [mapped], made["version"] + 1)
    assert await cloud.owner.refused("PATCH", line, {"fulfilled_quantity": 3}) == (422, "invalid")
    assert await cloud.owner.refused("PATCH", line, {"quantity": 0}) == (422, "invalid")


async def test_lines_come_and_go(cloud: Cloud) -> None:
    made, other = await order(cloud, lines=[{"sku": "A"}]), await order(cloud, "#2")
    lines = f"{PATH}{made['id']}/lines"
    added = await cloud.owner.ok("POST", lines, {"sku": "B", "unit_price": 100})
    assert [line["sku"] for line in (await cloud.owner.ok("GET", lines))["items"]] == ["A", "B"]
    assert await cloud.owner.refused("DELETE", f"{PATH}{other['id']}/lines/{added['id']}") == (404, "not_found")
    stale = {"if-match": '"v7"'}
    assert await cloud.owner.refused("DELETE", f"{lines}/{added['id']}", headers=stale) == (412, "stale")
    await cloud.owner.ok("DELETE", f"{lines}/{added['id']}")
    left = await cloud.owner.ok("GET", PATH + made["id"])
    assert ([line["sku"] for line in left["lines"]], left["version"]) == (["A"], made["version"] + 2)


async def test_what_jobs_print_for_is_not_deleted(cloud: Cloud) -> None:
    made = await order(cloud, lines=[{"sku": "A"}, {"sku": "B"}])
    await add_job(cloud, order_line_id=made["lines"][0]["id"])
    assert await cloud.owner.refused("DELETE", PATH + made["id"]) == (409, "in_use")
    kept, gone = (f"{PATH}{made['id']}/lines/{line['id']}" for line in made["lines"])
    assert await cloud.owner.refused("DELETE", kept) == (409, "in_use")
    await cloud.owner.ok("DELETE", gone)
    other = await order(cloud, "#2", [{"sku": "A"}])
    await cloud.owner.ok("DELETE", PATH + other["id"])
    rows = await (await cloud.tenant()).read(lambda tx: tx.all(select(order_lines.c.order_id)))
    assert [row["order_id"] for row in rows] == [made["id"]]


async def test_nothing_about_customers_is_taken_or_kept(cloud: Cloud) -> None:
    for field in ("customer", "customer_name", "email", "shipping_address", "phone"):
        assert await cloud.owner.refused("POST", PATH, {"order_number": "#1", field: "Ada"}) == (422, "invalid")
    columns = " ".join([*orders.c.keys(), *order_lines.c.keys()])
    assert not any(word in columns for word in ("customer", "email", "address", "phone"))


async def test_orders_are_filtered_by_state_source_and_date(cloud: Cloud) -> None:
    for number, day in enumerate(("2026-11-01", "2026-11-15", "2026-12-01")):
        await order(cloud, f"#{number}", ordered_at=f"{day}T10:00:00Z", due_date=day)
    listed = await cloud.owner.ok("GET", PATH + "?ordered_at_from=2026-11-10T00:00:00Z")
    assert [one["order_number"] for one in listed["items"]] == ["#2", "#1"]
    assert (await cloud.owner.ok("GET", PATH + "?due_date_to=2026-11-15"))["total"] == 1
    assert (await cloud.owner.ok("GET", PATH + "?status=ready,fulfilled"))["total"] == 0
    stranger = await cloud.stranger()
    assert (await stranger.ok("GET", PATH))["total"] == 0
