"""/api/stock-movements: the ledger is added to and never rewritten."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cloud.api_kit import Cloud, running_cloud
from tests.cloud.production_kit import add_sku, stock_of

PATH = "/api/stock-movements/"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def test_people_enter_what_came_and_went(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    operator = await cloud.person("operator")
    came = await operator.ok("POST", PATH, {"product_sku_id": sku, "delta": 10, "reason": "counted"})
    sold = await operator.ok("POST", PATH, {"product_sku_id": sku, "delta": -4, "kind": "sale"})
    assert (came["kind"], came["balance"], sold["balance"]) == ("adjustment", 10, 6)
    assert came["actor"].startswith("usr_")
    assert await cloud.owner.ok("GET", PATH + sold["id"]) == sold
    assert await stock_of(cloud, sku) == 6


async def test_what_cannot_be_is_refused_and_moves_nothing(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    for body, answer in (
        ({"delta": -1}, (409, "not_enough_stock")),
        ({"delta": 0}, (422, "invalid")),
        ({"delta": 5, "kind": "sale"}, (422, "invalid")),
        ({"delta": -5, "kind": "return"}, (422, "invalid")),
        ({"delta": 5, "kind": "print"}, (422, "invalid")),
        ({"delta": 5, "finished_good_id": "fin_nobody"}, (422, "unknown_reference")),
        ({"delta": 5, "order_line_id": "lin_nobody"}, (422, "unknown_reference")),
        ({"delta": 5, "product_sku_id": "sku_nobody"}, (422, "unknown_reference")),
    ):
        assert await cloud.owner.refused("POST", PATH, {"product_sku_id": sku, **body}) == answer
    assert await stock_of(cloud, sku) == 0
    viewer = await cloud.person("viewer")
    assert await viewer.refused("POST", PATH, {"product_sku_id": sku, "delta": 1}) == (403, "forbidden")
    assert (await viewer.ok("GET", PATH))["total"] == 0


async def test_a_movement_is_never_changed_but_undone_once(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    made = await cloud.owner.ok("POST", PATH, {"product_sku_id": sku, "delta": 10})
    for method in ("PATCH", "PUT", "DELETE"):
        assert await cloud.owner.refused(method, PATH + made["id"], {}) == (405, "method_not_allowed")
    undo = PATH + made["id"] + "/reverse"
    answers = await asyncio.gather(*(cloud.owner.ok("POST", undo, {"reason": "miscounted"}) for _ in range(5)))
    assert {(answer["id"], answer["delta"], answer["kind"]) for answer in answers} == {
        (answers[0]["id"], -10, "correction")
    }
    assert await stock_of(cloud, sku) == 0
    assert await cloud.owner.refused("POST", f"{PATH}{answers[0]['id']}/reverse", {}) == (409, "reversal")
    assert await cloud.owner.refused("POST", f"{PATH}mov_nobody/reverse", {}) == (404, "not_found")


async def test_a_movement_sent_twice_counts_once(cloud: Cloud) -> None:
    sku = await add_sku(cloud)
    body, headers = {"product_sku_id": sku, "delta": 3}, {"idempotency-key": "counted-shelf-7"}
    answers = await asyncio.gather(*(cloud.owner.call("POST", PATH, body, headers=headers) for _ in range(6)))
    assert {status for status, _ in answers} <= {201, 409}
    assert await stock_of(cloud, sku) == 3


async def test_the_ledger_is_filtered_and_exported(cloud: Cloud) -> None:
    skus = [await add_sku(cloud, name) for name in ("A", "B")]
    for sku in skus:
        for delta, kind in ((5, "adjustment"), (-1, "sale"), (1, "return")):
            await cloud.owner.ok("POST", PATH, {"product_sku_id": sku, "delta": delta, "kind": kind})
    assert (await cloud.owner.ok("GET", f"{PATH}?product_sku_id={skus[0]}"))["total"] == 3
    assert (await cloud.owner.ok("GET", f"{PATH}?kind=sale,return"))["total"] == 4
    assert (await cloud.owner.ok("GET", f"{PATH}?at_to=2026-01-01T00:00:00Z"))["total"] == 0
    assert (await cloud.owner.ok("GET", f"{PATH}?sort=delta"))["items"][0]["delta"] == -1
    async with cloud.owner.http.get(PATH + "export.csv") as answer:
        assert len((await answer.text()).splitlines()) == 7
    stranger = await cloud.stranger()
    assert (await stranger.ok("GET", PATH))["total"] == 0
    assert await stranger.refused("POST", PATH, {"product_sku_id": skus[0], "delta": 1}) == (422, "unknown_reference")


async def test_a_skus_stock_opens_the_ledger_and_a_count_adjusts_it(cloud: Cloud) -> None:
    product = await cloud.owner.ok("POST", "/api/products/", {"name": "Bracket"})
    made = await cloud.owner.ok("POST", f"/api/products/{product['id']}/skus", {"sku": "BR-BLACK", "stock_level": 8})
    assert made["stock_level"] == 8
    one = f"/api/product-skus/{made['id']}"
    counted = await cloud.owner.ok("PATCH", one, {"stock_level": 5, "price": 999})
    assert (counted["stock_level"], counted["price"]) == (5, 999)
    listed = await cloud.owner.ok("GET", f"{PATH}?product_sku_id={made['id']}&sort=at")
    assert [(row["kind"], row["delta"]) for row in listed["items"]] == [("opening", 8), ("adjustment", -3)]
    stale = {"if-match": f'"v{made["version"]}"'}
    assert await cloud.owner.refused("PATCH", one, {"stock_level": 8}, headers=stale) == (412, "stale")
    assert await stock_of(cloud, made["id"]) == 5
    assert await cloud.owner.refused("DELETE", one) == (409, "in_use")
