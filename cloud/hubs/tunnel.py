"""One tunnel: a byte stream with a window each way. See tunnels.py for how they share the socket."""

import asyncio
import time
from collections import deque
from typing import Final, Protocol

from cloud.hubs.outbox import Frame
from cloud.printing.streams import StreamError
from shared_protocol import codec
from shared_protocol.schema import ProtocolError

SEND_BUFFER: Final = 64 * 1024
"""Bytes taken from a writer and not yet sent: enough to keep the socket busy while the writer is woken."""
FRAME_DATA: Final = 4096 - 3
"""Bytes of data in a frame: half of what the protocol allows, since the hub must find that much heap in one piece."""
LEAST_CREDIT: Final = 1024
"""Do not cut a chunk into smaller pieces than this: a window is never smaller, so the credit for it will come."""
MAX_CREDIT: Final = 2**31
LINGER_S: Final = 30.0
"""After close(), how long the hub may take to credit what was written before; then it is dropped."""


class _Carrier(Protocol):
    def send_credit(self, number: int, count: int) -> None: ...
    def ready(self, tunnel: "Tunnel") -> None: ...


class Tunnel:
    """A `printing.streams.ByteStream`. close() delivers what write() has taken, then closes the printer's end."""

    window: Final = codec.WINDOW

    def __init__(self, number: int, carrier: _Carrier) -> None:
        self.number = number
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed_at: float | None = None
        """When close() was called here; None while in use."""
        self.finished_at: float | None = None
        """When the hub was told to close, after all data."""
        self.waiting_turn = False
        self._carrier = carrier
        self._failure: StreamError | None = None
        self._ended = False  # the hub has closed
        self._close_code = "done"
        self._linger: asyncio.TimerHandle | None = None
        self._received: deque[bytes] = deque()
        self._room = self.window  # what the hub may still send
        self._owed = 0  # what was read and not yet credited
        self._readable = asyncio.Event()
        self._outgoing: deque[memoryview] = deque()
        self._queued = 0
        self._credit = 0
        self._writable = asyncio.Event()

    # ---- the stream

    async def read(self) -> bytes:
        """All that has arrived, at least one byte; b"" once the printer has closed. Raises StreamError if it broke."""
        while not self._received:
            if self.closed_at is not None:
                raise StreamError("done", "The tunnel is closed.")
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return b""
            self._readable.clear()
            await self._readable.wait()
        data = self._received[0] if len(self._received) == 1 else b"".join(self._received)
        self._received.clear()
        self._repay(len(data))
        return data

    async def write(self, data: bytes) -> None:
        """Returns when the bytes are taken into a small buffer. Raises StreamError."""
        view = memoryview(data)
        for start in range(0, len(view), FRAME_DATA):
            self._check_writable()
            while self._queued >= SEND_BUFFER:
                self._writable.clear()
                await self._writable.wait()
                self._check_writable()
            chunk = view[start : start + FRAME_DATA]
            self._outgoing.append(chunk)
            self._queued += len(chunk)
            if self.sendable:
                self._carrier.ready(self)

    def close(self, code: str = "done") -> None:
        """For both directions; what was written before is still delivered. Wakes whoever waits. Twice is harmless."""
        if self.closed_at is not None:
            return
        self.closed_at = time.monotonic()
        self._close_code = code
        self._received.clear()
        self._wake()
        if self._ended:
            return
        if self._outgoing:
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._give_up)
        self._carrier.ready(self)

    # ---- what the hub says

    def on_opened(self, window: int) -> None:
        """Raises ProtocolError when said twice. After a close() here it is late, not wrong."""
        if self.opened.done() and self.closed_at is None:
            raise ProtocolError("invalid", "tunnel", "is open already")
        self._credit = window
        if not self.opened.done():
            self.opened.set_result(None)

    def on_credit(self, count: int) -> None:
        self._credit = min(self._credit + count, MAX_CREDIT)
        if self.sendable:
            self._carrier.ready(self)

    def on_data(self, data: memoryview) -> None:
        """Raises ProtocolError, and closes the tunnel, when the hub sends more than it may."""
        self._room -= len(data)
        if self._room < 0:
            self._fail("reset", "The hub sent more than the tunnel has room for.")
            self.close("reset")
            raise ProtocolError("invalid", "tunnel", "more data than credit")
        if self.closed_at is None and len(data):
            self._received.append(bytes(data))
            self._readable.set()

    def on_closed(self, code: str, sentence: str) -> None:
        """Nothing more comes; what came before is still read."""
        self._ended = True
        if not self.opened.done():
            # Also `done`: a tunnel closed before it opened did not open.
            self.opened.set_exception(StreamError(code, sentence or f"The hub could not connect: {code}."))
            self.opened.exception()  # whoever opened may have left already
        elif code != "done":
            self._fail(code, sentence or f"The connection to the printer ended: {code}.")
        self._drop_outgoing()
        self._wake()

    # ---- for the writer of the socket

    @property
    def sendable(self) -> bool:
        """There is a frame to send that the credit allows."""
        if self._outgoing:
            return self._credit >= min(len(self._outgoing[0]), LEAST_CREDIT)
        return self.closed_at is not None and self.finished_at is None and not self._ended

    def take_frame(self) -> Frame | None:
        """The next frame to send, or None: no data, no credit, or closed."""
        if not self.sendable:
            return None
        if not self._outgoing:
            self.finished_at = time.monotonic()
            return codec.encode("tunnel_close", tunnel=self.number, code=self._close_code)
        chunk = self._outgoing[0]
        if len(chunk) <= self._credit:
            self._outgoing.popleft()
        else:
            self._outgoing[0] = chunk[self._credit :]
            chunk = chunk[: self._credit]
        self._credit -= len(chunk)
        self._queued -= len(chunk)
        if self._queued < SEND_BUFFER:
            self._writable.set()
        if self._linger is not None and not self._outgoing:
            self._linger.cancel()
        return codec.data_header(self.number) + chunk

    # ---- inside

    def _check_writable(self) -> None:
        if self.closed_at is not None or self._ended:
            raise self._failure or StreamError("done", "The tunnel is closed.")

    def _repay(self, count: int) -> None:
        """Let the hub send again, in few frames: half a window at a time."""
        self._owed += count
        if self._owed * 2 >= self.window and not self._ended:
            self._room += self._owed
            self._carrier.send_credit(self.number, self._owed)
            self._owed = 0

    def _fail(self, code: str, sentence: str) -> None:
        self._failure = self._failure or StreamError(code, sentence)

    def _give_up(self) -> None:
        """The hub did not take what was written before close(): the printer must not believe that it was all."""
        self._close_code = "timeout"
        self._drop_outgoing()
        self._carrier.ready(self)

    def _drop_outgoing(self) -> None:
        self._outgoing.clear()
        self._queued = 0
        if self._linger is not None:
            self._linger.cancel()

    def _wake(self) -> None:
        self._readable.set()
        self._writable.set()
