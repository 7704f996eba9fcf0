"""The classic disasters of print farms (reference/peers.md §B), each made to happen, each without consequence here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cloud.catalog.sliced import Filament
from cloud.errors import DomainError
from cloud.printing.asks import CommandAsk
from cloud.printing.matching import Fit
from cloud.storage import clock, importing
from cloud.storage import jobs as job_queries
from cloud.storage.errors import ConflictError, UnavailableError
from cloud.storage.tenant import TenantStore, TenantTx
from tests.cloud.printing_kit import Farm, ack_only, fast, refuse, running_farm

__all__ = ["fast"]

pytestmark = pytest.mark.usefixtures("fast")

BLACK = {"id": 0, "loaded": True, "type": "PLA", "color": "#000000"}


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Farm]:
    async with running_farm(tmp_path, "C12", "C12") as made:
        yield made


# ---- 1. wrong filament printed


async def test_wrong_filament_is_never_dispatched(farm: Farm) -> None:
    for printer in farm.printers:
        printer.say(trays=[dict(BLACK), {"id": 1, "loaded": True, "type": "PETG", "color": "#FFFFFF"}])
    job_id = await farm.queue()
    await asyncio.sleep(0.3)
    assert (await farm.job(job_id))["status"] == "queued"
    assert "needs white PLA" in str((await farm.job(job_id))["waiting_reason"])
    assert [printer.starts for printer in farm.printers] == [[], []]


async def test_a_mapping_made_for_one_printer_is_not_used_on_another(farm: Farm) -> None:
    farm.printers[0].say(trays=[{"id": 0, "loaded": True, "type": "PLA", "color": "#FFFFFF"}])
    farm.printers[1].say(trays=[dict(BLACK), {"id": 3, "loaded": True, "type": "PLA", "color": "#FFFFFF"}])
    jobs = [await farm.queue(), await farm.queue()]
    for job_id in jobs:
        await farm.reaches(job_id, "printing")
    assert [printer.starts[0]["mapping"] for printer in farm.printers] == [[0], [3]]


async def test_two_filaments_with_sparse_ids_reach_their_own_spools(farm: Farm) -> None:
    two = [
        Filament(slot=1, type="PLA", color="#FFFFFF", grams=1.0, meters=1.0, profile=""),
        Filament(slot=4, type="PLA", color="#000000", grams=1.0, meters=1.0, profile=""),
    ]
    farm.printers[0].say(trays=[dict(BLACK), {"id": 2, "loaded": True, "type": "PLA", "color": "#FFFFFF"}])
    job_id = await farm.queue(print_file_id=await farm.add_file(filaments=two))
    await farm.reaches(job_id, "printing")
    assert farm.printers[0].starts[0]["mapping"] == [2, -1, -1, 0]


# ---- 2. started on an occupied plate


async def test_occupied_plate_stops_the_next_job_until_somebody_cleared_it(farm: Farm) -> None:
    printer = farm.printers[0]
    first, second = [await farm.queue(printer_id=printer.id) for _ in range(2)]
    await farm.reaches(first, "printing")
    printer.finish()
    await farm.reaches(first, "completed")
    printer.say(state="idle")  # tapped away at the screen: the part is still there
    await asyncio.sleep(0.4)
    assert (await farm.job(second))["status"] == "queued"
    assert "cleared" in str((await farm.job(second))["waiting_reason"])
    assert len(printer.starts) == 1
    await farm.clear(printer)
    await farm.reaches(second, "printing")


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
async def test_occupied_plate_after_a_failure_or_a_stop_too(farm: Farm, ending: str) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue(printer_id=printer.id)
    await farm.reaches(job_id, "printing")
    printer.say(state="failed", error=0x03004006 if ending == "failed" else 0x0300400C)
    await farm.reaches(job_id, ending)
    assert not farm.cleared(printer)


async def test_occupied_plate_is_remembered_over_a_restart(farm: Farm) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue(printer_id=printer.id)
    await farm.reaches(job_id, "printing")
    printer.finish()
    await farm.reaches(job_id, "completed")
    await farm.kill_cloud()
    await farm.start_cloud()
    farm.hubs[0].connect()
    waiting = await farm.queue(printer_id=printer.id)
    await asyncio.sleep(0.3)
    assert (await farm.job(waiting))["status"] == "queued"


async def test_a_plate_closed_during_the_upload_stops_the_start(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.upload_gate = asyncio.Event()
    job_id = await farm.queue(printer_id=printer.id)
    await asyncio.wait_for(printer.uploading.wait(), 5)
    printer.say(state="running", task="by hand", task_id="3")
    printer.say(state="finish")
    await farm.until(lambda: not farm.cleared(printer))
    printer.upload_gate.set()
    await farm.reaches(job_id, "queued")
    assert printer.starts == []


async def test_a_plate_is_not_clear_while_something_prints(farm: Farm) -> None:
    job_id = await farm.queue(printer_id=farm.printers[0].id)
    await farm.reaches(job_id, "printing")
    with pytest.raises(DomainError) as refused:
        await farm.clear(farm.printers[0])
    assert refused.value.code == "printing"


# ---- 3. the previous job printed again


async def test_previous_job_is_not_printed_again_names_and_numbers_are_new_each_time(farm: Farm) -> None:
    printer = farm.printers[0]
    for count in range(3):
        job_id = await farm.queue(printer_id=printer.id)
        await farm.reaches(job_id, "printing")
        printer.finish()
        await farm.reaches(job_id, "completed")
        await farm.clear(printer)
        assert len(printer.starts) == count + 1
    for field in ("task_id", "task", "file", "url"):
        assert len({args[field] for args in printer.starts}) == 3, field


async def test_previous_jobs_finish_is_not_taken_for_the_next_ones(farm: Farm) -> None:
    printer = farm.printers[0]
    first = await farm.queue(printer_id=printer.id)
    await farm.reaches(first, "printing")
    printer.finish()
    await farm.reaches(first, "completed")
    printer.on_start = ack_only  # as an H2D: FINISH of the old job stays for most of a minute
    await farm.clear(printer)
    second = await farm.queue(printer_id=printer.id)
    await farm.reaches(second, "starting")
    await asyncio.sleep(0.3)
    assert (await farm.job(second))["status"] == "starting"
    printer.begin(printer.starts[1])
    await farm.reaches(second, "printing")


async def test_previous_job_leaves_no_file_that_a_power_cycle_could_print(farm: Farm) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue(printer_id=printer.id)
    await farm.reaches(job_id, "printing")
    printer.finish()
    await farm.reaches(job_id, "completed")
    await farm.until(lambda: not printer.files)


# ---- 4. a start sent to a busy printer


async def test_start_to_a_busy_printer_is_never_sent(farm: Farm) -> None:
    for state in ("running", "pause", "prepare", "slicing", "init", "unknown"):
        farm.printers[0].say(state=state)
        job_id = await farm.queue(printer_id=farm.printers[0].id)
        await farm.room.dispatcher.run_once()
        assert (await farm.job(job_id))["status"] == "queued", state
    assert "start" not in farm.printers[0].commands


async def test_start_to_a_printer_that_became_busy_is_refused_by_the_hub_and_given_back(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.upload_gate = asyncio.Event()
    job_id = await farm.queue(printer_id=printer.id)
    await asyncio.wait_for(printer.uploading.wait(), 5)
    printer.status["state"] = "running"  # the report is still under way when the start leaves
    printer.upload_gate.set()
    assert (await farm.reaches(job_id, "queued"))["printer_id"] is None
    assert printer.starts == []
    assert printer.status["state"] == "running", "the running print was not disturbed"


async def test_every_start_names_the_states_it_may_find(farm: Farm) -> None:
    printer = farm.printers[0]
    seen: list[CommandAsk] = []
    obey = printer.obey
    printer.obey = lambda ask: (seen.append(ask), obey(ask))[1]  # type: ignore[method-assign, func-returns-value]
    await farm.reaches(await farm.queue(printer_id=printer.id), "printing")
    assert [sorted(ask.expect or []) for ask in seen if ask.name == "start"] == [["failed", "finish", "idle"]]


# ---- 5. one job on two printers; cancel ignored


async def test_one_job_never_goes_to_two_printers(farm: Farm) -> None:
    job_id = await farm.queue(hold=True)
    await farm.room.jobs.start(farm.tenant, job_id, actor="u")
    await asyncio.gather(*(farm.room.dispatcher.run_once() for _ in range(8)))
    await farm.reaches(job_id, "printing")
    assert sum(len(printer.starts) for printer in farm.printers) == 1


async def test_two_jobs_never_hold_one_printer_whoever_tries(farm: Farm) -> None:
    printer_id = farm.printers[0].id
    first, second = await farm.queue(hold=True), await farm.queue(hold=True)

    async def take(tx: TenantTx, job_id: str) -> None:
        changes = {"printer_id": printer_id}
        await farm.room.moves.move(tx, job_id, "assigned", expect=("queued",), changes=changes)

    await farm.tenant.write(lambda tx: take(tx, first))
    with pytest.raises(ConflictError):
        await farm.tenant.write(lambda tx: take(tx, second))
    assert (await farm.job(second))["status"] == "queued"


async def test_a_failed_attempt_moves_on_only_after_letting_go(farm: Farm) -> None:
    farm.printers[0].on_start = refuse("offline")
    job_id = await farm.queue()
    view = await farm.reaches(job_id, "printing")
    assert view["printer_id"] in {printer.id for printer in farm.printers}
    assert sum(len(printer.starts) for printer in farm.printers) == 1


@pytest.mark.parametrize("moment", ["queued", "uploading", "starting", "printing", "paused"])
async def test_cancel_is_never_ignored(farm: Farm, moment: str) -> None:
    printer = farm.printers[0]
    printer.upload_gate = asyncio.Event()
    if moment != "uploading":
        printer.upload_gate.set()
    if moment == "starting":
        printer.on_start = ack_only
    job_id = await farm.queue(printer_id=printer.id, hold=moment == "queued")
    if moment == "paused":
        await farm.reaches(job_id, "printing")
        printer.say(state="pause")
    await farm.reaches(job_id, moment)
    if moment == "uploading":
        await asyncio.wait_for(printer.uploading.wait(), 5)
    if moment == "starting":
        await farm.until(lambda: printer.starts)
    await farm.room.jobs.cancel(farm.tenant, job_id, actor="usr_1")
    if moment == "starting":
        printer.begin(printer.starts[0])  # it begins all the same, after the wish
    done = await farm.reaches(job_id, "cancelled")
    await farm.until(lambda: printer.status["state"] in ("idle", "failed"))
    await farm.until(lambda: not printer.files)
    assert done["history"][-1]["to_status"] == "cancelled"
    if moment in ("queued", "uploading"):
        assert printer.starts == []
        assert farm.cleared(printer)


async def test_cancel_survives_an_outage_and_a_restart(farm: Farm) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue(printer_id=printer.id)
    await farm.reaches(job_id, "printing")
    await farm.hubs[0].disconnect()
    view = await farm.room.jobs.cancel(farm.tenant, job_id, actor="usr_1")
    assert (view["status"], view["cancel_requested"]) == ("printing", True)
    await farm.kill_cloud()
    await farm.start_cloud()
    farm.hubs[0].connect()
    await farm.reaches(job_id, "cancelled")
    assert printer.status["state"] == "failed"


async def test_cancel_that_the_printer_ignores_is_said_again(farm: Farm) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue(printer_id=printer.id)
    await farm.reaches(job_id, "printing")
    stop = printer.stop
    ignored = iter([True, True])
    printer.stop = lambda: None if next(ignored, False) else stop()  # type: ignore[method-assign]
    await farm.room.jobs.cancel(farm.tenant, job_id, actor="usr_1")
    await farm.reaches(job_id, "cancelled")
    assert printer.commands.count("stop") == 3


async def test_cancel_of_a_print_that_finished_meanwhile_tells_the_truth(farm: Farm) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue(printer_id=printer.id)
    await farm.reaches(job_id, "printing")
    await farm.hubs[0].disconnect()
    printer.finish()
    await farm.room.jobs.cancel(farm.tenant, job_id, actor="usr_1")
    farm.hubs[0].connect()
    await farm.reaches(job_id, "completed")
    with pytest.raises(DomainError) as over:
        await farm.room.jobs.cancel(farm.tenant, job_id, actor="usr_1")
    assert over.value.code == "job_over"


async def test_cancel_on_a_locked_printer_is_refused_in_words(farm: Farm) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue(printer_id=printer.id)
    await farm.reaches(job_id, "printing")
    printer.say(control="locked")
    with pytest.raises(DomainError, match="Developer Mode") as refused:
        await farm.room.jobs.cancel(farm.tenant, job_id, actor="usr_1")
    assert refused.value.code == "locked"
    assert not (await farm.job(job_id))["cancel_requested"]


async def test_a_printer_that_never_comes_back_can_be_let_go(farm: Farm) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue(printer_id=printer.id)
    await farm.reaches(job_id, "printing")
    await farm.hubs[0].disconnect()
    await farm.room.jobs.cancel(farm.tenant, job_id, actor="usr_1", force=True)
    await farm.reaches(job_id, "cancelled")
    assert not farm.cleared(printer)


# ---- 11. shown as printing while idle; a link that is alive but silent


async def test_silent_link_shows_the_printer_offline_and_idle_is_never_called_printing(farm: Farm) -> None:
    printer = farm.printers[0]
    job_id = await farm.queue(printer_id=printer.id)
    await farm.reaches(job_id, "printing")
    await farm.until(lambda: farm.hubs[0].delivered)
    await farm.hubs[0].disconnect()
    view = farm.room.live.view(printer.id)
    assert view is not None and view["hub"] == "offline" and "link" not in view
    waiting = await farm.queue(printer_id=printer.id)
    await farm.room.dispatcher.run_once()
    assert "hub is offline" in str((await farm.job(waiting))["waiting_reason"])
    printer.status.update(state="idle", task="", task_id="0", percent=0)
    farm.hubs[0].connect()
    await farm.reaches(job_id, "failed")
    view = farm.room.live.view(printer.id)
    assert view is not None and view["state"] == "idle" and view["job"] is None


async def test_silent_printer_gets_nothing_until_it_was_heard_of_since_its_hub_came_back(farm: Farm) -> None:
    hub, printer = farm.hubs[0], farm.printers[0]
    await hub.disconnect()
    farm.room.observer.hub_online(hub.id, farm.tenant_id, [printer.id])
    job_id = await farm.queue(printer_id=printer.id)
    await farm.room.dispatcher.run_once()
    assert (await farm.job(job_id))["status"] == "queued"
    assert "being connected" in str((await farm.job(job_id))["waiting_reason"])


# ---- 14. false upload success, twice at once, in the middle of another


async def test_false_upload_success_never_starts_a_print(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.on_upload = ["incomplete"] * 9
    job_id = await farm.queue(printer_id=printer.id)
    failed = await farm.reaches(job_id, "failed")
    assert failed["failure_code"] == "incomplete"
    assert "start" not in printer.commands


async def test_one_file_operation_at_a_time_on_a_printer(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.upload_gate = asyncio.Event()
    job_id = await farm.queue(printer_id=printer.id)
    await asyncio.wait_for(printer.uploading.wait(), 5)
    assert farm.room.observer._room.ftps(printer.id).locked()
    await farm.room.jobs.cancel(farm.tenant, job_id, actor="u")
    printer.upload_gate.set()
    await farm.until(lambda: not farm.room.observer._room.ftps(printer.id).locked())


async def test_fit_is_asked_of_the_printer_as_it_is_not_as_it_was(farm: Farm) -> None:
    """The match that reserved the printer is not the one that starts it: see attempt._start."""
    from cloud.printing.machines import machine
    from cloud.printing.matching import demand, startable
    from cloud.storage import jobs as queries

    job_id = await farm.queue(hold=True)
    row = await farm.tenant.read(lambda tx: queries.get(tx, job_id))
    one = farm.room.live.printer(farm.printers[0].id)
    assert row is not None and one is not None
    assert isinstance(startable(demand(row), machine(one, held=False)), Fit)
    farm.printers[0].say(trays=[])
    assert not isinstance(startable(demand(row), machine(one, held=False)), Fit)


# ---- the database goes away at the wrong moment


class Outage:
    """No answer from the database while this is on; `lose_answer` says of which result, once, the answer is lost."""

    def __init__(self, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = False
        self.lose_answer: Callable[[Any], bool] = lambda _result: False
        self.refused = 0
        inside = farm.store._shielded

        async def shielded(*args: Any, **options: Any) -> Any:
            if self.on:
                self.refused += 1
                raise UnavailableError("away")
            result = await inside(*args, **options)
            if self.lose_answer(result):
                self.lose_answer = lambda _result: False
                raise UnavailableError("the connection broke while it was committed")
            return result

        monkeypatch.setattr(farm.store, "_shielded", shielded)


async def test_an_attempt_whose_database_went_away_goes_on_when_it_is_back(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    printer, outage = farm.printers[0], Outage(farm, monkeypatch)
    printer.upload_gate = asyncio.Event()
    job_id = await farm.queue(printer_id=printer.id)
    await asyncio.wait_for(printer.uploading.wait(), 5)
    outage.on = True
    printer.upload_gate.set()
    await farm.until(lambda: not farm.room.attempts.running)  # it broke, and could not even look how it stands
    outage.on = False
    await farm.reaches(job_id, "printing")
    assert len(printer.starts) == 1


async def test_a_reservation_whose_answer_was_lost_is_carried_out(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    outage = Outage(farm, monkeypatch)

    def reserved(result: Any) -> bool:
        return isinstance(result, Mapping) and result.get("status") == "assigned"

    outage.lose_answer = reserved
    job_id = await farm.queue(printer_id=farm.printers[0].id)
    await farm.reaches(job_id, "printing")
    assert len(farm.printers[0].starts) == 1


async def test_a_row_of_one_farm_that_nobody_can_read_holds_up_no_other_farm(farm: Farm) -> None:
    await farm.store.write(partial(importing.add_tenant, tenant_id="ten_0", name="First", created_at=clock.now()))
    broken = {"file_name": "a.3mf", "plate": 1, "status": "queued", "filaments": "nonsense", "submitted_by": ""}
    await TenantStore(farm.store, "ten_0").write(lambda tx: job_queries.insert(tx, broken))
    await farm.reaches(await farm.queue(), "printing")
