"""memory: what a printer costs the hub, in Python's heap and in the process as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.bench import machine
from tools.bench.fake_cloud import HUB_ID, KEY, FakeCloud, entry
from tools.bench.figures import Report, median
from tools.bench.printers import mixed
from tools.bench.terms import Terms
from tools.hub import HubProcess
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm, certificate_cache

NAME = "memory"
COUNTS = (0, 1, 2, 4, 6, 12)
QUICK_COUNTS = (0, 2)
FULL_HUB = 6
LARGE_HEAP = "768k"
"""For more printers than the chip takes."""


@dataclass(frozen=True)
class Sample:
    """Bytes: living objects, the most seen before a collection, and the process's memory."""

    live: float
    peak: float
    rss: float
    lag_ms: float


async def run(terms: Terms) -> Report:
    """Measure hubs with more and more printers."""
    counts = QUICK_COUNTS if terms.quick else COUNTS
    report = Report(NAME, "heap and resident memory of the hub by number of printers")
    samples: dict[int, Sample] = {}
    async with VirtualFarm.start(mixed(max(counts)), certificates=certificate_cache()) as farm:
        for count in counts:
            samples[count] = await _measure(terms, farm.printers[:count])
    for count, sample in samples.items():
        heap = _heap(terms, count)
        limit = _bytes(heap) / 1024
        report.add(f"{count} printers, heap that lives ({heap})", sample.live / 1024, "KiB", most=limit)
        report.add(f"{count} printers, heap before a collection", sample.peak / 1024, "KiB")
        report.add(f"{count} printers, resident", sample.rss / 1024, "KiB")
        report.add(f"{count} printers, lateness of the loop, p99", sample.lag_ms, "ms")
    most = max(count for count in counts if count <= FULL_HUB)
    bare, full = samples[0], samples[most]
    report.add(f"heap that lives, per printer (of {most})", (full.live - bare.live) / most / 1024, "KiB")
    report.add(f"resident, per printer (of {most})", (full.rss - bare.rss) / most / 1024, "KiB")
    report.bounds = [
        "Words have 64 bits here and 32 on the chip, where the same objects take about half of the heap.",
        "Resident memory beyond the heap is mostly TLS: Mbed TLS allocates outside of Python's heap.",
        "Printers are idle, of six models in turn, with one AMS each; all of them report each second.",
    ]
    return report


async def _measure(terms: Terms, printers: list[RunningPrinter]) -> Sample:
    entries = [entry(f"p{number}", printer) for number, printer in enumerate(printers)]
    async with FakeCloud.start(entries) as cloud, _hub(terms, cloud.url, len(printers)) as hub:
        await hub.wait_for("hub: online")
        await cloud.online(*(item["id"] for item in entries))
        await hub.wait_for_stats()  # still holds the connecting
        seen: list[Mapping[str, Any]] = [await hub.wait_for_stats() for _ in range(1 if terms.quick else 5)]
        return Sample(
            live=median(one["heap_live"] for one in seen),
            peak=max(one["heap_before_gc"] for one in seen),
            rss=machine.resident(hub.pid),
            lag_ms=max(one["lag_us_p99"] for one in seen) / 1000,
        )


def _hub(terms: Terms, url: str, count: int) -> HubProcess:
    return HubProcess(
        terms.folder / str(count),
        HUB_ID,
        KEY,
        url,
        heap=_heap(terms, count),
        printers=max(FULL_HUB, count),
        sockets=max(10, count + 4),
        stats=True,
    )


def _heap(terms: Terms, count: int) -> str:
    return terms.heap if count <= FULL_HUB else LARGE_HEAP


def _bytes(heap: str) -> int:
    return int(heap[:-1]) * {"k": 2**10, "M": 2**20}[heap[-1]]
