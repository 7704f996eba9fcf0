"""Printing: the state sequence, the file that is opened for real, and what stops a job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.tools.virtual_printer_driver import Mqtt, make_3mf, own_address, start_request, upload
from tools.virtual_printer.client import ControlError
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm
from tools.virtual_printer.spec import AmsSpec, PrinterSpec, TraySpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANCELLED = 0x0300400C
PATH = "/cache/part.gcode.3mf"
SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "files"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def farm() -> AsyncIterator[VirtualFarm]:
    quick: dict[str, Any] = {"speed": 600, "report_interval": 0.2, "cancel_error_seconds": 0.3}
    specs = [
        PrinterSpec(model="P1S", **quick),
        PrinterSpec(model="P1S", ams=[AmsSpec([TraySpec(), TraySpec("PETG"), None, None])], **quick),
        PrinterSpec(model="X1C", **quick),
        PrinterSpec(model="H2D", **quick),
        PrinterSpec(model="A1", nozzle_diameter="0.2", **quick),
    ]
    async with VirtualFarm.start(specs, address=own_address()) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def p1s(farm: VirtualFarm) -> RunningPrinter:
    return await fresh(farm.printers[0])


@pytest_asyncio.fixture(loop_scope="module")
async def with_ams(farm: VirtualFarm) -> RunningPrinter:
    return await fresh(farm.printers[1])


async def fresh(printer: RunningPrinter) -> RunningPrinter:
    """Idle, healthy, without a past."""
    await printer.control.do("reset")
    return printer


async def sequence(printer: RunningPrinter) -> list[tuple[str, int]]:
    """Every state and error since the boot's IDLE."""
    states = (await printer.control.journal())["states"]
    return [(entry["gcode_state"], entry["print_error"]) for entry in states][1:]


async def test_a_print_from_start_to_end(p1s: RunningPrinter) -> None:
    await upload(p1s, PATH, make_3mf(seconds=600, layers=40))
    async with Mqtt.session(p1s) as client:
        await client.report(msg=0)
        assert (await client.request("print", **start_request(PATH)))["result"] == "success"
        await client.report(gcode_state="FINISH")
        seen = [report["gcode_state"] for report in client.reports() if "gcode_state" in report]
        assert seen == ["IDLE", "PREPARE", "RUNNING", "FINISH"]
        stages = [report["stg_cur"] for report in client.reports() if "stg_cur" in report]
        assert stages == [255, 2, 14, 13, 0, 255]
        merged: dict[str, Any] = {}
        percents: list[int] = []
        layers: list[int] = []
        for report in client.reports():
            merged.update(report)
            percents.append(report.get("mc_percent", percents[-1] if percents else 0))
            layers.append(report.get("layer_num", layers[-1] if layers else 0))
        assert percents == sorted(percents)
        assert layers == sorted(layers)
        assert len(set(percents)) > 3
        assert (merged["mc_percent"], merged["mc_remaining_time"]) == (100, 0)
        assert (merged["subtask_name"], merged["gcode_file"]) == ("part", "part.gcode.3mf")
        assert merged["task_id"] == "73124"
        assert (merged["layer_num"], merged["total_layer_num"]) == (40, 0)
    assert await sequence(p1s) == [("PREPARE", 0), ("RUNNING", 0), ("FINISH", 0)]
    assert await p1s.control.starts_per_file() == {PATH: 1}


async def test_a_600_s_job_at_speed_120_takes_about_five_seconds(farm: VirtualFarm) -> None:
    spec = PrinterSpec(model="P1S", speed=120)
    async with VirtualFarm.start([spec], address=own_address()) as other:
        printer = other.printers[0]
        await upload(printer, PATH, make_3mf(seconds=600))
        async with Mqtt.session(printer) as client:
            await client.request("print", **start_request(PATH))
        await printer.control.wait(gcode_state="FINISH")
        states = (await printer.control.journal())["states"]
        times = {entry["gcode_state"]: entry["time"] for entry in states}
        assert 0.25 < times["RUNNING"] - times["PREPARE"] < 1
        assert 4 < times["FINISH"] - times["PREPARE"] < 12


@pytest.mark.parametrize("index", [2, 3])
async def test_the_bigger_families_show_the_extracted_path(farm: VirtualFarm, index: int) -> None:
    printer = await fresh(farm.printers[index])
    model = printer.code
    await upload(printer, "/part.gcode.3mf", make_3mf(seconds=900, model=model, plate=8))
    async with Mqtt.session(printer) as client:
        request = start_request("/part.gcode.3mf", plate=8, url="ftp:///part.gcode.3mf")
        assert (await client.request("print", **request))["result"] == "success"
        report = await client.report(msg=0, gcode_state="RUNNING")
        assert report["gcode_file"] == "/data/Metadata/plate_8.gcode"
        await client.report(gcode_state="FINISH")


@pytest.mark.parametrize(
    "url",
    [
        "file:///sdcard/cache/part.gcode.3mf",
        "file:///mnt/sdcard/cache/part.gcode.3mf",
        "ftp://cache/part.gcode.3mf",
        "ftp:///cache/part.gcode.3mf",
        "file:///sdcard/cache/part%2Egcode.3mf",
    ],
)
async def test_each_form_of_url_finds_the_file(p1s: RunningPrinter, url: str) -> None:
    await upload(p1s, PATH, make_3mf(seconds=30))
    async with Mqtt.session(p1s) as client:
        await client.request("print", **start_request(PATH, url=url))
        await p1s.control.wait(gcode_state="FINISH")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("ftp:///sdcard/cache/part.gcode.3mf", 0x0500C010),
        ("file:///sdcard/nowhere.gcode.3mf", 0x0500C010),
        ("https://example.org/part.gcode.3mf", 0x0500403F),
    ],
)
async def test_a_wrong_url_is_acknowledged_and_stays_idle(p1s: RunningPrinter, url: str, error: int) -> None:
    await upload(p1s, PATH, make_3mf())
    async with Mqtt.session(p1s) as client:
        await client.report(msg=0)
        assert (await client.request("print", **start_request(PATH, url=url)))["result"] == "success"
        await client.report(print_error=error)
        assert (await p1s.control.state())["gcode_state"] == "IDLE"
        await client.request("print", "clean_print_error")
        await client.report(print_error=0, after=len(client.messages) - 2)
    assert await p1s.control.starts_per_file() == {}


@pytest.mark.parametrize(
    ("content", "request_fields", "error"),
    [
        (make_3mf(plate=1), {"plate": 2}, 0x05004003),
        (make_3mf(wrong_md5=True), {}, 0x05004003),
        (b"this is no zip", {}, 0x05004003),
        (make_3mf(), {"md5": "0" * 32}, 0x05004003),
        (make_3mf(model="N2S"), {}, 0x05004037),
        (make_3mf(nozzle="0.6"), {}, 0x05004038),
    ],
    ids=["no such plate", "md5 member", "no zip", "md5 field", "wrong model", "wrong nozzle"],
)
async def test_a_file_it_cannot_print_fails_in_prepare(
    p1s: RunningPrinter, content: bytes, request_fields: dict[str, Any], error: int
) -> None:
    await upload(p1s, PATH, content)
    async with Mqtt.session(p1s) as client:
        await client.request("print", **start_request(PATH, **request_fields))
        await p1s.control.wait(gcode_state="FAILED", print_error=error)
        assert await sequence(p1s) == [("PREPARE", 0), ("FAILED", error)]
        await client.request("print", "clean_print_error", print_error=error)
        state = await p1s.control.state()
        assert (state["gcode_state"], state["print_error"]) == ("FAILED", 0)


async def test_files_of_the_same_group_and_without_a_model_are_taken(p1s: RunningPrinter) -> None:
    for model in ("BL-P001", "C11", "C13", ""):
        await upload(p1s, PATH, make_3mf(seconds=30, model=model))
        async with Mqtt.session(p1s) as client:
            await client.request("print", **start_request(PATH))
        await p1s.control.wait(gcode_state="PREPARE,RUNNING")
        await p1s.control.wait(gcode_state="FINISH")


@pytest.mark.parametrize(("name", "layers"), [("p1s_one_filament", 88), ("orca_no_model_id", 1)])
async def test_real_files_print(p1s: RunningPrinter, name: str, layers: int) -> None:
    sample = SAMPLES / f"{name}.gcode.3mf"
    if not sample.exists():
        pytest.skip(f"{sample} is not there: real slicer files are not checked")
    await upload(p1s, "/real.gcode.3mf", sample.read_bytes())
    async with Mqtt.session(p1s) as client:
        await client.request("print", **start_request("/real.gcode.3mf"))
    state = await p1s.control.wait(gcode_state="RUNNING", layer_num=1)
    assert state["total_layer_num"] == layers
    await p1s.control.wait(gcode_state="FINISH")


async def test_pause_resume_and_stop(p1s: RunningPrinter) -> None:
    await upload(p1s, PATH, make_3mf(seconds=1200))
    async with Mqtt.session(p1s) as client:
        await client.request("print", **start_request(PATH))
        await p1s.control.wait(layer_num=3)
        assert (await client.request("print", "pause", param=""))["result"] == "success"
        report = await client.report(gcode_state="PAUSE")
        assert report["stg_cur"] == 16
        paused = await p1s.control.state()
        await asyncio.sleep(0.3)
        assert (await p1s.control.state())["mc_percent"] == paused["mc_percent"]
        seen = len(client.messages)
        await client.request("print", "resume", param="")
        assert (await client.report(gcode_state="RUNNING", after=seen))["stg_cur"] == 0
        await client.request("print", "stop", param="")
        await client.report(print_error=CANCELLED)
        await client.report(gcode_state="FAILED", mc_percent=0)
        await client.report(print_error=0, after=seen)
    await p1s.control.wait(gcode_state="FAILED", print_error=0)
    assert (await sequence(p1s))[-3:] == [("RUNNING", CANCELLED), ("FAILED", CANCELLED), ("FAILED", 0)]


async def test_stop_works_in_prepare_too(p1s: RunningPrinter) -> None:
    await upload(p1s, PATH, make_3mf())
    async with Mqtt.session(p1s) as client:
        await client.request("print", **start_request(PATH))
        await p1s.control.wait(gcode_state="PREPARE")
        await client.request("print", "stop", param="")
        await p1s.control.wait(gcode_state="FAILED", print_error=0)
    assert not any(state == "RUNNING" for state, _ in await sequence(p1s))


async def test_commands_without_a_job_change_nothing(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        for command in ("pause", "resume", "stop"):
            await client.request("print", command, param="")
    assert (await p1s.control.state())["gcode_state"] == "IDLE"


async def test_a_second_start_is_refused_while_one_prints(p1s: RunningPrinter) -> None:
    await upload(p1s, PATH, make_3mf(seconds=6000))
    await upload(p1s, "/other.gcode.3mf", make_3mf())
    async with Mqtt.session(p1s) as client:
        await client.request("print", **start_request(PATH))
        await p1s.control.wait(gcode_state="RUNNING")
        answer = await client.request("print", **start_request("/other.gcode.3mf"))
        assert (answer["result"], answer["err_code"]) == ("fail", 0x05004004)
        state = await p1s.control.state()
        assert (state["gcode_state"], state["print_error"]) == ("RUNNING", 0x05004004)
        assert state["subtask_name"] == "part"
    assert await p1s.control.starts_per_file() == {PATH: 1}


async def test_speed_levels_change_the_pace(p1s: RunningPrinter) -> None:
    await upload(p1s, PATH, make_3mf(seconds=12000))
    async with Mqtt.session(p1s) as client:
        await client.request("print", **start_request(PATH))
        await p1s.control.wait(layer_num=1)

        async def progress() -> float:
            before = (await p1s.control.state())["remaining_seconds"]
            await asyncio.sleep(0.6)
            return float(before - (await p1s.control.state())["remaining_seconds"])

        await client.request("print", "print_speed", param="1")
        slow = await progress()
        await client.request("print", "print_speed", param="4")
        assert await progress() > slow * 1.8
        await client.request("print", "print_speed", param="2")


async def test_objects_can_be_skipped(p1s: RunningPrinter) -> None:
    await upload(p1s, PATH, make_3mf(seconds=6000, objects=(208, 230)))
    async with Mqtt.session(p1s) as client:
        await client.request("print", **start_request(PATH))
        await p1s.control.wait(gcode_state="RUNNING")
        assert (await client.request("print", "skip_objects", obj_list=[208]))["result"] == "success"
        await client.report(s_obj=[208])
        assert (await client.request("print", "skip_objects", obj_list=[99]))["result"] == "fail"


async def test_the_mapping_chooses_the_tray(with_ams: RunningPrinter) -> None:
    await upload(with_ams, PATH, make_3mf(seconds=1200, filaments=(1, 4)))
    async with Mqtt.session(with_ams) as client:
        await client.request("print", **start_request(PATH, use_ams=True, ams_mapping=[1, -1, -1, 0]))
        assert (await with_ams.control.wait(layer_num=1))["tray_now"] == 1
        await with_ams.control.wait(tray_now=0)
        await with_ams.control.wait(gcode_state="FINISH")


@pytest.mark.parametrize(
    ("fields", "state", "error"),
    [
        ({"use_ams": True, "ams_mapping": [254]}, "FAILED", 0x07FF8012),
        ({"use_ams": True, "ams_mapping": [9]}, "FAILED", 0x07008012),
        ({"use_ams": True, "ams_mapping": "[0]"}, "FAILED", 0x07008012),
        ({"use_ams": True, "ams_mapping": [2]}, "PAUSE", 0x07008011),
        ({"use_ams": False}, "PAUSE", 0x07FFC006),
        ({"use_ams": "true", "ams_mapping": [0]}, "PAUSE", 0x07FFC006),
        ({"use_ams": 1, "ams_mapping": [0]}, "PAUSE", 0x07FFC006),
    ],
)
async def test_wrong_mappings(with_ams: RunningPrinter, fields: dict[str, Any], state: str, error: int) -> None:
    await upload(with_ams, PATH, make_3mf())
    async with Mqtt.session(with_ams) as client:
        await client.request("print", **start_request(PATH, **fields))
        await with_ams.control.wait(gcode_state=state, print_error=error)


async def test_use_ams_without_an_ams(p1s: RunningPrinter) -> None:
    await upload(p1s, PATH, make_3mf())
    async with Mqtt.session(p1s) as client:
        await client.request("print", **start_request(PATH, use_ams=True, ams_mapping=[0]))
        await p1s.control.wait(gcode_state="FAILED", print_error=0x07FF8012)


async def test_runout_pauses_until_there_is_filament_again(with_ams: RunningPrinter) -> None:
    await upload(with_ams, PATH, make_3mf(seconds=1200))
    async with Mqtt.session(with_ams) as client:
        await client.request("print", **start_request(PATH, use_ams=True, ams_mapping=[0]))
        await with_ams.control.wait(layer_num=2)
        await with_ams.control.do("runout")
        report = await client.report(gcode_state="PAUSE")
        assert (report["stg_cur"], report["print_error"]) == (6, 0x07008011)
        assert report["hms"] == [{"attr": 0x07002000, "code": 0x00020001}]
        assert report["ams"]["ams"][0]["tray"] == [{"id": "0"}]
        seen = len(client.messages)
        await client.request("print", "resume", param="")
        await client.report(gcode_state="PAUSE", after=seen)  # still nothing there
        await with_ams.control.do("set_tray", slot=0, tray={"type": "PLA"})
        seen = len(client.messages)
        await client.request("print", "resume", param="")
        running = await client.report(gcode_state="RUNNING", after=seen)
        assert running["print_error"] == 0
        await with_ams.control.wait(gcode_state="FINISH")


async def test_ids_beyond_31_bits_make_the_next_job_look_like_the_failed_one(p1s: RunningPrinter) -> None:
    await upload(p1s, PATH, make_3mf(seconds=6000))
    async with Mqtt.session(p1s) as client:
        await client.request("print", **start_request(PATH, task_id="9999999999"))
        await p1s.control.wait(gcode_state="RUNNING", task_id="2147483647")
        await client.request("print", "stop", param="")
        await p1s.control.wait(gcode_state="FAILED", print_error=0)
        assert (await client.request("print", **start_request(PATH, task_id="9999999998")))["result"] == "success"
        assert (await p1s.control.journal())["starts"][-1]["outcome"] == "ignored"


async def test_actions_that_make_no_sense_are_refused(p1s: RunningPrinter) -> None:
    for action in ("cancel", "pause", "resume", "runout"):
        with pytest.raises(ControlError) as refused:
            await p1s.control.do(action)
        assert refused.value.status == 400
    with pytest.raises(ControlError) as missing:
        await p1s.control.do("explode")
    assert missing.value.status == 404
