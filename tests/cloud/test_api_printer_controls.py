"""Commands by hand through the API, to a hub that answers as a script says: every ending is told as it was."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.typing import Subprotocol

from shared_protocol import version
from tests.cloud.api_kit import Cloud, running_cloud
from tests.cloud.hub_kit import FakeHub

CONTROLS: list[tuple[str, Any, str, dict[str, Any]]] = [
    ("light", {"on": True}, "light", {"on": True}),
    ("speed", {"level": 4}, "speed", {"level": 4}),
    ("temperature", {"nozzle": 210}, "temperature", {"nozzle": 210}),
    ("temperature", {"nozzle": 0, "bed": 60}, "temperature", {"nozzle": 0, "bed": 60}),
    ("fan", {"fan": "aux", "percent": 30}, "fan", {"fan": "aux", "percent": 30}),
    ("home", None, "home", {}),
    ("calibrate", {"options": ["lidar", "clumping"]}, "calibrate", {"option": 65}),
    ("ams/load", {"tray": 1}, "ams_change", {"tray": 1}),
    ("ams/change", {"tray": 254, "nozzle": 230}, "ams_change", {"tray": 254, "nozzle": 230}),
    ("ams/unload", None, "ams_change", {"tray": 255}),
    ("ams/control", {"action": "abort"}, "ams_control", {"action": "abort"}),
    ("gcode", {"lines": "M106 S0"}, "gcode", {"lines": "M106 S0"}),
    ("clean-error", None, "clean_error", {}),
    ("refresh", None, "refresh", {}),
    ("pause", None, "pause", {}),
    ("resume", None, "resume", {}),
]


class Shelf:
    """A cloud with one printer behind a hub that does as it is told."""

    def __init__(self, cloud: Cloud, printer: dict[str, Any]) -> None:
        self.cloud = cloud
        self.printer = printer
        self.path = f"/api/printers/{printer['id']}"
        self.heard: list[dict[str, Any]] = []
        self.answer: dict[str, Any] = {"ok": True}

    async def serve(self, hub: FakeHub) -> None:
        """Answer every command; an id that was had before gets its first answer."""
        answers: dict[str, dict[str, Any]] = {}
        while True:
            message = await hub.hear()
            if message["kind"] == "config":
                await hub.say("configured", revision=message["config"]["revision"])
            if message["kind"] == "command":
                if message["id"] not in answers:
                    answers[message["id"]] = self.answer
                    self.heard.append(message)
                await hub.say("result", id=message["id"], **answers[message["id"]])

    async def refused(self, path: str, body: Any = None, **options: Any) -> tuple[int, str, str]:
        status, answer = await self.cloud.owner.call("POST", f"{self.path}/{path}", body, **options)
        return status, answer["error"]["code"], answer["error"]["message"]


@pytest.fixture
async def shelf(tmp_path: Path, database: str) -> AsyncIterator[Shelf]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        made = await cloud.owner.ok("POST", "/api/hubs/", {"name": "Shelf"})
        shelf = Shelf(cloud, await cloud.printer(hub_id=made["id"]))
        headers = {"Authorization": f"Bearer {made['key']}"}
        url = f"{cloud.base.replace('http', 'ws')}/hub/v1/link"
        protocols = [Subprotocol(name) for name in version.SUBPROTOCOLS]
        async with websockets.connect(url, additional_headers=headers, subprotocols=protocols, proxy=None) as socket:
            hub = FakeHub(socket)
            hello = {"hub": made["id"], "firmware": "1", "board": "test", "boot": "boot0001", "uptime_ms": 1}
            await hub.say("hello", **hello, last_event=0, revision=0, sockets=10, max_printers=6)
            await hub.until("welcome")
            trays = [{"id": one, "loaded": True, "type": "PLA", "color": "#FFFFFF"} for one in range(4)]
            status = {"link": "online", "state": "idle", "model": "C12", "trays": trays, "firmware": "01.08"}
            await hub.say("status", printer=shelf.printer["id"], full=True, data=status)
            serving = asyncio.create_task(shelf.serve(hub))
            async with asyncio.timeout(10):
                while (await cloud.owner.ok("GET", shelf.path))["status"] != "idle":
                    await asyncio.sleep(0.01)
            yield shelf
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving


async def test_each_control_reaches_the_hub_as_its_command(shelf: Shelf) -> None:
    for path, body, name, args in CONTROLS:
        answer = await shelf.cloud.owner.ok("POST", f"{shelf.path}/{path}", body)
        assert answer == {
            "ok": True,
            "success": True,
            "code": "done",
            "message": "The printer took the command.",
        }, path
        assert (shelf.heard[-1]["name"], shelf.heard[-1]["args"]) == (name, args), path
    assert len(shelf.heard) == len(CONTROLS)


async def test_a_tray_is_named_without_what_was_left_out(shelf: Shelf) -> None:
    tray = {"tray": 2, "type": "PETG", "color": "#a0b0c0", "min": 230, "max": 250}
    await shelf.cloud.owner.ok("POST", f"{shelf.path}/ams/tray", tray)
    assert shelf.heard[-1]["args"] == {**tray, "color": "#A0B0C0"}
    assert (await shelf.refused("ams/tray", {**tray, "min": 260}))[:2] == (422, "invalid")


@pytest.mark.parametrize(
    ("code", "status", "unsure"),
    [
        ("offline", 503, False),
        ("auth_failed", 503, False),
        ("unknown_printer", 503, False),
        ("expired", 503, False),
        ("locked", 409, False),
        ("busy", 409, False),
        ("wrong_state", 409, False),
        ("rejected", 409, False),
        ("unknown_command", 502, False),
        ("no_answer", 504, True),
        ("interrupted", 504, True),
    ],
)
async def test_what_went_wrong_is_told_as_it_is(shelf: Shelf, code: str, status: int, unsure: bool) -> None:
    shelf.answer = {"ok": False, "code": code, "message": "said so"}
    got, got_code, sentence = await shelf.refused("home")
    assert (got, got_code) == (status, code)
    assert ("It may have happened: look at the printer." in sentence) is unsure


async def test_gcode_that_may_have_run_is_in_the_audit_log_and_what_was_refused_is_not(shelf: Shelf) -> None:
    for code in ("rejected", "no_answer"):
        shelf.answer = {"ok": False, "code": code, "message": "said so"}
        await shelf.refused("gcode", {"lines": f"M117 {code}"})
    logged = (await shelf.cloud.owner.ok("GET", "/api/audit-log/?action=printers_gcode"))["items"]
    assert [(one["object_id"], one["details"]["lines"], one["details"]["outcome"]) for one in logged] == [
        (shelf.printer["id"], "M117 no_answer", "no_answer")
    ]


async def test_a_command_in_the_wrong_state_says_what_it_needs(shelf: Shelf) -> None:
    shelf.answer = {"ok": False, "code": "wrong_state", "message": "The printer is in state running."}
    assert "wait until nothing is printed" in (await shelf.refused("home"))[2]
    assert shelf.heard[-1]["expect"] == ["idle", "finish", "failed"]
    assert "while_printing" in (await shelf.refused("gcode", {"lines": "G1 X5"}))[2]
    await shelf.refused("gcode", {"lines": "G1 X5", "while_printing": True})
    assert "running" in shelf.heard[-1]["expect"]


async def test_the_same_key_is_the_same_command_and_another_printers_is_not(shelf: Shelf) -> None:
    key = {"headers": {"idempotency-key": "key-of-one-click"}}
    first = await shelf.cloud.owner.ok("POST", f"{shelf.path}/home", **key)
    shelf.answer = {"ok": False, "code": "rejected", "message": "twice"}
    assert await shelf.cloud.owner.ok("POST", f"{shelf.path}/home", **key) == first
    assert len(shelf.heard) == 1
    second = await shelf.cloud.printer("01P00A000000002", hub_id=shelf.printer["hub_id"])
    shelf.answer = {"ok": True}
    body = {"action": "light", "on": True, "ids": [shelf.printer["id"], second["id"], "prn_gone"]}
    for _ in range(2):
        results = (await shelf.cloud.owner.ok("POST", "/api/printers/bulk", body, **key))["results"]
        assert [one["ok"] for one in results] == [True, True, False]
    assert [one["printer"] for one in shelf.heard[1:]] == [shelf.printer["id"], second["id"]]


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("temperature", {}, (422, "invalid")),
        ("temperature", {"nozzle": 301}, (422, "too_hot")),
        ("temperature", {"bed": 101}, (422, "too_hot")),
        ("temperature", {"bed": -1}, (422, "invalid")),
        ("fan", {"fan": "left", "percent": 1}, (422, "invalid")),
        ("calibrate", {"options": []}, (422, "invalid")),
        ("ams/load", {"tray": 4}, (422, "no_such_tray")),
        ("ams/load", {"tray": 255}, (422, "invalid")),
        ("skip-objects", {"objects": [1]}, (409, "no_job")),
        ("gcode", {"lines": "M104 S1\u0000"}, (422, "invalid")),
        ("gcode", {"lines": "M" * 1901}, (422, "invalid")),
    ],
)
async def test_what_must_not_be_sent_is_not(shelf: Shelf, path: str, body: Any, answer: tuple[int, str]) -> None:
    assert (await shelf.refused(path, body))[:2] == answer
    assert shelf.heard == []


async def test_the_old_systems_paths_and_names_do_the_same(shelf: Shelf) -> None:
    owner, path = shelf.cloud.owner, f"/api/printers/{shelf.printer['printer_id']}"
    old: list[tuple[str, Any, str, dict[str, Any]]] = [
        ("light/on", None, "light", {"on": True}),
        ("light/off", None, "light", {"on": False}),
        ("light/toggle", None, "light", {"on": True}),
        ("temp/nozzle", {"temperature": 205.9, "wait": True}, "temperature", {"nozzle": 205}),
        ("temp/bed", {"temperature": 60}, "temperature", {"bed": 60}),
        ("temp/off", None, "temperature", {"nozzle": 0, "bed": 0}),
        ("filament/load", {"ams_slot": 2}, "ams_change", {"tray": 2}),
        ("filament/unload", {}, "ams_change", {"tray": 255}),
        ("filament/change", {"from_slot": 0, "to_slot": 3}, "ams_change", {"tray": 3}),
        ("ams/reset", None, "ams_control", {"action": "reset"}),
        ("print/pause", None, "pause", {}),
        ("print/resume", None, "resume", {}),
        ("print/stop", None, "stop", {}),
        ("print/cancel", None, "stop", {}),
        ("home", None, "home", {}),
        ("calibrate", {}, "calibrate", {"option": 2 | 4 | 8}),
        ("calibrate", {"bed_level": False, "vibration_compensation": False}, "calibrate", {"option": 8}),
        ("gcode", {"command": "M106 S0", "wait_for_completion": False}, "gcode", {"lines": "M106 S0"}),
    ]
    for where, body, name, args in old:
        assert (await owner.ok("POST", f"{path}/{where}", body))["success"] is True, where
        assert (shelf.heard[-1]["name"], shelf.heard[-1]["args"]) == (name, args), where
    assert await owner.refused("POST", f"{path}/temp/bed", {"temperature": 300}) == (422, "too_hot")
    assert await owner.refused("POST", f"{path}/gcode", {}) == (422, "invalid")
    nothing = dict.fromkeys(("bed_level", "vibration_compensation", "motor_noise_calibration"), False)
    assert await owner.refused("POST", f"{path}/calibrate", nothing) == (422, "invalid")
    assert await owner.refused("POST", f"{path}/cleared/toggle") == (409, "cleared")
    started = {"maintenance_type": "belts", "notes": "squeak"}
    began = (await owner.ok("POST", f"{path}/maintenance/start", started))["printer"]
    assert (began["maintenance_type"], began["maintenance_reason"]) == ("belts", "squeak")
    assert (await owner.ok("POST", f"{path}/maintenance/complete", {"task_id": "t-1"}))["success"] is True


async def test_the_old_systems_looks_are_told(shelf: Shelf) -> None:
    owner, path = shelf.cloud.owner, f"/api/printers/{shelf.printer['printer_id']}"
    live = shelf.cloud.services.printing.live
    ams = await owner.ok("GET", f"{path}/ams")
    assert [slot["filament_type"] for slot in ams["ams_status"]["slots"]] == ["PLA"] * 4
    assert (await owner.ok("GET", f"{path}/light/status"))["available"] is False
    assert (await owner.ok("GET", f"{path}/print/progress"))["job_info"] is None
    news = {"nozzle": 20.5, "nozzle_target": 210.0, "light": True, "state": "running", "percent": 7, "task": "part"}
    live.status(shelf.printer["id"], False, news)
    heat = (await owner.ok("GET", f"{path}/temperature"))["temperatures"]
    assert heat["nozzle"] == {"current": 20.5, "target": 210.0, "is_heating": True}
    assert heat["chamber"] == {"current": 0.0, "target": 0.0, "is_heating": False}
    assert (await owner.ok("GET", f"{path}/light/status"))["light_on"] is True
    job = (await owner.ok("GET", f"{path}/print/progress"))["job_info"]
    assert (job["filename"], job["status"], job["progress"]["percentage"]) == ("part", "printing", 7)
    info = await owner.ok("GET", f"{path}/info")
    assert info["printer"] == {"id": "1", "name": "P1S", "model": "P1S", "enabled": True, "connected": True}
    for quick in ("status-quick", "status-quick-fixed"):
        assert (await owner.ok("GET", f"/api/printers/{quick}"))["printers"] == [
            {"printer_id": "1", "name": "P1S", "model": "P1S", "connected": True, "status": "idle"}
        ]
    stranger = await shelf.cloud.stranger()
    assert (await stranger.ok("GET", "/api/printers/status-quick"))["printers"] == []


async def test_gcode_is_the_owners_and_every_line_is_in_the_audit_log(shelf: Shelf) -> None:
    operator = await shelf.cloud.person("operator")
    lines = "\n".join(['M117 "quoted" \\ text'] * 90)
    assert (await operator.refused("POST", f"{shelf.path}/gcode", {"lines": lines}))[0] == 403
    await shelf.cloud.owner.ok("POST", f"{shelf.path}/gcode", {"lines": lines})
    log = await shelf.cloud.owner.ok("GET", "/api/audit-log/?action=printers_gcode")
    entry = log["items"][0]
    assert (entry["object_id"], entry["details"]["lines"]) == (shelf.printer["id"], lines)


async def test_an_old_clients_number_names_the_same_printer(shelf: Shelf) -> None:
    number = shelf.printer["printer_id"]
    owner = shelf.cloud.owner
    assert (await owner.ok("GET", f"/api/printers/{number}"))["id"] == shelf.printer["id"]
    await owner.ok("POST", f"/api/printers/{number}/light", {"on": False})
    assert shelf.heard[-1]["printer"] == shelf.printer["id"]
    log = await owner.ok("GET", "/api/audit-log/?action=printers_light")
    assert log["items"][0]["object_id"] == shelf.printer["id"]
    for unknown in ("99", "9" * 30, "0"):
        assert await owner.refused("GET", f"/api/printers/{unknown}") == (404, "not_found")
    stranger = await shelf.cloud.stranger()
    assert await stranger.refused("GET", f"/api/printers/{number}") == (404, "not_found")
