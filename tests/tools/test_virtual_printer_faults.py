"""Every fault switch, seen from a client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.tools.virtual_printer_driver import (
    LoginRefused,
    Mqtt,
    client_context,
    make_3mf,
    own_address,
    start_request,
    upload,
)
from tools.virtual_printer.client import ControlError
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/part.gcode.3mf"
QUICK: dict[str, Any] = {"speed": 600, "report_interval": 0.2, "cancel_error_seconds": 0.3}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def farm() -> AsyncIterator[VirtualFarm]:
    specs = [PrinterSpec(model="P1S", **QUICK), PrinterSpec(model="X1C", **QUICK)]
    async with VirtualFarm.start(specs, address=own_address()) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def p1s(farm: VirtualFarm) -> RunningPrinter:
    """As new for every test: faults shall not outlive one."""
    await farm.printers[0].control.do("reset")
    return farm.printers[0]


@pytest_asyncio.fixture(loop_scope="module")
async def x1c(farm: VirtualFarm) -> RunningPrinter:
    await farm.printers[1].control.do("reset")
    return farm.printers[1]


async def begin(printer: RunningPrinter, *, path: str = PATH, seconds: float = 6000, **fields: Any) -> dict[str, Any]:
    """Upload a file and send the start; returns the answer."""
    await upload(printer, path, make_3mf(seconds=seconds, model=printer.code))
    async with Mqtt.session(printer) as client:
        return await client.request("print", **start_request(path, **fields))


async def test_developer_mode_off(x1c: RunningPrinter) -> None:
    async with Mqtt.session(x1c) as client:
        first = await client.report(msg=0)
        assert not int(first["fun"], 16) & 0x20000000
        await x1c.control.fault(developer_mode=False)
        seen = len(client.messages)
        report = await client.report(msg=0, after=seen)
        assert int(report["fun"], 16) & 0x20000000
        for command in ("pause", "project_file", "gcode_line", "no_such_command"):
            answer = await client.request("print", command, param="")
            assert (answer["result"], answer["err_code"]) == ("failed", 84033543)
            assert answer["reason"] == "mqtt message verify failed"
        await client.report(hms=[{"attr": 0x05000500, "code": 0x00010007}])
        assert (await client.request("system", "ledctrl", led_node="chamber_light", led_mode="off"))["result"]
        assert (await client.request("info", "get_version"))["module"]
        await x1c.control.fault(developer_mode=True)
        await client.report(hms=[], after=len(client.messages))
    assert await x1c.control.starts_per_file() == {}


async def test_silent_keeps_the_connection_but_says_nothing(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        await client.report(msg=0)
        await p1s.control.fault(silent=True)
        seen = len(client.messages)
        await client.publish(b'{"info":{"command":"get_version"}}', qos=1, packet_id=42)
        await client.ping()
        async with asyncio.timeout(10):
            await client.ponged.wait()
        await asyncio.sleep(0.6)
        assert 42 in client.acknowledged
        assert len(client.messages) <= seen + 1
        await p1s.control.fault(silent=False)
        assert (await client.request("info", "get_version"))["module"]


async def test_commands_ignored_and_no_puback(p1s: RunningPrinter) -> None:
    await p1s.control.fault(ignore_commands=True, no_puback=True)
    async with Mqtt.session(p1s) as client:
        await client.publish(b'{"info":{"command":"get_version"}}', qos=1, packet_id=42)
        await client.until(lambda _: len(client.messages) >= 3)
        assert client.acknowledged == []
        assert not any("info" in message for message in client.messages)
    assert (await p1s.control.journal())["commands"][0]["command"] == "get_version"


async def test_acknowledged_but_never_started(p1s: RunningPrinter) -> None:
    await p1s.control.fault(ack_without_start=True)
    assert (await begin(p1s))["result"] == "success"
    with pytest.raises(ControlError) as waited:
        await p1s.control.wait(gcode_state="PREPARE,RUNNING", within=0.8)
    assert waited.value.status == 408
    assert (await p1s.control.journal())["starts"][0]["outcome"] == "ignored"


async def test_a_slow_start(p1s: RunningPrinter) -> None:
    await p1s.control.fault(start_delay=1.0)
    assert (await begin(p1s))["result"] == "success"
    assert (await p1s.control.state())["gcode_state"] == "IDLE"
    await p1s.control.wait(gcode_state="RUNNING")
    journal = await p1s.control.journal()
    assert journal["states"][-2]["time"] - journal["starts"][0]["time"] > 0.9


async def test_busy_although_idle(p1s: RunningPrinter) -> None:
    await p1s.control.fault(busy=True)
    assert (await begin(p1s))["err_code"] == 0x05004004
    state = await p1s.control.state()
    assert (state["gcode_state"], state["print_error"]) == ("IDLE", 0x05004004)


async def test_a_start_can_kill_the_running_job(p1s: RunningPrinter) -> None:
    await begin(p1s)
    await p1s.control.wait(gcode_state="RUNNING")
    await p1s.control.fault(start_kills_running_job=True)
    await begin(p1s, path="/killer.gcode.3mf")
    await p1s.control.wait(gcode_state="RUNNING", subtask_name="killer")
    assert (await p1s.control.journal())["counters"]["running_job_killed"] == 1


@pytest.mark.parametrize(("form", "url"), [("file", f"file:///sdcard{PATH}"), ("ftp", f"ftp://{PATH}")])
async def test_one_form_of_url_refused_the_other_works(p1s: RunningPrinter, form: str, url: str) -> None:
    await p1s.control.fault(refused_url_forms=[form])
    await begin(p1s, url=url)
    await p1s.control.wait(gcode_state="IDLE", print_error=0x0500C010)
    await begin(p1s, url=f"ftp://{PATH}" if form == "file" else f"file:///sdcard{PATH}")
    await p1s.control.wait(gcode_state="RUNNING")


async def test_failing_at_a_layer(p1s: RunningPrinter) -> None:
    await p1s.control.fault(fail_at_layer=7)
    await begin(p1s)
    state = await p1s.control.wait(gcode_state="FAILED")
    assert (state["layer_num"], state["print_error"]) == (7, 0x03004006)
    assert state["faults"] == {}
    assert (await begin(p1s, seconds=60))["result"] == "success"
    await p1s.control.wait(gcode_state="FINISH")


async def test_runout_at_a_layer_on_the_external_spool(p1s: RunningPrinter) -> None:
    await p1s.control.fault(runout_at_layer=5)
    await begin(p1s, seconds=1200)
    state = await p1s.control.wait(gcode_state="PAUSE")
    assert (state["layer_num"], state["print_error"], state["stage"]) == (5, 0x03008004, 6)
    await p1s.control.do("resume")
    await p1s.control.wait(gcode_state="PAUSE", print_error=0x03008004)
    await p1s.control.do("set_tray", slot=254, tray={"type": "PLA"})
    await p1s.control.do("resume")
    await p1s.control.wait(gcode_state="FINISH")


async def test_power_loss_in_a_print_and_the_prompt_after_it(p1s: RunningPrinter) -> None:
    await begin(p1s, seconds=1200)
    await p1s.control.wait(layer_num=5)
    async with Mqtt.session(p1s) as client:
        await client.report(msg=0)
        await p1s.control.do("power_off")
        async with asyncio.timeout(10):
            await client.closed.wait()
    for service in ("mqtt", "ftps", "camera", "detect"):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(p1s.address, p1s.ports[service])
    await p1s.control.do("power_on")
    async with Mqtt.session(p1s) as client:
        report = await client.report(msg=0)
        assert (report["gcode_state"], report["print_error"]) == ("IDLE", 0x03008007)
        await client.request("print", "resume", param="")
        await p1s.control.wait(gcode_state="RUNNING", subtask_name="part", print_error=0)
    await p1s.control.wait(gcode_state="FINISH")
    assert await p1s.control.starts_per_file() == {PATH: 1}
    assert PATH in await p1s.control.files()


async def test_power_loss_without_recovery_is_plain_idle(p1s: RunningPrinter) -> None:
    await p1s.control.fault(resume_prompt=False)
    await begin(p1s)
    before = await p1s.control.wait(layer_num=2)
    await p1s.control.do("power_cycle", seconds=0.1)
    state = await p1s.control.state()
    assert (state["gcode_state"], state["print_error"], state["powered"]) == ("IDLE", 0, True)
    assert state["fingerprint"] == before["fingerprint"]


async def test_an_interrupted_job_can_be_given_up(p1s: RunningPrinter) -> None:
    await begin(p1s)
    await p1s.control.wait(layer_num=2)
    await p1s.control.do("power_cycle", seconds=0.1)
    async with Mqtt.session(p1s) as client:
        await client.request("print", "clean_print_error", print_error=0x03008007)
        await client.request("print", "resume", param="")
        await client.report(msg=0)
    state = await p1s.control.state()
    assert (state["gcode_state"], state["print_error"]) == ("IDLE", 0)


async def test_a_ghost_print_after_a_power_cycle(p1s: RunningPrinter) -> None:
    await upload(p1s, PATH, make_3mf(seconds=6000, plate=3))
    await p1s.control.fault(ghost_print=True)
    await p1s.control.do("power_cycle", seconds=0.1)
    await p1s.control.wait(gcode_state="RUNNING")
    assert (await p1s.control.journal())["starts"][-1]["origin"] == "ghost"


async def test_dropped_connections_can_come_back(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        await client.report(msg=0)
        assert (await p1s.control.do("drop_connections"))["dropped"] == 1
        async with asyncio.timeout(10):
            await client.closed.wait()
    async with Mqtt.session(p1s) as client:
        assert await client.report(msg=0)


async def test_a_changed_access_code(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        await client.report(msg=0)
        code = (await p1s.control.do("rotate_access_code"))["access_code"]
        async with asyncio.timeout(10):
            await client.closed.wait()
    with pytest.raises(LoginRefused):
        async with Mqtt.session(p1s):
            pass
    async with Mqtt.session(p1s, code=code) as client:
        assert await client.report(msg=0)


async def test_a_changed_certificate(p1s: RunningPrinter) -> None:
    before = (await p1s.control.state())["fingerprint"]
    fingerprint = (await p1s.control.do("replace_certificate"))["fingerprint"]
    assert fingerprint != before
    async with Mqtt.session(p1s) as client:
        assert await client.report(msg=0)


async def test_more_clients_than_it_tolerates(p1s: RunningPrinter) -> None:
    await p1s.control.fault(max_clients=1)
    async with Mqtt.session(p1s) as first:
        await first.report(msg=0)
        with pytest.raises((EOFError, OSError)):
            async with Mqtt.session(p1s) as second:
                await second.report()
        assert not first.closed.is_set()
    await p1s.control.wait(clients="[]")
    async with Mqtt.session(p1s) as again:
        assert await again.report(msg=0)


@pytest.mark.parametrize("service", ["mqtt", "ftps", "camera", "detect_tls"])
async def test_hanging_in_the_tls_handshake(p1s: RunningPrinter, service: str) -> None:
    await p1s.control.fault(tls_hang=True)
    _, writer = await asyncio.open_connection(p1s.address, p1s.ports[service])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await writer.start_tls(client_context())
    writer.transport.abort()


async def test_frozen_is_a_connection_that_says_nothing_and_comes_back(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        await client.report(msg=0)
        await p1s.control.fault(frozen=True)
        await client.ping()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await client.ponged.wait()
        assert not client.closed.is_set()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.open_connection(p1s.address, p1s.ports["ftps"], ssl=client_context())
        await p1s.control.fault(frozen=False)
        async with asyncio.timeout(10):
            await client.ponged.wait()


async def test_a_second_start_while_the_first_is_digested_is_refused(p1s: RunningPrinter) -> None:
    await p1s.control.fault(start_delay=0.5)
    assert (await begin(p1s))["result"] == "success"
    async with Mqtt.session(p1s) as client:
        assert (await client.request("print", **start_request(PATH)))["err_code"] == 0x05004004
    await p1s.control.wait(gcode_state="RUNNING")
    assert await p1s.control.starts_per_file() == {PATH: 1}


async def test_odd_parameters_are_answered_and_survived(p1s: RunningPrinter) -> None:
    """Every command with values of every kind; the printer must go on talking."""
    values: list[Any] = [None, True, -1, 1e308, "x", [], [[]], {}, {"a": 1}]
    names = ["ams_id", "slot_id", "target", "param", "obj_list", "temp", "target_temp", "led_mode", "tray_color"]
    names += ["url", "nozzle_temp_min", "mode", "duration", "control", "module_name", "subtask_name", "task_id", "md5"]
    printing = ["project_file", "gcode_line", "print_speed", "skip_objects", "ams_change_filament", "ams_control"]
    printing += ["set_bed_temp", "set_nozzle_temp", "ams_filament_setting", "ams_filament_drying", "stop"]
    commands = {
        "print": printing,
        "system": ["ledctrl", "uiop"],
        "camera": ["ipcam_timelapse"],
        "xcam": ["xcam_control_set"],
        "upgrade": ["get_history"],
    }
    async with Mqtt.session(p1s) as client:
        for section, known in commands.items():
            for command in known:
                for value in values:
                    request = {"command": command, "sequence_id": "1", **dict.fromkeys(names, value)}
                    await client.publish(json.dumps({section: request}).encode())
        await client.publish(b"[" * 100_000)
        assert (await client.request("info", "get_version"))["module"]


async def test_dripping(p1s: RunningPrinter) -> None:
    await p1s.control.fault(drip_bytes=100, drip_pause=0.02)
    began = asyncio.get_running_loop().time()
    async with Mqtt.session(p1s) as client:
        report = await client.report(msg=0)
        assert report["gcode_state"] == "IDLE"
        assert asyncio.get_running_loop().time() - began > 0.3


async def test_a_flood_of_reports(p1s: RunningPrinter) -> None:
    await p1s.control.fault(flood=100)
    async with Mqtt.session(p1s) as client:
        async with asyncio.timeout(10):
            await client.until(lambda _: len(client.messages) >= 60)
        assert all(report["msg"] == 0 for report in client.reports()[-40:])


async def test_somebody_at_the_screen(p1s: RunningPrinter) -> None:
    await p1s.control.do("start", name="hand made", seconds=6000, layers=30)
    await p1s.control.wait(gcode_state="RUNNING", subtask_name="hand made")
    await p1s.control.do("pause")
    await p1s.control.wait(gcode_state="PAUSE", stage=16)
    await p1s.control.do("resume")
    await p1s.control.do("cancel")
    await p1s.control.wait(gcode_state="FAILED", print_error=0)
    await p1s.control.do("tap")
    assert (await p1s.control.state())["gcode_state"] == "IDLE"
    await upload(p1s, PATH, make_3mf(seconds=60))
    await p1s.control.do("start", path=PATH)
    await p1s.control.wait(gcode_state="FINISH", subtask_name="part")


async def test_an_invented_failure_with_hms(p1s: RunningPrinter) -> None:
    await begin(p1s)
    await p1s.control.wait(gcode_state="RUNNING")
    async with Mqtt.session(p1s) as client:
        await client.report(msg=0)
        await p1s.control.do("fail", error=0x03004000, hms=[0x03000100, 0x00010001])
        report = await client.report(gcode_state="FAILED")
        assert report["print_error"] == 0x03004000
        assert report["hms"] == [{"attr": 0x03000100, "code": 0x00010001}]


@pytest.mark.parametrize(
    "faults",
    [
        {"nonsense": True},
        {"busy": 1},
        {"flood": -1},
        {"storage": "wet"},
        {"fail_at_layer": 1.5},
        {"refused_url_forms": ["x"]},
    ],
)
async def test_a_wrong_switch_is_refused_and_changes_nothing(p1s: RunningPrinter, faults: dict[str, Any]) -> None:
    with pytest.raises(ControlError) as refused:
        await p1s.control.fault(silent=True, **faults)
    assert refused.value.status == 400
    assert (await p1s.control.state())["faults"] == {}


async def test_faults_from_the_start() -> None:
    spec = PrinterSpec(model="P1S", faults={"developer_mode": False, "max_clients": 2})
    async with VirtualFarm.start([spec], address=own_address()) as farm, Mqtt.session(farm.printers[0]) as client:
        assert (await client.request("print", "pause"))["err_code"] == 84033543


async def test_the_journal_shows_every_command_with_time_and_client(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s, client_id="hub-1") as client:
        await client.request("print", "pause", param="")
        await client.publish(json.dumps({"pushing": {"command": "pushall"}}).encode())
        await client.report(msg=0)
        await client.goodbye()
    await p1s.control.wait(clients="[]")
    journal = await p1s.control.journal()
    assert [(entry["section"], entry["command"], entry["client"]) for entry in journal["commands"]] == [
        ("print", "pause", "hub-1"),
        ("pushing", "pushall", "hub-1"),
    ]
    assert [event["what"] for event in journal["events"]][-3:] == [
        "mqtt_connected",
        "mqtt_goodbye",
        "mqtt_disconnected",
    ]
