"""The cloud's end of one hub's connection, and nothing behind it: what the hub costs by itself."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from cloud.hubs.tunnel import FRAME_DATA
from shared_protocol import codec, status
from shared_protocol.schema import HUB
from shared_protocol.version import SUBPROTOCOLS
from tools.virtual_printer.harness import RunningPrinter

HUB_ID = "hub_bench"
KEY = "pfh_hub_bench_0123456789abcdef0123456789abcdef"
PATIENCE = 30.0
_BEAT_MS, _DEAD_MS = 3000, 8000


def entry(ident: str, printer: RunningPrinter, *, port: int = 0) -> dict[str, Any]:
    """A printer as the hub's configuration has it; another MQTT port when `port` is given."""
    return {
        "id": ident,
        "serial": printer.serial,
        "host": printer.address,
        "port": port or printer.ports["mqtt"],
        "code": printer.access_code,
    }


class FakeCloud:
    """Use as `async with FakeCloud.start(entries) as cloud`, then start a hub on `cloud.url`."""

    def __init__(self, printers: list[dict[str, Any]], status_ms: int) -> None:
        self.port = 0
        self.statuses: dict[str, dict[str, Any]] = {}
        self._printers = printers
        self._status_ms = status_ms
        self._revision = int(time.time())
        self._configured = 0
        self._socket: ServerConnection | None = None
        self._results: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tunnels: dict[int, Carrier] = {}
        self._ids = itertools.count(1)
        self._news = asyncio.Condition()

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, printers: list[dict[str, Any]], *, status_ms: int = 1000) -> AsyncIterator[Self]:
        """Serve for as long as the block lasts."""
        cloud = cls(printers, status_ms)
        names = [Subprotocol(name) for name in SUBPROTOCOLS]
        async with serve(
            cloud._serve, "127.0.0.1", 0, subprotocols=names, compression=None, ping_interval=None
        ) as server:
            cloud.port = next(iter(server.sockets)).getsockname()[1]
            yield cloud

    @property
    def url(self) -> str:
        """Where the hub connects to."""
        return f"ws://127.0.0.1:{self.port}/hub/v1/link"

    # ---- one connection

    async def _serve(self, socket: ServerConnection) -> None:
        hello = codec.decode(await socket.recv(), HUB)
        await socket.send(codec.encode("welcome", **self._welcome(hello)))
        self._socket = socket
        beats = asyncio.create_task(_beat(socket))
        try:
            async for frame in socket:
                if isinstance(frame, bytes):
                    self._binary(frame)
                else:
                    await self._take(codec.decode(frame, HUB), socket)
        except ConnectionClosed:
            pass  # the hub was ended
        finally:
            beats.cancel()
            if self._socket is socket:
                self._socket = None

    def _welcome(self, hello: dict[str, Any]) -> dict[str, Any]:
        return {
            "time": int(time.time()),
            "epoch": 1,
            "beat_ms": _BEAT_MS,
            "dead_ms": _DEAD_MS,
            "status_ms": self._status_ms,
            "backoff_min_ms": 200,
            "backoff_max_ms": 2000,
            "acked": hello["last_event"],
            "config": self._document(),
        }

    def _document(self) -> dict[str, Any]:
        return {"revision": self._revision, "printers": self._printers}

    async def _take(self, message: dict[str, Any], socket: ServerConnection) -> None:
        kind = message["kind"]
        if kind == "status":
            if message["full"]:
                self.statuses[message["printer"]] = {}
            status.merge(self.statuses.setdefault(message["printer"], {}), message["data"])
        elif kind == "result":
            waiting = self._results.pop(message["id"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        elif kind == "event":
            await socket.send(codec.encode("ack", boot=message["boot"], n=message["n"]))
        elif kind == "configured":
            self._configured = message["revision"]
        elif kind in ("tunnel_opened", "tunnel_close"):
            self._tunnels[message["tunnel"]].told(message)
        elif kind == "error":
            raise RuntimeError(f"the hub could not accept a message: {message}")
        async with self._news:
            self._news.notify_all()

    def _binary(self, frame: bytes) -> None:
        kind, tunnel, rest = codec.split_binary(frame)
        if kind == codec.CREDIT:
            self._tunnels[tunnel].credited(int(rest))

    # ---- what a benchmark does with it

    async def until(self, done: Callable[[], bool], what: str) -> None:
        """Wait until `done()`; TimeoutError naming `what` otherwise."""
        try:
            async with asyncio.timeout(PATIENCE), self._news:
                await self._news.wait_for(done)
        except TimeoutError:
            links = {key: (value.get("link"), value.get("problem")) for key, value in self.statuses.items()}
            raise TimeoutError(f"still waiting for {what}; links: {links}") from None

    async def online(self, *printers: str) -> None:
        """Wait until these printers are connected and reporting."""
        await self.until(lambda: all(self._is_up(printer) for printer in printers), f"{', '.join(printers)} online")

    def _is_up(self, printer: str) -> bool:
        known = self.statuses.get(printer, {})
        return known.get("link") == "online" and known.get("state", "unknown") != "unknown"

    async def configure(self, printers: list[dict[str, Any]], *, keep: bool = False) -> None:
        """Give the hub other printers, and wait until it runs them. `keep` what is known of those that stay."""
        self._printers = printers
        self._revision += 1
        if not keep:
            self.statuses.clear()
        await self._connected().send(codec.encode("config", config=self._document()))
        await self.until(lambda: self._configured == self._revision, "the configuration")

    @property
    def is_connected(self) -> bool:
        """Whether the hub has a connection."""
        return self._socket is not None

    async def drop(self) -> None:
        """End the hub's connection, if there is one, without a word."""
        if self._socket is not None:
            self._socket.transport.abort()
            self._socket = None

    async def command(self, printer: str, name: str, **arguments: Any) -> dict[str, Any]:
        """Send a command; its result. TimeoutError when the hub does not answer."""
        ident = f"c{next(self._ids)}"
        waiting = self._results[ident] = asyncio.get_running_loop().create_future()
        await self._connected().send(
            codec.encode("command", id=ident, name=name, printer=printer, args=arguments, ttl_ms=10_000)
        )
        async with asyncio.timeout(PATIENCE):
            result: dict[str, Any] = await waiting
        return result

    @contextlib.asynccontextmanager
    async def tunnel(self, printer: str, port: int) -> AsyncIterator[Carrier]:
        """A tunnel to a port at a printer's address."""
        number = next(self._ids) % 65535 + 1
        socket = self._connected()
        carrier = self._tunnels[number] = Carrier(number, socket)
        await socket.send(codec.encode("tunnel_open", tunnel=number, printer=printer, port=port, window=codec.WINDOW))
        async with asyncio.timeout(PATIENCE):
            await carrier.opened.wait()
        try:
            yield carrier
        finally:
            await socket.send(codec.encode("tunnel_close", tunnel=number, code="done"))
            async with asyncio.timeout(PATIENCE):
                await carrier.closed.wait()
            del self._tunnels[number]

    def _connected(self) -> ServerConnection:
        if self._socket is None:
            raise RuntimeError("the hub is not connected")
        return self._socket


class Carrier:
    """The cloud's end of a tunnel, upward only: bytes to the printer as fast as the hub gives credit."""

    def __init__(self, number: int, socket: ServerConnection) -> None:
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.sent = 0
        self._socket = socket
        self._header = codec.data_header(number)
        self._credit = 0
        self._wake = asyncio.Event()

    def told(self, message: dict[str, Any]) -> None:
        """The hub opened or closed it."""
        if message["kind"] == "tunnel_opened":
            self._credit = message["window"]
            self.opened.set()
            return
        if not self.opened.is_set():
            raise RuntimeError(f"the hub opens no tunnel: {message}")
        self.closed.set()
        self._wake.set()

    def credited(self, count: int) -> None:
        """The hub takes more."""
        self._credit += count
        self._wake.set()

    async def write(self, data: bytes) -> None:
        """Send all of it. Raises ConnectionError when the tunnel was closed."""
        view = memoryview(data)
        while view:
            while not self._credit:
                if self.closed.is_set():
                    raise ConnectionError("the hub closed the tunnel")
                self._wake.clear()
                await self._wake.wait()
            piece = view[: min(self._credit, FRAME_DATA)]
            self._credit -= len(piece)
            self.sent += len(piece)
            await self._socket.send(self._header + piece)
            view = view[len(piece) :]


async def _beat(socket: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await asyncio.sleep(_BEAT_MS / 1000)
            await socket.send(codec.encode("beat"))
