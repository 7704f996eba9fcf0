"""What the end-to-end tests do again and again."""

from __future__ import annotations

import asyncio
from typing import Any

from tools.farm.client import Live
from tools.farm.farm import Farm, FarmPrinter
from tools.sample_file import FilamentUse, SampleSpec
from tools.virtual_printer.client import PrinterControl
from tools.virtual_printer.spec import TraySpec

GREEN = "#1F8B4C"
ENDED = ("completed", "failed", "cancelled")


def green_trays() -> list[TraySpec | None]:
    """An AMS that holds the filament of `sample()`."""
    return [TraySpec("PLA", GREEN), TraySpec("PETG", "F5F5F5"), None, None]


def sample(model: str = "C12", seconds: int = 600, **changes: Any) -> SampleSpec:
    """A sliced file in green PLA."""
    return SampleSpec(model=model, seconds=seconds, filaments=(FilamentUse(1, "PLA", GREEN, 12.5),), **changes)


async def until(live: Live, job_id: str, *statuses: str, limit: float = 60.0) -> dict[str, Any]:
    """Wait until the job has one of the statuses; its live view then. An end that was not asked for is an error."""

    def reached(now: Live) -> dict[str, Any] | None:
        job = now.jobs.get(job_id)
        if job is None:
            return None
        if job["status"] in statuses:
            return job
        assert job["status"] not in ENDED, f"job ended as {job}"
        return None

    found: dict[str, Any] = await live.until(reached, limit)
    return found


async def printed_once(printer: FarmPrinter) -> None:
    """No file was started twice on this printer."""
    starts = await printer.control.starts_per_file()
    assert all(count == 1 for count in starts.values()), starts


async def history(farm: Farm, job_id: str) -> list[str]:
    """The statuses a job went through, as its history tells."""
    job = await farm.job(job_id)
    return [row["to_status"] for row in job["history"]]


async def until_removed(control: PrinterControl, limit: float = 30.0) -> None:
    """Wait until no sliced file is left on the printer. Its storage announces nothing: look again and again."""
    async with asyncio.timeout(limit):
        while any(name.endswith(".3mf") for name in await control.files()):
            await asyncio.sleep(0.1)


async def until_uploaded(control: PrinterControl, count: int, limit: float = 60.0) -> None:
    """Wait until the printer has seen so many uploads."""
    async with asyncio.timeout(limit):
        while len((await control.journal())["uploads"]) < count:
            await asyncio.sleep(0.1)
