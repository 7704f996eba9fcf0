"""tunnel: files to printers through cloud, hub and tunnel, against a direct upload to the same printer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tools.bench import bare_ftps
from tools.bench.browser import Browser, JobWatch
from tools.bench.figures import Report, median
from tools.bench.terms import CLOUD_SETTINGS, Terms
from tools.farm import farm as farms
from tools.farm.farm import Farm, FarmPrinter
from tools.sample_file import SampleSpec
from tools.virtual_printer.spec import PrinterSpec, TraySpec

NAME = "tunnel"
AIM_SHARE = 0.8
AIM_TOGETHER = 1.2
STORAGE_KBPS = 150.0
"""What real printers' storages take is 50 to 150 kB/s."""

FAST_STORAGE_KBPS = 1000.0
HUBS, QUICK_HUBS = 5, 2
_UPLOAD_LIMIT_S = 180.0


@dataclass(frozen=True)
class Carried:
    """One upload: seconds in which the printer's data connection was open, and in all (logging in, checking)."""

    size: int
    data: float
    whole: float

    @property
    def kbps(self) -> float:
        """kB/s on the data connection."""
        return self.size / self.data / 1000

    @property
    def whole_kbps(self) -> float:
        """kB/s with everything around."""
        return self.size / self.whole / 1000


@dataclass
class Pair:
    """Uploads of the same size, direct and through the tunnel, in turn."""

    direct: list[Carried] = field(default_factory=list)
    tunnel: list[Carried] = field(default_factory=list)


class Bench:
    """A farm with one printer a hub."""

    def __init__(self, farm: Farm, watch: JobWatch) -> None:
        self.farm = farm
        self._watch = watch
        self._seed = 0

    async def pairs(self, printer: FarmPrinter, size_kb: int, rounds: int, kbps: float) -> Pair:
        """Uploads to one printer whose storage takes `kbps` (0: anything)."""
        await printer.control.fault(throttle_kbps=kbps)
        made = Pair()
        for _ in range(rounds):
            made.direct.append(await self.direct(printer, size_kb))
            made.tunnel.append(await self.through(printer, size_kb))
        return made

    async def direct(self, printer: FarmPrinter, size_kb: int) -> Carried:
        """Straight to the printer."""
        content = b"\x00" * (size_kb * 1024)
        whole = await asyncio.to_thread(bare_ftps.upload, printer.real, "/direct.bin", content)
        return Carried(len(content), await _last_upload(printer), whole)

    async def through(self, printer: FarmPrinter, size_kb: int) -> Carried:
        """As a job that is printed to its end, so that the printer is free again."""
        self._seed += 1
        spec = SampleSpec(seconds=60, layers=5, size_kb=size_kb, incompressible=True, seed=self._seed)
        file = await self.farm.upload(spec, f"tunnel-{self._seed}.gcode.3mf")
        job = await self.farm.queue(file, printer)
        began = await self._watch.reached(job, "uploading")
        ended = await self._watch.reached(job, "starting", _UPLOAD_LIMIT_S)
        await self._watch.reached(job, "completed")
        await self.farm.clear(printer)
        return Carried(file["size"], await _last_upload(printer), ended - began)


async def _last_upload(printer: FarmPrinter) -> float:
    last = (await printer.control.journal())["uploads"][-1]
    if last["outcome"] != "complete":
        raise RuntimeError(f"an upload was {last['outcome']}")
    return float(last["seconds"])


async def run(terms: Terms) -> Report:
    """Unthrottled, with the storage of a real printer, and five hubs at once."""
    report = Report(NAME, "file to a printer through cloud and hub, against a direct FTPS upload")
    hubs = QUICK_HUBS if terms.quick else HUBS
    tray = TraySpec("PLA", "1F8B4C")
    specs = [PrinterSpec(model="P1S", speed=600, trays=[tray, None, None, None]) for _ in range(hubs)]
    watch = JobWatch()
    async with (
        farms.start(terms.folder, specs, hubs=hubs, heap=terms.heap, settings=CLOUD_SETTINGS) as farm,
        Browser.open(farm.api, watch.take),
    ):
        bench = Bench(farm, watch)
        first = farm.printers[0]
        fast = await bench.pairs(first, *((256, 1) if terms.quick else (4096, 3)), FAST_STORAGE_KBPS)
        free = await bench.pairs(first, *((512, 1) if terms.quick else (8192, 5)), 0)
        slow = await bench.pairs(first, *((256, 1) if terms.quick else (1536, 3)), STORAGE_KBPS)
        for printer in farm.printers[1:]:
            await printer.control.fault(throttle_kbps=STORAGE_KBPS)
        size = 256 if terms.quick else 1536
        together = await asyncio.gather(*(bench.through(printer, size) for printer in farm.printers))
    _tell_pair(report, f"storage at {STORAGE_KBPS:.0f} kB/s", slow)
    _tell_pair(report, f"storage at {FAST_STORAGE_KBPS:.0f} kB/s", fast)
    _tell_pair(report, "storage not throttled", free)
    _tell_together(report, slow.tunnel, together)
    report.bounds = [
        "Bare is the standard library's FTP over TLS straight to the printer, before each upload through the tunnel.",
        "Data: while the printer's data connection was open. Whole: the tunnel with login and checks of folder and "
        "size, from `uploading` to `starting` as a browser sees it; direct from connecting to the last answer.",
        "Not throttled, the direct upload is as fast as this machine copies and encrypts; no printer is.",
        "The virtual printers share one process, whose TLS is part of every figure; on loopback nothing is far away.",
    ]
    return report


def _tell_pair(report: Report, what: str, pair: Pair) -> None:
    data, bare = median(one.kbps for one in pair.tunnel), median(one.kbps for one in pair.direct)
    report.add(f"{what}: data (n={len(pair.tunnel)})", data, "kB/s", bare=bare)
    report.add(f"{what}: data, tunnel to direct", data / bare, "×", least=AIM_SHARE)
    whole, bare = median(one.whole_kbps for one in pair.tunnel), median(one.whole_kbps for one in pair.direct)
    report.add(f"{what}: whole upload", whole, "kB/s", bare=bare)
    report.add(f"{what}: whole upload, tunnel to direct", whole / bare, "×")


def _tell_together(report: Report, alone: list[Carried], together: list[Carried]) -> None:
    one = median(item.whole for item in alone)
    slowest = max(item.whole for item in together)
    many = f"{len(together)} hubs at once"
    report.add(f"{many}, storage at {STORAGE_KBPS:.0f} kB/s: the slowest upload", slowest, "s", bare=one)
    report.add(f"{many}: the slowest to one alone", slowest / one, "×", most=AIM_TOGETHER)
