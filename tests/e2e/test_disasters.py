"""The classic disasters of print farms, each as a test on a whole farm."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.steps import ENDED, green_trays, printed_once, sample, until, until_removed, until_uploaded
from tools.farm.farm import Farm
from tools.virtual_printer.spec import PrinterSpec, TraySpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

HUBS = 2
PRINTERS = [
    PrinterSpec(model="P1S", name="wrong filament", speed=120, trays=[TraySpec("PLA", "C9252D"), None, None, None]),
    PrinterSpec(model="P1S", name="screen", speed=60, trays=green_trays()),
    PrinterSpec(model="P1S", name="ghost", speed=120, trays=green_trays(), faults={"ghost_print": True}),
    PrinterSpec(model="A1", name="twin one", speed=120, trays=green_trays()),
    PrinterSpec(model="A1", name="twin two", speed=120, trays=green_trays()),
    PrinterSpec(model="X1C", name="cancel", speed=60, trays=green_trays()),
    PrinterSpec(model="P1S", name="liar", speed=120, trays=green_trays()),
    PrinterSpec(model="X1C", name="silent", speed=60, trays=green_trays()),
]


async def test_wrong_filament(farm: Farm) -> None:
    printer = farm.printers[0]
    async with farm.api.live() as live:
        job = await farm.queue(await farm.upload(sample(seconds=120)), printer)
        told = await live.until(lambda now: now.jobs[job].get("waiting_reason"))
        assert "PLA" in told
        assert await printer.control.starts_per_file() == {}
        await printer.control.do("set_tray", slot=2, tray={"type": "PLA", "color": "1F8B4C"})
        await until(live, job, "completed")
    assert (await printer.control.commands("project_file"))[-1]["ams_mapping"] == [2]


async def test_a_start_is_never_sent_to_a_busy_printer(farm: Farm) -> None:
    printer = farm.printers[1]
    async with farm.api.live() as live:
        await printer.control.do("start", seconds=300, layers=20)
        job = await farm.queue(await farm.upload(sample(seconds=120)), printer)
        await live.until(lambda now: now.jobs[job].get("waiting_reason"))
        await live.until(lambda now: now.printers[printer.id].get("state") == "finish")
        # What somebody started at the screen lies on the plate too.
        assert live.printers[printer.id]["cleared"] is False
        assert live.jobs[job]["status"] == "queued"
        assert await printer.control.commands("project_file") == []
        await farm.clear(printer)
        await until(live, job, "completed")


async def test_the_previous_job_is_not_printed_again_after_a_power_cycle(farm: Farm) -> None:
    printer = farm.printers[2]
    async with farm.api.live() as live:
        job = await farm.queue(await farm.upload(sample(seconds=120)), printer)
        await until(live, job, "completed")
        await until_removed(printer.control)
        await printer.control.do("power_cycle", seconds=1)
        await live.until(lambda now: now.printers[printer.id].get("state") == "idle")
    await printed_once(printer)
    assert sum((await printer.control.starts_per_file()).values()) == 1


async def test_one_job_goes_to_one_printer(farm: Farm) -> None:
    twins = farm.printers[3:5]
    async with farm.api.live() as live:
        file = await farm.upload(sample("N2S", seconds=240))
        jobs = [await farm.queue(file) for _ in range(2)]
        # Two clicks at once: nudging the same job again and again starts it once.
        await asyncio.gather(
            *(farm.api.post(f"/api/print-jobs/{jobs[0]}/start") for _ in range(4)), return_exceptions=True
        )
        for job in jobs:
            await until(live, job, "completed")
    starts = [await twin.control.starts_per_file() for twin in twins]
    assert sorted(sum(each.values()) for each in starts) == [1, 1]
    rows = [await farm.job(job) for job in jobs]
    assert {row["printer_id"] for row in rows} == {twin.id for twin in twins}


@pytest.mark.parametrize("moment", ["queued", "uploading", "starting", "printing", "paused"])
async def test_cancel_is_obeyed_at_every_moment(farm: Farm, moment: str) -> None:
    printer = farm.printers[5]
    # Otherwise uploading and starting are over before the finger is down.
    await printer.control.fault(throttle_kbps=200, start_delay=3)
    big = sample("BL-P001", seconds=1200, size_kb=600, incompressible=True)
    async with farm.api.live() as live:
        await farm.clear(printer)
        job = await farm.queue(await farm.upload(big), printer)
        if moment == "paused":
            await until(live, job, "printing")
            await farm.api.post(f"/api/print-jobs/{job}/pause")
        if moment != "queued":
            await until(live, job, moment)
        await farm.api.post(f"/api/print-jobs/{job}/cancel")
        await live.until(lambda now: now.jobs[job]["status"] in ENDED)
        assert live.jobs[job]["status"] == "cancelled"
    await printer.control.fault(throttle_kbps=0, start_delay=0)
    await printer.control.wait(gcode_state="IDLE,FAILED,FINISH", print_error=0)
    await until_removed(printer.control)


async def test_a_false_upload_success_is_noticed(farm: Farm) -> None:
    printer = farm.printers[6]
    await printer.control.fault(truncate_upload_at=20000, lie_about_upload=True)
    async with farm.api.live() as live:
        job = await farm.queue(await farm.upload(sample(seconds=120, size_kb=300, incompressible=True)), printer)
        await until(live, job, "uploading")
        await until_uploaded(printer.control, 2)
        assert await printer.control.commands("project_file") == [], "an unverified file is never started"
        await printer.control.fault(truncate_upload_at=0, lie_about_upload=False)
        await until(live, job, "completed", limit=90)
    await printed_once(printer)


async def test_a_link_that_is_alive_but_silent_is_noticed(farm: Farm) -> None:
    printer = farm.printers[7]
    async with farm.api.live() as live:
        await printer.control.fault(silent=True)
        await live.until(lambda now: now.printers[printer.id].get("link") != "online", limit=100)
        await printer.control.fault(silent=False)
        await live.until(lambda now: now.printers[printer.id].get("link") == "online", limit=100)
