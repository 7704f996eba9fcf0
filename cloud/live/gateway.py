"""The door for browsers: `GET /api/v1/ws`, a WebSocket. Who may come in, how many, and when they must leave."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from cloud import sockets
from cloud.accounts.access import Need, refusal
from cloud.accounts.principal import Principal
from cloud.accounts.sessions import REVOKED
from cloud.accounts.web import WebGate
from cloud.bus import Bus, Subscription
from cloud.live.browser import SIGNED_OUT, BrowserSocket, Ending, LiveSocket
from cloud.live.old_stream import OldStream, Telling
from cloud.live.room import LiveSource, TenantRoom
from cloud.storage.errors import StoreError

log = structlog.get_logger(__name__)

PATH: Final = "/api/v1/ws"
OLD_PATHS: Final = ("/api/v1/ws/live-status-all", "/api/v1/ws/live-status/{printer_id}")
SEES: Final = Need(role="viewer", area="printers", action="read")
"""What the live view takes: the one rule that HTTP goes by too."""
MAX_PER_LOGIN: Final = 50
"""Tabs of one login."""
MAX_PER_TENANT: Final = 500
RETRY_AFTER_S: Final = "5"


class LiveGateway:
    """One per node. `start` once the bus runs; `drain` before the server closes its sockets; `close` at the end."""

    def __init__(self, bus: Bus, source: LiveSource, gate: WebGate) -> None:
        self._bus = bus
        self._source = source
        self._gate = gate
        self._rooms: dict[str, TenantRoom] = {}
        self._sockets: set[LiveSocket] = set()
        self._by_login: Counter[str] = Counter()
        self._by_tenant: Counter[str] = Counter()
        self._revoked: Subscription | None = None
        self._draining = False
        self._gone = asyncio.Event()

    def route(self) -> WebSocketRoute:
        return WebSocketRoute(PATH, self.watch, name="live")

    def old_routes(self, telling: Telling) -> list[WebSocketRoute]:
        """Where clients of the old system look on: they say nothing, and hear everything anew."""

        async def look_on(websocket: WebSocket) -> None:
            printer = websocket.path_params.get("printer_id")

            def made(principal: Principal, _room: TenantRoom) -> LiveSocket:
                stream = OldStream(websocket, lambda: telling(principal.tenant_id, printer))
                return LiveSocket(websocket, principal, stream, self._gate)

            await self._serve(websocket, made)

        return [WebSocketRoute(path, look_on) for path in OLD_PATHS]

    async def start(self) -> None:
        self._revoked = self._bus.subscribe(REVOKED, self._on_revoked)

    async def close(self) -> None:
        if self._revoked is not None:
            self._revoked.close()
        for room in list(self._rooms.values()):
            self._forget(room)

    @property
    def count(self) -> int:
        """Browsers connected."""
        return len(self._sockets)

    async def drain(self, seconds: float) -> None:
        """Close every socket with 1012 and its own `retry_ms=` in the reason, in random order spread over `seconds`."""
        self._draining = True
        leaving = list(self._sockets)
        random.shuffle(leaving)
        for socket in leaving:
            socket.end(Ending(1012, f"retry_ms={random.randint(500, 1500 + int(seconds * 1000))}"))
            await asyncio.sleep(seconds / len(leaving))
        while self._sockets:
            self._gone.clear()
            await self._gone.wait()

    async def watch(self, websocket: WebSocket) -> None:
        """One connection, from the handshake to the end."""
        await self._serve(websocket, lambda principal, room: BrowserSocket(websocket, principal, room, self._gate))

    async def _serve(self, websocket: WebSocket, make: Callable[[Principal, TenantRoom], LiveSocket]) -> None:
        principal = await self._admit(websocket)
        if principal is None:
            return
        room = self._room(principal.tenant_id)
        socket = make(principal, room)
        # Known before the first wait: a login revoked from here on finds its socket.
        self._sockets.add(socket)
        self._count(principal, 1)
        try:
            room.enter(socket.outbox)
            await websocket.accept()
            if self._draining:
                socket.end(Ending(1012, "retry_ms=1000"))
            await socket.run()
        finally:
            room.leave(socket.outbox)
            self._sockets.discard(socket)
            self._count(principal, -1)
            if not self._sockets:
                self._gone.set()

    async def _admit(self, websocket: WebSocket) -> Principal | None:
        """Whoever may come in; None after a refusal was sent."""
        if self._draining:
            retry = {"Retry-After": RETRY_AFTER_S}
            await sockets.deny(websocket, 503, "unavailable", "The server restarts.", headers=retry)
        elif not self._gate.origin_allowed(websocket):
            log.warning("live.origin_refused", origin=websocket.headers.get("origin", "")[:200])
            await sockets.deny(websocket, 403, "forbidden_origin", "This page may not connect here.")
        else:
            return await self._identify(websocket)
        return None

    async def _identify(self, websocket: WebSocket) -> Principal | None:
        try:
            principal = await self._gate.principal(websocket)
        except StoreError:
            log.exception("live.not_identified")
            await sockets.deny(websocket, 503, "unavailable", "The database does not answer.")
            return None
        if principal is None:
            await _sign_out(websocket)
        elif (refused := refusal(principal, SEES)) is not None:
            await sockets.deny(websocket, 403, "forbidden", refused.sentence)
        elif (
            self._by_login[principal.session_id] >= MAX_PER_LOGIN
            or self._by_tenant[principal.tenant_id] >= MAX_PER_TENANT
        ):
            await sockets.deny(websocket, 429, "too_many_connections", "Too many pages are open.")
        else:
            return principal
        return None

    def _count(self, principal: Principal, change: int) -> None:
        for counter, key in ((self._by_login, principal.session_id), (self._by_tenant, principal.tenant_id)):
            counter[key] += change
            if not counter[key]:
                del counter[key]

    def _room(self, tenant_id: str) -> TenantRoom:
        room = self._rooms.get(tenant_id)
        if room is None:
            room = self._rooms[tenant_id] = TenantRoom(tenant_id, self._bus, self._source, self._forget)
        return room

    def _forget(self, room: TenantRoom) -> None:
        if self._rooms.get(room.tenant_id) is room:
            del self._rooms[room.tenant_id]
        room.close()

    def _on_revoked(self, _subject: str, data: bytes) -> None:
        session_id = data.decode(errors="replace")
        for socket in self._sockets:
            if socket.principal.session_id == session_id:
                socket.end(Ending(SIGNED_OUT, "the login has ended"))


async def _sign_out(websocket: WebSocket) -> None:
    """A page cannot read why its handshake was refused, only how its socket was closed; a program reads the answer."""
    if "origin" in websocket.headers:
        await websocket.accept()
        await sockets.close(websocket, SIGNED_OUT, "log in first")
    else:
        await sockets.deny(websocket, 401, "unauthorized", "Log in first.", headers={"WWW-Authenticate": "Bearer"})
