"""restart: the cloud is killed and started again, with a hundred printers and a browser waiting for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from tools.bench import simulated
from tools.bench.figures import Report, median
from tools.bench.simulated import Chatter, SimulatedFarm
from tools.bench.terms import Terms
from tools.farm.client import Client

NAME = "restart"
PRINTERS, QUICK_PRINTERS = 100, 12
ROUNDS, QUICK_ROUNDS = 3, 1
AIM_PAGE_S = 3.0
AIM_LIVE_S = 10.0
_POLL_S = 0.02
_LIMIT_S = 60.0


@dataclass(frozen=True)
class Round:
    """Seconds from the kill to each; `processor` is what the process itself used of them until it was ready."""

    ready: float
    processor: float
    page: float
    api: float
    live: float


async def run(terms: Terms) -> Report:
    """Kill -9, start at once, and watch what comes back when."""
    printers = QUICK_PRINTERS if terms.quick else PRINTERS
    report = Report(NAME, f"cloud killed and started again, {printers} printers on simulated hubs")
    settings, built = _dashboard(terms.folder)
    async with simulated.start(terms.folder, printers, Chatter(), settings=settings) as farm:
        rounds = [await _round(farm) for _ in range(QUICK_ROUNDS if terms.quick else ROUNDS)]
    report.add("kill → the process says ready", median(one.ready for one in rounds), "s")
    report.add("of that, processor time of the process", median(one.processor for one in rounds), "s")
    report.add("kill → page /", max(one.page for one in rounds), "s", most=AIM_PAGE_S)
    report.add("kill → /api/printers/", max(one.api for one in rounds), "s", most=AIM_PAGE_S)
    report.add(f"kill → all {printers} live in a browser", max(one.live for one in rounds), "s", most=AIM_LIVE_S)
    report.bounds = [
        f"The slowest of {len(rounds)} rounds (ready: the median). The process is started the moment it is dead; how "
        "long whatever supervises it takes to notice comes on top.",
        f"{len(farm.hubs)} hubs with the firmware's back-off, played in Python; the browser tries every "
        f"{_POLL_S * 1000:.0f} ms.",
        "The page is the built dashboard." if built else "The dashboard was not built: the page is a stand-in.",
    ]
    return report


def _dashboard(folder: Path) -> tuple[dict[str, str], bool]:
    """Settings for a page at `/`, and whether it is the real one."""
    dist = Path(__file__).resolve().parents[2] / "cloud" / "dashboard" / "dist"
    if (dist / "index.html").exists():
        return {}, True
    stand_in = folder / "dashboard"
    stand_in.mkdir()
    (stand_in / "index.html").write_text("<!doctype html><title>stand-in</title>\n")
    return {"PRINTFARM_DASHBOARD_DIR": str(stand_in)}, False


async def _round(farm: SimulatedFarm) -> Round:
    await farm.cloud.kill()
    began = time.monotonic()

    async def since(done: Awaitable[None]) -> float:
        await done
        return time.monotonic() - began

    async def start() -> tuple[float, float]:
        await farm.cloud.start()
        used = psutil.Process(farm.cloud.pid).cpu_times()
        return time.monotonic() - began, float(used.user + used.system)

    async with asyncio.timeout(_LIMIT_S), asyncio.TaskGroup() as group:
        ready = group.create_task(start())
        page = group.create_task(since(_until_it_works(lambda: _page(farm))))
        api = group.create_task(since(_until_it_works(lambda: _list(farm))))
        live = group.create_task(since(_until_it_works(lambda: _all_live(farm))))
    return Round(*ready.result(), page.result(), api.result(), live.result())


async def _until_it_works(attempt: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await attempt()
        except (aiohttp.ClientError, ConnectionError):
            await asyncio.sleep(_POLL_S)  # not up yet
        else:
            return


async def _page(farm: SimulatedFarm) -> None:
    async with aiohttp.ClientSession() as http, http.get(farm.cloud.url) as answer:
        answer.raise_for_status()
        await answer.read()


async def _list(farm: SimulatedFarm) -> None:
    async with _signed_in(farm) as api:
        answer = await api.get("/api/printers/")
    found = len(answer["items"] if isinstance(answer, dict) else answer)
    if found != len(farm.printers):
        raise RuntimeError(f"{found} of {len(farm.printers)} printers are listed")


async def _all_live(farm: SimulatedFarm) -> None:
    async with _signed_in(farm) as api, api.live() as live:
        await live.until(lambda now: farm.all_online(now.printers))


def _signed_in(farm: SimulatedFarm) -> Client:
    """The token outlives the process."""
    api = Client(farm.cloud.url)
    api.token = farm.api.token
    return api
