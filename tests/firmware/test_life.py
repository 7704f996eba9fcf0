"""A hub that stays alive: commands to itself, faults told, a watchdog with reasons, safe mode, light and button."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.firmware.fake_cloud import KEY, FakeCloud, Hub, printer
from tests.firmware.micropython import run_code
from tools.hub import RESTART, HubProcess

NEW_KEY = "pfh_hub1_verysecretnewkey"

PATCHED = """
import main, hub.life
hub.life.MARGIN_MS = 700
{patch}
main.main()
"""


def patched(patch: str) -> list[str]:
    return ["-c", PATCHED.format(patch=patch)]


async def order(link: Hub, ident: str, name: str, **args: Any) -> dict[str, Any]:
    """A command to the hub itself, and its result."""
    before = len(link.all("result", id=ident))
    await link.send("command", id=ident, name=name, args=args, ttl_ms=60_000)
    return await link.wait("result", before + 1, id=ident)


async def wait_for_file(path: Path, text: str) -> None:
    async with asyncio.timeout(10):
        while not path.exists() or text not in path.read_text():
            await asyncio.sleep(0.02)


# ---- restart, release, key, logs -------------------------------------------------------------------------------


async def test_restart_answers_first_and_the_next_start_knows_why(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    assert (await order(link, "r1", "restart"))["ok"]
    assert await hub.ended() == RESTART
    await hub.start()
    link = await cloud.hub()
    assert link.hello["reset"] == "restart"
    assert (await order(link, "r1", "restart"))["ok"], "a repeat gets the first answer"
    assert (await order(link, "i1", "identify", seconds=1))["ok"]
    assert hub.running, "and does nothing again"
    assert (await link.wait("event", name="boot"))["data"]["reason"] in ("start", "restart")


async def test_networks_are_stored_and_at_least_one_is_left(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    result = await order(link, "u1", "wifi", networks=[])
    assert (result["ok"], result["code"]) == (False, "invalid")
    networks = [{"ssid": "Farm", "password": "secret123"}, {"ssid": "Hall", "password": "", "address": "10.0.0.7/24"}]
    assert (await order(link, "u2", "wifi", networks=networks))["ok"]
    assert json.loads((hub.data_dir / "networks.json").read_text()) == {"networks": networks}
    kept = [{"ssid": "Hall"}, {"ssid": "Farm"}, {"ssid": "New", "password": "long enough"}]
    assert (await order(link, "u3", "wifi", networks=kept))["ok"]
    assert json.loads((hub.data_dir / "networks.json").read_text())["networks"] == [*networks[::-1], kept[2]]
    result = await order(link, "u4", "wifi", networks=[{"ssid": "Elsewhere"}])
    assert (result["ok"], result["code"]) == (False, "invalid") and "Elsewhere" in result["message"]
    result = await order(link, "u5", "networks")
    assert result["data"]["networks"] == [{"ssid": one["ssid"], "state": "untried"} for one in kept]
    assert "secret123" not in "".join(hub.lines)


async def test_what_this_firmware_cannot_do_is_said_and_parts_may_add_commands() -> None:
    program = """
import asyncio
from hub.hub_commands import carry_out
class App:
    hub_commands = {}
async def paint(args):
    return {"ok": True, "data": args}
async def main():
    assert (await carry_out(App, "paint", {}))["code"] == "unknown_command"
    App.hub_commands["paint"] = paint
    assert await carry_out(App, "paint", {"color": 1}) == {"ok": True, "data": {"color": 1}}
asyncio.run(main())
"""
    await run_code(program)


async def test_release_forgets_owner_and_printers_and_raises_the_epoch(cloud: FakeCloud, hub: HubProcess) -> None:
    data = hub.data_dir
    (data / "device.json").write_text('{"secret": "AAAAAAAAAAAAAAAAAAAAAAAAAA"}')
    (data / "wifi.json").write_text('{"ssid": "farm", "password": "12345678"}')
    (data / "root.der").write_bytes(b"authority")
    link = await cloud.hub()
    await link.configure(1, printer(1))
    assert (await order(link, "x1", "release"))["ok"]
    assert await hub.ended() == RESTART
    assert {path.name for path in data.iterdir()} == {"device.json", "root.der", "nvs.json", "tries"}
    assert json.loads((data / "nvs.json").read_text())["epoch"] == 1
    await hub.start()
    await hub.wait_for("waiting for somebody")


async def test_logs_are_the_last_lines_without_secrets(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    await link.configure(1, printer(1))
    result = await order(link, "l1", "logs")
    lines = result["data"]["lines"]
    assert any("hub: boot" in line for line in lines) and any("online, epoch 1" in line for line in lines)
    for number in range(60):
        await link.connection.send("x" * number)
    await link.wait("error", 60)
    lines = (await order(link, "l2", "logs"))["data"]["lines"]
    assert len(lines) > 10 and not any("hub: boot" in line for line in lines), "a ring of fixed size"
    assert all(line.split(":")[0] in ("hub", "cloud", "config", "printer p1") for line in lines), lines
    assert KEY not in json.dumps(lines)


async def test_a_new_key_is_used_from_the_next_connection_and_then_alone(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    assert (await order(link, "k1", "key", key=NEW_KEY))["ok"]
    stored = json.loads((hub.data_dir / "identity.json").read_text())
    assert (stored["key"], stored["old_key"]) == (NEW_KEY, KEY)
    await link.connection.close()
    await cloud.hub()
    assert cloud.requests[-1]["Authorization"] == "Bearer " + NEW_KEY
    await wait_for_file(hub.data_dir / "identity.json", NEW_KEY)
    async with asyncio.timeout(10):
        while "old_key" in json.loads((hub.data_dir / "identity.json").read_text()):
            await asyncio.sleep(0.02)


async def test_a_new_key_that_the_cloud_does_not_know_gives_way_to_the_old(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    assert (await order(link, "k1", "key", key=NEW_KEY))["ok"]
    cloud.key = KEY
    await hub.kill()
    await hub.start()
    await cloud.hub()
    used = [headers["Authorization"] for headers in cloud.requests]
    assert used == ["Bearer " + KEY, "Bearer " + NEW_KEY, "Bearer " + KEY]
    async with asyncio.timeout(10):
        while (stored := json.loads((hub.data_dir / "identity.json").read_text())).get("old_key"):
            await asyncio.sleep(0.02)
    assert stored["key"] == KEY


@pytest.mark.parametrize("key", ["with blanks in it yes", "line\nbreak_line_break"])
async def test_what_cannot_be_a_key_changes_nothing(cloud: FakeCloud, hub: HubProcess, key: str) -> None:
    link = await cloud.hub()
    assert (await order(link, "k1", "key", key=key))["code"] == "invalid"
    assert "old_key" not in json.loads((hub.data_dir / "identity.json").read_text())


# ---- telemetry -------------------------------------------------------------------------------------------------


async def test_telemetry_after_each_welcome(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    first = await link.wait("telemetry")
    assert first["cloud_drops"] == 0 and 0 < first["heap_low"] <= first["heap_free"]
    assert first["flash_free"] > 0 and first["stall_ms"] >= 0
    await link.connection.close()
    again = await (await cloud.hub()).wait("telemetry")
    assert again["cloud_drops"] == 1 and again["uptime_ms"] > first["uptime_ms"]


# ---- faults ----------------------------------------------------------------------------------------------------


async def test_a_fault_that_ends_the_hub_is_told_after_the_next_start_without_its_secrets(
    cloud: FakeCloud, tmp_path: Path
) -> None:
    fall = "import hub.app\ndef fall(self):\n    raise ValueError('KEY is wrong')\nhub.app.App._beat = fall".replace(
        "KEY", KEY
    )
    async with HubProcess(tmp_path / "data", "hub1", KEY, cloud.url, program=patched(fall)) as hub:
        assert await hub.ended() == 1
    stored = (tmp_path / "data" / "crash.txt").read_text()
    assert "ValueError: *** is wrong" in stored and KEY not in stored
    async with HubProcess(tmp_path / "data", "hub1", KEY, cloud.url) as hub:
        link = await cloud.hub()
        while link.hello.get("reset") != "crash":
            link = await cloud.hub()
        event = await link.wait("event", name="crash")
        assert event["data"]["part"] == "hub" and "in fall" in event["data"]["text"]
        assert not (tmp_path / "data" / "crash.txt").exists()


async def test_a_part_that_falls_and_goes_on_is_told_at_once(cloud: FakeCloud, tmp_path: Path) -> None:
    fall = (
        "import hub.outbox\nreader = hub.outbox.Reader.next\nonce = []\ndef fall(self):\n"
        "    if not once:\n        once.append(1)\n        raise KeyError('gone')\n    return reader(self)\n"
        "hub.outbox.Reader.next = fall"
    )
    async with HubProcess(tmp_path / "data", "hub1", KEY, cloud.url, program=patched(fall)):
        link = await cloud.hub()
        link = await cloud.hub()
        event = await link.wait("event", name="crash")
        assert event["data"]["part"] == "cloud" and "KeyError: gone" in event["data"]["text"]


# ---- the watchdog ----------------------------------------------------------------------------------------------

HUNG = {
    "sender": "import hub.session\nasync def hang(self):\n    await asyncio.sleep(60)\n"
    "hub.session.Session._send_one = hang",
    "cloud": "import hub.cloud_link\nasync def hang(self):\n    await asyncio.sleep(60)\n"
    "hub.cloud_link.CloudLink._connect = hang\nhub.cloud_link.HANDSHAKE_MS = hub.cloud_link.WELCOME_MS = 100",
    "printer p1": "import hub.printer_session\nasync def hang(self):\n    await asyncio.sleep(60)\n"
    "hub.printer_session.PrinterSession._open = hang\nhub.printer_session._WAY_IN_MS = 100",
}


async def keep_beating(cloud: FakeCloud) -> None:
    """A cloud whose connection stands, so that nothing else ends what hangs."""
    link = await cloud.hub()
    while True:
        await link.send("beat")
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("part", HUNG)
async def test_a_part_that_hangs_gets_the_board_reset_and_the_cloud_told(
    cloud: FakeCloud, tmp_path: Path, part: str
) -> None:
    cloud.welcome = {"dead_ms": 500, "beat_ms": 300}
    data = tmp_path / "data"
    if part.startswith("printer"):
        data.mkdir()
        document = {"revision": 1, "printers": [printer(1, off=False)]}
        (data / "printers.json").write_text(json.dumps(document))
    program = patched("import asyncio\n" + HUNG[part])
    async with HubProcess(data, "hub1", KEY, cloud.url, program=program) as hub:
        beats = asyncio.create_task(keep_beating(cloud)) if part == "sender" else None
        assert await hub.ended() == 1
        if beats is not None:
            beats.cancel()
        assert any(f"{part} hangs" in line for line in hub.lines)
    async with HubProcess(data, "hub1", KEY, cloud.url):
        link = await cloud.hub()
        while link.hello["reset"] != "watchdog":
            link = await cloud.hub()
        assert (await link.wait("event", name="crash"))["data"]["part"] == part


async def test_a_hub_that_is_well_is_left_alone(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.welcome = {"dead_ms": 60_000, "beat_ms": 200}
    async with HubProcess(tmp_path / "data", "hub1", KEY, cloud.url, program=patched("")) as hub:
        link = await cloud.hub()
        await link.configure(1, printer(1, off=False), printer(2))
        await link.wait("beat", 8)
        await cloud.stop()
        await asyncio.sleep(1.5)
        await cloud.start()
        await cloud.hub()
        assert hub.running and not any("hangs" in line for line in hub.lines)


# ---- safe mode -------------------------------------------------------------------------------------------------


async def test_three_falls_at_the_start_lead_to_safe_mode_and_good_minutes_out_of_it(
    cloud: FakeCloud, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "printers.json").write_text(json.dumps({"revision": 3, "printers": [printer(1, off=False)]}))
    program = patched(
        "import hub.start\nhub.start._PRINTERS = ('hub.broken',)\nclass Time:\n    sleep = print\nhub.start.time = Time"
    )
    for _ in range(3):
        async with HubProcess(data, "hub1", KEY, cloud.url, program=program) as hub:
            assert await hub.ended() == 1
    async with HubProcess(data, "hub1", KEY, cloud.url, program=program) as hub:
        link = await cloud.hub()
        assert link.hello["safe"] is True and link.hello["revision"] == 3
        assert not link.all("status")
        assert (await link.command("c1", "pause"))["code"] == "unknown_printer"
        assert (await order(link, "p1", "probe", host="127.0.0.1", code="12345678"))["code"] == "busy"
        await link.configure(4, printer(2, off=False))
        assert (await order(link, "r1", "restart"))["ok"]
        assert await hub.ended() == RESTART
    healthy = patched("import hub.boots\nhub.boots.HEALTHY_MS = 1000")
    async with HubProcess(data, "hub1", KEY, cloud.url, program=healthy) as hub:
        assert (await cloud.hub()).hello["safe"] is True, "not before it has been well for a while"
        await wait_for_file(data / "nvs.json", '"falls": 0')
        await hub.kill()
        await hub.start()
        link = await cloud.hub()
        assert link.hello["safe"] is False and link.hello["revision"] == 4


# ---- light and button ------------------------------------------------------------------------------------------


async def test_the_light_tells_the_state_and_the_button_is_obeyed(cloud: FakeCloud, tmp_path: Path) -> None:
    panel = tmp_path / "panel"
    panel.mkdir()
    quick = patched("import hub.panel\nhub.panel._WARN_MS, hub.panel.HOLD_MS = 500, 1500")
    async with HubProcess(
        tmp_path / "data", "hub1", KEY, cloud.url, program=quick, extra={"PF_PANEL": str(panel)}
    ) as hub:
        link = await cloud.hub()
        await wait_for_file(panel / "light", "(0, 12, 0)")
        assert (await order(link, "i1", "identify", seconds=1))["ok"]
        await wait_for_file(panel / "light", "(40, 40, 40)")
        mark = hub.mark
        (panel / "button").touch()
        await asyncio.sleep(0.25)
        (panel / "button").unlink()
        await hub.wait_for("button pressed", mark=mark)
        (panel / "button").touch()
        await wait_for_file(panel / "light", "(40, 0, 0)")
        assert await hub.ended() == RESTART
    assert not (tmp_path / "data" / "identity.json").exists()
    assert json.loads((tmp_path / "data" / "nvs.json").read_text())["reason"] == "release"


async def test_patterns_differ_by_the_number_of_blinks() -> None:
    program = """
import hub.panel, time
now = [0]
class Clock:
    ticks_ms = staticmethod(lambda: now[0])
    ticks_diff, ticks_add = time.ticks_diff, time.ticks_add
hub.panel.time = Clock
class Board:
    def __init__(self):
        self.seen = []
    def button(self):
        return False
    def light(self, color):
        self.seen.append(color)
def blinks(name):
    board = Board()
    panel = hub.panel.Panel(board, lambda: name)
    for now[0] in range(0, 6000, 100):
        panel.tick()
    return sum([color is not None for color in board.seen])
assert {name: blinks(name) for name in ("online", "setup", "no_cloud", "no_wifi", "safe")} == {
    "online": 1, "setup": 3, "no_cloud": 3, "no_wifi": 6, "safe": 9}
"""
    await run_code(program)
