"""A cloud that is only the hubs' room on a real database and server, and a hub played by the `websockets` library."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets
from websockets.typing import Subprotocol

from cloud.accounts import hub_keys
from cloud.bus import LocalBus
from cloud.hubs import Hubs, Timing
from cloud.hubs.session import HubSession
from cloud.storage import accounts as account_queries
from cloud.storage import hubs as hub_queries
from cloud.storage import ids
from cloud.storage import printers as printer_queries
from cloud.storage.files_folder import BlobStore
from cloud.storage.migrations.runner import migrate
from cloud.storage.secrets import KeyRing, Secret, Vault
from cloud.storage.store import Store, Tx
from cloud.storage.tenant import TenantStore, TenantTx
from shared_protocol import codec, version
from shared_protocol.schema import CLOUD
from tests.cloud.serving import serving

WAIT_S = 10.0
BOOT = "boot0001"
FULL_STATUS: dict[str, Any] = {"link": "online", "state": "idle", "percent": 0, "nozzle": 25.5}


class Watcher:
    """Records what the hubs' room tells `printing`; can be made to fail or to be slow."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.arrived: list[hub_queries.Hub] = []
        self.events: list[tuple[str, int, str, str, dict[str, Any]]] = []
        self.fail_events = 0
        self.failure: Exception = RuntimeError("a fault in the observer")
        self.aside: list[tuple[str, int]] = []
        self.fail_statuses = False
        self.gate = asyncio.Event()
        self.gate.set()
        self._changed = asyncio.Event()

    def _note(self, *words: Any) -> None:
        self.said.append(words)
        self._changed.set()

    def hub_arrived(self, hub: hub_queries.Hub) -> None:
        self.arrived.append(hub)

    def hub_telemetry(self, hub_id: str, telemetry: dict[str, Any]) -> None:
        self._note("telemetry", hub_id, telemetry)

    def hub_found(self, hub_id: str, found: list[dict[str, Any]]) -> None:
        self._note("found", hub_id, found)

    def hub_online(self, hub_id: str, tenant_id: str, printer_ids: list[str]) -> None:
        self._note("online", hub_id, tenant_id, tuple(printer_ids))

    def hub_offline(self, hub_id: str) -> None:
        self._note("offline", hub_id)

    def status(self, printer_id: str, full: bool, data: dict[str, Any]) -> None:
        if self.fail_statuses:
            raise RuntimeError("a fault in the observer")
        self._note("status", printer_id, full, data)

    async def event(self, *, hub_id: str, boot: str, n: int, name: str, printer_id: str, data: dict[str, Any]) -> None:
        await self.gate.wait()
        if self.fail_events:
            self.fail_events -= 1
            raise self.failure
        self.events.append((boot, n, name, printer_id, data))
        self._note("event", hub_id, boot, n)

    async def set_aside(self, problem: str, *, n: int, **_event: Any) -> None:
        self.aside.append((problem, n))

    async def until(self, *words: Any, count: int = 1) -> None:
        """Until something beginning with these words was said so many times."""
        async with asyncio.timeout(WAIT_S):
            while sum(1 for said in self.said if said[: len(words)] == words) < count:
                self._changed.clear()
                await self._changed.wait()


class FakeHub:
    """The hub's end of a connection."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.welcome: dict[str, Any] = {}

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send(codec.encode(kind, **fields))

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            frame = await self.socket.recv()
        assert isinstance(frame, str), f"binary frame of {len(frame)} bytes"
        return codec.decode(frame, CLOUD)

    async def until(self, kind: str) -> dict[str, Any]:
        """The next message of a kind; others are passed over."""
        while (message := await self.hear())["kind"] != kind:
            pass
        return message

    async def closed(self) -> int:
        """Until the cloud closes; the code it gave."""
        with contextlib.suppress(websockets.ConnectionClosed):
            async with asyncio.timeout(WAIT_S):
                while True:
                    await self.socket.recv()
        assert self.socket.close_code is not None
        return self.socket.close_code


class HubCloud:
    """The hubs' room, one tenant with one hub and two printers."""

    def __init__(self, folder: Path, store: Store, bus: LocalBus, timing: Timing) -> None:
        self.store = store
        self.bus = bus
        self.watcher = Watcher()
        self.vault = Vault(KeyRing({"k1": b"\1" * 32}))
        self.blobs = BlobStore(folder / "blobs")
        self.blobs.prepare()
        self.hubs = Hubs(store=store, bus=bus, vault=self.vault, blobs=self.blobs, observer=self.watcher, timing=timing)
        self.switchboard = self.hubs.switchboard
        self.port = 0
        self.tenant = ""
        self.hub = ""
        self.key = ""
        self.printers: list[str] = []

    async def fill(self) -> None:
        self.hub = ids.new("hub")
        key = hub_keys.new_key(self.hub)
        self.key, key_hash = key.reveal(), hub_keys.hashed(key)

        async def unit(tx: Tx) -> str:
            tenant = await account_queries.create_tenant(tx, "Farm")
            await hub_queries.create(TenantTx(tx, tenant), hub_id=self.hub, name="Hub", key_hash=key_hash)
            return tenant

        self.tenant = await self.store.write(unit)
        self.printers = [await self.add_printer(f"SERIAL{n}", f"127.0.0.{n + 2}") for n in range(2)]

    async def add_printer(self, serial: str, host: str, code: str = "12345678", **columns: Any) -> str:
        printer = ids.new("prn")
        place = {"tenant": self.tenant, "table": "printers", "row": printer, "column": "access_code_enc"}
        values: Mapping[str, Any] = {
            "id": printer,
            "hub_id": self.hub,
            "name": serial,
            "model": "C12",
            "ip_address": host,
            "serial_number": serial,
            "access_code_enc": self.vault.seal(Secret(code), **place),
            **columns,
        }
        await TenantStore(self.store, self.tenant).write(lambda tx: printer_queries.create(tx, values))
        return printer

    async def row(self) -> hub_queries.Hub:
        found = await self.store.read(lambda tx: hub_queries.find(tx, self.hub))
        assert found is not None
        return found

    @property
    def session(self) -> HubSession:
        session = self.switchboard.session(self.hub)
        assert session is not None
        return session

    def dial(
        self, *, key: str | None = None, subprotocols: tuple[str, ...] = version.SUBPROTOCOLS, **options: Any
    ) -> Any:
        """A handshake, as an async context manager or awaitable."""
        return websockets.connect(
            f"ws://127.0.0.1:{self.port}/hub/v1/link",
            additional_headers={"Authorization": f"Bearer {self.key if key is None else key}"},
            subprotocols=[Subprotocol(name) for name in subprotocols],
            compression=None,
            ping_interval=None,
            proxy=None,
            **options,
        )

    def hello(self, **changes: Any) -> dict[str, Any]:
        hello = {
            "hub": self.hub,
            "firmware": "0.1.0",
            "board": "test",
            "boot": BOOT,
            "uptime_ms": 1000,
            "last_event": 0,
            "revision": 0,
            "sockets": 10,
            "max_printers": 6,
        }
        return {**hello, **changes}

    @asynccontextmanager
    async def connected(self, **changes: Any) -> AsyncIterator[FakeHub]:
        """A hub that has said hello and was welcomed."""
        async with self.dial() as socket:
            hub = FakeHub(socket)
            await hub.say("hello", **self.hello(**changes))
            hub.welcome = await hub.until("welcome")
            yield hub


_migrated: dict[str, bytes] = {}


async def fresh_database(folder: Path) -> str:
    """A database with all tables; migrated once, copied from then on."""
    path = folder / "farm.db"
    if not _migrated:
        await migrate(f"sqlite:///{path}")
        _migrated["sqlite"] = path.read_bytes()
        assert not path.with_name("farm.db-wal").exists()
    path.write_bytes(_migrated["sqlite"])
    return f"sqlite:///{path}"


@asynccontextmanager
async def hub_cloud(folder: Path, **timing: Any) -> AsyncIterator[HubCloud]:
    """The room, served; beats are slow so that tests hear only what they cause."""
    store, bus = await Store.open(await fresh_database(folder)), LocalBus()
    await bus.start()
    cloud = HubCloud(folder, store, bus, Timing(**{"beat_ms": 20_000, "dead_ms": 60_000, **timing}))
    await cloud.fill()
    try:
        async with serving([cloud.hubs.route()]) as port:
            cloud.port = port
            yield cloud
    finally:
        await cloud.hubs.close()
        await bus.drain()
        await store.close()


def denial(error: websockets.InvalidStatus) -> tuple[int, dict[str, Any]]:
    """Status and body of a refused handshake."""
    return error.response.status_code, json.loads(error.response.body or b"{}")
