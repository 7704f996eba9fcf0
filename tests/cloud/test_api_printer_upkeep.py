"""Printers through the API: maintenance, out of service and back, versions, lists, order, and many at once."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.api_kit import Cloud, running_cloud


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def three(cloud: Cloud) -> list[dict[str, Any]]:
    first = await cloud.printer("01P00A000000001", name="Ada", location="Rack 1")
    second = await cloud.printer("01P00A000000002", name="Bob", location="Rack 2", is_active=False)
    third = await cloud.printer("03900A000000003", name="Cleo", location="Rack 1")
    return [first, second, third]


async def names(cloud: Cloud, query: str = "") -> list[str]:
    return [one["name"] for one in (await cloud.owner.ok("GET", f"/api/printers/{query}"))["items"]]


async def test_maintenance_begins_once_ends_once_and_is_logged(cloud: Cloud) -> None:
    printer = await cloud.printer()
    path = f"/api/printers/{printer['id']}"
    assert await cloud.owner.refused("POST", f"{path}/maintenance/complete", {}) == (409, "not_in_maintenance")
    began = await cloud.owner.ok("POST", f"{path}/maintenance/start", {"type": "nozzle", "reason": "worn"})
    now = began["printer"]
    assert (now["in_maintenance"], now["maintenance_type"], now["maintenance_reason"]) == (True, "nozzle", "worn")
    assert (now["live"]["in_maintenance"], now["version"]) == (True, printer["version"] + 1)
    assert began["message"] == "It gets no job until maintenance is completed."
    assert await cloud.owner.refused("POST", f"{path}/maintenance/start", {}) == (409, "in_maintenance")
    ended = await cloud.owner.ok("POST", f"{path}/maintenance/complete", {"notes": "0.4 hardened"})
    assert ended["printer"]["in_maintenance"] is False
    assert ended["printer"]["last_maintenance_date"]
    await cloud.owner.ok("POST", f"{path}/maintenance/start", {})
    log = await cloud.owner.ok("GET", f"{path}/maintenance?limit=1&offset=1")
    assert log["total"] == 2
    line = log["items"][0]
    assert (line["type"], line["reason"], line["notes"]) == ("nozzle", "worn", "0.4 hardened")
    assert line["completed_at"] and line["started_by"] == line["completed_by"]
    stranger = await cloud.stranger()
    assert await stranger.refused("GET", f"{path}/maintenance") == (404, "not_found")


async def test_a_printer_is_disabled_with_a_reason_and_enabled_again(cloud: Cloud) -> None:
    printer = await cloud.printer()
    path = f"/api/printers/{printer['id']}"
    disabled = await cloud.owner.ok("POST", f"{path}/disable", {"reason": "smells"})
    assert (disabled["disabled_reason"], disabled["live"]["disabled_reason"]) == ("smells", "smells")
    assert disabled["disabled_at"]
    enabled = await cloud.owner.ok("POST", f"{path}/enable")
    assert (enabled["disabled_reason"], enabled["disabled_at"], enabled["consecutive_failures"]) == (None, None, 0)


async def test_a_printer_is_changed_and_deleted_knowingly(cloud: Cloud) -> None:
    printer = await cloud.printer()
    path = f"/api/printers/{printer['id']}"
    seen: dict[str, Any] = {"headers": {"if-match": f'"v{printer["version"]}"'}}
    async with cloud.owner.http.patch(path, json={"name": "One"}, **seen) as answer:
        assert (answer.status, answer.headers["etag"]) == (200, f'"v{printer["version"] + 1}"')
    assert await cloud.owner.refused("PATCH", path, {"name": "Two"}, **seen) == (412, "stale")
    assert await cloud.owner.refused("DELETE", path, **seen) == (412, "stale")
    assert (await cloud.owner.ok("GET", path))["name"] == "One"
    await cloud.owner.ok("DELETE", path)


async def test_a_hub_is_renamed_and_deleted_knowingly(cloud: Cloud) -> None:
    hub_id = await cloud.hub()
    path = f"/api/hubs/{hub_id}"
    first = (await cloud.owner.ok("GET", path))["version"]
    seen: dict[str, Any] = {"headers": {"if-match": f'"v{first}"'}}
    assert (await cloud.owner.ok("PATCH", path, {"name": "Rack"}, **seen))["version"] == first + 1
    assert await cloud.owner.refused("PATCH", path, {"name": "Shelf"}, **seen) == (412, "stale")
    assert await cloud.owner.refused("DELETE", path, **seen) == (412, "stale")
    await cloud.owner.ok("DELETE", path)


async def test_what_a_person_says_of_a_printer_is_kept(cloud: Cloud) -> None:
    printer = await cloud.printer(current_color="Leaf", current_color_hex="#00AA00", filament_level=40)
    assert (printer["manufacturer"], printer["connection_type"], printer["firmware_version"]) == (
        "Bambu Lab", "bambu", "",
    )  # fmt: skip
    assert (printer["current_color"], printer["current_color_hex"], printer["filament_level"]) == (
        "Leaf", "#00AA00", 40,
    )  # fmt: skip
    changes = {"current_filament_type": "ASA", "filament_level": None, "manufacturer": "Bambu"}
    changed = await cloud.owner.ok("PATCH", f"/api/printers/{printer['id']}", changes)
    assert {name: changed[name] for name in changes} == changes
    live = cloud.services.printing.live
    live.hub_online(printer["hub_id"])
    tray = {"id": 1, "loaded": True, "type": "PETG", "color": "#112233", "remain": 77}
    live.status(printer["id"], True, {"link": "online", "tray": 1, "trays": [tray], "firmware": "01.08"})
    told = await cloud.owner.ok("GET", f"/api/printers/{printer['id']}")
    assert (told["current_filament_type"], told["current_color_hex"], told["current_color"]) == (
        "PETG", "#112233", "#112233",
    )  # fmt: skip
    assert (told["filament_level"], told["firmware_version"]) == (77, "01.08")


async def test_printers_are_filtered_searched_sorted_paged_and_exported(cloud: Cloud) -> None:
    first, _, third = await three(cloud)
    assert await names(cloud) == ["Ada", "Bob", "Cleo"]
    assert await names(cloud, "?model=A1") == ["Cleo"]
    assert await names(cloud, "?location=Rack%201&sort=-name") == ["Cleo", "Ada"]
    assert await names(cloud, "?is_active=false") == ["Bob"]
    assert await names(cloud, f"?hub_id={first['hub_id']}") == ["Ada", "Bob", "Cleo"]
    assert await names(cloud, "?hub_id=hub_none") == []
    assert await names(cloud, "?search=a00000000") == ["Ada", "Bob", "Cleo"]
    assert await names(cloud, "?search=cle") == ["Cleo"]
    live = cloud.services.printing.live
    live.hub_online(first["hub_id"])
    live.status(third["id"], True, {"link": "online", "state": "running"})
    assert await names(cloud, "?status=printing,paused") == ["Cleo"]
    assert await names(cloud, "?status=offline&limit=1&offset=1") == ["Bob"]
    assert (await cloud.owner.ok("GET", "/api/printers/?status=offline&limit=1"))["total"] == 2
    await cloud.owner.ok("POST", f"/api/printers/{first['id']}/maintenance/start", {})
    assert await names(cloud, "?in_maintenance=true") == ["Ada"]
    assert await cloud.owner.refused("GET", "/api/printers/?sort=access_code_enc") == (422, "invalid")
    text = (await cloud.owner.ok("GET", "/api/printers/export.csv?location=Rack%201")).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows] == ["Ada", "Cleo"]
    assert "live" not in rows[0] and not any("access_code_enc" in name for name in rows[0])


async def test_the_order_of_the_dashboard_is_changed_as_a_whole(cloud: Cloud) -> None:
    first, second, third = await three(cloud)
    answer = await cloud.owner.ok("POST", "/api/printers/reorder", {"ids": [third["id"], first["id"]]})
    assert [one["name"] for one in answer["items"]] == ["Cleo", "Ada", "Bob"]
    assert [one.meta["name"] for one in cloud.services.printing.live.of_tenant(await cloud.tenant_id())] == [
        "Cleo", "Ada", "Bob",
    ]  # fmt: skip
    bad = {"ids": [second["id"], "prn_none"]}
    assert await cloud.owner.refused("POST", "/api/printers/reorder", bad) == (404, "not_found")
    assert await names(cloud) == ["Cleo", "Ada", "Bob"]


async def test_many_at_once_are_each_done_or_refused(cloud: Cloud) -> None:
    first, second, third = await three(cloud)

    async def bulk(action: str, *ids: str, **more: Any) -> list[tuple[bool, str]]:
        answer = await cloud.owner.ok("POST", "/api/printers/bulk", {"action": action, "ids": list(ids), **more})
        return [(one["ok"], one.get("code", "")) for one in answer["results"]]

    done = (True, "")
    assert await bulk("disable", first["id"], "prn_none", reason="x") == [done, (False, "not_found")]
    assert await bulk("enable", first["id"]) == [done]
    assert await bulk("maintenance", first["id"], second["id"], type="belts") == [done, done]
    assert await bulk("maintenance", first["id"], third["id"]) == [(False, "in_maintenance"), done]
    assert await bulk("maintenance_complete", first["id"], second["id"], third["id"]) == [done] * 3
    assert await bulk("update", first["id"], third["id"], changes={"location": "Cellar"}) == [done, done]
    assert await bulk("clear", first["id"]) == [done]
    assert await bulk("pause", first["id"]) == [(False, "hub_offline")]
    assert await bulk("delete", second["id"], second["id"]) == [done]
    assert await names(cloud, "?location=Cellar") == ["Ada", "Cleo"]
    body = {"action": "light", "ids": [first["id"]]}
    assert await cloud.owner.refused("POST", "/api/printers/bulk", body) == (422, "invalid")
