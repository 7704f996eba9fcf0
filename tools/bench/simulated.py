"""Hubs played in Python, many in one process: they speak the protocol and have printers that only exist as statuses."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from shared_protocol import codec
from shared_protocol.schema import CLOUD
from shared_protocol.version import SUBPROTOCOLS
from tools.bench.terms import CLOUD_SETTINGS
from tools.farm.client import Client
from tools.farm.cloud import CloudProcess
from tools.farm.farm import EMAIL

PER_HUB: Final = 6
FULL_STATUS: Final[dict[str, Any]] = {
    "link": "online",
    "model": "C12",
    "control": "ok",
    "state": "running",
    "stage": 0,
    "percent": 10,
    "remaining": 3600,
    "layer": 0,
    "layers": 1_000_000,
    "file": "screen job.gcode.3mf",
    "task": "screen job",
    "error": 0,
    "hms": [],
    "nozzle": 220.0,
    "nozzle_target": 220.0,
    "bed": 60.0,
    "bed_target": 60.0,
    "light": True,
    "wifi": -51,
    "storage": "ok",
    "trays": [{"id": 0, "loaded": True, "type": "PLA", "color": "#1F8B4C", "profile": "GFA00"}],
    "tray": 0,
}
"""Of a printer whose print was started at its screen."""


def small_changes(tick: int) -> dict[str, Any]:
    """What changes in a second of printing. `layer` counts, so that the newest can be told."""
    return {"layer": tick, "nozzle": 219.0 + tick % 3, "wifi": -51 - tick % 3}


@dataclass(frozen=True)
class Chatter:
    """How printers talk: `changes(tick)` every `interval` seconds."""

    interval: float = 1.0
    changes: Callable[[int], dict[str, Any]] = small_changes


class SimulatedHub:
    """One hub, which comes back after every end of its connection, as patiently as the firmware."""

    def __init__(self, url: str, hub_id: str, key: str, chatter: Chatter) -> None:
        self.tick = 0
        self._url = url
        self._hub_id = hub_id
        self._key = key
        self._chatter = chatter
        self._boot = secrets.token_hex(8)
        self._revision = 0
        self._printers: list[str] = []
        self._least_ms, self._most_ms, self._step = 500, 30_000, 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(OSError, ConnectionClosed, InvalidHandshake):
                await self._connection()
            await asyncio.sleep(self._wait_ms() / 1000)

    def _wait_ms(self) -> int:
        """The firmware's back-off (hub/cloud_link.py)."""
        base = min(self._most_ms, self._least_ms << self._step)
        if base < self._most_ms:
            self._step += 1
        return min(self._most_ms, base // 2 + random.randrange(base + 1))

    async def _connection(self) -> None:
        async with connect(
            self._url,
            additional_headers={"Authorization": f"Bearer {self._key}"},
            subprotocols=[Subprotocol(name) for name in SUBPROTOCOLS],
            compression=None,
            ping_interval=None,
            proxy=None,
        ) as socket:
            await socket.send(codec.encode("hello", **self._hello()))
            welcome = await self._welcomed(socket)
            self._step, self._least_ms, self._most_ms = 0, welcome["backoff_min_ms"], welcome["backoff_max_ms"]
            talking = asyncio.create_task(self._talk(socket))
            try:
                async for frame in socket:
                    if isinstance(frame, str):
                        await self._take(codec.decode(frame, CLOUD), socket)
            finally:
                talking.cancel()
                await asyncio.gather(talking, return_exceptions=True)

    def _hello(self) -> dict[str, Any]:
        return {
            "hub": self._hub_id,
            "firmware": "0.1.0",
            "board": "simulated",
            "boot": self._boot,
            "uptime_ms": int(time.monotonic() * 1000),
            "last_event": 0,
            "revision": self._revision,
            "sockets": 10,
            "max_printers": PER_HUB,
        }

    async def _welcomed(self, socket: ClientConnection) -> dict[str, Any]:
        while True:
            message = codec.decode(await socket.recv(), CLOUD)
            if message["kind"] == "welcome":
                if "config" in message:
                    await self._configure(message["config"], socket)
                return message

    async def _configure(self, document: dict[str, Any], socket: ClientConnection) -> None:
        self._revision = document["revision"]
        known, self._printers = self._printers, [one["id"] for one in document["printers"]]
        await socket.send(codec.encode("configured", revision=self._revision))
        for printer in self._printers:
            if printer not in known:
                await self._tell(socket, printer)

    async def _take(self, message: dict[str, Any], socket: ClientConnection) -> None:
        kind = message["kind"]
        if kind == "config":
            await self._configure(message["config"], socket)
        elif kind == "command":
            await socket.send(codec.encode("result", id=message["id"], ok=True))
        elif kind == "tunnel_open":
            await socket.send(codec.encode("tunnel_close", tunnel=message["tunnel"], code="unreachable"))

    async def _tell(self, socket: ClientConnection, printer: str) -> None:
        await socket.send(codec.encode("status", printer=printer, full=True, data=FULL_STATUS | {"layer": self.tick}))

    async def _talk(self, socket: ClientConnection) -> None:
        for printer in self._printers:
            await self._tell(socket, printer)
        while True:
            # Printers do not beat in step.
            for printer in list(self._printers):
                await asyncio.sleep(self._chatter.interval / len(self._printers))
                changes = self._chatter.changes(self.tick)
                await socket.send(codec.encode("status", printer=printer, full=False, data=changes))
            if not self._printers:
                await asyncio.sleep(self._chatter.interval)
            self.tick += 1


@dataclass
class SimulatedFarm:
    """A real cloud and its simulated hubs."""

    cloud: CloudProcess
    api: Client
    password: str = field(repr=False)
    hubs: list[SimulatedHub] = field(default_factory=list)
    printers: list[str] = field(default_factory=list)

    def all_online(self, views: dict[str, dict[str, Any]]) -> bool:
        """Whether these live views show every printer connected all the way."""
        return all(_is_online(views.get(printer, {})) for printer in self.printers)

    async def add_hub(self, count: int, chatter: Chatter) -> SimulatedHub:
        """Register a hub with `count` printers; it is not running yet."""
        number = len(self.hubs) + 1
        made = await self.api.post("/api/hubs/", {"name": f"Hub {number}"})
        for index in range(count):
            printer = await self.api.post("/api/printers/", _printer(number, index, made["id"]))
            self.printers.append(printer["id"])
        hub = SimulatedHub(self.cloud.hub_url, made["id"], made["key"], chatter)
        self.hubs.append(hub)
        return hub


def _printer(number: int, index: int, hub_id: str) -> dict[str, Any]:
    return {
        "name": f"Printer {number}-{index + 1}",
        "model": "C12",
        "ip_address": f"127.0.{number}.{index + 1}",
        "serial_number": f"01P00A{number:04}{index:05}",
        "access_code": secrets.token_hex(4),
        "hub_id": hub_id,
    }


def _is_online(view: dict[str, Any]) -> bool:
    return view.get("hub") == "online" and view.get("link") == "online" and view.get("state") == "running"


@contextlib.asynccontextmanager
async def start(
    folder: Path, printers: int, chatter: Chatter, *, settings: dict[str, str] | None = None
) -> AsyncIterator[SimulatedFarm]:
    """A cloud process with so many printers on simulated hubs of six, for as long as the block lasts."""
    password = secrets.token_urlsafe(9)
    cloud = CloudProcess(folder / "cloud", EMAIL, password, settings=CLOUD_SETTINGS | (settings or {}))
    cloud.data.mkdir(parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(cloud.stop)
        await cloud.start()
        api = await stack.enter_async_context(Client(cloud.url))
        await api.login(EMAIL, password)
        farm = SimulatedFarm(cloud, api, password)
        for first in range(0, printers, PER_HUB):
            hub = await farm.add_hub(min(PER_HUB, printers - first), chatter)
            running = asyncio.create_task(hub.run())
            stack.push_async_callback(_end, running)
        async with api.live() as live:
            await live.until(lambda now: farm.all_online(now.printers))
        yield farm


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
