"""Jobs are settled by what printers report, also after hub, cloud or network were away, and never too early."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cloud.printing.asks import Answer
from cloud.printing.words import POWER_LOSS
from tests.cloud.printing_kit import Farm, ScriptedPrinter, ack_only, fast, run_it, run_unheard, running_farm

__all__ = ["fast"]

pytestmark = pytest.mark.usefixtures("fast")


@pytest.fixture
async def farm(database: str) -> AsyncIterator[Farm]:
    async with running_farm(database) as made:
        yield made


@pytest.fixture
async def printing(farm: Farm) -> str:
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    return job_id


async def away(farm: Farm) -> None:
    await farm.until(lambda: farm.hubs[0].delivered)
    await farm.hubs[0].disconnect()


async def test_a_print_that_finished_while_the_hub_was_away_is_completed(farm: Farm, printing: str) -> None:
    await away(farm)
    farm.printers[0].finish()
    farm.hubs[0].connect()
    await farm.reaches(printing, "completed")
    assert not farm.cleared(farm.printers[0])


async def test_a_print_that_finished_unheard_is_completed_from_the_status_alone(farm: Farm, printing: str) -> None:
    await away(farm)
    farm.printers[0].status.update(state="finish", percent=100)
    farm.hubs[0].connect()
    await farm.reaches(printing, "completed")


async def test_finished_and_tapped_away_unheard_is_completed(farm: Farm, printing: str) -> None:
    await away(farm)
    farm.printers[0].status.update(state="idle", percent=100)
    farm.hubs[0].connect()
    await farm.reaches(printing, "completed")


async def test_still_printing_after_the_outage_goes_on(farm: Farm, printing: str) -> None:
    await away(farm)
    farm.hubs[0].connect()
    await asyncio.sleep(0.5)
    assert (await farm.job(printing))["status"] == "printing"
    farm.printers[0].finish()
    await farm.reaches(printing, "completed")


async def test_nothing_is_settled_before_the_first_real_report(farm: Farm, printing: str) -> None:
    await away(farm)
    printer = farm.printers[0]
    real = dict(printer.status)
    printer.status.clear()
    printer.status.update(link="connecting", state="unknown", task="", task_id="", error=0)
    farm.hubs[0].connect()
    farm.hubs[0].tell(printer, {"link": "online"})
    await asyncio.sleep(0.6)
    assert (await farm.job(printing))["status"] == "printing"
    printer.status.update(real)
    farm.hubs[0].tell(printer, printer.status, full=True)
    printer.finish()
    await farm.reaches(printing, "completed")


async def test_an_idle_printer_that_knows_nothing_is_lost_only_after_a_while(farm: Farm, printing: str) -> None:
    await away(farm)
    farm.printers[0].status.update(state="idle", task="", task_id="0", percent=0)
    farm.hubs[0].connect()
    await asyncio.sleep(0.1)
    assert (await farm.job(printing))["status"] == "printing", "events may still be under way"
    lost = await farm.reaches(printing, "failed")
    assert lost["failure_code"] == "lost"
    assert not farm.cleared(farm.printers[0])


async def test_events_that_come_after_the_status_still_win(farm: Farm, printing: str) -> None:
    hub, printer = farm.hubs[0], farm.printers[0]
    await away(farm)
    printer.finish()
    printer.say(state="idle", task="", task_id="0", percent=0)
    outbox, hub._outbox = hub._outbox, []
    hub.connect()
    await asyncio.sleep(0.1)
    hub._outbox = outbox
    hub._told.set()
    await farm.reaches(printing, "completed")


async def test_another_print_on_the_printer_means_ours_is_lost(farm: Farm, printing: str) -> None:
    await away(farm)
    farm.printers[0].status.update(state="running", task="other", task_id="77")
    farm.hubs[0].connect()
    lost = await farm.reaches(printing, "failed")
    assert "something else" in lost["failure_reason"]


async def test_stopped_at_the_printer_is_cancelled_not_failed(farm: Farm, printing: str) -> None:
    printer = farm.printers[0]
    printer.say(error=0x0300400C)
    printer.say(state="failed", error=0)
    assert (await farm.reaches(printing, "cancelled"))["failure_code"] is None
    await farm.until(lambda: not printer.files)


async def test_a_failure_has_its_code_and_sentence(farm: Farm, printing: str) -> None:
    farm.printers[0].say(state="failed", error=0x03004006)
    failed = await farm.reaches(printing, "failed")
    assert failed["failure_reason"] == "The nozzle is clogged. (code 0300_4006)"
    assert failed["error_code"] == 0x03004006


async def test_failed_without_an_error_waits_for_the_error_that_explains_it(farm: Farm, printing: str) -> None:
    printer = farm.printers[0]
    printer.say(state="failed")
    await asyncio.sleep(0.1)
    printer.say(error=0x0300400C)
    await farm.reaches(printing, "cancelled")


async def test_failed_without_any_error_is_failed_in_the_end(farm: Farm, printing: str) -> None:
    farm.printers[0].say(state="failed")
    assert (await farm.reaches(printing, "failed"))["failure_code"] == "lost"


async def test_power_loss_is_told_apart_and_the_file_stays_for_a_resume(farm: Farm, printing: str) -> None:
    printer = farm.printers[0]
    printer.say(link="offline")
    printer.status.update(state="idle", error=POWER_LOSS, percent=0)
    printer.say(link="online", state="idle", error=POWER_LOSS, percent=0)
    failed = await farm.reaches(printing, "failed")
    assert failed["failure_code"] == "power_loss"
    assert "resume" in failed["failure_reason"]
    await asyncio.sleep(0.2)
    assert printer.files, "without its file the print could not be resumed"
    printer.say(error=0)
    await farm.until(lambda: not printer.files)


async def test_an_event_told_twice_is_applied_once(farm: Farm, printing: str) -> None:
    hub, printer = farm.hubs[0], farm.printers[0]
    printer.finish()
    done = await farm.reaches(printing, "completed")
    await farm.clear(printer)
    data = {"from": "running", "to": "finish", "task": printer.status["task"], "task_id": printer.status["task_id"]}
    data |= {"file": "", "error": 0, "percent": 100, "layer": 0}
    for _ in range(3):
        await farm.room.observer.event(
            hub_id=hub.id, boot=hub.boot, n=hub._n, name="state", printer_id=printer.id, data=data
        )
    assert (await farm.job(printing))["history"] == done["history"]
    assert farm.cleared(printer), "an old event does not close the gate again"


async def test_a_print_from_the_printers_own_screen_occupies_the_plate(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.say(state="running", task="by hand", task_id="0")
    await farm.until(lambda: not farm.cleared(printer))
    printer.finish()
    job_id = await farm.queue()
    await asyncio.sleep(0.2)
    assert (await farm.job(job_id))["status"] == "queued"
    await farm.clear(printer)
    await farm.reaches(job_id, "printing")


async def test_a_file_that_could_not_be_removed_is_removed_at_the_next_chance(farm: Farm, printing: str) -> None:
    printer = farm.printers[0]
    await away(farm)
    printer.finish()
    await farm.kill_cloud()
    await farm.start_cloud()
    assert printer.files
    farm.hubs[0].connect()
    await farm.reaches(printing, "completed")
    await farm.until(lambda: not printer.files)


# ---- another life of the cloud


async def test_the_cloud_killed_while_printing_finds_the_print_again(farm: Farm, printing: str) -> None:
    await farm.kill_cloud()
    farm.printers[0].say(percent=80)
    await farm.start_cloud()
    farm.hubs[0].connect()
    await farm.until(lambda: farm.room.live.jobs(farm.tenant_id)[printing]["progress_percentage"] == 80)
    farm.printers[0].finish()
    await farm.reaches(printing, "completed")
    assert len(farm.printers[0].starts) == 1


async def test_the_cloud_killed_while_uploading_uploads_again(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.upload_gate = asyncio.Event()
    job_id = await farm.queue()
    await farm.reaches(job_id, "uploading")
    await farm.until(printer.uploading.is_set)
    await farm.kill_cloud()
    await farm.start_cloud()
    printer.upload_gate.set()
    farm.hubs[0].connect()
    assert (await farm.reaches(job_id, "printing"))["attempt"] == 1
    assert len(printer.starts) == 1 and len(printer.files) == 1


async def test_the_cloud_killed_while_starting_never_starts_twice(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.on_start = ack_only  # a slow printer: taken, nothing to see yet
    job_id = await farm.queue()
    await farm.until(lambda: printer.starts)
    await farm.kill_cloud()
    await farm.start_cloud()
    farm.hubs[0].connect()
    await farm.until(lambda: farm.room.live.hub_is_online(farm.hubs[0].id))
    printer.begin(printer.starts[0])
    await farm.reaches(job_id, "printing")
    await asyncio.sleep(0.3)
    assert len(printer.starts) == 1


async def test_the_cloud_killed_before_the_start_was_sent_sends_it(farm: Farm) -> None:
    printer = farm.printers[0]
    hold = asyncio.Event()

    async def stuck(ask: object) -> object:
        await hold.wait()
        return Answer(ok=False, code="cancelled")

    hub = farm.hubs[0]
    real = hub._do
    hub._do = stuck  # type: ignore[method-assign, assignment]
    job_id = await farm.queue()
    await farm.reaches(job_id, "uploading")
    hub._do = real  # type: ignore[method-assign]
    await farm.kill_cloud()
    from cloud.storage import jobs as queries

    changes = {"status": "starting", "task_id": "4711", "url_form": "file_sdcard"}
    await farm.tenant.write(lambda tx: queries.change(tx, job_id, changes, statuses=("uploading",)))
    await farm.start_cloud()
    farm.hubs[0].connect()
    await farm.reaches(job_id, "printing")
    assert [args["task_id"] for args in printer.starts] == ["4711"]
    hold.set()


@pytest.mark.parametrize("outcome", ["running", "finished"])
async def test_a_start_whose_answer_was_lost_with_the_cloud_is_found(farm: Farm, outcome: str) -> None:
    printer = farm.printers[0]
    printer.on_start = run_unheard
    await farm.queue(hold=True)
    job_id = await farm.queue()
    await farm.until(lambda: printer.starts)
    await farm.kill_cloud()
    if outcome == "finished":
        printer.finish()
    await farm.start_cloud()
    farm.hubs[0].connect()
    await farm.reaches(job_id, "printing" if outcome == "running" else "completed")
    assert len(printer.starts) == 1


async def test_a_foreign_print_during_our_start_gives_the_job_back(farm: Farm) -> None:
    printer = farm.printers[0]

    def hijacked(one: ScriptedPrinter, args: dict[str, object]) -> object:
        asyncio.get_running_loop().call_soon(lambda: printer.say(state="running", task="by hand", task_id="5"))
        return ack_only(printer, args)

    printer.on_start = hijacked  # type: ignore[assignment]
    job_id = await farm.queue()
    await farm.until(lambda: printer.starts)
    assert (await farm.reaches(job_id, "queued"))["printer_id"] is None
    printer.on_start = run_it
    printer.finish()
    await farm.clear(printer)
    await farm.reaches(job_id, "printing")
