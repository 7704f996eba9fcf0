"""free_to_start: from the click "plate cleared" to the start command at the printer, with the next job waiting."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

from tools.bench.browser import Browser, JobWatch
from tools.bench.figures import Report
from tools.bench.terms import CLOUD_SETTINGS, Terms
from tools.farm import farm as farms
from tools.farm.farm import Farm, FarmPrinter
from tools.sample_file import SampleSpec
from tools.virtual_printer.spec import PrinterSpec, TraySpec

NAME = "free_to_start"
AIM_S = 1.0
ROUNDS, QUICK_ROUNDS = 10, 2
SPEED = 600.0


@dataclass(frozen=True)
class Round:
    """Seconds from the click to `project_file` at the printer, and how long of that the file was on its way."""

    total: float
    upload: float


async def run(terms: Terms) -> Report:
    """One printer, one job after the other."""
    report = Report(NAME, "plate cleared → start command at the printer, the next job waiting in the queue")
    rounds = QUICK_ROUNDS if terms.quick else ROUNDS
    spec = PrinterSpec(model="P1S", speed=SPEED, trays=[TraySpec("PLA", "1F8B4C"), None, None, None])
    watch = JobWatch()
    async with (
        farms.start(terms.folder, [spec], heap=terms.heap, settings=CLOUD_SETTINGS) as farm,
        Browser.open(farm.api, watch.take),
    ):
        file = await farm.upload(SampleSpec(seconds=120, layers=10))
        jobs = [await farm.queue(file, farm.printers[0]) for _ in range(rounds + 1)]
        made = []
        for done, waiting in itertools.pairwise(jobs):
            await watch.reached(done, "completed")
            made.append(await _clear_and_wait(farm, farm.printers[0], watch, waiting))
        await watch.reached(jobs[-1], "completed")
    rest = [one.total - one.upload for one in made]
    report.add_times("plate cleared → start command, without the upload", rest, most=(AIM_S * 1000, AIM_S * 1000))
    report.add_times("plate cleared → start command, with the upload", [one.total for one in made])
    report.add_times("of that, the file's bytes", [one.upload for one in made])
    report.bounds = [
        f"A file of {file['size'] // 1024} KiB; the printer's storage is not throttled.",
        "Without the upload: the time in which the data connection was open is taken off; logging in to the printer's "
        "FTPS, its folder check and the check of the size are not.",
    ]
    return report


async def _clear_and_wait(farm: Farm, printer: FarmPrinter, watch: JobWatch, job: str) -> Round:
    await printer.control.do("clear_journal")
    began = time.time()
    await farm.clear(printer)
    await watch.reached(job, "printing")
    journal = await printer.control.journal()
    started = next(one["time"] for one in journal["commands"] if one["command"] == "project_file")
    return Round(started - began, sum(one["seconds"] for one in journal["uploads"]))
