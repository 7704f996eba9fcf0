"""One attempt: uploads that fail, starts that do not happen, and what the person is told."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.printing.words import LOCKED, OBJECT_ON_PLATE
from tests.cloud.printing_kit import Farm, ack_only, answer_error, fast, refuse, run_it, run_unheard, running_farm

__all__ = ["fast"]

pytestmark = pytest.mark.usefixtures("fast")


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Farm]:
    async with running_farm(tmp_path) as made:
        yield made


async def test_an_upload_is_tried_three_times_then_the_job_goes_back(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.on_upload = ["broken"] * 3
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    done = await farm.job(job_id)
    assert printer.uploads == 4
    assert done["attempt"] == 2
    assert any(line["to_status"] == "queued" and line["details"].get("counted") for line in done["history"])


async def test_after_three_counted_attempts_it_fails_visibly(farm: Farm) -> None:
    farm.printers[0].on_upload = ["storage"] * 3
    job_id = await farm.queue()
    failed = await farm.reaches(job_id, "failed")
    assert (failed["failure_code"], failed["attempt"]) == ("storage", 3)
    assert "storage" in failed["failure_reason"]
    assert farm.cleared(farm.printers[0]), "nothing was printed: the plate is still clear"


async def test_waiting_for_a_turn_at_the_hub_is_not_a_failure(farm: Farm) -> None:
    farm.printers[0].on_upload = ["no_socket", "busy", "no_socket", "busy"]
    job_id = await farm.queue()
    assert (await farm.reaches(job_id, "printing"))["attempt"] == 1


async def test_a_file_gone_from_the_store_fails_at_once(farm: Farm) -> None:
    farm.printers[0].on_upload = ["missing"]
    assert (await farm.reaches(await farm.queue(), "failed"))["failure_code"] == "missing"


async def test_developer_mode_off_is_told_with_where_to_switch_it_on(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.on_start = refuse("locked")
    printer.status["control"] = "unknown"
    job_id = await farm.queue()
    await farm.until(
        lambda: (farm.room.live.jobs(farm.tenant_id)[job_id]["waiting_reason"] or "").find("Developer") > 0
    )
    printer.say(control="locked")
    starts = printer.commands.count("start")
    await asyncio.sleep(0.3)
    assert printer.commands.count("start") == starts, "a locked printer is not tried again and again"
    assert LOCKED.removesuffix(".") in str((await farm.job(job_id))["waiting_reason"])
    printer.on_start = run_it
    printer.say(control="ok")
    await farm.reaches(job_id, "printing")


async def test_a_refused_start_shows_the_printers_word(farm: Farm) -> None:
    farm.printers[0].on_start = refuse("rejected", "md5 mismatch")
    failed = await farm.reaches(await farm.queue(), "failed")
    assert failed["failure_code"] == "rejected"
    assert "md5 mismatch" in failed["failure_reason"]


@pytest.mark.parametrize("error", [0x0500C010, 0x05004003])
async def test_the_other_form_of_address_is_tried_once_and_remembered(farm: Farm, error: int) -> None:
    printer = farm.printers[0]
    refused = answer_error(error)

    def picky(one: object, args: dict[str, object]) -> object:
        if str(args["url"]).startswith("file:"):
            return refused(printer, args)
        return run_it(printer, args)

    printer.on_start = picky  # type: ignore[assignment]
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    forms = [str(args["url"]).split(":")[0] for args in printer.starts]
    assert forms == ["file", "ftp"]
    assert printer.starts[0]["task_id"] != printer.starts[1]["task_id"]
    assert printer.commands.count("clean_error") == 1
    printer.finish()
    await farm.reaches(job_id, "completed")
    await farm.clear(printer)
    await farm.reaches(await farm.queue(), "printing")
    assert str(printer.starts[2]["url"]).startswith("ftp:")


async def test_both_forms_refused_is_a_failure_with_the_code(farm: Farm) -> None:
    farm.printers[0].on_start = answer_error(0x0500C010)
    failed = await farm.reaches(await farm.queue(), "failed")
    assert len(farm.printers[0].starts) == 2
    assert (failed["failure_code"], failed["error_code"]) == ("start_refused", 0x0500C010)
    assert "0500_C010" in failed["failure_reason"]


async def test_prepare_then_failed_is_a_failed_start_with_its_sentence(farm: Farm) -> None:
    printer = farm.printers[0]

    def foreign(one: object, args: dict[str, object]) -> object:
        printer.starts.append(args)
        ours = {"task": args["task"], "task_id": args["task_id"]}
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: printer.say(state="prepare", **ours))
        loop.call_later(0.05, lambda: printer.say(state="failed", error=0x05004037))
        return ack_only(printer, args)

    printer.on_start = foreign  # type: ignore[assignment]
    failed = await farm.reaches(await farm.queue(), "failed")
    assert "another printer model" in failed["failure_reason"]
    assert failed["error_code"] == 0x05004037


async def test_an_acknowledged_start_that_never_happens_fails_after_the_fallback(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.on_start = ack_only
    failed = await farm.reaches(await farm.queue(), "failed")
    assert failed["failure_code"] == "never_started"
    assert len(printer.starts) == 2
    assert failed["time_started"] is None


async def test_a_printer_that_sees_an_object_on_its_plate_closes_the_gate(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.on_start = answer_error(OBJECT_ON_PLATE)
    job_id = await farm.queue()
    await farm.until(lambda: not farm.cleared(printer))
    await farm.reaches(job_id, "queued")
    printer.on_start = run_it
    await farm.clear(printer)
    await farm.reaches(job_id, "printing")


async def test_an_old_error_is_cleaned_first(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.say(error=0x0300400C)
    await farm.reaches(await farm.queue(), "printing")
    assert printer.commands == ["clean_error", "start"]


async def test_a_lost_answer_is_settled_by_looking(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.on_start = run_unheard
    await farm.reaches(await farm.queue(), "printing")
    assert len(printer.starts) == 1


async def test_spools_changed_during_the_upload_are_noticed(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.upload_gate = asyncio.Event()
    job_id = await farm.queue()
    await asyncio.wait_for(printer.uploading.wait(), 5)
    printer.say(trays=[{"id": 0, "loaded": True, "type": "PLA", "color": "#000000"}])
    printer.upload_gate.set()
    await farm.reaches(job_id, "queued")
    assert printer.starts == []


async def test_a_printer_that_goes_away_during_the_upload_costs_nothing(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.on_upload = ["offline"]
    printer.upload_gate = asyncio.Event()
    printer.say(link="offline")
    job_id = await farm.queue()
    await asyncio.sleep(0.1)
    assert (await farm.job(job_id))["status"] == "queued"
    printer.say(link="online")
    printer.upload_gate.set()
    await farm.reaches(job_id, "printing")


async def test_upload_progress_is_seen_and_written(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.upload_gate = asyncio.Event()
    job_id = await farm.queue()
    await farm.until(lambda: farm.room.live.jobs(farm.tenant_id)[job_id]["upload_percent"] == 50)
    view = farm.room.live.view(printer.id)
    assert view is not None and view["job"]["upload_percent"] == 50
    await farm.room._progress.flush()
    from cloud.storage import jobs as queries

    row = await farm.tenant.read(lambda tx: queries.get(tx, job_id))
    assert row is not None and row["upload_percent"] == 50
    printer.upload_gate.set()
    await farm.reaches(job_id, "printing")
