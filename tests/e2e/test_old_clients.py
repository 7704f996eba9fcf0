"""A client of the old system, all the way: API, hub firmware, virtual printers. What it sees and does shows there."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.e2e.steps import green_trays, sample, until
from tools.farm.client import ApiError
from tools.farm.farm import Farm
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRINTERS = [
    PrinterSpec(model="P1S", name="shelf", speed=60, trays=green_trays()),
    PrinterSpec(model="H2D", name="warm", speed=60, trays=green_trays()),
]


async def seen(socket: aiohttp.ClientWebSocketResponse, number: str, **wanted: Any) -> dict[str, Any]:
    """What the socket says of a printer as soon as it is as wanted."""
    async with asyncio.timeout(60):
        while True:
            message = json.loads(await socket.receive_str())
            assert message["type"] == "live_status"
            one: dict[str, Any] = next(one for one in message["data"] if one["printer_id"] == number)
            if all(one[name] == value for name, value in wanted.items()):
                return one


async def test_the_old_page_sends_starts_and_watches_a_print(farm: Farm) -> None:
    printer = farm.printers[0]
    number = str((await farm.api.get(f"/api/printers/{printer.id}"))["printer_id"])
    headers = {"Authorization": f"Bearer {farm.api.token}"}
    async with (
        aiohttp.ClientSession(farm.api.url, headers=headers) as http,
        http.ws_connect("/api/v1/ws/live-status-all") as socket,
        farm.api.live() as live,
    ):
        idle = await seen(socket, number, status="idle", is_connected=True)
        assert set(idle) == {
            "printer_id", "status", "is_connected", "progress", "temperatures", "light_on", "current_job", "timestamp",
        }  # fmt: skip
        assert idle["temperatures"]["nozzle"]["current"] > 15
        file = await farm.upload(sample(seconds=36_000), name="part.gcode.3mf")
        body = {"file_path": file["name"], "plate_number": 1, "bed_leveling": False}
        started = await farm.api.post(f"/api/printers/{number}/print/start", body)
        await until(live, started["job_id"], "printing")
        shown = await seen(socket, number, status="printing")
        assert set(shown["progress"]) == {
            "percentage", "elapsed_time", "remaining_time", "current_layer", "total_layers",
            "layers_current", "layers_total", "time_remaining",  # what the old pages call the same
        }  # fmt: skip
        assert shown["current_job"]["filename"]
        await farm.api.post(f"/api/printers/{number}/print/cancel")
        await until(live, started["job_id"], "cancelled")
        await seen(socket, number, status="idle")


async def test_a_chamber_is_heated_where_there_is_a_heater(farm: Farm) -> None:
    shelf, warm = farm.printers
    await farm.api.post(f"/api/printers/{warm.id}/temp/chamber", {"temperature": 55.5})
    assert (await warm.control.state())["chamber"]["target"] == 55
    await farm.api.post(f"/api/printers/{warm.id}/temp/chamber", {"temperature": 35})
    lines = [one["param"] for one in await warm.control.commands("gcode_line")]
    assert lines[-2:] == ["M145 P1\nM141 S55\n", "M141 S35\nM145 P0\n"]
    await farm.api.post(f"/api/printers/{warm.id}/temp/off")
    assert (await warm.control.state())["chamber"]["target"] == 0
    for printer, degrees, code in ((warm, 66, "too_hot"), (shelf, 40, "no_heater")):
        with pytest.raises(ApiError) as refused:
            await farm.api.post(f"/api/printers/{printer.id}/temp/chamber", {"temperature": degrees})
        assert (refused.value.status, refused.value.code) == (422, code)
    assert not [one for one in await shelf.control.commands("gcode_line") if "M141" in one["param"]]


async def test_the_bed_is_levelled_and_files_on_a_printer_are_told_and_deleted(farm: Farm) -> None:
    printer = farm.printers[0]
    await farm.api.post(f"/api/printers/{printer.id}/calibrate/bed_level", {"save_result": True})
    assert (await printer.control.commands("calibration"))[-1]["option"] == 2
    for path in ("/old.gcode.3mf", "/cache/older.3mf", "/notes.txt"):
        await printer.control.do("put_file", path=path, size=5)
    info = await farm.api.get(f"/api/printers/{printer.id}/files/old.gcode.3mf/info")
    assert (info["file_info"]["size"], info["file_info"]["file_type"]) == (5, "3MF")
    with pytest.raises(ApiError) as missing:
        await farm.api.get(f"/api/printers/{printer.id}/files/none.3mf/info")
    assert missing.value.status == 404
    assert (await farm.api.delete(f"/api/printers/{printer.id}/files/all"))["success"] is True
    left = await printer.control.files()
    assert "/notes.txt" in left
    assert not [path for path in left if path.endswith((".3mf", ".gcode"))]
