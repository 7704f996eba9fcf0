"""stalled: ten browsers, one of which stops reading."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tools.bench import machine, simulated
from tools.bench.browser import Browser
from tools.bench.figures import Report
from tools.bench.simulated import PER_HUB, Chatter, SimulatedFarm
from tools.bench.terms import Terms
from tools.farm.client import Client

NAME = "stalled"
BROWSERS, QUICK_BROWSERS = 10, 3
AIM_GAP_S = 0.25
AIM_GROWTH_MIB = 8.0
AIM_CATCH_UP_S = 2.0
INTERVAL_S = 0.1
"""Every printer changes as often as a browser is told of it at most."""

_TRAYS = 30
_SETTLE_S = 2.0
_READ_LIMIT_S = 30.0


@dataclass
class Resumed:
    """What the stalled browser got when it read again."""

    seconds: float
    messages: int
    kilobytes: float


def large_changes(tick: int) -> dict[str, Any]:
    """A few kilobytes: every tray changes its colour. `layer` counts, so that the newest can be told."""
    color = f"#{tick % 0x1000000:06X}"
    trays = [
        {"id": number, "loaded": True, "type": "PLA", "color": color, "profile": "GFA00", "name": f"Slot {number}"}
        for number in range(_TRAYS)
    ]
    return {"layer": tick, "trays": trays}


async def run(terms: Terms) -> Report:
    """All read; then one does not; then it does again."""
    browsers = QUICK_BROWSERS if terms.quick else BROWSERS
    seconds = 2.0 if terms.quick else 15.0
    report = Report(NAME, f"{browsers} browsers, one of which stops reading for {seconds:.0f} s")
    async with (
        simulated.start(terms.folder, PER_HUB, Chatter(INTERVAL_S, large_changes)) as farm,
        contextlib.AsyncExitStack() as stack,
    ):
        others = [await stack.enter_async_context(Browser.open(farm.api)) for _ in range(browsers - 1)]
        async with reading(farm.api):
            await asyncio.sleep(_SETTLE_S)
            calm = await _gaps(others, seconds)
        async with stalling(farm.api) as silent:
            before = machine.resident(farm.cloud.pid)
            stalled = await _gaps(others, seconds)
            after = machine.resident(farm.cloud.pid)
            resumed = await _resume(farm, silent)
    report.add_times("gap between messages at the others", stalled, bare=calm)
    report.add("longest gap at the others", max(stalled) * 1000, "ms", bare=max(calm) * 1000, most=AIM_GAP_S * 1000)
    report.add("growth of the cloud's memory meanwhile", (after - before) / 2**20, "MiB", most=AIM_GROWTH_MIB)
    report.add("reading again → newest state of every printer", resumed.seconds, "s", most=AIM_CATCH_UP_S)
    report.add("messages until then", resumed.messages, "")
    report.add("bytes until then", resumed.kilobytes, "kB")
    rate = sum(other.bytes for other in others) / len(others)
    report.bounds = [
        "Bare: the same gaps while all of them read.",
        f"{PER_HUB} simulated printers, each of which changes some kB every {INTERVAL_S * 1000:.0f} ms, so that "
        f"the kernel's buffers are full at once ({rate / 1000:.0f} kB to each browser in the whole run).",
        "The stalled browser has a receive buffer of 4 KiB; what the kernels hold for it is old when it reads again.",
    ]
    return report


async def _gaps(browsers: list[Browser], seconds: float) -> list[float]:
    began = time.time()
    await asyncio.sleep(seconds)
    found: list[float] = []
    for browser in browsers:
        times = [began, *(one for one in browser.arrivals if one >= began), time.time()]
        found += [later - earlier for earlier, later in itertools.pairwise(times)]
    return found


@contextlib.asynccontextmanager
async def reading(api: Client) -> AsyncIterator[None]:
    """The tenth browser, while it still reads."""
    async with Browser.open(api):
        yield


@contextlib.asynccontextmanager
async def stalling(api: Client) -> AsyncIterator[ClientConnection]:
    """The tenth browser, which watches and reads nothing: its library stops at one message, the kernel at 4 KiB."""
    host, port = api.url.removeprefix("http://").split(":")
    raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
    async with connect(
        f"ws://{host}:{port}/api/v1/ws",
        sock=raw,
        additional_headers={"Authorization": f"Bearer {api.token}"},
        compression=None,
        ping_interval=None,
        max_queue=1,
        max_size=None,
        close_timeout=2,
    ) as client:
        await client.send(json.dumps({"type": "watch"}))
        yield client


async def _resume(farm: SimulatedFarm, silent: ClientConnection) -> Resumed:
    """Read until every printer is as new as it was when the reading began."""
    wanted = farm.hubs[0].tick
    began = time.monotonic()
    newest = dict.fromkeys(farm.printers, -1)
    messages = size = 0
    async with asyncio.timeout(_READ_LIMIT_S):
        while min(newest.values()) < wanted:
            text = await silent.recv()
            messages, size = messages + 1, size + len(text)
            for printer, changes in (json.loads(text).get("printers") or {}).items():
                newest[printer] = max(newest[printer], (changes or {}).get("layer", -1))
    return Resumed(time.monotonic() - began, messages, size / 1000)
