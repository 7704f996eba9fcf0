"""What people do to printers by hand, all the way: API, hub firmware, virtual printer. Each effect shows there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.steps import GREEN, green_trays, sample, until
from tools.farm.client import ApiError
from tools.farm.farm import Farm, FarmPrinter
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRINTERS = [
    PrinterSpec(model="P1S", name="idle", speed=60, trays=green_trays()),
    PrinterSpec(model="P1S", name="printing", speed=60, trays=green_trays()),
    PrinterSpec(model="X1C", name="another family", speed=60, trays=green_trays()),
]


class Print(NamedTuple):
    """What is under way on a printer."""

    printer: FarmPrinter
    objects: list[int]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def printing(farm: Farm) -> AsyncIterator[Print]:
    """The second printer, in the middle of a print of several objects."""
    printer = farm.printers[1]
    async with farm.api.live() as live:
        file = await farm.upload(sample(seconds=36_000, part="case"))
        job = await farm.queue(file, printer)
        await until(live, job, "printing")
        await live.until(lambda now: now.printers[printer.id].get("state") == "running")
        yield Print(printer, [one["id"] for one in file["plates"][0]["objects"]])
        await farm.api.post(f"/api/print-jobs/{job}/cancel")
        await until(live, job, "cancelled")


async def tell(farm: Farm, printer: FarmPrinter, path: str, body: Any = None) -> dict[str, Any]:
    answer: dict[str, Any] = await farm.api.post(f"/api/printers/{printer.id}/{path}", body)
    assert answer["ok"] is True
    return answer


async def refusal(farm: Farm, printer: FarmPrinter, path: str, body: Any = None) -> tuple[int, str]:
    with pytest.raises(ApiError) as refused:
        await farm.api.post(f"/api/printers/{printer.id}/{path}", body)
    assert refused.value.message
    return refused.value.status, refused.value.code


@pytest.mark.parametrize("index", [0, 2], ids=["P1S", "X1C"])
async def test_heat_fans_light_and_speed(farm: Farm, index: int) -> None:
    printer = farm.printers[index]
    await tell(farm, printer, "temperature", {"nozzle": 200, "bed": 55})
    await tell(farm, printer, "fan", {"fan": "part", "percent": 100})
    await tell(farm, printer, "fan", {"fan": "aux", "percent": 0})
    await tell(farm, printer, "light", {"on": False})
    await tell(farm, printer, "speed", {"level": 3})
    state = await printer.control.state()
    assert (state["nozzle"]["target"], state["bed"]["target"]) == (200, 55)
    assert (state["fans"]["cooling"], state["fans"]["aux"]) == (15, 0)
    assert (state["lights"]["chamber_light"], state["speed_level"]) == ("off", 3)
    async with farm.api.live() as live:
        await live.until(lambda now: now.printers[printer.id].get("nozzle_target") == 200)
        await live.until(lambda now: now.printers[printer.id].get("light") is False)
    await tell(farm, printer, "temperature", {"nozzle": 0, "bed": 0})
    assert (await printer.control.state())["nozzle"]["target"] == 0


async def test_homing_calibrating_and_gcode(farm: Farm) -> None:
    printer = farm.printers[0]
    await tell(farm, printer, "home")
    await tell(farm, printer, "calibrate", {"options": ["bed", "vibration", "bed"]})
    await tell(farm, printer, "gcode", {"lines": "M104 S40\nM140 S35"})
    lines = [one["param"] for one in await printer.control.commands("gcode_line")]
    assert "G28\n" in lines
    assert lines[-1] == "M104 S40\nM140 S35\n"
    assert (await printer.control.commands("calibration"))[-1]["option"] == 2 | 4
    state = await printer.control.state()
    assert (state["nozzle"]["target"], state["bed"]["target"]) == (40, 35)
    assert await refusal(farm, printer, "gcode", {"lines": "G28 Z"}) == (422, "invalid")
    assert await refusal(farm, printer, "temperature", {"bed": 115}) == (422, "too_hot")


async def test_spools_are_loaded_changed_unloaded_and_named(farm: Farm) -> None:
    printer = farm.printers[0]
    await tell(farm, printer, "ams/load", {"tray": 0})
    assert (await printer.control.state())["tray_now"] == 0
    await tell(farm, printer, "ams/change", {"tray": 1, "nozzle": 250})
    assert (await printer.control.commands("ams_change_filament"))[-1]["tar_temp"] == 250
    async with farm.api.live() as live:
        await live.until(lambda now: now.printers[printer.id].get("tray") == 1)
    shown = await farm.api.get(f"/api/printers/{printer.id}")
    assert (shown["current_filament_type"], shown["current_color_hex"]) == ("PETG", "#F5F5F5")
    await tell(farm, printer, "ams/unload")
    assert (await printer.control.state())["tray_now"] == 255
    named = {"tray": 0, "type": "ABS", "color": "#aa5500", "profile": "GFB00", "min": 240, "max": 270}
    await tell(farm, printer, "ams/tray", named)
    async with farm.api.live() as live:
        await live.until(lambda now: _tray(now.printers[printer.id], 0) == ("ABS", "#AA5500"))
    await tell(farm, printer, "ams/control", {"action": "reset"})
    assert (await printer.control.commands("ams_control"))[-1]["param"] == "reset"
    assert await refusal(farm, printer, "ams/load", {"tray": 9}) == (422, "no_such_tray")
    await tell(farm, printer, "ams/tray", {**named, "type": "PLA", "color": GREEN, "min": 190, "max": 230})


async def test_an_error_is_dismissed_and_a_report_asked_for(farm: Farm) -> None:
    printer = farm.printers[0]
    await printer.control.do("fail", error=0x03008000)
    async with farm.api.live() as live:
        await live.until(lambda now: now.printers[printer.id].get("error") == 0x03008000)
        await tell(farm, printer, "clean-error")
        await live.until(lambda now: now.printers[printer.id].get("error") == 0)
    await tell(farm, printer, "refresh")


async def test_the_same_request_again_is_not_done_again(farm: Farm) -> None:
    printer = farm.printers[2]
    before = len(await printer.control.commands("gcode_line"))
    url = f"{farm.api.url}/api/printers/{printer.id}/home"
    headers = {"authorization": f"Bearer {farm.api.token}", "idempotency-key": "home-once-1"}
    answers = []
    async with aiohttp.ClientSession(headers=headers) as http:
        for _ in range(3):
            async with http.post(url) as answer:
                answers.append((answer.status, await answer.json()))
        await farm.hub.kill()
        await farm.hub.start()
        await farm.online(printer)
        async with http.post(url) as answer:
            answers.append((answer.status, await answer.json()))
    assert answers == [answers[0]] * 4
    assert answers[0][0] == 200
    assert len(await printer.control.commands("gcode_line")) == before + 1


async def test_what_a_print_would_not_survive_is_refused_while_it_runs(farm: Farm, printing: Print) -> None:
    assert await refusal(farm, printing.printer, "home") == (409, "wrong_state")
    assert await refusal(farm, printing.printer, "calibrate", {"options": ["bed"]}) == (409, "wrong_state")
    assert await refusal(farm, printing.printer, "ams/load", {"tray": 1}) == (409, "wrong_state")
    assert await refusal(farm, printing.printer, "gcode", {"lines": "M106 S10"}) == (409, "wrong_state")
    await tell(farm, printing.printer, "gcode", {"lines": "M220 S90", "while_printing": True})
    assert (await printing.printer.control.commands("gcode_line"))[-1]["param"] == "M220 S90\n"


async def test_objects_of_the_running_plate_are_skipped_and_no_others(farm: Farm, printing: Print) -> None:
    first, second = printing.objects[:2]
    assert await refusal(farm, printing.printer, "skip-objects", {"objects": [first, 7]}) == (422, "no_such_object")
    await tell(farm, printing.printer, "skip-objects", {"objects": [second]})
    assert (await printing.printer.control.commands("skip_objects"))[-1]["obj_list"] == [second]
    async with farm.api.live() as live:
        await live.until(lambda now: now.printers[printing.printer.id].get("skipped") == [second])
    assert await refusal(farm, farm.printers[0], "skip-objects", {"objects": [first]}) == (409, "no_job")


async def test_files_are_listed_told_apart_and_deleted(farm: Farm, printing: Print) -> None:
    for printer in (printing.printer, farm.printers[2]):
        await printer.control.do("put_file", path="/cache/by hand (ü).gcode.3mf", size=1234)
        found = await farm.api.get(f"/api/printers/{printer.id}/files")
        assert found["complete"] is True
        known = {file["path"]: file for file in found["items"]}
        foreign = known["/cache/by hand (ü).gcode.3mf"]
        assert (foreign["name"], foreign["size"], foreign["is_ours"]) == ("by hand (ü).gcode.3mf", 1234, False)
        assert foreign["modified"]
        await remove(farm, printer, foreign["path"])
        assert foreign["path"] not in await printer.control.files()
    listed = await farm.api.get(f"/api/printers/{printing.printer.id}/files")
    ours = [file for file in listed["items"] if file["is_ours"]]
    assert len(ours) == 1
    with pytest.raises(ApiError) as refused:
        await remove(farm, printing.printer, ours[0]["path"])
    assert (refused.value.status, refused.value.code) == (409, "in_use")
    with pytest.raises(ApiError) as refused:
        await remove(farm, printing.printer, "/cache/../x")
    assert (refused.value.status, refused.value.code) == (422, "bad_path")


async def remove(farm: Farm, printer: FarmPrinter, path: str) -> None:
    await farm.api.request("DELETE", f"/api/printers/{printer.id}/files", params={"path": path})


def _tray(view: dict[str, Any], number: int) -> tuple[str, str] | None:
    return next(((one["type"], one["color"]) for one in view.get("trays", ()) if one["id"] == number), None)
