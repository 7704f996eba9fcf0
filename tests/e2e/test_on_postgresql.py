"""The same farm with its data in PostgreSQL: by one setting, and nothing else."""

from __future__ import annotations

import pytest

from tests.e2e.steps import green_trays, printed_once, sample, until
from tools.farm.farm import Farm
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATABASE = "postgresql"
PRINTERS = [
    PrinterSpec(model="P1S", name="plain", speed=200, trays=green_trays()),
    PrinterSpec(model="A1", name="cloud dies", speed=60, trays=green_trays()),
]


async def test_a_job_goes_from_the_upload_to_the_cleared_plate(farm: Farm) -> None:
    printer = farm.printers[0]
    async with farm.api.live() as live:
        job = await farm.queue(await farm.upload(sample(seconds=120)), printer)
        await until(live, job, "completed")
        await live.until(lambda now: now.printers[printer.id]["cleared"] is False)
        await farm.clear(printer)
    history = [row["to_status"] for row in (await farm.job(job))["history"]]
    assert history == ["queued", "assigned", "uploading", "starting", "printing", "completed"]


async def test_a_cloud_killed_in_mid_print_counts_the_print_once(farm: Farm) -> None:
    printer = farm.printers[1]
    async with farm.api.live() as live:
        job = await farm.queue(await farm.upload(sample("N2S", seconds=300)), printer)
        await until(live, job, "printing")
    await farm.cloud.kill()
    await printer.control.wait(gcode_state="FINISH")
    await farm.cloud.start()
    async with farm.api.live() as live:
        await until(live, job, "completed")
    await printed_once(printer)
