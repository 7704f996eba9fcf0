"""From queue to print and back, with a real database and a scripted hub."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cloud.catalog.sliced import Filament
from cloud.errors import DomainError
from cloud.printing.orders import JobChange, NewJob, PrintOptions
from cloud.storage.rows import Listing
from tests.cloud.printing_kit import Farm, fast, running_farm

__all__ = ["fast"]

pytestmark = pytest.mark.usefixtures("fast")


@pytest.fixture
async def farm(database: str) -> AsyncIterator[Farm]:
    async with running_farm(database, "C12", "C12", "N2S") as made:
        yield made


async def test_a_job_goes_all_the_way(farm: Farm) -> None:
    job_id = await farm.queue(printer_id=farm.printers[0].id)
    printer = farm.printers[0]
    await farm.reaches(job_id, "printing")
    args = printer.starts[0]
    assert args["plate"] == 8
    assert args["url"].startswith("file:///sdcard/cache/")
    assert args["url"].endswith("/" + args["file"])
    assert args["mapping"] == [0] and args["use_ams"]
    assert 1 <= int(args["task_id"]) < 2**31
    assert list(printer.files) == ["/cache/" + args["file"]]
    assert not farm.cleared(printer), "a running print occupies the plate"
    printer.say(percent=40, remaining=300, layer=40)
    await farm.until(lambda: farm.room.live.jobs(farm.tenant_id)[job_id]["progress_percentage"] == 40)
    printer.finish()
    done = await farm.reaches(job_id, "completed")
    assert [line["to_status"] for line in done["history"]] == [
        "queued",
        "assigned",
        "uploading",
        "starting",
        "printing",
        "completed",
    ]
    assert done["progress_percentage"] == 100 and done["time_completed"] >= done["time_started"]
    await farm.until(lambda: not printer.files)
    assert not farm.cleared(printer)


async def test_free_to_start_command_takes_less_than_a_second(farm: Farm) -> None:
    loop = asyncio.get_running_loop()
    printer = farm.printers[0]
    first = await farm.queue(printer_id=printer.id)
    second = await farm.queue(printer_id=printer.id)
    await farm.reaches(first, "printing")
    printer.finish()
    await farm.reaches(first, "completed")
    began = loop.time()
    await farm.clear(printer)
    await farm.until(lambda: len(printer.starts) == 2)
    assert loop.time() - began < 1.0
    await farm.reaches(second, "printing")


async def test_several_idle_printers_are_served_at_once(farm: Farm) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    for printer, gate in zip(farm.printers, gates, strict=False):
        printer.upload_gate = gate
    jobs = [await farm.queue(), await farm.queue()]
    await asyncio.wait_for(asyncio.gather(*(p.uploading.wait() for p in farm.printers[:2])), 5)
    for gate in gates:
        gate.set()
    for job_id in jobs:
        await farm.reaches(job_id, "printing")
    assert [len(printer.starts) for printer in farm.printers] == [1, 1, 0]


async def test_the_queue_goes_by_priority_then_by_age(farm: Farm) -> None:
    printer = farm.printers[0]
    running = await farm.queue(printer_id=printer.id)
    await farm.reaches(running, "printing")
    old, young, urgent = [await farm.queue(printer_id=printer.id, priority=priority) for priority in (0, 0, 5)]
    before = running
    for expected in (urgent, old, young):
        printer.finish()
        await farm.reaches(before, "completed")
        await farm.clear(printer)
        await farm.reaches(expected, "printing")
        before = expected


async def test_start_makes_a_job_the_next_one_and_releases_a_held_one(farm: Farm) -> None:
    printer = farm.printers[0]
    running = await farm.queue(printer_id=printer.id)
    await farm.reaches(running, "printing")
    first = await farm.queue(printer_id=printer.id, priority=3)
    held = await farm.queue(printer_id=printer.id, hold=True)
    await farm.room.jobs.start(farm.tenant, held, actor="usr_1")
    printer.finish()
    await farm.reaches(running, "completed")
    await farm.clear(printer)
    await farm.reaches(held, "printing")
    assert (await farm.job(first))["status"] == "queued"


async def test_a_held_job_waits(farm: Farm) -> None:
    job_id = await farm.queue(hold=True)
    await farm.room.dispatcher.run_once()
    assert (await farm.job(job_id))["status"] == "queued"


async def test_a_waiting_job_says_why_and_the_reason_follows_the_printer(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.say(trays=[])
    job_id = await farm.queue(printer_id=printer.id)
    await farm.until(lambda: farm.room.live.jobs(farm.tenant_id)[job_id]["waiting_reason"])
    assert (await farm.job(job_id))["waiting_reason"] == "Printer 1: needs white PLA – not loaded."
    told = await farm.job(job_id)
    await farm.room.dispatcher.run_once()
    assert (await farm.job(job_id))["updated_at"] == told["updated_at"], "the same reason is not written twice"
    printer.say(state="running")
    printer.say(trays=[{"id": 0, "loaded": True, "type": "PLA", "color": "#FFFFFF"}])
    await farm.until(lambda: farm.room.live.jobs(farm.tenant_id)[job_id]["waiting_reason"] == "Printer 1: is printing.")
    change = JobChange(priority=5)
    changed = await farm.room.jobs.update(farm.tenant, job_id, change, version=told["version"])
    assert changed["priority"] == 5, "nobody had changed the job that somebody was editing"
    printer.say(state="idle")
    await farm.clear(printer)
    await farm.reaches(job_id, "printing")
    assert (await farm.job(job_id))["waiting_reason"] is None


async def test_the_printer_with_the_exact_colour_is_preferred(farm: Farm) -> None:
    farm.printers[0].say(trays=[{"id": 0, "loaded": True, "type": "PLA", "color": "#F0F0F0"}])
    job_id = await farm.queue()
    assert (await farm.reaches(job_id, "printing"))["printer_id"] == farm.printers[1].id


async def test_a_job_that_cannot_go_yet_does_not_hold_up_the_others(farm: Farm) -> None:
    black = [Filament(slot=1, type="PLA", color="#000000", grams=1.0, meters=1.0, profile="")]
    stuck = await farm.queue(print_file_id=await farm.add_file(filaments=black))
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    assert (await farm.job(stuck))["status"] == "queued"


async def test_what_can_be_refused_at_the_door_is(farm: Farm) -> None:
    async def refused(**order: object) -> str:
        with pytest.raises(DomainError) as error:
            await farm.queue(**order)
        return error.value.code

    assert await refused(print_file_id="fil_none") == "not_found"
    assert await refused(printer_id="prn_none") == "not_found"
    assert await refused(plate=1) == "no_such_plate"
    assert await refused(printer_id=farm.printers[2].id) == "wrong_model"
    assert await refused(copies=101) == "invalid"
    assert await refused(ams_mapping=[0]) == "invalid"
    nameless = await farm.add_file(model=None)
    assert await refused(print_file_id=nameless) == "printer_required"
    assert await farm.queue(print_file_id=nameless, printer_id=farm.printers[2].id)
    assert await refused(print_file_id=await farm.add_file(model="O1D")) == "wrong_model"


async def test_copies_are_jobs_of_their_own(farm: Farm) -> None:
    views = await farm.room.jobs.create(farm.tenant, NewJob(print_file_id=farm.file_id, copies=3, hold=True), actor="u")
    assert len({view["id"] for view in views}) == 3
    listed, total = await farm.room.jobs.list(farm.tenant, Listing(filters={"status": ["queued"]}, limit=2))
    assert (len(listed), total) == (2, 3)


async def test_a_waiting_job_can_be_changed_and_deleted_a_running_one_not(farm: Farm) -> None:
    held = await farm.queue(hold=True)
    change = JobChange(printer_id=farm.printers[0].id, priority=2, options=PrintOptions(timelapse=True), hold=False)
    view = await farm.room.jobs.update(farm.tenant, held, change)
    assert (view["target_printer_id"], view["priority"], view["options"]) == (
        farm.printers[0].id,
        2,
        {"timelapse": True},
    )
    await farm.reaches(held, "printing")
    assert farm.printers[0].starts[0]["timelapse"] is True
    for refused in (
        farm.room.jobs.update(farm.tenant, held, JobChange(priority=1)),
        farm.room.jobs.delete(farm.tenant, held),
        farm.room.jobs.start(farm.tenant, held, actor="u"),
    ):
        with pytest.raises(DomainError):
            await refused
    farm.printers[0].finish()
    await farm.reaches(held, "completed")
    await farm.room.jobs.delete(farm.tenant, held)
    with pytest.raises(DomainError, match="no such job"):
        await farm.job(held)
    assert held not in farm.room.live.jobs(farm.tenant_id)


async def test_a_hand_made_mapping_is_sent_as_chosen(farm: Farm) -> None:
    farm.printers[0].say(trays=[{"id": 2, "loaded": True, "type": "PLA", "color": "#000000"}])
    job_id = await farm.queue(printer_id=farm.printers[0].id, ams_mapping=[2])
    await farm.reaches(job_id, "printing")
    assert farm.printers[0].starts[0]["mapping"] == [2]


async def test_pause_and_resume_follow_what_the_printer_reports(farm: Farm) -> None:
    job_id = await farm.queue(printer_id=farm.printers[0].id)
    await farm.reaches(job_id, "printing")
    with pytest.raises(DomainError):
        await farm.room.jobs.resume(farm.tenant, job_id, actor="u")
    await farm.room.jobs.pause(farm.tenant, job_id, actor="u")
    await farm.reaches(job_id, "paused")
    await farm.room.jobs.resume(farm.tenant, job_id, actor="u")
    await farm.reaches(job_id, "printing")


async def test_another_tenant_sees_and_touches_nothing(farm: Farm) -> None:
    from cloud.storage import accounts
    from cloud.storage.tenant import TenantStore

    job_id = await farm.queue(hold=True)
    other_id = await farm.store.write(lambda tx: accounts.create_tenant(tx, "Other"))
    other = TenantStore(farm.store, other_id)
    jobs, controls = farm.room.jobs, farm.room.controls
    for attempt in (
        jobs.get(other, job_id),
        jobs.cancel(other, job_id, actor="u"),
        jobs.start(other, job_id, actor="u"),
        jobs.delete(other, job_id),
        jobs.clear_plate(other, farm.printers[0].id, actor="u"),
        jobs.stop_printer(other, farm.printers[0].id, actor="u"),
        controls.command(other, farm.printers[0].id, "light", {"on": True}),
        controls.snapshot(other, farm.printers[0].id),
        jobs.create(other, NewJob(print_file_id=farm.file_id), actor="u"),
    ):
        with pytest.raises(DomainError) as refused:
            await attempt
        assert refused.value.status == 404
    assert await jobs.list(other, Listing()) == ([], 0)
    assert farm.room.live.snapshot(other_id) == farm.room.live.jobs(other_id) == {}
