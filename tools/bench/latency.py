"""latency: from a printer's report to the browser, and from a click to the printer."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tools.bench import bare
from tools.bench.browser import Browser, Message
from tools.bench.figures import Report
from tools.bench.journal import arrivals
from tools.bench.printers import mixed
from tools.bench.terms import CLOUD_SETTINGS, Terms
from tools.farm import farm as farms
from tools.farm.farm import Farm

NAME = "latency"
AIM_S = (0.005, 0.020)
SIZES = ((6, 1), (30, 5))
QUICK_SIZES = ((2, 1),)
RATE = 20.0
"""Clicks a second, to all printers in turn."""

_SETTLE_S = 2.5


class Arrivals:
    """When each counted report of each printer reached the browser."""

    def __init__(self) -> None:
        self.times: dict[tuple[str, int], float] = {}

    def take(self, message: Message, now: float) -> None:
        """A message of the live WebSocket."""
        for printer_id, changes in (message.get("printers") or {}).items():
            if changes and isinstance(changes.get("layer"), int):
                self.times.setdefault((printer_id, changes["layer"]), now)


class BareReports:
    """When the same reports of one printer reached a bare MQTT client."""

    def __init__(self) -> None:
        self.times: dict[int, float] = {}

    def take(self, payload: bytes) -> None:
        """A report: only its arrival and its number are of interest."""
        now = time.time()
        _, found, rest = payload.partition(b'"layer_num":')
        if found:
            self.times.setdefault(int(rest.lstrip().split(b",", 1)[0].rstrip(b"}\n ")), now)


@dataclass
class Outcome:
    """Seconds. `missed` counts reports that a newer one overtook on the way."""

    reports: list[float] = field(default_factory=list)
    bare_reports: list[float] = field(default_factory=list)
    commands: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    bare_commands: list[float] = field(default_factory=list)
    echo: list[float] = field(default_factory=list)
    missed: int = 0


async def run(terms: Terms) -> Report:
    """Each size of farm in turn."""
    report = Report(NAME, "report → browser and click → printer, through hub and cloud")
    for count, hubs in QUICK_SIZES if terms.quick else SIZES:
        folder = terms.folder / str(count)
        folder.mkdir()
        async with farms.start(
            folder, mixed(count, probe=True), hubs=hubs, heap=terms.heap, settings=CLOUD_SETTINGS
        ) as farm:
            outcome = await _measure(farm, 3.0 if terms.quick else 30.0, 10 if terms.quick else 400)
        _tell(report, f"{count} printers, {hubs} hub{'s' if hubs > 1 else ''}", outcome)
    report.bounds = [
        "Bare for reports: the same report, from the same printer, at an MQTT client without hub or cloud. "
        "Bare for clicks: the same request from an MQTT client.",
        "A report counts from the moment it is handed to the printer's TLS until the browser's socket has the message; "
        "a click counts from the HTTP request until the command is in the printer's hands (receipt) or the answer is "
        "back (answer).",
        "Reports are measured while nobody clicks: a change sooner than 0.8 s after the last one waits for its turn.",
        "All printers share one process; each has its own moment within the second.",
    ]
    return report


async def _measure(farm: Farm, seconds: float, clicks: int) -> Outcome:
    outcome, seen, direct = Outcome(), Arrivals(), BareReports()
    async with bare.echo() as socket, Browser.open(farm.api, seen.take), _bare_client(farm, direct) as client:
        await asyncio.sleep(_SETTLE_S)
        for printer in farm.printers:
            await printer.control.do("clear_journal")
        echoing = asyncio.create_task(bare.measure_echo(socket, outcome.echo))
        await asyncio.sleep(seconds)
        await _collect(farm, seen, direct, outcome)
        await _click(farm, clicks, outcome)
        await _click_bare(farm, client, clicks // 4 + 1, outcome)
        echoing.cancel()
        await asyncio.gather(echoing, return_exceptions=True)
    return outcome


@contextlib.asynccontextmanager
async def _bare_client(farm: Farm, direct: BareReports) -> AsyncIterator[bare.BareMqtt]:
    async with bare.BareMqtt.connect(farm.printers[0].real, direct.take) as client:
        yield client


async def _collect(farm: Farm, seen: Arrivals, direct: BareReports, outcome: Outcome) -> None:
    left = [await printer.control.journal() for printer in farm.printers]
    await asyncio.sleep(1.5)  # what left last arrives
    for index, (printer, journal) in enumerate(zip(farm.printers, left, strict=True)):
        for probe in (one for one in journal["events"] if one["what"] == "probe"):
            arrival = seen.times.get((printer.id, probe["layer"]))
            if arrival is None:
                outcome.missed += 1
            else:
                outcome.reports.append(arrival - probe["time"])
            if index == 0:
                outcome.bare_reports.append(direct.times[probe["layer"]] - probe["time"])


async def _click(farm: Farm, count: int, outcome: Outcome) -> None:
    """Light switches on a schedule that does not wait for answers."""
    for printer in farm.printers:
        await printer.control.do("clear_journal")
    sent: list[list[float]] = [[] for _ in farm.printers]
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            index = number % len(farm.printers)
            sent[index].append(time.time())
            group.create_task(_light(farm, index, number // len(farm.printers) % 2 == 0, outcome))
            await asyncio.sleep(random.uniform(0.5, 1.5) / RATE)
    for printer, times in zip(farm.printers, sent, strict=True):
        outcome.commands += await arrivals(printer.control, "ledctrl", times)


async def _light(farm: Farm, index: int, on: bool, outcome: Outcome) -> None:
    began = time.monotonic()
    await farm.api.post(f"/api/printers/{farm.printers[index].id}/light", {"on": on})
    outcome.answers.append(time.monotonic() - began)


async def _click_bare(farm: Farm, client: bare.BareMqtt, count: int, outcome: Outcome) -> None:
    control = farm.printers[0].control
    await control.do("clear_journal")
    sent = []
    for number in range(count):
        sent.append(time.time())
        client.publish(bare.light_request(on=number % 2 == 0))
        await asyncio.sleep(random.uniform(0.5, 1.5) / RATE)
    await asyncio.sleep(0.2)
    outcome.bare_commands += await arrivals(control, "ledctrl", sent)


def _tell(report: Report, what: str, outcome: Outcome) -> None:
    aims = AIM_S[0] * 1000, AIM_S[1] * 1000
    report.add_times(f"{what}: report → browser", outcome.reports, bare=outcome.bare_reports, most=aims)
    report.add(f"{what}: reports overtaken by a newer one", outcome.missed, "")
    report.add_times(f"{what}: click → printer", outcome.commands, bare=outcome.bare_commands, most=aims)
    report.add_times(f"{what}: click → answer", outcome.answers)
    report.add_times(f"{what}: echo of a bare WebSocket, there and back", outcome.echo)
