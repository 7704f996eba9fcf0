"""A cloud for the hub's tests: a real `websockets` server whose every word the test decides."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from shared_protocol import codec
from shared_protocol.schema import HUB

KEY = "pfh_hub1_verysecretkey"
PATH = "/hub/v1/link"
LIMIT = 30.0

WELCOME: dict[str, Any] = {
    "time": 1_800_000_000,
    "beat_ms": 3000,
    "dead_ms": 60_000,  # this cloud does not beat
    "status_ms": 1000,
    "backoff_min_ms": 20,
    "backoff_max_ms": 200,
    "acked": 0,
}


def printer(number: int, **more: Any) -> dict[str, Any]:
    """A printer of a configuration, switched off unless told otherwise."""
    return {"id": f"p{number}", "serial": f"S{number}", "host": "127.0.0.1", "code": "12345678", "off": True} | more


class Hub:
    """The cloud's end of one connection: what came in is sorted by kind."""

    def __init__(self, connection: ServerConnection, epoch: int) -> None:
        self.connection = connection
        self.epoch = epoch
        self.hello: dict[str, Any] = {}
        self.log: list[dict[str, Any]] = []
        self.binary: asyncio.Queue[bytes] = asyncio.Queue()
        self._news = asyncio.Condition()
        self._closed = False

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a message, which must be a valid one."""
        await self.connection.send(codec.encode(kind, **fields))

    async def greet(self, **changes: Any) -> None:
        """Take the hello and send the welcome."""
        text = await self.connection.recv()
        assert isinstance(text, str)
        self.hello = codec.decode(text, HUB)
        assert self.hello["kind"] == "hello"
        welcome = WELCOME | {"epoch": self.epoch} | changes
        config = welcome.get("config")
        if config is not None and config["revision"] == self.hello["revision"]:
            del welcome["config"]
        await self.send("welcome", **welcome)

    async def read(self) -> None:
        """Sort everything that comes, until the end. Each message is checked against the protocol."""
        try:
            async for data in self.connection:
                async with self._news:
                    if isinstance(data, str):
                        self.log.append(codec.decode(data, HUB))
                    else:
                        self.binary.put_nowait(data)
                    self._news.notify_all()
        except ConnectionClosed:
            pass  # the hub was killed, or the test cut the line
        finally:
            async with self._news:
                self._closed = True
                self._news.notify_all()

    def all(self, kind: str, **match: Any) -> list[dict[str, Any]]:
        """The messages of a kind that came so far."""
        return [m for m in self.log if m["kind"] == kind and all(m.get(k) == v for k, v in match.items())]

    async def wait(self, kind: str, count: int = 1, **match: Any) -> dict[str, Any]:
        """The `count`-th message of a kind with these fields."""
        async with asyncio.timeout(LIMIT), self._news:
            while len(found := self.all(kind, **match)) < count:
                assert not self._closed, f"closed before {kind} {match}: {self.log}"
                await self._news.wait()
        return found[count - 1]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until messages that came make `condition` true."""
        async with asyncio.timeout(LIMIT), self._news:
            while not condition():
                assert not self._closed, f"closed: {self.log}"
                await self._news.wait()

    async def ended(self, limit: float = LIMIT) -> None:
        """Wait until the connection is over."""
        async with asyncio.timeout(limit):
            await self.connection.wait_closed()

    async def configure(self, revision: int, *printers: dict[str, Any]) -> None:
        """Send a configuration and wait until the hub runs it."""
        await self.send("config", config=document(revision, *printers))
        await self.wait("configured", revision=revision)

    async def command(self, ident: str, name: str, printer_id: str = "p1", **more: Any) -> dict[str, Any]:
        """Run a command and return its result."""
        before = len(self.all("result", id=ident))
        fields: dict[str, Any] = {"args": {}, "ttl_ms": 5000} | more
        await self.send("command", id=ident, name=name, printer=printer_id, **fields)
        return await self.wait("result", before + 1, id=ident)


Script = Callable[[Hub], Awaitable[None]]


class FakeCloud:
    """Accepts hubs; `script` decides what happens in each connection (greet and read when None)."""

    def __init__(self) -> None:
        self.script: Script | None = None
        self.welcome: dict[str, Any] = {}
        self.refusal: tuple[int, dict[str, str], bytes] | None = None
        self.key = ""  # the only one accepted, when set
        self.requests: list[Headers] = []
        self.hubs: asyncio.Queue[Hub] = asyncio.Queue()
        self.epoch = 0
        self.scheme = "ws"
        self.port = 0
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """Where the hub finds it."""
        return f"{self.scheme}://127.0.0.1:{self.port}{PATH}"

    async def hub(self, limit: float = LIMIT) -> Hub:
        """The next connection."""
        return await asyncio.wait_for(self.hubs.get(), limit)

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        """Listen; a second start after `stop` takes the same port."""
        self.scheme = "wss" if context else "ws"
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.port,
            process_request=self._answer,
            subprotocols=["printfarm.hub.v1"],  # type: ignore[list-item]
            compression=None,
            ssl=context,
            max_size=codec.MAX_TEXT,
            ping_interval=None,
            close_timeout=1,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request.headers)
        assert request.path == PATH
        if self.key and request.headers.get("Authorization") != "Bearer " + self.key:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "")
        if self.refusal is None:
            return None
        status, headers, body = self.refusal
        response = connection.respond(HTTPStatus(status), body.decode())
        for name, value in headers.items():
            response.headers[name] = value
        return response

    async def _serve(self, connection: ServerConnection) -> None:
        self.epoch += 1
        hub = Hub(connection, self.epoch)
        try:
            if self.script is not None:
                await self.script(hub)
                return
            await hub.greet(**self.welcome)
        except ConnectionClosed:
            return
        self.hubs.put_nowait(hub)
        await hub.read()


@contextlib.asynccontextmanager
async def fake_cloud(context: ssl.SSLContext | None = None) -> AsyncIterator[FakeCloud]:
    """A cloud that listens, and is gone afterwards."""
    cloud = FakeCloud()
    await cloud.start(context)
    try:
        yield cloud
    finally:
        await cloud.stop()


async def cut(hub: Hub) -> None:
    """End a connection without a word: RST instead of a close."""
    raw = hub.connection.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    hub.connection.transport.abort()


def document(revision: int, *printers: dict[str, Any]) -> dict[str, Any]:
    """A configuration."""
    return {"revision": revision, "printers": json.loads(json.dumps(printers))}
