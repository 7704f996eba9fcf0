"""Printers, hubs and jobs through the API: shapes, checks, conflicts, and the secret that is never given back."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from cloud.storage import hubs as hub_queries
from cloud.storage import printers as printer_queries
from tests.cloud.api_kit import Cloud, running_cloud
from tools.sample_file import PRESETS, build_sample

CODE = "87654321"
PRINTER = {"name": "P1S", "ip_address": "192.168.1.20", "serial_number": "01p00a000000001", "access_code": CODE}


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def revision(cloud: Cloud, hub_id: str) -> int:
    hub = await (await cloud.tenant()).read(lambda tx: hub_queries.get(tx, hub_id))
    assert hub is not None
    return hub.revision


async def test_a_printer_is_added_to_the_only_hub_and_its_code_is_sealed(cloud: Cloud) -> None:
    hub = await cloud.hub()
    before = await revision(cloud, hub)
    printer = await cloud.owner.ok("POST", "/api/printers/", PRINTER)
    assert (printer["hub_id"], printer["printer_id"]) == (hub, 1)
    assert (printer["model"], printer["model_name"]) == ("C12", "P1S")  # told by the serial number
    assert (printer["serial_number"], printer["has_access_code"]) == ("01P00A000000001", True)
    assert (printer["status"], printer["is_connected"], printer["cleared"]) == ("offline", False, True)
    assert (printer["mqtt_port"], printer["ftps_port"], printer["camera_port"]) == (8883, 990, 6000)
    assert printer["live"]["id"] == printer["id"]
    assert await revision(cloud, hub) == before + 1
    row = await (await cloud.tenant()).read(lambda tx: printer_queries.get(tx, printer["id"]))
    assert row is not None
    assert CODE not in repr(row)
    assert await cloud.owner.ok("GET", f"/api/printers/{printer['id']}/") == printer
    assert await cloud.owner.ok("GET", "/api/printers") == {"items": [printer], "total": 1}


async def test_what_the_hub_must_know_raises_its_revision_and_nothing_else_does(cloud: Cloud) -> None:
    printer = await cloud.printer()
    hub, path = printer["hub_id"], f"/api/printers/{printer['id']}"
    start = await revision(cloud, hub)
    await cloud.owner.ok("PATCH", path, {"name": "Left one", "location": "Rack 1", "nozzle_size": 0.6})
    assert await revision(cloud, hub) == start
    await cloud.owner.ok("PATCH", path, {"ip_address": "192.168.1.21"})
    await cloud.owner.ok("PUT", path, {"access_code": "11112222"})
    await cloud.owner.ok("POST", f"{path}/disconnect")
    assert await revision(cloud, hub) == start + 3
    changed = await cloud.owner.ok("POST", f"{path}/connect")
    assert (changed["name"], changed["location"], changed["connect"]) == ("Left one", "Rack 1", True)
    assert (await cloud.owner.ok("PATCH", path, {"location": None, "mqtt_port": None}))["location"] is None


async def test_a_changed_printer_is_told_to_its_hub_and_to_browsers(cloud: Cloud) -> None:
    printer = await cloud.printer()
    told: list[str] = []
    bus = cloud.services.bus
    subscriptions = [
        bus.subscribe(subject, lambda subject, _data: told.append(subject))
        for subject in (f"hub.{printer['hub_id']}.config", f"live.{await cloud.tenant_id()}", "jobs.wake")
    ]
    await cloud.owner.ok("PATCH", f"/api/printers/{printer['id']}", {"name": "Other"})
    assert {subject.split(".")[0] for subject in told} == {"hub", "live", "jobs"}
    for subscription in subscriptions:
        subscription.close()


async def test_another_serial_number_forgets_the_pinned_certificate(cloud: Cloud) -> None:
    printer = await cloud.printer()
    tenant = await cloud.tenant()
    pin = {"cert_sha256": "ab" * 32}
    await tenant.write(lambda tx: printer_queries.update_printer(tx, printer["id"], pin))
    await cloud.owner.ok("PATCH", f"/api/printers/{printer['id']}", {"serial_number": "01P00A000000002"})
    row = await tenant.read(lambda tx: printer_queries.get(tx, printer["id"]))
    assert row is not None
    assert row.cert_sha256 == ""


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": ""}, "$.name"),
        ({"name": "line\nfeed"}, "$.name"),
        ({"name": "ends with\n"}, "$.name"),
        ({"ip_address": "999.1.1.1"}, "$.ip_address"),
        ({"ip_address": "printer.local"}, "$.ip_address"),
        ({"ip_address": "224.0.0.1"}, "$.ip_address"),
        ({"serial_number": "01P/../x"}, "$.serial_number"),
        ({"access_code": ""}, "$.access_code"),
        ({"access_code": "x" * 65}, "$.access_code"),
        ({"access_code": 87654321}, "$.access_code"),
        ({"model": "Prusa"}, "$.model"),
        ({"mqtt_port": 0}, "$.mqtt_port"),
        ({"unknown": 1}, "$"),
        ({"has_access_code": False}, "$"),
    ],
)
async def test_a_bad_field_is_named(cloud: Cloud, changes: dict[str, Any], path: str) -> None:
    await cloud.hub()
    status, answer = await cloud.owner.call("POST", "/api/printers/", {**PRINTER, **changes})
    assert (status, answer["error"]["code"], answer["error"]["details"]["path"]) == (422, "invalid", path)
    assert CODE not in str(answer)


async def test_a_printer_needs_a_hub_and_says_which_when_there_are_several(cloud: Cloud) -> None:
    assert await cloud.owner.refused("POST", "/api/printers/", PRINTER) == (422, "hub_required")
    first, _second = await cloud.hub("One"), await cloud.hub("Two")
    assert await cloud.owner.refused("POST", "/api/printers/", PRINTER) == (422, "hub_required")
    assert await cloud.owner.refused("POST", "/api/printers/", {**PRINTER, "hub_id": "hub_x"}) == (422, "no_such_hub")
    await cloud.owner.ok("POST", "/api/printers/", {**PRINTER, "hub_id": first})


async def test_serial_and_number_are_unique_within_the_tenant_only(cloud: Cloud) -> None:
    printer = await cloud.printer(PRINTER["serial_number"])
    assert await cloud.owner.refused("POST", "/api/printers/", PRINTER) == (409, "duplicate")
    taken = {**PRINTER, "serial_number": "01P9", "printer_id": printer["printer_id"]}
    assert await cloud.owner.refused("POST", "/api/printers/", taken) == (409, "duplicate")
    stranger = await cloud.stranger()
    await stranger.ok("POST", "/api/hubs/", {"name": "Theirs"})
    await stranger.ok("POST", "/api/printers/", PRINTER)


async def test_a_hub_takes_no_more_printers_than_it_carries(cloud: Cloud) -> None:
    hub = await cloud.hub()
    hello = {"boot": "b", "firmware": "1", "board": "x", "sockets": 10, "max_printers": 1}
    await cloud.services.store.write(lambda tx: hub_queries.connected(tx, hub, **hello))  # type: ignore[arg-type]
    await cloud.printer("01P1")
    body = {**PRINTER, "serial_number": "01P2"}
    assert await cloud.owner.refused("POST", "/api/printers/", body) == (409, "hub_full")


async def test_a_printer_with_unfinished_jobs_stays(cloud: Cloud) -> None:
    printer = await cloud.printer()
    _, file = await cloud.owner.upload(build_sample(PRESETS["bracket_p1s"]))
    body = {"print_file_id": file["id"], "printer_id": printer["id"], "hold": True}
    job = (await cloud.owner.ok("POST", "/api/print-jobs/", body))["items"][0]
    path = f"/api/printers/{printer['id']}"
    assert await cloud.owner.refused("DELETE", path) == (409, "in_use")
    await cloud.owner.ok("POST", f"/api/print-jobs/{job['id']}/cancel")
    assert await cloud.owner.call("DELETE", path) == (204, b"")
    assert await cloud.owner.refused("GET", path) == (404, "not_found")
    assert (await cloud.owner.ok("GET", f"/api/print-jobs/{job['id']}"))["target_printer_id"] is None
    assert cloud.services.printing.live.view(printer["id"]) is None


async def test_commands_to_a_printer_whose_hub_is_away_say_so(cloud: Cloud) -> None:
    path = f"/api/printers/{(await cloud.printer())['id']}"
    assert (await cloud.owner.refused("POST", f"{path}/light", {"on": True}))[0] == 503
    assert (await cloud.owner.refused("POST", f"{path}/pause"))[0] == 503
    assert (await cloud.owner.refused("GET", f"{path}/snapshot"))[0] == 503
    assert (await cloud.owner.ok("GET", f"{path}/status"))["status"] == "offline"
    assert await cloud.owner.refused("POST", f"{path}/speed", {"level": 9}) == (422, "invalid")


async def test_a_hubs_key_is_shown_once_and_can_be_replaced_and_revoked(cloud: Cloud) -> None:
    made = await cloud.owner.ok("POST", "/api/hubs/", {"name": "Shelf"})
    assert made["key"].startswith(f"pfh_{made['id']}_")
    hub = await cloud.owner.ok("GET", f"/api/hubs/{made['id']}")
    assert (hub["name"], hub["online"], hub["revoked"], hub["printers"]) == ("Shelf", False, False, 0)
    assert made["key"] not in str(await cloud.owner.ok("GET", "/api/hubs/"))
    renewed = await cloud.owner.ok("POST", f"/api/hubs/{made['id']}/key")
    assert renewed["key"] != made["key"]
    told: list[bytes] = []
    watching = cloud.services.bus.subscribe(f"hub.{made['id']}.config", lambda _subject, data: told.append(data))
    assert (await cloud.owner.ok("POST", f"/api/hubs/{made['id']}/revoke"))["revoked"]
    assert len(told) == 1  # whoever holds its socket closes it
    watching.close()
    assert (await cloud.owner.ok("PATCH", f"/api/hubs/{made['id']}", {"name": "Rack"}))["name"] == "Rack"


async def test_a_deleted_hub_leaves_its_printers(cloud: Cloud) -> None:
    printer = await cloud.printer()
    assert await cloud.owner.call("DELETE", f"/api/hubs/{printer['hub_id']}") == (204, b"")
    left = await cloud.owner.ok("GET", f"/api/printers/{printer['id']}")
    assert left["hub_id"] is None
    assert left["live"]["hub_id"] is None
    assert await cloud.owner.refused("DELETE", f"/api/hubs/{printer['hub_id']}") == (404, "not_found")


async def test_jobs_are_queued_listed_changed_and_deleted(cloud: Cloud) -> None:
    printer = await cloud.printer()
    _, file = await cloud.owner.upload(build_sample(PRESETS["bracket_p1s"]))
    made = await cloud.owner.ok("POST", "/api/print-jobs/", {"print_file_id": file["id"], "copies": 3, "hold": True})
    assert made["total"] == len(made["items"]) == 3
    first = made["items"][0]
    assert (first["status"], first["held"], first["plate"], first["model_id"]) == ("queued", True, 1, "C12")
    assert [(one["slot"], one["type"]) for one in first["filaments"]] == [(1, "PLA")]
    path = f"/api/print-jobs/{first['id']}"
    changed = await cloud.owner.ok("PATCH", path, {"priority": 5, "printer_id": printer["id"]})
    assert (changed["priority"], changed["target_printer_id"]) == (5, printer["id"])
    cancelled = await cloud.owner.ok("POST", f"{path}/cancel")
    assert cancelled["status"] == "cancelled"
    detail = await cloud.owner.ok("GET", path)
    assert [step["to_status"] for step in detail["history"]] == ["queued", "cancelled"]
    listed = await cloud.owner.ok("GET", "/api/print-jobs?status=queued,printing&limit=1")
    assert (listed["total"], len(listed["items"])) == (2, 1)
    by_repeat = await cloud.owner.ok("GET", "/api/print-jobs?status=queued&status=cancelled")
    assert by_repeat["total"] == 3
    assert await cloud.owner.refused("GET", "/api/print-jobs?status=nonsense") == (422, "invalid")
    assert await cloud.owner.refused("GET", "/api/print-jobs?colour=red") == (422, "invalid")
    assert await cloud.owner.refused("PATCH", path, {"priority": 1}) == (409, "not_queued")
    assert await cloud.owner.call("DELETE", path) == (204, b"")
    assert await cloud.owner.refused("GET", path) == (404, "not_found")


async def test_no_answer_log_or_live_message_ever_carries_an_access_code(cloud: Cloud) -> None:
    secret, other = "S3cr3tC0de", "An0therC0de"
    seen: list[str] = []
    with capture_logs() as logs:
        printer = await cloud.printer(access_code=secret)
        path = f"/api/printers/{printer['id']}"
        async with cloud.owner.http.ws_connect("/api/v1/ws") as socket:
            await socket.send_json({"type": "watch"})
            await socket.send_json({"type": "subscribe"})
            for method, where, body in [
                ("PATCH", path, {"access_code": other}),
                ("PATCH", path, {"access_code": secret, "unknown": 1}),
                ("PUT", path, {"access_code": secret, "name": ""}),
                ("PUT", path, {"access_code": [secret]}),
                (
                    "POST",
                    "/api/printers/",
                    {**PRINTER, "serial_number": printer["serial_number"], "access_code": secret},
                ),
                ("GET", path, None),
                ("GET", "/api/printers/", None),
                ("GET", f"{path}/status", None),
                ("POST", f"{path}/trust", None),
                ("POST", f"{path}/disconnect", None),
                ("GET", "/api/hubs/", None),
                ("GET", f"{path}/{secret}", None),
            ]:
                seen.append(str(await cloud.owner.call(method, where, body)))
            await socket.send_json({"type": "ping"})
            async for message in socket:
                assert message.type is aiohttp.WSMsgType.TEXT
                seen.append(message.data)
                if '"pong"' in message.data:
                    break
    assert len(seen) > 14
    for text in [*seen, str(logs)]:
        assert secret not in text
        assert other not in text
