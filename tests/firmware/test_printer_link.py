"""hub/printer_link.py, under MicroPython with the hub's heap, against virtual printers with and without faults."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from shared_protocol.status import STATUS
from tests.firmware.links import Links, entry_of, printer_links
from tests.tools.virtual_printer_driver import make_3mf, own_address
from tools.virtual_printer.harness import VirtualFarm
from tools.virtual_printer.spec import AmsSpec, PrinterSpec, TraySpec

MODELS = {"P1S": "C12", "A1 mini": "N1", "X1C": "BL-P001", "H2D": "O1D", "P2S": "N7", "P1P": "C11"}
TRAYS = [TraySpec(color="1F8B4C", remain=64), TraySpec("PETG", color="F5F5F5"), None, None]


@pytest_asyncio.fixture
async def links() -> AsyncIterator[Links]:
    async with printer_links() as made:
        yield made


def spec(model: str = "P1S", **more: object) -> PrinterSpec:
    return PrinterSpec(model=model, report_interval=0.2, trays=list(TRAYS), **more)  # type: ignore[arg-type]


def start_args(name: str = "part.gcode.3mf", task_id: str = "73124") -> dict[str, Any]:
    return {
        "url": f"file:///sdcard/{name}",
        "file": name,
        "plate": 1,
        "task": name.removesuffix(".gcode.3mf"),
        "task_id": task_id,
        "use_ams": True,
        "mapping": [0],
    }


# ---- healthy printers ---------------------------------------------------------------------------------------------


async def test_six_printers_of_six_models_in_the_heap_of_a_hub(links: Links) -> None:
    specs = [spec(model) for model in MODELS]
    async with VirtualFarm.start(specs, address=own_address()) as farm:
        for printer in farm.printers:
            links.add(entry_of(printer, printer.model))
        for printer in farm.printers:
            status = await links.until(printer.model, link="online", model=MODELS[printer.model])
            STATUS.check(status, "status")
            assert status["cert"] == printer.fingerprint
            assert status["state"] == "idle" and status["storage"] == "ok"
            loaded = [(tray["id"], tray["type"], tray["color"]) for tray in status["trays"] if tray["loaded"]]
            assert loaded[:2] == [(0, "PLA", "#1F8B4C"), (1, "PETG", "#F5F5F5")]
            assert len((await printer.control.state())["clients"]) == 1
        heaps = []
        for _ in range(7):  # buffers first grow to the largest report of each printer, and stay
            await asyncio.sleep(1)
            heaps.append((await links.late())["heap"])
        assert min(heaps[4:]) - heaps[2] < 4096, f"the heap grows with reports: {heaps}"
        for printer in farm.printers:
            await links.stop(printer.model)
            counters = (await printer.control.state())["counters"]
            assert counters["mqtt_goodbye"] == 1 and counters["mqtt_connected"] == 1


async def test_controls_reach_the_printer_and_are_reported_back(links: Links) -> None:
    async with VirtualFarm.start([spec(speed=20)], address=own_address()) as farm:
        printer = farm.printers[0]
        links.add(entry_of(printer))
        await links.until(link="online")
        await printer.control.do("start", seconds=600, layers=50, name="screen")
        await links.until(state="running", within=20)

        assert (await links.command("speed", level=4))["ok"]
        assert (await links.command("light", on=False))["ok"]
        assert (await links.command("temperature", nozzle=210, bed=61))["ok"]
        assert (await links.command("fan", fan="aux", percent=50))["ok"]
        assert (await links.command("pause", expect=["running"]))["ok"]
        await links.until(state="pause")
        assert (await links.command("pause", expect=["running"]))["code"] == "wrong_state"
        assert (await links.command("resume"))["ok"]
        await links.until(state="running", since=len(links.happened) - 5)
        assert (await links.command("refresh"))["ok"]
        assert (await links.command("stop"))["ok"]
        status = await links.until(state="failed")
        assert status["speed"] == 4 and status["light"] is False and status["control"] == "ok"

        state = await printer.control.state()
        assert state["speed_level"] == 4 and state["lights"]["chamber_light"] == "off"
        assert ("running", "pause") in links.moves() and ("pause", "running") in links.moves()
        sequences = [one["payload"]["sequence_id"] for one in (await printer.control.journal())["commands"]]
        assert all(isinstance(number, str) and 20000 <= int(number) < 30000 for number in sequences)


async def test_a_job_is_started_once_and_its_states_are_told_in_order(links: Links, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(make_3mf(seconds=200, layers=10))
    files = {"/part.gcode.3mf": str(tmp_path / "part")}
    async with VirtualFarm.start([spec(speed=60, files=files)], address=own_address()) as farm:
        printer = farm.printers[0]
        links.add(entry_of(printer))
        await links.until(link="online")
        assert (await links.command("start", expect=["idle"], **start_args()))["ok"]
        await links.wait(lambda one: one["what"] == "moved" and one["data"]["to"] != "idle", within=20)
        busy = await links.command("start", **start_args(task_id="73125"))
        assert busy["code"] == "busy" and busy["took"] < 100
        finished = await links.until(state="finish", within=30)
        assert finished["task"] == "part" and finished["task_id"] == "73124" and finished["percent"] == 100
        assert links.moves() == [("idle", "prepare"), ("prepare", "running"), ("running", "finish")]
        last = next(one["data"] for one in links.happened if one["what"] == "moved" and one["data"]["to"] == "finish")
        assert last["task_id"] == "73124" and last["error"] == 0
        assert await printer.control.starts_per_file() == {"/part.gcode.3mf": 1}
        assert len(await printer.control.commands("project_file")) == 1


async def test_a_refused_start_says_why(links: Links) -> None:
    async with VirtualFarm.start([spec(faults={"busy": True})], address=own_address()) as farm:
        links.add(entry_of(farm.printers[0]))
        await links.until(link="online")
        result = await links.command("start", **start_args())
        assert not result["ok"] or (await links.until(error=0x05004004))
        assert (await links.command("gcode", lines="G28 X"))["code"] == "invalid"
        assert (await links.command("dance"))["code"] == "unknown_command"


# ---- printers that refuse -----------------------------------------------------------------------------------------


async def test_developer_mode_off_is_told_and_nothing_is_sent_that_would_be_ignored(links: Links) -> None:
    specs = [spec("X1C", faults={"developer_mode": False}), spec("P1S", faults={"developer_mode": False})]
    async with VirtualFarm.start(specs, address=own_address()) as farm:
        new, old = farm.printers
        links.add(entry_of(new, "new"))
        links.add(entry_of(old, "old"))
        await links.until("new", link="online", control="locked")
        assert (await links.command("pause", "new"))["code"] == "locked"
        assert await new.control.commands("pause") == []
        assert (await links.command("light", "new", on=False))["ok"]

        await links.until("old", link="online")
        if links.status("old")["control"] == "unknown":
            assert (await links.command("pause", "old"))["code"] == "locked"
        await links.until("old", control="locked")


async def test_a_wrong_code_is_told_apart_and_not_hammered(links: Links) -> None:
    async with VirtualFarm.start([spec()], address=own_address()) as farm:
        printer = farm.printers[0]
        links.add(entry_of(printer, code="00000000"))
        status = await links.until(link="auth_failed")
        assert "access code" in status["problem"]
        assert (await links.command("pause"))["code"] == "auth_failed"
        await asyncio.sleep(4)
        assert (await printer.control.state())["counters"]["mqtt_refused"] == 1
        await links.stop()
        assert "00000000" not in "\n".join(links.log)


async def test_another_printer_at_the_address_gets_no_code(links: Links) -> None:
    async with VirtualFarm.start([spec()], address=own_address()) as farm:
        printer = farm.printers[0]
        links.add(entry_of(printer, serial="01P00A999999999"))
        status = await links.until(link="wrong_serial")
        assert printer.serial in status["problem"]
        counters = (await printer.control.state())["counters"]
        assert "mqtt_connected" not in counters and "mqtt_refused" not in counters


async def test_the_certificate_is_pinned_on_first_use(links: Links) -> None:
    async with VirtualFarm.start([spec()], address=own_address(), certificates=None) as farm:
        printer = farm.printers[0]
        links.add(entry_of(printer, "first"))
        pinned = (await links.until("first", link="online"))["cert"]
        changed = await printer.control.do("replace_certificate")
        await printer.control.do("drop_connections")
        status = await links.until("first", link="cert_changed", within=20)
        assert status["cert"] == changed["fingerprint"] != pinned
        connected = (await printer.control.state())["counters"]["mqtt_connected"]
        links.add(entry_of(printer, "again", cert=pinned))
        await links.until("again", link="cert_changed")
        links.add(entry_of(printer, "trusted", cert=changed["fingerprint"].upper()))
        await links.until("trusted", link="online")
        counters = (await printer.control.state())["counters"]
        assert counters["mqtt_connected"] == connected + 1 and "mqtt_refused" not in counters


# ---- printers that fail -------------------------------------------------------------------------------------------


async def test_a_printer_that_loses_power_silently_is_offline_within_ten_seconds(links: Links) -> None:
    async with VirtualFarm.start([spec()], address=own_address()) as farm:
        links.add(entry_of(farm.printers[0]))
        await links.until(link="online")
        since = len(links.happened)
        os.kill(farm.pid, signal.SIGSTOP)  # its kernel keeps TCP up, nobody answers
        try:
            status = await links.until(link="offline", within=10.0, since=since)
            assert status["state"] == "idle", "what was last known stays"
            assert (await links.command("pause"))["code"] == "offline"
        finally:
            os.kill(farm.pid, signal.SIGCONT)
        await links.until(link="online", since=since + 1, within=20)


async def test_power_loss_in_a_print_is_told_when_the_printer_is_back(links: Links) -> None:
    async with VirtualFarm.start([spec(speed=20)], address=own_address()) as farm:
        printer = farm.printers[0]
        links.add(entry_of(printer))
        await links.until(link="online")
        await printer.control.do("start", seconds=3000, layers=50, name="long")
        await links.until(state="running", within=20)
        since = len(links.happened)
        await printer.control.do("power_off")
        offline = await links.until(link="offline", since=since)
        assert offline["state"] == "running"
        await printer.control.do("power_on")
        back = await links.until(link="online", since=since, within=20)
        assert back["state"] == "idle" and back["error"] == 0x03008007
        assert links.moves()[-1] == ("running", "idle")


async def test_a_printer_without_a_word_is_told_after_fifteen_seconds(links: Links) -> None:
    async with VirtualFarm.start([spec(faults={"silent": True})], address=own_address()) as farm:
        printer = farm.printers[0]
        links.add(entry_of(printer))
        status = await links.until(link="offline", within=20)
        assert "reports nothing" in status["problem"]
        await printer.control.fault(silent=False)
        await links.until(link="online", within=40)
        assert (await printer.control.state())["counters"]["mqtt_connected"] == 1


@pytest.mark.parametrize(("fault", "code"), [("no_puback", None), ("ignore_commands", "no_answer")])
async def test_forgotten_acknowledgements_and_ignored_commands(links: Links, fault: str, code: str | None) -> None:
    async with VirtualFarm.start([spec(faults={fault: True})], address=own_address()) as farm:
        links.add(entry_of(farm.printers[0]))
        await links.until(link="online")
        for level in (3, 4):
            result = await links.command("speed", level=level, limit_ms=1000)
            assert result.get("code") == code
            assert result["took"] < 1300


async def test_a_command_under_way_when_the_connection_breaks_is_answered_at_once(links: Links) -> None:
    async with VirtualFarm.start([spec(faults={"ignore_commands": True})], address=own_address()) as farm:
        printer = farm.printers[0]
        links.add(entry_of(printer))
        await links.until(link="online")
        waiting = asyncio.create_task(links.command("pause", limit_ms=8000))
        while not await printer.control.commands("pause"):
            await asyncio.sleep(0.02)
        await printer.control.do("drop_connections")
        result = await waiting
        assert result["code"] == "no_answer" and result["took"] < 4000
        await links.until(link="online", since=len(links.happened), within=10)
        assert len(await printer.control.commands("pause")) == 1, "never sent again"


async def test_three_bad_printers_do_not_disturb_a_good_one(links: Links) -> None:
    bad = [{"tls_hang": True}, {"flood": 200.0}, {"drip_bytes": 7, "drip_pause": 0.01}]
    async with (
        # Processes of their own: the flood must not slow the good printer down itself.
        VirtualFarm.start([spec("X1C", faults=faults) for faults in bad], address=own_address()) as worse,
        VirtualFarm.start([spec()], address=own_address()) as better,
    ):
        links.add(entry_of(better.printers[0]))
        await links.until(link="online", within=8)
        before = sorted([(await links.command("speed", level=1 + n % 4))["took"] for n in range(40)])
        for number, printer in enumerate(worse.printers):
            links.add(entry_of(printer, f"bad{number}"))
        await links.until("bad1", link="online", within=10)
        await asyncio.sleep(3)  # the flood is at its height
        await links.late()
        took = sorted([(await links.command("speed", level=1 + n % 4))["took"] for n in range(40)])
        late = (await links.late())["ms"]
        # Compared with the same printer alone, as this machine may have other work.
        assert took[20] < before[20] + 30 and took[38] < before[38] + 60 and late < 120, (before, took, late)
        assert links.status("bad0").get("link", "connecting") in ("connecting", "offline")
        assert links.status("bad1")["link"] == "online"


async def test_a_disconnected_printer_is_left_alone(links: Links) -> None:
    async with VirtualFarm.start([spec()], address=own_address()) as farm:
        printer = farm.printers[0]
        links.add(entry_of(printer, off=True))
        assert (await links.command("pause"))["code"] == "offline"
        assert (await printer.control.state())["counters"].get("mqtt_connected", 0) == 0
        await links.stop()


async def test_stopping_does_not_wait_for_an_address_that_never_answers(links: Links) -> None:
    async with VirtualFarm.start([spec(faults={"tls_hang": True})], address=own_address()) as farm:
        links.add(entry_of(farm.printers[0], "hung"))
        links.add({"id": "gone", "serial": "01P00A000000009", "host": "192.0.2.1", "code": "x"})
        await asyncio.sleep(1)
        for ident in ("hung", "gone"):
            before = asyncio.get_running_loop().time()
            await links.stop(ident)
            assert asyncio.get_running_loop().time() - before < 1.5


async def test_filament_of_several_units_is_told(links: Links) -> None:
    units = [AmsSpec(list(TRAYS)), AmsSpec([TraySpec("ABS", color="000000")], "ams_ht")]
    async with VirtualFarm.start([PrinterSpec("H2D", ams=units, report_interval=0.2)], address=own_address()) as farm:
        printer = farm.printers[0]
        links.add(entry_of(printer))
        status = await links.until(link="online")
        assert [unit["id"] for unit in status["ams"]] == [0, 128]
        assert [(tray["id"], tray["type"]) for tray in status["trays"] if tray["loaded"]] == [
            (0, "PLA"),
            (1, "PETG"),
            (128, "ABS"),
        ]
        result = await links.command("ams_tray", tray=1, type="ASA", color="#123456", min=240, max=270)
        assert result["ok"], result
        found = await links.wait(
            lambda one: (
                one["what"] == "status" and any(tray["type"] == "ASA" for tray in one["status"].get("trays", []))
            )
        )
        assert next(tray for tray in found["status"]["trays"] if tray["id"] == 1)["color"] == "#123456"
