"""Failures in a row, hours of printing, and printers that get no more jobs: each end of a job is counted once."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from cloud.accounts import tenant_settings
from cloud.accounts.tenant_settings import TenantSettings
from cloud.storage import clock
from cloud.storage import jobs as job_queries
from cloud.storage import printers as printer_queries
from cloud.storage.printers import Printer
from cloud.storage.tenant import TenantTx
from tests.cloud.printing_kit import Farm, ScriptedPrinter, answer_error, fast, refuse, running_farm

__all__ = ["fast"]

pytestmark = pytest.mark.usefixtures("fast")

CLOGGED = 0x03004006


@pytest.fixture
async def farm(database: str) -> AsyncIterator[Farm]:
    async with running_farm(database) as made:
        yield made


async def row(farm: Farm) -> Printer:
    found = await farm.tenant.read(lambda tx: printer_queries.get(tx, farm.printers[0].id))
    assert found is not None
    return found


def view(farm: Farm) -> dict[str, Any]:
    found = farm.room.live.view(farm.printers[0].id)
    assert found is not None
    return found


async def waits(farm: Farm, job_id: str, why: str) -> None:
    """Until the job is told this reason."""
    async with asyncio.timeout(10):
        while why not in ((await farm.job(job_id))["waiting_reason"] or ""):
            await asyncio.sleep(0.01)


async def fail_once(farm: Farm, printer: ScriptedPrinter) -> str:
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    printer.say(state="failed", error=CLOGGED)
    await farm.reaches(job_id, "failed")
    await farm.clear(printer)
    printer.say(error=0)
    return job_id


async def test_a_failed_print_counts_once_however_often_it_is_told(farm: Farm) -> None:
    printer, hub = farm.printers[0], farm.hubs[0]
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    started = (await farm.job(job_id))["time_started"]
    printer.say(state="failed", error=CLOGGED)
    await farm.reaches(job_id, "failed")
    # The hub tells everything again: the same event after a lost acknowledgement, and the whole status.
    data = {"from": "running", "to": "failed", "file": "", "percent": 0, "layer": 0, "error": CLOGGED}
    data |= {"task": printer.status["task"], "task_id": printer.status["task_id"]}
    for number in (901, 901, 902):
        await farm.room.observer.event(
            hub_id=hub.id, boot=hub.boot, n=number, name="state", printer_id=printer.id, data=data
        )
        hub.tell(printer, printer.status, full=True)
    await hub.disconnect()
    hub.connect()
    await farm.kill_cloud()
    await farm.start_cloud()
    hub.connect()
    await farm.until(lambda: view(farm).get("state") == "failed")
    after = await row(farm)
    assert (after.consecutive_failures, after.disabled_at, after.version) == (1, None, 1)
    job = await farm.job(job_id)
    spent = clock.parse(job["time_completed"]) - clock.parse(started)
    assert after.total_print_time == round(spent.total_seconds())
    assert view(farm)["consecutive_failures"] == 1


async def test_three_in_a_row_take_the_printer_out_of_service(farm: Farm) -> None:
    printer = farm.printers[0]
    for _ in range(3):
        await fail_once(farm, printer)
    after = await row(farm)
    assert after.consecutive_failures == 3
    assert after.disabled_reason is not None
    assert after.disabled_reason.startswith("3 prints in a row failed, the last one: The nozzle is clogged.")
    assert (view(farm)["disabled_reason"], view(farm)["disabled_at"]) == (after.disabled_reason, after.disabled_at)
    waiting = await farm.queue()
    await waits(farm, waiting, "is disabled")
    assert len(printer.starts) == 3
    await farm.room.upkeep.enable(farm.tenant, printer.id)
    await farm.reaches(waiting, "printing")
    assert (await row(farm)).consecutive_failures == 0


async def test_a_good_print_ends_the_row_and_a_cancelled_one_does_not(farm: Farm) -> None:
    printer = farm.printers[0]
    await fail_once(farm, printer)
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    await farm.room.jobs.cancel(farm.tenant, job_id, actor="usr_1")
    await farm.reaches(job_id, "cancelled")
    assert (await row(farm)).consecutive_failures == 1
    await farm.clear(printer)
    printer.say(error=0)
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    printer.finish()
    await farm.reaches(job_id, "completed")
    assert (await row(farm)).consecutive_failures == 0


async def test_a_start_that_the_printer_refuses_counts_and_a_file_for_another_model_does_not(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.on_start = refuse("rejected", "no")
    await farm.reaches(await farm.queue(), "failed")
    assert (await row(farm)).consecutive_failures == 1
    printer.on_start = answer_error(0x05004037)
    job = await farm.reaches(await farm.queue(), "failed")
    assert job["error_code"] == 0x05004037
    after = await row(farm)
    assert (after.consecutive_failures, after.total_print_time) == (1, 0)


async def test_a_lost_print_says_nothing_of_the_machine(farm: Farm) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    printer.say(state="idle", task="", task_id="0")
    assert (await farm.reaches(job_id, "failed"))["failure_code"] == "lost"
    assert (await row(farm)).consecutive_failures == 0


@pytest.mark.parametrize(("limit", "disabled"), [(1, True), (0, False)])
async def test_the_tenant_decides_how_many_are_too_many(farm: Farm, limit: int, disabled: bool) -> None:
    settings = TenantSettings(failures_before_disable=limit)
    await farm.tenant.write(partial(tenant_settings.change, name="Farm", settings=settings, version=None))
    await fail_once(farm, farm.printers[0])
    assert ((await row(farm)).disabled_at is not None) is disabled


async def test_a_reason_that_a_person_gave_stays(farm: Farm) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    await farm.tenant.write(
        partial(tenant_settings.change, name="Farm", settings=TenantSettings(failures_before_disable=1), version=None)
    )
    await farm.room.upkeep.disable(farm.tenant, printer.id, "smells of smoke")
    printer.say(state="failed", error=CLOGGED)
    await farm.reaches(job_id, "failed")
    assert ((await row(farm)).disabled_reason, view(farm)["disabled_reason"]) == ("smells of smoke",) * 2


async def test_maintenance_lets_the_job_on_the_printer_end_and_no_other_begin(farm: Farm) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    kind = {"kind": "nozzle", "reason": "worn", "actor": "usr_1"}
    _, busy = await farm.room.upkeep.start(farm.tenant, printer.id, **kind)
    assert busy
    assert (view(farm)["in_maintenance"], view(farm)["maintenance_type"]) == (True, "nozzle")
    printer.finish()
    await farm.reaches(job_id, "completed")
    await farm.clear(printer)
    waiting = await farm.queue()
    await waits(farm, waiting, "is in maintenance: worn")
    await farm.room.upkeep.complete(farm.tenant, printer.id, notes="", actor="usr_1")
    await farm.reaches(waiting, "printing")


async def test_a_job_that_was_given_away_already_still_starts(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.upload_gate = asyncio.Event()
    job_id = await farm.queue()
    await asyncio.wait_for(printer.uploading.wait(), 5)
    await farm.room.upkeep.start(farm.tenant, printer.id, kind="belts", reason="", actor="usr_1")
    printer.upload_gate.set()
    await farm.reaches(job_id, "printing")


async def test_no_job_is_given_to_a_printer_the_database_knows_is_out_of_service(farm: Farm) -> None:
    """The live view may be a moment behind; the transaction that gives the job away is not."""
    printer = farm.printers[0]
    await farm.tenant.write(lambda tx: printer_queries.update_printer(tx, printer.id, {"in_maintenance": True}))
    job_id = await farm.queue()
    await farm.room.dispatcher.run_once()

    async def held(tx: TenantTx) -> Any:
        return await job_queries.holding(tx, printer.id)

    assert await farm.tenant.read(held) is None
    assert (await farm.job(job_id))["status"] == "queued"
