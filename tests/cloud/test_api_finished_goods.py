"""/api/finished-goods: what lies where, in step with the ledger."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud.storage import clock, ids
from cloud.storage.tables import finished_goods
from cloud.storage.tenant import TenantTx
from tests.cloud.api_kit import JSON, Cloud, running_cloud
from tests.cloud.production_kit import add_sku, stock_of

PATH = "/api/finished-goods/"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def good(cloud: Cloud, sku_id: str, **values: Any) -> JSON:
    made: JSON = await cloud.owner.ok("POST", PATH, {"product_sku_id": sku_id, **values})
    return made


async def movements(cloud: Cloud, good_id: str) -> list[tuple[str, int, str]]:
    page = await cloud.owner.ok("GET", f"/api/stock-movements/?finished_good_id={good_id}&sort=at")
    return [(one["kind"], one["delta"], one["reason"]) for one in page["items"]]


async def test_what_lies_there_already_opens_the_ledger(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    made = await good(cloud, sku, quantity=7, low_stock_threshold=10, location="Shelf 3", profit_margin=40.5)
    assert (made["current_stock"], made["quantity"], made["status"]) == (7, 7, "low_stock")
    assert await movements(cloud, made["id"]) == [("opening", 7, "")]
    empty = await good(cloud, sku)
    assert (empty["current_stock"], empty["status"]) == (0, "out_of_stock")
    assert await movements(cloud, empty["id"]) == []
    assert await stock_of(cloud, sku) == 7


async def test_a_counted_stock_becomes_an_adjustment_of_the_difference(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    made = await good(cloud, sku, current_stock=7)
    one = PATH + made["id"]
    changed = await cloud.owner.ok("PATCH", one, {"current_stock": 4, "reason": "three were broken", "color": "Red"})
    assert (changed["current_stock"], changed["status"], changed["color"]) == (4, "in_stock", "Red")
    assert changed == await cloud.owner.ok("GET", one)
    assert (await movements(cloud, made["id"]))[1:] == [("adjustment", -3, "three were broken")]
    assert (await cloud.owner.ok("PATCH", one, {"low_stock_threshold": 4}))["status"] == "low_stock"
    assert (await cloud.owner.ok("PUT", one, {"quantity": 4}))["current_stock"] == 4
    assert len(await movements(cloud, made["id"])) == 2
    assert await cloud.owner.refused("PATCH", one, {"current_stock": 1, "quantity": 2}) == (422, "invalid")
    assert await stock_of(cloud, sku) == 4


async def test_a_count_based_on_an_old_version_is_refused_and_moves_nothing(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    made = await good(cloud, sku, current_stock=7)
    seen = {"if-match": f'"v{made["version"]}"'}
    body = {"product_sku_id": sku, "finished_good_id": made["id"], "delta": -1, "kind": "sale"}
    await cloud.owner.ok("POST", "/api/stock-movements/", body)
    one = PATH + made["id"]
    assert await cloud.owner.refused("PATCH", one, {"current_stock": 7}, headers=seen) == (412, "stale")
    assert await stock_of(cloud, sku) == 6


async def test_counts_and_sales_at_once_agree_in_the_end(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    made = await good(cloud, sku, current_stock=50)
    sale = {"product_sku_id": sku, "finished_good_id": made["id"], "delta": -1, "kind": "sale"}
    await asyncio.gather(
        *(cloud.owner.ok("POST", "/api/stock-movements/", sale) for _ in range(10)),
        *(cloud.owner.ok("PATCH", PATH + made["id"], {"current_stock": 60 + n}) for n in range(5)),
    )
    there = await cloud.owner.ok("GET", PATH + made["id"])
    assert there["current_stock"] == sum(delta for _, delta, _ in await movements(cloud, made["id"]))
    assert await stock_of(cloud, sku) == there["current_stock"]


async def test_what_is_running_out_is_listed_the_emptiest_first(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    for name, stock, threshold, active in (
        ("A", 3, 5, True),
        ("B", 0, 0, True),
        ("C", 9, 5, True),
        ("D", 0, 5, False),
        ("E", 5, 5, True),
    ):
        await good(cloud, sku, sku=name, current_stock=stock, low_stock_threshold=threshold, is_active=active)
    low = await cloud.owner.ok("GET", PATH + "low-stock")
    assert ([one["sku"] for one in low["items"]], low["total"]) == (["B", "A", "E"], 3)
    listed = await cloud.owner.ok("GET", PATH + "?status=low_stock&sort=-current_stock")
    assert [one["sku"] for one in listed["items"]] == ["E", "A"]


async def test_one_the_ledger_tells_of_is_not_deleted(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    kept, gone = await good(cloud, sku, current_stock=1), await good(cloud, sku)
    task = await cloud.owner.ok("POST", "/api/assembly-tasks/", {"finished_good_id": gone["id"]})
    assert await cloud.owner.refused("DELETE", PATH + kept["id"]) == (409, "in_use")
    await cloud.owner.ok("DELETE", PATH + gone["id"])
    assert (await cloud.owner.ok("GET", "/api/assembly-tasks/" + task["id"]))["finished_good_id"] is None


async def test_it_stays_with_its_sku(cloud: Cloud) -> None:
    sku, other = await add_sku(cloud), await add_sku(cloud, "BR-RED")
    made = await good(cloud, sku, current_stock=2)
    one = PATH + made["id"]
    assert await cloud.owner.refused("PATCH", one, {"product_sku_id": other}) == (409, "other_sku")
    assert (await cloud.owner.ok("PATCH", one, {"product_sku_id": sku}))["current_stock"] == 2
    assert await cloud.owner.refused("POST", PATH, {"product_sku_id": "sku_nobody"}) == (422, "unknown_reference")


async def test_a_migrated_one_without_a_sku_opens_the_ledger_when_it_gets_one(cloud: Cloud) -> None:
    key, moment = ids.new("fin"), clock.now()

    async def unit(tx: TenantTx) -> None:
        row = {"id": key, "tenant_id": tx.tenant_id, "current_stock": 5, "status": "in_stock"}
        await tx.run(finished_goods.insert().values(**row, created_at=moment, updated_at=moment))

    await (await cloud.tenant()).write(unit)
    assert await cloud.owner.refused("PATCH", PATH + key, {"current_stock": 6}) == (409, "sku_required")
    sku = await add_sku(cloud)
    changed = await cloud.owner.ok("PATCH", PATH + key, {"product_sku_id": sku, "current_stock": 6})
    assert changed["current_stock"] == 6
    assert [delta for _, delta, _ in await movements(cloud, key)] == [5, 1]
    assert await stock_of(cloud, sku) == 6


async def test_stock_and_assembly_are_set_by_their_own_paths(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    one = PATH + (await good(cloud, sku, current_stock=2))["id"]
    assert (await cloud.owner.ok("PUT", f"{one}/stock", {"new_stock": 5, "reason": "found"}))["current_stock"] == 5
    body = {"new_quantity": 3, "assembly_type": "needs_assembly"}
    changed = await cloud.owner.ok("PUT", f"{one}/assembly-stock", body)
    assert (changed["quantity_needs_assembly"], changed["quantity_assembled"], changed["current_stock"]) == (3, 0, 5)
    assert await movements(cloud, changed["id"]) == [("opening", 2, ""), ("adjustment", 3, "found")]
    assert await stock_of(cloud, sku) == 5
