"""/api/worklist: what there is to do for people."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud.storage import clock
from tests.cloud.api_kit import JSON, Cloud, running_cloud

PATH = "/api/worklist/"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def task(cloud: Cloud, title: str = "Clear the plate", **values: Any) -> JSON:
    made: JSON = await cloud.owner.ok("POST", PATH, {"title": title, **values})
    return made


async def titles(cloud: Cloud, query: str) -> list[str]:
    return [one["title"] for one in (await cloud.owner.ok("GET", PATH + query))["items"]]


async def test_a_task_keeps_what_it_was_given(cloud: Cloud) -> None:
    printer = await cloud.printer()
    given = {
        "subtitle": "P1S 3", "description": "Use the scraper.\nCarefully.", "task_type": "clear", "priority": "high",
        "due_date": "2026-12-01", "printer_id": printer["id"], "assigned_to": "Ada", "order_number": "#1001",
        "estimated_time_minutes": 5, "metadata": {"plate": 2, "colours": ["red", "blue"]},
    }  # fmt: skip
    made = await task(cloud, **given)
    assert {name: made[name] for name in given} == given
    changed = await cloud.owner.ok("PATCH", PATH + made["id"], {"metadata": {"plate": 3}, "actual_time_minutes": 7})
    assert (changed["metadata"], changed["actual_time_minutes"]) == ({"plate": 3}, 7)
    assert changed == await cloud.owner.ok("GET", PATH + made["id"])


async def test_metadata_is_an_object_of_bounded_size(cloud: Cloud) -> None:
    assert await cloud.owner.refused("POST", PATH, {"title": "A", "metadata": [1]}) == (422, "invalid")
    large = {"title": "A", "metadata": {"text": "x" * 8000}}
    assert await cloud.owner.refused("POST", PATH, large) == (422, "invalid")
    made = await task(cloud)
    assert await cloud.owner.refused("PATCH", PATH + made["id"], {"metadata": large}) == (422, "invalid")


async def test_a_task_is_started_completed_and_cancelled(cloud: Cloud) -> None:
    done, dropped = await task(cloud), await task(cloud)
    for verb, status in (("start", "in_progress"), ("complete", "completed")):
        assert (await cloud.owner.ok("POST", f"{PATH}{done['id']}/{verb}", {}))["status"] == status
    assert (await cloud.owner.ok("POST", f"{PATH}{dropped['id']}/cancel"))["status"] == "cancelled"
    assert await cloud.owner.refused("POST", f"{PATH}{dropped['id']}/start") == (409, "wrong_state")
    late = {"if-match": f'"v{done["version"]}"'}
    assert await cloud.owner.refused("POST", f"{PATH}{done['id']}/complete", {}, headers=late) == (412, "stale")


async def test_how_long_a_task_took_is_told_or_said(cloud: Cloud) -> None:
    measured, said = await task(cloud), await task(cloud)
    earlier = clock.after(-600)
    await cloud.owner.ok("PATCH", PATH + measured["id"], {"status": "in_progress", "started_at": earlier})
    done = await cloud.owner.ok("POST", f"{PATH}{measured['id']}/complete", {})
    assert (done["started_at"], done["actual_time_minutes"]) == (earlier, 10)
    never = {"started_at": "2026-02-31T00:00:00Z"}
    assert await cloud.owner.refused("PATCH", PATH + said["id"], never) == (422, "invalid")
    body = {"actual_time_minutes": 3, "metadata": {"good": 9}}
    done = await cloud.owner.ok("POST", f"{PATH}{said['id']}/complete", body)
    assert (done["actual_time_minutes"], done["metadata"]) == (3, {"good": 9})


async def test_the_list_is_filtered_and_sorted_by_what_matters(cloud: Cloud) -> None:
    await task(cloud, "pack", task_type="pack", priority="medium", due_date="2026-12-03")
    await task(cloud, "clear", task_type="clear", priority="urgent")
    await task(cloud, "swap", task_type="swap", priority="low", due_date="2026-12-01T08:00:00Z", assigned_to="Ada")
    await task(cloud, "assemble", task_type="assembly", priority="high", due_date="2026-12-02")
    assert await titles(cloud, "?sort=priority") == ["clear", "assemble", "pack", "swap"]
    assert await titles(cloud, "?sort=-priority") == ["swap", "pack", "assemble", "clear"]
    assert await titles(cloud, "?sort=due_date") == ["swap", "assemble", "pack", "clear"]
    assert await titles(cloud, "?sort=-due_date") == ["pack", "assemble", "swap", "clear"]
    assert await titles(cloud, "?due_date_from=2026-12-01&due_date_to=2026-12-03&sort=title") == ["assemble", "swap"]
    assert await titles(cloud, "?task_type=pack,clear&sort=title") == ["clear", "pack"]
    assert await titles(cloud, "?assigned_to=Ada&status=pending&priority=low") == ["swap"]
    assert await titles(cloud, "?status=completed") == []
    assert await titles(cloud, "?search=ASSEM") == ["assemble"]


async def test_tasks_about_a_removed_printer_stay(cloud: Cloud) -> None:
    printer = await cloud.printer()
    made = await task(cloud, printer_id=printer["id"])
    assert await titles(cloud, f"?printer_id={printer['id']}") == ["Clear the plate"]
    await cloud.owner.ok("DELETE", f"/api/printers/{printer['id']}")
    assert (await cloud.owner.ok("GET", PATH + made["id"]))["printer_id"] is None
    assert await cloud.owner.refused("POST", PATH, {"title": "A", "printer_id": printer["id"]}) == (
        422,
        "unknown_reference",
    )
