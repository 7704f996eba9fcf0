"""The main job: a sliced file goes from a browser to a printer and comes back as a finished print."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.e2e.steps import green_trays, sample, until, until_removed
from tools.farm.farm import Farm
from tools.sample_file import FilamentUse, SampleSpec
from tools.virtual_printer.spec import PrinterSpec, TraySpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "files"

PRINTERS = [
    PrinterSpec(model="P1S", name="real file", speed=400, trays=[TraySpec("PETG-CF", "2850E0")]),
    PrinterSpec(model="A1", name="by hand", speed=200, trays=green_trays()),
    PrinterSpec(
        model="X1C", name="two colours", speed=200, trays=[TraySpec("PLA", "111111"), TraySpec("PLA", "FFFFFF")]
    ),
    PrinterSpec(model="H2D", name="new family", speed=200, trays=green_trays()),
    PrinterSpec(model="P2S", name="usb stick", speed=200, trays=green_trays()),
]
STEPS = ["assigned", "uploading", "starting", "printing", "completed"]


async def test_a_real_sliced_file_is_printed(farm: Farm) -> None:
    path = SAMPLES / "p1s_one_filament.gcode.3mf"
    if not path.exists():
        pytest.skip("real sample files are not here")
    await print_and_prove(farm, 0, path)


@pytest.mark.parametrize(("index", "model", "plates"), [(1, "N2S", (8,)), (3, "O1D", (1,)), (4, "N7", (2, 3))])
async def test_a_generated_file_is_printed(
    farm: Farm, tmp_path: Path, index: int, model: str, plates: tuple[int, ...]
) -> None:
    from tools.sample_file import build_sample

    path = tmp_path / "Case no. 1 (größer).gcode.3mf"
    path.write_bytes(build_sample(sample(model, plates=plates, project_plates=8)))
    await print_and_prove(farm, index, path)


async def test_two_colours_find_their_trays(farm: Farm) -> None:
    printer = farm.printers[2]
    spec = SampleSpec(
        model="BL-P001",
        seconds=300,
        filaments=(FilamentUse(1, "PLA", "#FFFFFF", 5), FilamentUse(4, "PLA", "#111111", 2)),
    )
    async with farm.api.live() as live:
        job = await farm.queue(await farm.upload(spec), printer)
        await until(live, job, "completed")
    start = (await printer.control.commands("project_file"))[-1]
    assert start["ams_mapping"] == [1, -1, -1, 0]
    assert start["use_ams"] is True


async def print_and_prove(farm: Farm, index: int, path: Path) -> None:
    """Upload, print to the end, and prove each promise of the way."""
    printer = farm.printers[index]
    async with farm.api.live() as live:
        file = await farm.api.upload(path)
        plate = file["plates"][0]["index"]
        job_id = await farm.queue(file, printer, plate=plate)
        await until(live, job_id, "printing")
        stored = await printer.control.files()
        sums = {entry.sha256 for name, entry in stored.items() if name.endswith(".3mf")}
        assert sums == {hashlib.sha256(path.read_bytes()).hexdigest()}, (
            "the bytes on the printer are the bytes uploaded"
        )
        await until(live, job_id, "completed")
        seen = [status for status in live.seen[job_id] if status != "queued"]
        assert seen == STEPS[STEPS.index(seen[0]) :], "a browser sees each state in order"
        assert seen[-4:] == STEPS[-4:]

        await live.until(lambda now: now.printers[printer.id]["cleared"] is False)
        await printer.control.wait(gcode_state="FINISH")
        await until_removed(printer.control)
    job = await farm.job(job_id)
    assert [row["to_status"] for row in job["history"]] == ["queued", *STEPS]
    assert job["status"] == "completed"
    assert job["time_started"]
    assert job["time_completed"]
    start = (await printer.control.commands("project_file"))[-1]
    assert start["param"] == f"Metadata/plate_{plate}.gcode"
    assert list((await printer.control.starts_per_file()).values()) == [1]
    # The plate gate: nothing starts until somebody has cleared the plate.
    second = await farm.queue(file, printer, plate=plate)
    waiting = await farm.job(second)
    assert waiting["status"] == "queued"
    async with farm.api.live() as live:
        await live.until(lambda now: "clear" in (now.jobs[second].get("waiting_reason") or "").lower())
        await farm.clear(printer)
        await until(live, second, "printing")
        await farm.api.post(f"/api/print-jobs/{second}/cancel")
        await until(live, second, "cancelled")
