"""soak: one hub with three printers for a long while, with sixty times the faults of a bad network.

`python -m tools.bench soak --minutes 30`. In each round of about ten seconds everything that goes wrong in a bad ten
minutes goes wrong: the cloud goes, a printer is cut off, switched off and on, floods, hangs, is reconfigured;
commands and a tunnel run meanwhile. After each round, all printers back, the living heap is noted.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time

from tools.bench import machine
from tools.bench.fake_cloud import HUB_ID, KEY, FakeCloud, entry
from tools.bench.figures import Report, median
from tools.bench.printers import mixed
from tools.bench.terms import Terms
from tools.hub import HubProcess
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm, certificate_cache

NAME = "soak"
PRINTERS = 3
AIM_GROWTH_KIB = 1.0
"""Between the first and the last quarter; each status, and what the cloud says, is a little larger or smaller."""

_QUICK_MINUTES = 1.0
_FLOOD = {"flood": 20.0}
_WARM_UP_ROUNDS = 8
"""Buffers grow to the largest report, the modules that are needed rarely have been needed once."""


async def run(terms: Terms) -> Report:
    """Rounds of faults until the time is over."""
    minutes = _QUICK_MINUTES if terms.quick else terms.minutes
    report = Report(NAME, f"{minutes:.0f} minutes with {PRINTERS} printers and faults all the time")
    live: list[float] = []
    resident: list[float] = []
    async with VirtualFarm.start(mixed(PRINTERS), certificates=certificate_cache()) as farm:
        entries = [entry(f"p{number}", printer) for number, printer in enumerate(farm.printers)]
        async with (
            FakeCloud.start(entries) as cloud,
            HubProcess(terms.folder / "data", HUB_ID, KEY, cloud.url, heap=terms.heap, stats=True) as hub,
        ):
            await cloud.online(*(one["id"] for one in entries))
            until = time.monotonic() + 60 * minutes
            for number in itertools.count():
                await _round(cloud, farm.printers, number)
                await cloud.online(*(one["id"] for one in entries))
                await hub.wait_for_stats()  # still holds the round
                live.append(float((await hub.wait_for_stats())["heap_live"]))
                resident.append(machine.resident(hub.pid))
                if time.monotonic() > until:
                    break
            faults = sum("fault:" in line for line in hub.lines)
            short = sum("no memory" in line.lower() for line in hub.lines)
    settled = live[min(_WARM_UP_ROUNDS, len(live) - 1) :]
    quarter = max(1, len(settled) // 4)
    first, last = median(settled[:quarter]), median(settled[-quarter:])
    report.add("rounds of faults", len(live), "")
    report.add("heap that lives, first quarter", first / 1024, "KiB")
    report.add("heap that lives, last quarter", last / 1024, "KiB")
    report.add("growth of the heap", (last - first) / 1024, "KiB", most=AIM_GROWTH_KIB)
    report.add("growth of the process", (resident[-1] - resident[min(_WARM_UP_ROUNDS, len(live) - 1)]) / 1024, "KiB")
    report.add("faults of the hub itself", faults, "", most=0)
    report.add("moments without memory for a report", short, "")
    report.bounds = [
        "A round: connection to the cloud lost twice; printers cut, switched off and on, silent, flooding, dripping; "
        "new settings; commands to each printer; a tunnel.",
        "KiB after every eighth round: " + ", ".join(f"{one / 1024:.0f}" for one in live[::8]),
    ]
    return report


async def _round(cloud: FakeCloud, printers: list[RunningPrinter], number: int) -> None:
    victim, other = printers[number % PRINTERS], printers[(number + 1) % PRINTERS]
    await _commands(cloud, number)
    await _tunnel(cloud, printers[0])
    await cloud.drop()
    await victim.control.do("drop_connections")
    await other.control.fault(**_FLOOD)
    await asyncio.sleep(1)
    await victim.control.do("power_off")
    await asyncio.sleep(1)
    await cloud.drop()
    await other.control.fault(flood=0.0, drip_bytes=200)
    await victim.control.do("power_on")
    await asyncio.sleep(1)
    await other.control.fault(drip_bytes=0, silent=True)
    await cloud.until(lambda: cloud.is_connected, "the hub")
    changed = [entry(f"p{index}", printer) for index, printer in enumerate(printers)]
    changed[number % PRINTERS]["code"] = "wrong123"
    await cloud.configure(changed, keep=True)
    await asyncio.sleep(1)
    await other.control.fault(silent=False)
    await cloud.configure([entry(f"p{index}", printer) for index, printer in enumerate(printers)], keep=True)
    await _commands(cloud, number)


async def _commands(cloud: FakeCloud, number: int) -> None:
    """What users do meanwhile; that a printer is away is one of the answers."""
    for index in range(PRINTERS):
        with contextlib.suppress(TimeoutError, RuntimeError):
            await cloud.command(f"p{index}", "light", on=bool(number % 2))
    with contextlib.suppress(TimeoutError, RuntimeError):
        await cloud.command("p0", "temperature", bed=number % 60)


async def _tunnel(cloud: FakeCloud, printer: RunningPrinter) -> None:
    with contextlib.suppress(TimeoutError, RuntimeError, ConnectionError):
        async with cloud.tunnel("p0", printer.ports["ftps"]):
            await asyncio.sleep(0.1)
