"""/api/assembly-tasks: pieces are put together once, however often somebody says so."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.api_kit import JSON, Cloud, running_cloud
from tests.cloud.production_kit import add_sku

PATH = "/api/assembly-tasks/"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def task(cloud: Cloud, **values: Any) -> JSON:
    made: JSON = await cloud.owner.ok("POST", PATH, {"product_name": "Lamp", **values})
    return made


async def good(cloud: Cloud, **values: Any) -> JSON:
    body = {"product_sku_id": await add_sku(cloud), "requires_assembly": True, **values}
    made: JSON = await cloud.owner.ok("POST", "/api/finished-goods/", body)
    return made


async def parts(cloud: Cloud, good_id: str) -> tuple[int, int]:
    """What needs assembly, and what is assembled."""
    row = await cloud.owner.ok("GET", f"/api/finished-goods/{good_id}")
    return row["quantity_needs_assembly"], row["quantity_assembled"]


async def test_a_task_is_started_and_completed_and_says_when(cloud: Cloud) -> None:
    made = await task(cloud)
    one = PATH + made["id"]
    assert (made["status"], made["priority"], made["started_at"]) == ("pending", "medium", None)
    started = await cloud.owner.ok("POST", f"{one}/start")
    done = await cloud.owner.ok("POST", f"{one}/complete", {})
    assert (started["status"], done["status"]) == ("in_progress", "completed")
    assert made["created_at"] <= started["started_at"] <= done["completed_at"]
    assert await cloud.owner.ok("GET", one) == done


async def test_a_task_goes_no_way_but_its_own(cloud: Cloud) -> None:
    for last in ("completed", "cancelled"):
        one = PATH + (await task(cloud))["id"]
        await cloud.owner.ok("PATCH", one, {"status": last})
        for other in {"pending", "in_progress", "completed", "cancelled"} - {last}:
            assert await cloud.owner.refused("PATCH", one, {"status": other}) == (409, "wrong_state")
    assert await cloud.owner.refused("POST", f"{PATH}asm_nobody/start") == (404, "not_found")
    assert await cloud.owner.refused("POST", PATH, {"finished_good_id": "fin_nobody"}) == (422, "unknown_reference")


async def test_a_small_task_is_done_at_once_and_a_begun_one_put_back(cloud: Cloud) -> None:
    one = PATH + (await task(cloud))["id"]
    done = await cloud.owner.ok("POST", f"{one}/complete", {"notes": "both lamps"})
    assert (done["status"], done["notes"], done["started_at"]) == ("completed", "both lamps", done["completed_at"])
    other = PATH + (await task(cloud))["id"]
    await cloud.owner.ok("POST", f"{other}/start")
    back = await cloud.owner.ok("PATCH", other, {"status": "pending"})
    assert (back["status"], back["started_at"]) == ("pending", None)


async def test_the_instructions_are_those_of_the_product(cloud: Cloud) -> None:
    product = await cloud.owner.ok("POST", "/api/products/", {"name": "Lamp", "wiki_id": "wiki-7"})
    sku = await cloud.owner.ok("POST", f"/api/products/{product['id']}/skus", {"sku": "LAMP"})
    made = await cloud.owner.ok("POST", "/api/finished-goods/", {"product_sku_id": sku["id"]})
    expected = {"wiki_id": "wiki-7", "product_id": product["id"], "product_name": "Lamp"}
    for about in ({"product_id": product["id"]}, {"finished_good_id": made["id"]}):
        one = PATH + (await task(cloud, **about))["id"]
        assert await cloud.owner.ok("GET", f"{one}/wiki") == expected
    one = PATH + (await task(cloud))["id"]
    assert (await cloud.owner.ok("GET", f"{one}/wiki"))["wiki_id"] is None


async def test_completing_moves_the_pieces_exactly_once(cloud: Cloud) -> None:
    made = await good(cloud, quantity_needs_assembly=10, quantity_assembled=1)
    one = PATH + (await task(cloud, finished_good_id=made["id"], quantity=4))["id"]
    await cloud.owner.ok("POST", f"{one}/start")
    assert await parts(cloud, made["id"]) == (10, 1)
    answers = await asyncio.gather(
        *(cloud.owner.call("POST", f"{one}/complete", {}) for _ in range(5)),
        *(cloud.owner.call("PATCH", one, {"status": "completed"}) for _ in range(5)),
    )
    assert {(status, answer["status"]) for status, answer in answers} == {(200, "completed")}
    assert await parts(cloud, made["id"]) == (6, 5)
    assert await cloud.owner.refused("PATCH", one, {"quantity": 5}) == (409, "wrong_state")


async def test_completed_or_cancelled_but_never_both(cloud: Cloud) -> None:
    for _ in range(5):
        made = await good_once(cloud)
        one = PATH + (await task(cloud, finished_good_id=made["id"], quantity=4))["id"]
        await cloud.owner.ok("POST", f"{one}/start")
        answers = await asyncio.gather(
            *(cloud.owner.call("POST", f"{one}/{verb}", {}) for verb in ("complete", "cancel"))
        )
        assert sorted(status for status, _ in answers) == [200, 409]
        completed = (await cloud.owner.ok("GET", one))["status"] == "completed"
        assert await parts(cloud, made["id"]) == ((0, 4) if completed else (4, 0))


async def good_once(cloud: Cloud) -> JSON:
    """Another finished good of a SKU of its own."""
    count = (await cloud.owner.ok("GET", "/api/finished-goods/"))["total"]
    body = {"product_sku_id": await add_sku(cloud, f"LAMP-{count}"), "quantity_needs_assembly": 4}
    made: JSON = await cloud.owner.ok("POST", "/api/finished-goods/", body)
    return made


async def test_more_than_waits_cannot_be_assembled(cloud: Cloud) -> None:
    made = await good(cloud, quantity_needs_assembly=3)
    one = PATH + (await task(cloud, finished_good_id=made["id"], quantity=4))["id"]
    await cloud.owner.ok("POST", f"{one}/start")
    assert await cloud.owner.refused("POST", f"{one}/complete", {}) == (409, "not_enough_parts")
    assert (await cloud.owner.ok("GET", one))["status"] == "in_progress"
    done = await cloud.owner.ok("PATCH", one, {"quantity": 3, "status": "completed"})
    assert (done["quantity"], await parts(cloud, made["id"])) == (3, (0, 3))


async def test_tasks_are_filtered_and_the_urgent_come_first(cloud: Cloud) -> None:
    for priority in ("low", "urgent", "medium", "high"):
        await task(cloud, priority=priority, assigned_to="Ada" if priority == "low" else None)
    listed = await cloud.owner.ok("GET", PATH + "?sort=priority")
    assert [one["priority"] for one in listed["items"]] == ["urgent", "high", "medium", "low"]
    assert (await cloud.owner.ok("GET", PATH + "?status=pending&priority=low,high"))["total"] == 2
    assert (await cloud.owner.ok("GET", PATH + "?assigned_to=Ada"))["items"][0]["priority"] == "low"
    assert (await cloud.owner.ok("GET", PATH + "?status=completed"))["total"] == 0


async def test_what_is_on_the_worklist_about_a_deleted_task_stays_there(cloud: Cloud) -> None:
    made = await task(cloud)
    body = {"title": "Assemble the lamps", "assembly_task_id": made["id"]}
    listed = await cloud.owner.ok("POST", "/api/worklist/", body)
    await cloud.owner.ok("DELETE", PATH + made["id"])
    left = await cloud.owner.ok("GET", f"/api/worklist/{listed['id']}")
    assert (left["assembly_task_id"], left["version"]) == (None, listed["version"] + 1)
