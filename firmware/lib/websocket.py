"""A WebSocket client (RFC 6455) over a `Wire`.

    wire = await Wire.open(address, tls_context, "cloud.example")
    ws = await WebSocket.connect(wire, "cloud.example", "/link", subprotocols=("farm.v1",))
    await ws.send_text("{}")
    kind, data = await ws.receive()      # ("text", bytes) or ("binary", memoryview)

Any number of tasks may send; exactly one receives. Pings are answered inside `receive`, so the
receiver must keep receiving. Whether the peer is alive is the caller's to judge: `ping()` now and
then, and `ws.wire.close()` when `ws.last_rx` gets old; the receiver then ends with OSError.
"""

import asyncio
import errno
import os

from lib.frames import (
    ClosedError,
    ViolationError,
    WebSocketError,
    apply_mask,
    check_text,
    frame_header,
    parse_close,
)
from lib.wire import Wire, within

_CONTINUATION = 0
_TEXT = 1
_BINARY = 2
_CLOSE = 8
_PING = 9
_PONG = 10

_PIECE = 4096  # a frame is masked and sent in pieces of this size; Mbed TLS sends as much at once

_CLOSE_WAIT_MS = 3000
_GIVE_UP_MS = 1000


class WebSocket:
    """An open connection; made by `WebSocket.connect`. `subprotocol` is what the server chose."""

    def __init__(self, wire: Wire, limit: int, buffer: "bytearray | None" = None) -> None:
        self.wire = wire
        self.subprotocol: "str | None" = None
        self._limit = limit
        self._lock = asyncio.Lock()
        self._scratch = bytearray(14 + _PIECE)
        self._head = bytearray(8)
        self._control = bytearray(125)
        # Grows to the largest message seen, at most to the limit.
        self._message = bytearray(1024) if buffer is None else buffer
        self._close_sent = False
        self._receiving = False
        self._ended = asyncio.Event()

    @classmethod
    async def connect(
        cls,
        wire: Wire,
        host: str,
        path: str,
        *,
        subprotocols: "tuple[str, ...]" = (),
        headers: "tuple[tuple[str, str], ...]" = (),
        limit: int = 17 * 1024,
        buffer: "bytearray | None" = None,
    ) -> "WebSocket":
        """Upgrade *wire*. *limit* bounds an incoming message (close code 1009 beyond). *buffer* is where messages
        are put together as long as they fit: a caller that reconnects for months brings its own, allocated once.

        *host* is what goes into the Host header. Raises HandshakeError, ViolationError, OSError or
        EOFError, with the wire closed. The caller sets the time limit:
        `within(wire, ms, WebSocket.connect(wire, ...))`.
        """
        made = cls(wire, limit, buffer)
        try:
            # Needed once a connection: who is short of memory may let go of the module afterwards.
            from lib.upgrade import upgrade

            made.subprotocol = await upgrade(wire, host, path, subprotocols, headers)
            return made
        except BaseException:
            wire.close()
            raise

    @property
    def last_rx(self):  # type: ignore[no-untyped-def]
        """`time.ticks_ms()` of the last byte received."""
        return self.wire.last_rx

    async def send_text(self, text: "str | bytes") -> None:
        """Send a text message; bytes must be UTF-8."""
        await self._send(_TEXT, (text.encode() if isinstance(text, str) else text,))

    async def send_binary(self, *parts: "bytes | bytearray | memoryview") -> None:
        """Send one binary message made of *parts*, which are not copied as a whole."""
        await self._send(_BINARY, parts)

    async def _send(self, opcode: int, parts: tuple) -> None:  # type: ignore[type-arg]
        # Returns when the network stack has taken it; so a peer that reads slowly holds the sender.
        async with self._lock:
            if self._close_sent:
                raise OSError(errno.ECONNABORTED)
            await self._frame(opcode, parts)

    async def ping(self) -> None:
        """Ask for a sign of life; the answer moves `wire.last_rx`."""
        async with self._lock:
            if not self._close_sent:
                await self._frame(_PING, (b"",))

    async def _frame(self, opcode: int, parts: tuple) -> None:  # type: ignore[type-arg]
        # The lock is held. The mask must be unpredictable and new for every frame.
        scratch = self._scratch
        mask = os.urandom(4)
        at = frame_header(scratch, opcode, sum(len(part) for part in parts), mask)
        start = at
        try:
            for part in parts:
                rest = memoryview(part)
                while rest:
                    # Pieces end on multiples of four, so each begins with the mask's first byte.
                    take = min(len(rest), start + _PIECE - at)
                    scratch[at : at + take] = rest[:take]
                    at += take
                    rest = rest[take:]
                    if at == start + _PIECE:
                        await self._flush(start, at, mask)
                        start = at = 0
            if at:
                await self._flush(start, at, mask)
        except BaseException:
            self.wire.close()
            raise

    async def _flush(self, start: int, end: int, mask: bytes) -> None:
        apply_mask(self._scratch, start, end, mask)
        await self.wire.send(memoryview(self._scratch)[:end])

    async def receive(self) -> "tuple[str, bytes | memoryview]":
        """The next message: ("text", bytes) or ("binary", view), the view dying with the next call.

        Text is checked to be UTF-8. Raises ClosedError, ViolationError, OSError or EOFError; each is the end.
        """
        self._receiving = True
        try:
            return await self._receive()
        except ViolationError as error:
            await self._give_up(error.code)
            raise
        except BaseException:
            self.wire.close()
            raise
        finally:
            self._receiving = False
            if self.wire.closed:
                self._ended.set()

    async def _receive(self) -> "tuple[str, bytes | memoryview]":
        kind, at = 0, 0
        while True:
            final, opcode, length = await self._read_frame_head()
            if opcode & 8:
                await self._control_frame(opcode, length)
                continue
            if opcode == _CONTINUATION:
                if not kind:
                    raise ViolationError("continuation of nothing")
            elif kind:
                raise ViolationError("new message inside a fragmented one")
            else:
                kind = opcode
            if at + length > self._limit:
                raise ViolationError("message too long", 1009)
            self._room(at, at + length)
            await self.wire.fill(memoryview(self._message)[at : at + length])
            at += length
            if final:
                message = memoryview(self._message)[:at]
                if kind == _BINARY:
                    return "binary", message
                check_text(message)
                return "text", bytes(message)

    def _room(self, used: int, needed: int) -> None:
        if needed > len(self._message):
            bigger = bytearray(min(self._limit, (needed + 1023) & ~1023))
            bigger[:used] = memoryview(self._message)[:used]
            self._message = bigger

    async def _read_frame_head(self) -> "tuple[bool, int, int]":
        head = memoryview(self._head)
        await self.wire.fill(head[:2])
        first, second = head[0], head[1]
        opcode, length = first & 15, second & 127
        if first & 0x70:
            raise ViolationError("reserved bit set")
        if second & 0x80:
            raise ViolationError("masked frame from a server")
        if opcode > _PONG or 2 < opcode < 8:
            raise ViolationError("unknown opcode")
        final = bool(first & 0x80)
        if opcode & 8 and (not final or length > 125):
            raise ViolationError("control frame too long or fragmented")
        if length > 125:
            size = 2 if length == 126 else 8
            await self.wire.fill(head[:size])
            length = int.from_bytes(head[:size], "big")
            if length >> 63 or length < (126 if size == 2 else 65536):
                raise ViolationError("length not in its shortest form")
        return final, opcode, length

    async def _control_frame(self, opcode: int, length: int) -> None:
        data = memoryview(self._control)[:length]
        await self.wire.fill(data)
        if opcode == _PING:
            async with self._lock:
                if not self._close_sent:
                    await self._frame(_PONG, (data,))
        elif opcode == _CLOSE:
            code, reason = parse_close(data)
            await self._send_close(1000 if code == 1005 else code)
            raise ClosedError(code, reason)

    async def _send_close(self, code: int, reason: str = "") -> None:
        async with self._lock:
            if not self._close_sent:
                self._close_sent = True
                await self._frame(_CLOSE, (code.to_bytes(2, "big"), reason.encode()[:100]))

    async def _give_up(self, code: int) -> None:
        # Tell the peer why, but do not let it hold us. The caller raises the reason.
        try:
            await within(self.wire, _GIVE_UP_MS, self._last_words(code))
        except OSError:
            pass  # it was broken before
        self.wire.close()

    async def _last_words(self, code: int) -> None:
        # Closing with unread bytes would reset the connection and with it lose the close frame.
        await self._send_close(code)
        while await self.wire.read_some(memoryview(self._scratch)):
            pass

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close in an orderly way, within three seconds; never raises for a peer that is gone."""
        try:
            await within(self.wire, _CLOSE_WAIT_MS, self._close(code, reason))
        except (OSError, EOFError, WebSocketError):
            pass  # closing a connection that has ended, or ends otherwise, is still closed
        finally:
            self.wire.close()
            self._ended.set()

    async def _close(self, code: int, reason: str) -> None:
        await self._send_close(code, reason)
        if self._receiving:
            await self._ended.wait()  # set by the receiver when the peer's answer, or the end, came
        else:
            while True:
                await self.receive()
