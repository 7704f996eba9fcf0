"""The browsers' room on a real server, with logins and live state that the test rules over."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import websockets

from cloud.accounts.principal import Principal
from cloud.accounts.web import WebGate
from cloud.bus import LocalBus, subjects
from cloud.live import LiveGateway
from cloud.storage import clock
from tests.cloud.serving import serving

WAIT_S = 10.0


class Logins:
    """In the place of the accounts service: tokens are what the test says they are."""

    def __init__(self) -> None:
        self.valid: dict[str, Principal] = {}

    def add(self, token: str, tenant: str, *, seconds: float = 3600) -> Principal:
        principal = Principal(
            user_id="usr_" + token, tenant_id=tenant, email="a@b.c", name="A", role="viewer",
            session_id="ses_" + token, expires_at=clock.after(seconds),
        )  # fmt: skip
        self.valid[token] = principal
        return principal

    @property
    def sessions(self) -> "Logins":
        return self

    async def authenticate(self, token: str) -> Principal | None:
        return self.valid.get(token)

    async def principal(self, session_id: str) -> Principal | None:
        found = self.valid.get(session_id.removeprefix("ses_"))
        return found if found is not None and found.expires_at > clock.now() else None


class Source:
    """In the place of printing.live."""

    def __init__(self) -> None:
        self.printers: dict[str, dict[str, dict[str, Any]]] = {}
        self.open_jobs: dict[str, dict[str, dict[str, Any]]] = {}
        self.hubs: dict[str, dict[str, dict[str, Any]]] = {}

    def snapshot(self, tenant_id: str) -> dict[str, dict[str, Any]]:
        return {key: dict(view) for key, view in self.printers.get(tenant_id, {}).items()}

    def jobs(self, tenant_id: str) -> dict[str, dict[str, Any]]:
        return {key: dict(view) for key, view in self.open_jobs.get(tenant_id, {}).items()}

    def hub_views(self, tenant_id: str) -> dict[str, dict[str, Any]]:
        return {key: dict(view) for key, view in self.hubs.get(tenant_id, {}).items()}


class Browser:
    """A page's end of the socket."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection
        self.views: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.hubs: dict[str, dict[str, Any]] = {}
        self.seq = 0

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            return cast("dict[str, Any]", json.loads(await self.connection.recv()))

    async def until(self, kind: str) -> dict[str, Any]:
        while (message := await self.hear())["type"] != kind:
            pass
        return message

    async def watch(self) -> dict[str, Any]:
        await self.say(type="watch")
        message = await self.until("snapshot")
        self.take(message)
        return message

    def take(self, message: dict[str, Any]) -> None:
        """Follow the rich form as a page does, sequence numbers checked."""
        assert message["seq"] == self.seq + 1 or message["type"] == "snapshot"
        self.seq = message["seq"]
        if message["type"] == "snapshot":
            self.views, self.jobs, self.hubs = message["printers"], message["jobs"], message["hubs"]
            return
        views = {"printers": self.views, "jobs": self.jobs, "hubs": self.hubs}
        for known, changed in ((view, message.get(what, {})) for what, view in views.items()):
            for key, changes in changed.items():
                if changes is None:
                    known.pop(key, None)
                else:
                    known.setdefault(key, {}).update(changes)

    async def follow(self, condition: Any) -> None:
        """Take messages until the views are as wanted."""
        while not condition():
            self.take(await self.hear())

    async def closed(self) -> int:
        with contextlib.suppress(websockets.ConnectionClosed):
            async with asyncio.timeout(WAIT_S):
                while True:
                    await self.connection.recv()
        assert self.connection.close_code is not None
        return self.connection.close_code


class LiveCloud:
    """Two tenants; `one` and `two` are tokens of the first, `other` of the second."""

    def __init__(self, bus: LocalBus) -> None:
        self.bus = bus
        self.logins = Logins()
        self.source = Source()
        self.gateway = LiveGateway(bus, self.source, WebGate(cast(Any, self.logins), secure=False))
        self.port = 0
        for token, tenant in (("one", "ten_a"), ("two", "ten_a"), ("other", "ten_b")):
            self.logins.add(token, tenant)
        for tenant in ("ten_a", "ten_b"):
            self.source.printers[tenant] = {
                f"prn_{tenant[-1]}{n}": {"id": f"prn_{tenant[-1]}{n}", "name": f"P{n}", "percent": 0} for n in range(3)
            }

    def change(self, tenant: str, printer: str, **changes: Any) -> None:
        """As printing.live does: its own state first, then the bus."""
        self.source.printers[tenant].setdefault(printer, {}).update(changes)
        self.publish(tenant, printers={printer: changes})

    def publish(self, tenant: str, **message: Any) -> None:
        self.bus.publish(subjects.live(tenant), json.dumps(message).encode())

    def dial(self, login: str | None = "one", *, origin: str | None = None, cookie: bool = True, **options: Any) -> Any:
        headers: dict[str, str] = {}
        if login is not None and cookie:
            headers["Cookie"] = f"printfarm_session={login}"
        elif login is not None:
            headers["Authorization"] = f"Bearer {login}"
        if origin is not None:
            headers["Origin"] = origin
        return websockets.connect(
            f"ws://127.0.0.1:{self.port}/api/v1/ws",
            additional_headers=headers,
            compression=None,
            ping_interval=None,
            proxy=None,
            **options,
        )

    @asynccontextmanager
    async def browser(self, login: str = "one", **options: Any) -> AsyncIterator[Browser]:
        async with self.dial(login, **options) as connection:
            yield Browser(connection)


@asynccontextmanager
async def live_cloud() -> AsyncIterator[LiveCloud]:
    bus = LocalBus()
    await bus.start()
    cloud = LiveCloud(bus)
    await cloud.gateway.start()
    try:
        async with serving([cloud.gateway.route()]) as port:
            cloud.port = port
            yield cloud
    finally:
        await cloud.gateway.close()
        await bus.drain()
