"""One connection to the cloud, from `hello` to its end. Never reused.

Four tasks: the receiver, which waits for nothing but the cloud; the sender, which sends events and then statuses as
they are due; the beat; and the watchdog, which closes a connection that has fallen silent. Whatever fails, the
wire is closed, and by that all four end.
"""

import asyncio
import errno
import json
import time

from hub.commands import failed
from hub.log import log, log_crash
from hub.pace import Pace
from hub.tunnels import Tunnels
from lib.bell import Bell
from lib.wire import within

from shared_protocol import codec
from shared_protocol.schema import CLOUD, ProtocolError

WELCOME_MS = 10_000

_HEAP_EVERY = 10  # beats; counting the heap walks all of it


class ByeError(Exception):
    """The cloud sends the hub away: `code`, and `retry_ms` or None."""

    def __init__(self, code: str, retry_ms: "int | None") -> None:
        super().__init__("the cloud says bye: " + code)
        self.retry_ms = retry_ms


class StaleError(Exception):
    """The cloud's epoch is lower than one seen before: a node that does not know that it was superseded."""


class Session:
    """Speaks over `ws`. `hub` is what the session serves: the CloudLink, with all that hangs on it."""

    def __init__(self, ws, hub) -> None:  # type: ignore[no-untyped-def]
        self._ws = ws
        self._hub = hub
        self._wake = Bell()
        self._reader = hub.outbox.reader()
        self._events = True
        self._notices = set(hub.notices)
        self._beat_ms = self._dead_ms = 0
        self.welcome: "dict" = {}  # type: ignore[type-arg]
        self.pace = Pace(hub.links, 5000)
        self.tunnels = Tunnels(ws.send_text, ws.send_binary, hub.host_of, hub.tunnel_budget, hub.buffers)

    # ---- the first two messages ------------------------------------------------------------------------------

    async def greet(self, hello: "dict", lowest_epoch: int) -> None:  # type: ignore[type-arg]
        """Say hello and take the welcome. Raises ByeError, StaleError, OSError or what the WebSocket raises."""
        await self._say("hello", **hello)
        welcome = await within(self._ws.wire, WELCOME_MS, self._await_welcome())
        if welcome["epoch"] < lowest_epoch:
            await self._say("bye", code="superseded")
            raise StaleError("epoch %d after %d" % (welcome["epoch"], lowest_epoch))
        self._hub.board.set_time(welcome["time"])
        self._hub.outbox.ack(self._hub.outbox.boot, welcome["acked"])
        self._beat_ms, self._dead_ms = welcome["beat_ms"], welcome["dead_ms"]
        self.pace.status_ms = welcome["status_ms"]
        document = welcome.pop("config", None)
        self.welcome = welcome
        if document is not None:
            await self._configure(document)

    async def _await_welcome(self) -> "dict":  # type: ignore[type-arg]
        while True:
            message = await self._receive()
            if message is None:
                continue
            if message["kind"] == "welcome":
                return message
            if message["kind"] == "bye":
                raise ByeError(message["code"], message.get("retry_ms"))
            log("cloud", "%s before welcome" % message["kind"])

    # ---- the life of the connection --------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until the connection ends; raises what ended it."""
        tasks = [asyncio.create_task(self._guard(work)) for work in (self._send_loop, self._beat_loop, self._watch)]
        try:
            await self._hub.commands.resend()
            while True:
                message = await self._receive()
                if message is not None:
                    await self._handle(message)
        finally:
            self.tunnels.abort()
            self._ws.wire.close()
            self._wake.set()
            for task in tasks:
                task.cancel()
            self._hub.life.done("sender")

    async def _guard(self, work) -> None:  # type: ignore[no-untyped-def]
        """A task beside the receiver: when it ends, so does the connection."""
        try:
            await work()
        except OSError:
            pass  # the receiver gets it too, and says so
        except Exception as error:
            log_crash("cloud", error)
        finally:
            self._ws.wire.close()

    async def _receive(self) -> "dict | None":  # type: ignore[type-arg]
        """The next message, checked; None for a binary frame and for what was answered with an error."""
        kind, data = await self._ws.receive()
        try:
            if kind == "binary":
                self.tunnels.binary(data)
                return None
            return codec.decode(data, CLOUD)
        except ProtocolError as error:
            log("cloud", "cannot accept a message: %s" % error)
            await self._refuse(data if kind == "text" else b"", error)
        except MemoryError:
            log("cloud", "no memory for a message of %d bytes" % len(data))
            await self._say("error", code="no_memory", message="the hub has no memory for this message")
        return None

    async def _refuse(self, data: bytes, error: ProtocolError) -> None:
        ident = None
        if error.code in ("invalid", "unknown_command"):
            message = json.loads(data) if data else {}
            ident = message.get("id")
            if not isinstance(ident, str) or not 1 <= len(ident) <= 40:
                ident = None
            elif message.get("kind") == "command":
                # Whoever asked waits for a result; an error would not reach him.
                await self.result(ident, failed(error.code, str(error)))
                return
        fields = {"code": error.code, "message": str(error)[:300]}
        if ident is not None:
            fields["re"] = ident
        await self._say("error", **fields)

    async def _handle(self, message: "dict") -> None:  # type: ignore[type-arg]
        kind = message["kind"]
        if kind == "command":
            self._hub.commands.accept(message)
        elif kind == "tunnel_open":
            await self.tunnels.open(message)
        elif kind == "tunnel_close":
            self.tunnels.close(message)
        elif kind == "ack":
            self._hub.outbox.ack(message["boot"], message["n"])
        elif kind == "pace":
            self.pace.status_ms = message["status_ms"]
            self._wake.set()
        elif kind == "config":
            await self._configure(message["config"])
        elif kind == "bye":
            raise ByeError(message["code"], message.get("retry_ms"))
        elif kind == "error":
            log("cloud", "the cloud could not accept a message: %s %s" % (message["code"], message["message"]))

    async def _configure(self, document: "dict") -> None:  # type: ignore[type-arg]
        self._hub.apply(document)
        await self._say("configured", revision=document["revision"])

    # ---- sending ---------------------------------------------------------------------------------------------

    async def _say(self, kind: str, **fields) -> None:  # type: ignore[no-untyped-def]
        await self._ws.send_text(codec.encode(kind, **fields))

    async def result(self, ident: str, result: "dict") -> None:  # type: ignore[type-arg]
        """Send the result of a command."""
        await self._say("result", id=ident, **result)

    def event_added(self) -> None:
        """The outbox has more."""
        self._events = True
        self._wake.set()

    def notice(self, kind: str) -> None:
        """The newest message of a kind in the hub's `notices` is to be sent."""
        self._notices.add(kind)
        self._wake.set()

    def status_changed(self, printer: str, urgent: bool) -> None:
        """A printer's status is different."""
        self.pace.changed(printer, urgent)
        self._wake.set()

    def printer_replaced(self, printer: str) -> None:
        """A printer was added, replaced or removed."""
        self.pace.replaced(printer)
        self._wake.set()

    async def _send_loop(self) -> None:
        life = self._hub.life
        while True:
            self._wake.clear()
            # A connection that takes nothing is closed after `dead_ms`: who waits longer for it hangs.
            life.promise("sender", self._dead_ms)
            if not await self._send_one():
                pause = self.pace.wait_ms()
                life.promise("sender", pause)
                await self._wake.wait_ms(pause)

    async def _send_one(self) -> bool:
        """Send the next event, status or notice; False when nothing waits."""
        if self._events:
            self._events = False
            event = self._reader.next()
            if event is not None:
                self._events = True
                await self._tell("event", event)
                return True
        status = self.pace.next()
        if status is not None:
            printer, full, data = status
            await self._tell("status", {"printer": printer, "full": full, "data": data})
            return True
        if not self._notices:
            return False
        kind = self._notices.pop()
        fields = self._hub.notices[kind]()
        if fields is not None:
            await self._tell(kind, fields)
        return True

    async def _tell(self, kind: str, fields: "dict") -> None:  # type: ignore[type-arg]
        """Say what others made. Should a printer, or who poses as one, fill more than a message holds, it stays
        untold: it would come again with every connection and end each of them."""
        try:
            await self._say(kind, **fields)
        except ProtocolError as error:
            log("cloud", "a message is not told: %s" % error)

    async def _beat_loop(self) -> None:
        count = 0
        while True:
            quiet = time.ticks_diff(time.ticks_ms(), self._ws.wire.last_tx)
            if quiet < self._beat_ms:
                await asyncio.sleep_ms(self._beat_ms - quiet)
                continue
            fields = {"uptime_ms": self._hub.board.uptime_ms()}
            heap = self._hub.board.heap_free() if count % _HEAP_EVERY == 0 else None
            if heap is not None:
                fields["heap_free"] = heap
            count += 1
            await self._say("beat", **fields)

    async def _watch(self) -> None:
        wire = self._ws.wire
        while True:
            now = time.ticks_ms()
            # Nothing taken for so long means that our beats do not leave: as dead as nothing received.
            self._hub.life.promise("cloud", self._dead_ms)
            silent = max(time.ticks_diff(now, wire.last_rx), time.ticks_diff(now, wire.last_tx) - self._beat_ms)
            if silent >= self._dead_ms:
                wire.close(errno.ETIMEDOUT)
                return
            await asyncio.sleep_ms(self._dead_ms - silent)
