"""cost: what hub and cloud use of processor, memory and network."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from tools.bench.browser import Browser
from tools.bench.figures import Report
from tools.bench.machine import Cost, Meter
from tools.bench.printers import mixed
from tools.bench.terms import CLOUD_SETTINGS, Terms
from tools.farm import farm as farms
from tools.farm.farm import Farm

NAME = "cost"
SIZES = ((6, 1), (30, 5))
QUICK_SIZES = ((2, 1),)
_SETTLE_S = 6.0
_CLOUD = "cloud"


@dataclass
class Outcome:
    """What processes used, and kB/s a printer: sent by the printer, and received by one browser."""

    costs: dict[str, Cost]
    printer_kbps: float
    browser_kbps: float

    @property
    def hubs(self) -> list[Cost]:
        """Costs of the hubs."""
        return [cost for name, cost in self.costs.items() if name != _CLOUD]


async def run(terms: Terms) -> Report:
    """Each size of farm in turn, with a browser and without."""
    report = Report(NAME, "processor, memory and network of hub and cloud")
    seconds = 3.0 if terms.quick else 30.0
    for count, hubs in QUICK_SIZES if terms.quick else SIZES:
        folder = terms.folder / str(count)
        folder.mkdir()
        async with farms.start(
            folder, mixed(count, probe=True), hubs=hubs, heap=terms.heap, settings=CLOUD_SETTINGS
        ) as farm:
            for watched in (True, False):
                await asyncio.sleep(1.0 if terms.quick else _SETTLE_S)
                outcome = await _measure(farm, seconds, watched=watched)
                _tell(report, f"{count} printers, {hubs} hub{'s' if hubs > 1 else ''}", outcome, watched=watched)
    report.bounds = [
        "Processor in percent of one core; printers are idle, each reports once a second, one number of it changes.",
        "Bare for the browser: what printers send themselves: P1 and A1 differences, X1 and P2 everything each second.",
        "With nobody watching, hubs tell small changes every 5 s.",
    ]
    return report


async def _measure(farm: Farm, seconds: float, *, watched: bool) -> Outcome:
    pids = {_CLOUD: farm.cloud.pid} | {f"hub {number}": hub.pid for number, hub in enumerate(farm.hubs)}
    async with contextlib.AsyncExitStack() as stack:
        browser = await stack.enter_async_context(Browser.open(farm.api)) if watched else None
        await asyncio.sleep(1.5)  # the snapshot, and hubs that change their pace
        already = browser.bytes if browser else 0
        for printer in farm.printers:
            await printer.control.do("clear_journal")
        meter = Meter(pids)
        await asyncio.sleep(seconds)
        costs = meter.read()
        received = browser.bytes - already if browser else 0
    sent = [(await printer.control.state())["counters"].get("report_bytes", 0) for printer in farm.printers]
    share = seconds * len(farm.printers) * 1000
    return Outcome(costs, sum(sent) / share, received / share)


def _tell(report: Report, what: str, outcome: Outcome, *, watched: bool) -> None:
    what += ", one browser" if watched else ", nobody watches"
    report.add(f"{what}: cloud, processor", outcome.costs[_CLOUD].cpu, "%")
    report.add(f"{what}: cloud, resident", outcome.costs[_CLOUD].rss / 2**20, "MiB")
    hubs = outcome.hubs
    report.add(f"{what}: a hub, processor", sum(cost.cpu for cost in hubs) / len(hubs), "%")
    report.add(f"{what}: a hub, resident", sum(cost.rss for cost in hubs) / len(hubs) / 2**20, "MiB")
    if watched:
        report.add(f"{what}: to the browser, a printer", outcome.browser_kbps, "kB/s", bare=outcome.printer_kbps)
