"""The one WebSocket to the cloud: connect, hello, serve, and come back with patience when it ends."""

import asyncio
import random

import tls
from hub.life import Life, rare
from hub.log import log, log_crash
from hub.session import WELCOME_MS, ByeError, Session, StaleError
from hub.tunnels import Buffers
from lib.frames import HandshakeError, WebSocketError
from lib.websocket import WebSocket
from lib.wire import UntrustedError, Wire, resolve, within

from shared_protocol import codec
from shared_protocol.version import SUBPROTOCOLS

HANDSHAKE_MS = 15_000
"""For TLS and the upgrade together; the chip alone needs more than a second for the former."""

NETWORK_MS = 1_800_000
"""A board that has found no network for so long has long started over by itself."""

STABLE_MS = 10_000
"""A connection that lived so long was a good one: the next trouble starts with a short wait again."""

REFUSED_MS = 60_000
REFUSED_MAX_MS = 600_000
"""A wrong key does not get right by asking often; somebody has to act."""

_BYE_MS = 100  # even a cloud that says "at once" is not asked faster

_STALE_EPOCHS = 3
_QUIET = 20  # the same trouble is told the first time and then every so often


class Backoff:
    """Exponential, with jitter on both sides so that hubs which lost the same cloud do not return together."""

    def __init__(self) -> None:
        self.least_ms = 500
        self.most_ms = 30_000
        self._step = 0

    def reset(self) -> None:
        """The next wait is the shortest again."""
        self._step = 0

    def next(self) -> int:
        """Milliseconds to wait before the next attempt."""
        base = min(self.most_ms, self.least_ms << self._step if self.least_ms else (100 << self._step) - 100)
        if base < self.most_ms:
            self._step += 1
        return jitter(base, self.most_ms)


def jitter(base: int, most: int) -> int:
    """Between half and one and a half times `base`, at most `most`."""
    return min(most, base // 2 + random.randrange(base + 1))


class CloudLink:
    """Keeps one session with the cloud.

    What a session serves hangs here: `board`, `config`, `outbox`, the fleet's `links` (id -> PrinterLink) and its
    `apply(document)`, which makes a configuration run, and `commands`, set by the composition root. `notices` are
    messages of which only the newest counts: kind -> function that returns its fields, or None when there is nothing
    to tell. `found` are the printers of the network (`discovery`). `drops` counts connections lost.
    """

    def __init__(self, board, config, outbox, fleet, firmware: str) -> None:  # type: ignore[no-untyped-def]
        self.board = board
        self.config = config
        self.outbox = outbox
        self.links = fleet.links
        self.apply = fleet.apply
        self.commands: "object | None" = None
        self._message = bytearray(codec.MAX_BINARY)  # every tunnel frame fits, and nearly every text
        self.buffers = Buffers(board.tunnel_window, board.tunnel_pieces)
        self.life = Life()  # a life of its own, unless the composition root shares one
        self.notices: "dict" = {}  # type: ignore[type-arg]
        self.found: "dict[str, tuple]" = {}  # type: ignore[type-arg]
        self.notices["found"] = self._found
        self.drops = 0
        self._firmware = firmware
        self._session: "Session | None" = None
        self._context: "tls.SSLContext | None" = None
        self._epoch = 0
        self._stale = 0
        self._backoff = Backoff()
        self._refusals = 0
        self._keys_refused = 0
        self._trouble = ""
        self._repeats = 0

    # ---- what the rest of the hub tells the cloud ------------------------------------------------------------

    @property
    def online(self) -> bool:
        """Whether a session is open and welcomed."""
        return self._session is not None

    @property
    def tunnels_open(self) -> int:
        """How many tunnels carry bytes now."""
        return self._session.tunnels.count if self._session else 0

    def event_added(self) -> None:
        """The outbox has a new event."""
        if self._session:
            self._session.event_added()

    def status_changed(self, printer: str, urgent: bool) -> None:
        """The status of a printer changed."""
        if self._session:
            self._session.status_changed(printer, urgent)

    def printer_replaced(self, printer: str) -> None:
        """A printer was added, replaced or removed."""
        if self._session:
            self._session.printer_replaced(printer)

    def notice(self, kind: str) -> None:
        """Something in `notices` is to be told."""
        if self._session:
            self._session.notice(kind)

    def _found(self) -> "dict | None":  # type: ignore[type-arg]
        names = ("host", "model", "name", "firmware")
        printers = [dict(zip(names, known)) for known in self.found.values()]
        for printer, serial in zip(printers, self.found):
            printer["serial"] = serial
        return {"printers": printers} if printers else None

    async def deliver(self, ident: str, result: "dict") -> bool:  # type: ignore[type-arg]
        """Send a command's result; False when there is no connection that takes it."""
        if not self._session:
            return False
        try:
            await self._session.result(ident, result)
        except OSError:
            return False
        return True

    def host_of(self, printer: str) -> "str | None":
        """The address of a configured printer."""
        for entry in self.config.printers:
            if entry["id"] == printer:
                return entry["host"] if printer in self.links else None
        return None

    def tunnel_budget(self) -> int:
        """Sockets left for tunnels: all but the cloud's, one a printer, and a spare."""
        return max(0, self.board.sockets - 2 - len(self.links))

    # ---- connecting and coming back --------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect and serve for ever."""
        while True:
            self.life.promise("cloud", NETWORK_MS)
            await self.board.network(self.config.networks)
            wait, trouble = await self._attempt()
            self._tell(trouble, wait)
            self.life.promise("cloud", wait)
            await asyncio.sleep_ms(wait)

    async def _attempt(self) -> "tuple[int, str]":
        """One connection to its end: how long to wait before the next, and why it ended."""
        started = self.board.uptime_ms()  # ticks wrap, and a good connection lasts for weeks
        self.life.promise("cloud", HANDSHAKE_MS + WELCOME_MS)
        try:
            await self._connect_and_serve()
        except HandshakeError as error:
            return self._refused(error)
        except ByeError as bye:
            if bye.retry_ms is not None:
                return max(_BYE_MS, bye.retry_ms + random.randrange(bye.retry_ms // 5 + 1)), str(bye)
            return self._backoff.next(), str(bye)
        except StaleError as error:
            self._stale += 1
            return self._backoff.next(), str(error)
        except UntrustedError as error:
            self.board.doubt_time()
            return self._backoff.next(), "the cloud's certificate is not trusted (%s)" % error
        except (OSError, EOFError, WebSocketError) as error:
            reason = "%s %s" % (type(error).__name__, error)
        except (ValueError, MemoryError) as error:
            log_crash("cloud", error)
            reason = repr(error)
        finally:
            lived = self._session is not None and self.board.uptime_ms() - started > STABLE_MS
            if self._session is not None:
                self.drops += 1
            self._session = None
            if lived:
                self._backoff.reset()
        return self._backoff.next(), reason

    def _refused(self, error: HandshakeError) -> "tuple[int, str]":
        if error.status in (401, 403):
            identity = self.config.identity
            if identity.old_key is not None:
                identity.key, identity.old_key = identity.old_key, identity.key
                self._keys_refused += 1
                if self._keys_refused % 2:
                    return self._backoff.next(), "the cloud does not accept the new key: the other one is tried"
            base = min(REFUSED_MAX_MS, REFUSED_MS << min(self._refusals, 8))
            self._refusals += 1
            return jitter(base, REFUSED_MAX_MS), "the cloud does not accept this hub's key (%d)" % error.status
        if error.status == 426:
            wanted = "".join([chr(b) if 32 <= b < 127 else " " for b in error.body[:120]])
            return jitter(REFUSED_MAX_MS // 2, REFUSED_MAX_MS), "firmware too old for this cloud: " + wanted
        if error.retry_after is not None:
            wait = min(error.retry_after * 1000, REFUSED_MAX_MS)
            return wait + random.randrange(wait // 5 + 1), "the cloud asks for patience (%d)" % error.status
        return self._backoff.next(), "HTTP %d instead of a connection" % error.status

    def _tell(self, trouble: str, wait: int) -> None:
        self._repeats = self._repeats + 1 if trouble == self._trouble else 0
        self._trouble = trouble
        if self._repeats % _QUIET == 0:
            log("hub", "offline: %s; next try in %d.%d s" % (trouble, wait // 1000, wait // 100 % 10))

    async def _connect_and_serve(self) -> None:
        ws = await self._connect()
        session = Session(ws, self)
        try:
            await session.greet(self._hello(), self._lowest_epoch())
            self._accept(session.welcome)
            self._session = session
            log("hub", "online, epoch %d" % session.welcome["epoch"])
            await session.run()
        finally:
            ws.wire.close()

    async def _connect(self) -> WebSocket:
        identity = self.config.identity
        context = self.tls_context() if identity.tls else None
        wire = await Wire.open(resolve(identity.host, identity.port), context, identity.host if context else None)
        upgrade = WebSocket.connect(
            wire,
            "%s:%d" % (identity.host, identity.port),
            identity.path,
            subprotocols=SUBPROTOCOLS,
            headers=(("Authorization", self.bearer()),),
            limit=max(codec.MAX_TEXT, codec.MAX_BINARY),
            buffer=self._message,
        )
        with rare("upgrade", "lib"):
            return await within(wire, HANDSHAKE_MS, upgrade)

    def bearer(self) -> str:
        """What stands in `Authorization`. A secret."""
        key = self.config.identity.key
        if not key.startswith("pfh_"):
            key = "pfh_%s_%s" % (self.config.identity.hub, key)
        return "Bearer " + key

    def tls_context(self) -> "tls.SSLContext":
        """Of the cloud, made once. Raises UntrustedError when there is no authority to trust."""
        if self._context is None:
            self._context = self.config.trust()
        return self._context

    def _hello(self) -> "dict":  # type: ignore[type-arg]
        return {
            "hub": self.config.identity.hub,
            "firmware": self._firmware,
            "board": self.board.name,
            "boot": self.outbox.boot,
            "uptime_ms": self.board.uptime_ms(),
            "last_event": self.outbox.last,
            "revision": self.config.revision,
            "sockets": self.board.sockets,
            "max_printers": self.board.max_printers,
            "target": self.board.target,
            "reset": self.board.boot_reason,
            "safe": self.board.safe,
            "image": self.board.image,
            "image_room": self.board.image_room,
        }

    def _lowest_epoch(self) -> int:
        """A lower epoch than the last is a node that has not heard of the newer one. But a cloud restored from an
        old copy counts from there: after a few of those, it is the truth."""
        return 0 if self._stale >= _STALE_EPOCHS else self._epoch

    def _accept(self, welcome: "dict") -> None:  # type: ignore[type-arg]
        self._epoch, self._stale = welcome["epoch"], 0
        self._refusals = self._keys_refused = 0
        self._trouble = ""
        if self.config.identity.old_key is not None:
            self._keep_key()
        self._backoff.least_ms = welcome["backoff_min_ms"]
        self._backoff.most_ms = max(welcome["backoff_min_ms"], welcome["backoff_max_ms"])

    def _keep_key(self) -> None:
        """Two keys are kept until one was taken. When the flash takes nothing both stay: tried again next time."""
        with rare("keys") as keys:
            try:
                keys.keep_one(self.config)
            except OSError as error:
                log("config", "the key in use is not stored alone: %r" % error)
