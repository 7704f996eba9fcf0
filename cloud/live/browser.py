"""One browser's socket: what it may say, how much, and for how long."""

import asyncio
from typing import Annotated, Any, Final, Protocol

import msgspec
import structlog
from starlette.websockets import WebSocket

from cloud import sockets
from cloud.accounts.principal import Principal
from cloud.live.outbox import BrowserOutbox, TooManyReplies
from cloud.live.room import Member, TenantRoom
from cloud.sockets import TokenBucket
from cloud.storage import clock
from cloud.storage.errors import StoreError

log = structlog.get_logger(__name__)

MAX_TEXT: Final = 16 * 1024
MESSAGES_PER_S: Final = 20.0
MESSAGES_BURST: Final = 60.0
STALL_S: Final = 60.0
"""A browser that has taken nothing for so long is let go; it asks again when it wakes up."""
CHECK_S: Final = 5.0
PROVE_S: Final = 60.0
"""How often a living socket's login is looked up again: the second net under the revocations on the bus."""

SIGNED_OUT: Final = 4401
TRY_LATER: Final = 1013

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Ids = Annotated[list[_Id], msgspec.Meta(max_length=2000)]


class Subscribe(msgspec.Struct, tag_field="type", tag="subscribe"):
    """Whole statuses of one printer, of some, or of all. The form of the former system."""

    printer_id: _Id | None = None
    printer_ids: _Ids | None = None


class Unsubscribe(msgspec.Struct, tag_field="type", tag="unsubscribe"):
    """No more of one printer, of some, or of any."""

    printer_id: _Id | None = None
    printer_ids: _Ids | None = None


class Watch(msgspec.Struct, tag_field="type", tag="watch"):
    """A snapshot of everything, then deltas; again = a new snapshot."""


class Pace(msgspec.Struct, tag_field="type", tag="pace"):
    """How seldom news may come, for a tab that nobody sees."""

    ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)]


class Ping(msgspec.Struct, tag_field="type", tag="ping"):
    """Answered by `pong`."""


Said = Subscribe | Unsubscribe | Watch | Pace | Ping
_decoder: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)


class Prover(Protocol):
    """Looks a login up again: accounts.web.WebGate."""

    async def renewed(self, principal: Principal) -> Principal | None: ...


class Ending(msgspec.Struct, frozen=True):
    """How a socket is closed."""

    code: int
    reason: str


class Outbox(Member, Protocol):
    """A member of the room that tells its socket what it hears."""

    @property
    def stalled_for(self) -> float: ...
    async def run(self) -> None: ...


class LiveSocket:
    """From the accepted handshake to the end; used once. What is said to this one is not heeded."""

    def __init__(self, websocket: WebSocket, principal: Principal, outbox: Outbox, prover: Prover) -> None:
        self.principal = principal
        self.outbox = outbox
        self._websocket = websocket
        self._prover = prover
        self._messages = TokenBucket(MESSAGES_PER_S, MESSAGES_BURST)
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    def end(self, ending: Ending) -> None:
        """Close soon. The first reason stands."""
        if not self._ended.done():
            self._ended.set_result(ending)

    async def run(self) -> None:
        """Serve the socket until it ends; it is closed then."""
        works = (self._read(), self.outbox.run(), self._look_after())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            first: list[asyncio.Future[Any]] = [self._ended, *tasks]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            self._report(tasks)
        finally:
            self.end(Ending(1011, "the connection broke"))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        ending = self._ended.result()
        await sockets.close(self._websocket, ending.code, ending.reason)

    def _report(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            error = task.exception() if task.done() and not task.cancelled() else None
            if error is not None and not isinstance(error, sockets.GONE):
                log.error("live.socket_failed", tenant=self.principal.tenant_id, exc_info=error)

    # ---- what the browser says

    async def _read(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                self.end(Ending(1000, "the browser left"))
                return
            if not self._messages.take():
                self.end(Ending(TRY_LATER, "too many messages"))
                return
            try:
                self._take(message.get("text"))
            except TooManyReplies:
                self.end(Ending(TRY_LATER, "too many unread answers"))
                return

    def _take(self, text: str | None) -> None:
        """Heed one message. Raises TooManyReplies."""

    # ---- the end

    async def _look_after(self) -> None:
        """The login may end while the socket lives, and the browser may stop listening."""
        checks = 0
        while True:
            await asyncio.sleep(CHECK_S)
            if self.outbox.stalled_for >= STALL_S:
                # Nothing can be said to it; what waits for it in the server's buffers goes too.
                sockets.abort(self._websocket)
                self.end(Ending(1008, "reads nothing"))
            checks += 1
            if checks * CHECK_S % PROVE_S < CHECK_S or clock.now() >= self.principal.expires_at:
                # A login that is used goes on: its end moves, and the socket goes on with it.
                principal = await self._proved()
                if principal is None or clock.now() >= principal.expires_at:
                    self.end(Ending(SIGNED_OUT, "the login has ended"))
                    return
                self.principal = principal

    async def _proved(self) -> Principal | None:
        """Whose socket this is; while the database is away, whose it was: not every page is to come back just then."""
        try:
            return await self._prover.renewed(self.principal)
        except StoreError as error:
            log.warning("live.not_proved", tenant=self.principal.tenant_id, problem=type(error).__name__)
            return self.principal


class BrowserSocket(LiveSocket):
    """One that does what it is told."""

    outbox: BrowserOutbox

    def __init__(self, websocket: WebSocket, principal: Principal, room: TenantRoom, prover: Prover) -> None:
        super().__init__(websocket, principal, BrowserOutbox(websocket, room), prover)
        self._room = room

    def _take(self, text: str | None) -> None:
        if text is None:
            self._refuse("not_text", "Messages are JSON in text frames.")
        elif len(text) > MAX_TEXT:
            self._refuse("too_large", f"A message has at most {MAX_TEXT} characters.")
        else:
            try:
                message = _decoder.decode(text)
            except msgspec.ValidationError as error:
                self._refuse("invalid", str(error)[:300])
            except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
                self._refuse("not_json", "Messages are JSON.")
            else:
                self._obey(message)

    def _obey(self, message: Said) -> None:
        match message:
            case Subscribe():
                self._subscribe(message)
            case Unsubscribe():
                self._unsubscribe(message)
            case Watch():
                self.outbox.watch()
            case Pace():
                self.outbox.pace(message.ms / 1000)
            case Ping():
                self.outbox.reply({"type": "pong"})

    def _subscribe(self, message: Subscribe) -> None:
        wanted = _named(message)
        if wanted is None:
            self.outbox.all_listed = True
            wanted = list(self._room.printers)
        known = [key for key in wanted if key in self._room.printers]
        self.outbox.listed.update(known)
        self.outbox.reply({"type": "subscribed", "printer_ids": known})
        if len(known) < len(wanted):
            self._refuse("unknown_printer", "There is no such printer.")
        self.outbox.show(known)

    def _unsubscribe(self, message: Unsubscribe) -> None:
        outbox, named = self.outbox, _named(message)
        if named is None or outbox.all_listed:
            # Leaving out some of all: from now on, those that are left one by one.
            outbox.listed.update(self._room.printers if outbox.all_listed else ())
            outbox.all_listed = False
        gone = outbox.listed if named is None else outbox.listed & set(named)
        outbox.listed = outbox.listed - gone
        outbox.reply({"type": "unsubscribed", "printer_ids": sorted(gone)})

    def _refuse(self, code: str, message: str) -> None:
        self.outbox.reply({"type": "error", "code": code, "message": message})


def _named(message: Subscribe | Unsubscribe) -> list[str] | None:
    """The printers a message names; None = all."""
    if message.printer_id is None and message.printer_ids is None:
        return None
    one = [] if message.printer_id is None else [message.printer_id]
    return list(dict.fromkeys([*one, *(message.printer_ids or [])]))
