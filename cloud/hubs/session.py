"""One accepted connection of one hub, from `welcome` to the end. Never used again for another connection.

Five tasks: the reader waits on nothing but the socket, the writer sends, one applies events, one keeps the hub's row,
one watches the clock.
The first of them to end ends the session.
"""

import asyncio
import contextlib
import ipaddress
import time
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import structlog
from starlette.websockets import WebSocket

from cloud import sockets
from cloud.hubs.budget import SocketBudget
from cloud.hubs.cleaning import cleaned, text
from cloud.hubs.commands import CommandDesk
from cloud.hubs.desired import Desired
from cloud.hubs.events import EventLine
from cloud.hubs.inbox import Inbox
from cloud.hubs.outbox import Frame, Outbox, Overflow
from cloud.hubs.records import Arrival, HubRecords
from cloud.hubs.timing import Timing
from cloud.hubs.tunnels import Tunnels
from cloud.storage import clock
from cloud.storage.errors import StoreError
from cloud.storage.hubs import Hub
from cloud.storage.printers import Printer
from shared_protocol import codec
from shared_protocol.messages import BY_KIND, EVENTS, FOUND
from shared_protocol.schema import ListOf
from shared_protocol.status import STATUS

log = structlog.get_logger(__name__)

SEEN_S: Final = 60.0
NOTE_S: Final = 10.0
"""Between two notes of what a hub tells of itself."""
_TICK_S: Final = 0.5
_FOUND: Final = ListOf(FOUND, 32)


class Observer(Protocol):
    """Where printers' reports go: `printing.observer`."""

    def hub_arrived(self, hub: Hub) -> None: ...
    def hub_online(self, hub_id: str, tenant_id: str, printer_ids: list[str]) -> None: ...
    def hub_telemetry(self, hub_id: str, telemetry: dict[str, Any]) -> None: ...
    def hub_found(self, hub_id: str, found: list[dict[str, Any]]) -> None: ...
    def hub_offline(self, hub_id: str) -> None: ...
    def status(self, printer_id: str, full: bool, data: dict[str, Any]) -> None: ...
    async def event(
        self, *, hub_id: str, boot: str, n: int, name: str, printer_id: str, data: dict[str, Any]
    ) -> None: ...
    async def set_aside(
        self, problem: str, *, hub_id: str, boot: str, n: int, name: str, printer_id: str, data: dict[str, Any]
    ) -> None: ...


@dataclass(frozen=True)
class Rooms:
    """What a session works with."""

    observer: Observer
    records: HubRecords
    timing: Timing


class Ending(msgspec.Struct, frozen=True):
    """Why a session ended, and how its socket is closed. `bye` is said first, when there is one."""

    code: int
    reason: str
    bye: str = ""
    retry_ms: int | None = None


NEW_KEY: Final = Ending(1012, "come back with the new key", "restart", 0)
SUPERSEDED: Final = Ending(1008, "superseded", "superseded")
REVOKED: Final = Ending(1008, "revoked", "revoked")


class HubSession:
    """`desired` is the configuration that the hub is told in `welcome`; `desk` holds the commands under way."""

    def __init__(
        self, websocket: WebSocket, arrival: Arrival, desired: Desired, desk: CommandDesk, rooms: Rooms
    ) -> None:
        self.hub_id = desired.hub.id
        self.tenant_id = desired.hub.tenant_id
        self.key_hash = arrival.key_hash
        self.arrival = arrival
        self.desired = desired
        self.budget = SocketBudget(SocketBudget.of(arrival.sockets, desired.connections))
        self.desk = desk
        self._websocket = websocket
        self._rooms = rooms
        self._timing = rooms.timing
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.outbox = Outbox(websocket, self._tunnel_frame)
        self.tunnels = Tunnels(self.put, self.outbox.wake)
        self.events = EventLine(self.hub_id, self._apply, self._set_aside, self._ack)
        self.inbox = Inbox(self.hub_id, self, self.put, lambda code, reason: self.end(Ending(code, reason)))
        self._runs: int | None = None  # the revision the hub said it runs, until that is noted
        self._said: dict[str, str | None] = {}  # what it told of itself, until that is noted
        self._noted_at = float("-inf")
        self._news = asyncio.Event()

    # ---- life

    @property
    def ended(self) -> bool:
        return self._ended.done()

    def end(self, ending: Ending) -> None:
        """From now on nothing the hub says counts; the socket is closed soon. The first reason stands."""
        if not self._ended.done():
            self._ended.set_result(ending)

    async def run(self) -> Ending:
        """Serve the connection until it ends, whoever ends it; the socket is closed then."""
        tasks = [
            asyncio.create_task(work, name=f"{self.hub_id} {name}")
            for name, work in (
                ("reader", self._read()),
                ("writer", self.outbox.run()),
                ("events", self.events.run()),
                ("books", self._keep_books()),
                ("clock", self._watch()),
            )
        ]
        try:
            first: list[asyncio.Future[Any]] = [self._ended, *tasks]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            self.end(Ending(1011, "the connection broke"))  # unless it is known better
            self._report(tasks)
            ending = self._ended.result()
            self._drop_tunnels()
            await self._say_bye(ending)
        finally:
            self.end(Ending(1012, "the server stops"))
            self._drop_tunnels()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await sockets.close(self._websocket, ending.code, ending.reason)
        return ending

    def _drop_tunnels(self) -> None:
        self.tunnels.over()
        self.budget.close()

    def _report(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            error = task.exception() if task.done() and not task.cancelled() else None
            if error is not None and not isinstance(error, sockets.GONE):
                log.error("hub.session_failed", hub=self.hub_id, task=task.get_name(), exc_info=error)

    async def _say_bye(self, ending: Ending) -> None:
        if not ending.bye:
            return
        bye: dict[str, Any] = {"code": ending.bye}
        if ending.retry_ms is not None:
            bye["retry_ms"] = ending.retry_ms
        try:
            self.outbox.put(codec.encode("bye", **bye))
            async with asyncio.timeout(self._timing.bye_s):
                await self.outbox.flushed()
        except (Overflow, TimeoutError):
            sockets.abort(self._websocket)

    # ---- the tasks

    async def _read(self) -> None:
        while not self._ended.done():
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                reason = str(message.get("reason") or "")[:60]
                self.end(Ending(1000, f"the hub left ({message.get('code')} {text(reason)})"))
                return
            if not self._ended.done():
                self.inbox.take(dict(message))

    async def _watch(self) -> None:
        """Beats when nothing else was sent; the end of a hub that says or takes nothing."""
        beat_s, dead_s = self._timing.beat_ms / 1000, self._timing.dead_ms / 1000
        suspected = False
        while True:
            now = time.monotonic()
            if now - self.inbox.last_received >= dead_s:
                # Once more round the loop: after a pause of this whole process the hub's words may lie unread.
                if suspected:
                    self.end(Ending(1001, "nothing heard from the hub"))
                suspected = True
                await asyncio.sleep(0.05)
                continue
            suspected = False
            if self.outbox.stalled_for >= self._timing.send_s:
                sockets.abort(self._websocket)
                self.end(Ending(1001, "the hub takes nothing"))
            if now - self.outbox.last_sent >= beat_s:
                self.put(codec.encode("beat"))
            self.tunnels.tidy()
            dead_in = self.inbox.last_received + dead_s - now
            beat_in = max(0.05, self.outbox.last_sent + beat_s - now)
            await asyncio.sleep(min(dead_in, beat_in, _TICK_S))

    async def _keep_books(self) -> None:
        """The hub's row in the database: what it runs, and once a minute that it is there."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SEEN_S):
                    await self._news.wait()
            self._news.clear()
            revision, self._runs = self._runs, None
            said, self._said = self._said, {}
            try:
                if revision is not None:
                    await self._rooms.records.configured(self.hub_id, revision)
                if said or revision is None:
                    self._noted_at = time.monotonic()
                    await self._rooms.records.seen(self.hub_id, said)
            except StoreError as error:
                # All of it is for people to read; the next one comes by itself.
                log.warning("hub.not_noted", hub=self.hub_id, problem=type(error).__name__)
            except Exception:
                # A fault of ours with one note must not cost the hub its connection.
                log.exception("hub.note_failed", hub=self.hub_id)

    def _tunnel_frame(self) -> Frame | None:
        return self.tunnels.next_frame()

    # ---- what the cloud says

    def put(self, frame: Frame) -> None:
        """Queue a control frame; a hub that lets too many wait is cut off."""
        try:
            self.outbox.put(frame)
        except Overflow as overflow:
            log.warning("hub.outbox_overflow", hub=self.hub_id, waiting=str(overflow))
            sockets.abort(self._websocket)
            self.end(Ending(1008, "the hub takes nothing"))

    def welcome(self, status_ms: int) -> None:
        """The first frame of the session. The configuration goes along when the hub runs another revision."""
        self.events.known(self.arrival.boot, self.arrival.acked)
        fields: dict[str, Any] = {
            "time": int(time.time()),
            "epoch": self.arrival.epoch,
            "beat_ms": self._timing.beat_ms,
            "dead_ms": self._timing.dead_ms,
            "status_ms": status_ms,
            "backoff_min_ms": self._timing.backoff_min_ms,
            "backoff_max_ms": self._timing.backoff_max_ms,
            "acked": self.arrival.acked,
        }
        if self.arrival.revision != self.desired.hub.revision:
            fields["config"] = self.desired.config
        self.put(codec.encode("welcome", **fields))

    def configure(self, desired: Desired) -> None:
        """The hub's printers changed: tell it, unless it was told already."""
        if desired.hub.revision <= self.desired.hub.revision:
            return
        self.desired = desired
        self.budget.resize(SocketBudget.of(self.arrival.sockets, desired.connections))
        self.put(codec.encode("config", config=desired.config))

    def pace(self, status_ms: int) -> None:
        self.put(codec.encode("pace", status_ms=status_ms))

    def printer(self, printer_id: str) -> Printer | None:
        """A printer this hub serves."""
        return self.desired.printers.get(printer_id)

    def _ack(self, boot: str, n: int) -> None:
        self.put(codec.encode("ack", boot=boot, n=n))

    async def _apply(self, event: dict[str, Any]) -> None:
        await self._rooms.observer.event(**self._told(event))

    async def _set_aside(self, event: dict[str, Any], problem: str) -> None:
        await self._rooms.observer.set_aside(problem, **self._told(event))

    def _told(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event as the observer takes it."""
        return {
            "hub_id": self.hub_id,
            "boot": text(event["boot"]),
            "n": event["n"],
            "name": event["name"],
            "printer_id": text(event.get("printer", "")),
            "data": cleaned(EVENTS[event["name"]], event["data"]),
        }

    # ---- what the hub says: see inbox.Receiver

    def on_status(self, message: dict[str, Any]) -> None:
        if message["printer"] in self.desired.printers:  # else: one just taken from this hub, or never its own
            self._rooms.observer.status(message["printer"], message["full"], cleaned(STATUS, message["data"]))

    def on_event(self, message: dict[str, Any]) -> None:
        if not self.events.put(message):
            self.end(Ending(1013, "too many events at once"))

    def on_result(self, message: dict[str, Any]) -> None:
        words: dict[str, Any] = {name: text(message[name]) for name in ("code", "message") if name in message}
        self.desk.on_result({"id": message["id"], "ok": message["ok"], "data": message.get("data", {}), **words})

    def on_telemetry(self, message: dict[str, Any]) -> None:
        telemetry = cleaned(BY_KIND["telemetry"].record, message)
        self._rooms.observer.hub_telemetry(self.hub_id, telemetry)
        self._note("telemetry", telemetry)

    def on_found(self, message: dict[str, Any]) -> None:
        found = [one for one in cleaned(_FOUND, message["printers"]) if _numeric(one["host"])]
        self._rooms.observer.hub_found(self.hub_id, found)
        self._note("found", found)

    def _note(self, column: str, value: Any) -> None:
        """Into the hub's row, soon: of what comes often, the newest."""
        self._said |= {column: msgspec.json.encode(value).decode(), f"{column}_at": clock.now()}
        if time.monotonic() - self._noted_at >= NOTE_S:
            self._news.set()

    def on_configured(self, message: dict[str, Any]) -> None:
        self._runs = message["revision"]
        self._news.set()

    def on_bye(self, message: dict[str, Any]) -> None:
        self.end(Ending(1000, f"the hub says bye: {text(message['code'])}"))

    def on_tunnel_opened(self, message: dict[str, Any]) -> None:
        self.tunnels.on_opened(message)

    def on_tunnel_close(self, message: dict[str, Any]) -> None:
        self.tunnels.on_closed(message["tunnel"], message["code"], text(message.get("message", "")))

    def on_binary(self, frame: bytes) -> None:
        self.tunnels.on_binary(frame)


def _numeric(host: str) -> bool:
    """An announcement comes from anybody in the hub's network: only an address may stand where one belongs."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
