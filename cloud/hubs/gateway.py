"""The door for hubs: `GET /hub/v1/link`, a WebSocket. Who may come in, in which version, and the first message."""

import asyncio
from typing import Any, Final

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from cloud import __version__, sockets
from cloud.accounts import hub_keys
from cloud.bus import BusError
from cloud.hubs.desired import DesiredConfig
from cloud.hubs.records import HubRecords
from cloud.hubs.session import REVOKED, HubSession, Rooms
from cloud.hubs.switchboard import Switchboard
from cloud.storage.errors import StoreError
from cloud.storage.hubs import Hub
from cloud.storage.secrets import Secret
from shared_protocol import codec, version
from shared_protocol.schema import HUB, ProtocolError

log = structlog.get_logger(__name__)

PATH: Final = "/hub/v1/link"
RETRY_AFTER_S: Final = "5"
WANTED_FIRMWARE: Final = __version__
"""Hub and cloud are released together."""


class HubGateway:
    """Makes sessions out of handshakes."""

    def __init__(self, records: HubRecords, desired: DesiredConfig, switchboard: Switchboard, rooms: Rooms) -> None:
        self._records = records
        self._desired = desired
        self._switchboard = switchboard
        self._rooms = rooms

    def route(self) -> WebSocketRoute:
        return WebSocketRoute(PATH, self.link, name="hub_link")

    async def link(self, websocket: WebSocket) -> None:
        """One connection, from the handshake to the end."""
        if self._switchboard.draining:
            await _unavailable(websocket, "The server restarts.")
            return
        try:
            hub, key_hash = await self._recognise(websocket)
        except StoreError:
            log.exception("hub.not_recognised")
            await _unavailable(websocket, "The database does not answer.")
            return
        if hub is None:
            challenge = {"WWW-Authenticate": "Bearer"}
            await sockets.deny(websocket, 401, "unauthorized", "No hub has this key.", headers=challenge)
            return
        protocol = version.negotiate(websocket.scope["subprotocols"])
        if protocol is None:
            await _outdated(websocket, hub)
            return
        await websocket.accept(protocol)
        hello = await self._hello(websocket, hub)
        if hello is not None:
            await self._serve(websocket, hub, hello, key_hash)

    async def _recognise(self, websocket: WebSocket) -> tuple[Hub | None, str]:
        """The hub whose key this is, and the key's hash: its present key, or the one offered to it.

        Unknown hub, wrong key and no key at all look the same from outside.
        """
        scheme, _, word = websocket.headers.get("authorization", "").partition(" ")
        key = Secret(word.strip())
        hub_id = hub_keys.hub_of(key) if scheme.lower() == "bearer" else None
        hub = None if hub_id is None else await self._records.find(hub_id)
        present = hub_keys.matches(key, hub.key_hash if hub else None)
        offered = hub_keys.matches(key, hub.next_key_hash if hub else None)
        if present or offered:
            return hub, hub_keys.hashed(key)
        client = websocket.client.host if websocket.client else ""
        log.warning("hub.refused", hub=hub_id, address=client)
        return None, ""

    async def _hello(self, websocket: WebSocket, hub: Hub) -> dict[str, Any] | None:
        """The first message; None when it did not come, was something else, or is of another hub."""
        problem = ProtocolError("invalid", "hub", "is not the hub whose key this is")
        try:
            async with asyncio.timeout(self._rooms.timing.hello_s):
                message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return None
            hello = codec.decode(message.get("text") or "", HUB)
            if hello["kind"] != "hello":
                problem = ProtocolError("unexpected", "kind", "the first message must be hello")
            elif hello["hub"] == hub.id:
                return hello
        except TimeoutError:
            problem = ProtocolError("timeout", "", "no hello")
        except ProtocolError as error:
            problem = error
        log.warning("hub.no_hello", hub=hub.id, code=problem.code)
        try:
            async with asyncio.timeout(self._rooms.timing.bye_s):
                await websocket.send_text(codec.encode("error", code=problem.code, message=str(problem)[:300]))
        except (TimeoutError, *sockets.GONE):
            sockets.abort(websocket)
        await sockets.close(websocket, 1008, problem.code)
        return None

    async def _serve(self, websocket: WebSocket, hub: Hub, hello: dict[str, Any], key_hash: str) -> None:
        try:
            arrival = await self._records.arrive(hello, key_hash)
            desired = await self._desired.read(hub.id)
            if arrival is None or desired is None or not desired.hub.accepts(key_hash):
                await sockets.close(websocket, REVOKED.code, REVOKED.reason)
                return
            log.info("hub.arrived", hub=hub.id, epoch=arrival.epoch, firmware=desired.hub.firmware)
            desk = self._switchboard.desk(hub.id)
            await self._switchboard.run(HubSession(websocket, arrival, desired, desk, self._rooms))
        except StoreError:
            log.exception("hub.not_served", hub=hub.id)
            await sockets.close(websocket, 1013, "the database does not answer")
        except BusError:
            await sockets.close(websocket, 1012, "the server restarts")


async def _unavailable(websocket: WebSocket, sentence: str) -> None:
    await sockets.deny(websocket, 503, "unavailable", sentence, headers={"Retry-After": RETRY_AFTER_S})


async def _outdated(websocket: WebSocket, hub: Hub) -> None:
    offered = [name[:40] for name in websocket.scope["subprotocols"][:8]]
    log.warning("hub.outdated", hub=hub.id, offered=offered)
    await sockets.deny(
        websocket,
        426,
        "upgrade_required",
        f"Firmware {WANTED_FIRMWARE} is needed: the cloud knows no version that this hub speaks.",
        details={"firmware": WANTED_FIRMWARE, "subprotocols": list(version.SUBPROTOCOLS)},
        headers={"Upgrade": "websocket", "Sec-WebSocket-Protocol": ", ".join(version.SUBPROTOCOLS)},
    )
