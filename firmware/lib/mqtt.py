"""An MQTT 3.1.1 session over a `Wire`, in which nothing ever blocks.

The packets are umqtt's: a subclass of its client writes to and reads from memory, and this module
moves whole packets between that memory and the wire. One `Session` is one connection; it is never
used again. `run` reads until the connection ends, every other call may come from any task.

A missing acknowledgement is reported, not fatal: printers forget some. Whether the peer is alive is
the caller's to judge, by `ping` and `wire.last_rx`.
"""

import asyncio
import struct
import time
from binascii import hexlify

from lib.bell import Bell
from lib.wire import Wire
from umqtt.robust import MQTTClient

LIMIT = 64 * 1024
"""Bytes of an incoming packet; a longer one is read, thrown away and counted in `dropped`."""

_CONNACK = 0x20
_PUBLISH = 0x30
_PUBACK = 0x40
_SUBACK = 0x90

_HEAD = 5  # room for a fixed header in front of the body
_PIECE = 1024

# Each session owns a small buffer. Larger packets, which take milliseconds a second, are read into buffers that all
# sessions share; the first is there from the start, as a heap in use may have no such piece left. When it is taken
# for longer than a moment, by a peer that sends slowly, others are made.
_SMALL = 512
_LARGE = 16 * 1024
_SPARES = 2
_spares = [bytearray(_LARGE)]
_MOMENT_MS = 30

# Some printers indent their JSON by four: more than half of 30 KB is then line breaks and blanks.
# A line break inside a JSON string is always escaped, so these runs are never part of a value.
_INDENTED_FROM = 2048
_INDENTS = tuple(b"\n" + b" " * width for width in (32, 28, 24, 20, 16, 12, 8, 4))

# Handling messages may take a session this part of the time, after a burst: a peer that floods must not starve the
# others. What it sends beyond waits in its own connection.
_SHARE = 8
_BURST_MS = 200

# Acknowledgements that never come are forgotten when so many newer ones are awaited.
_AWAITED = 16


_NOTHING = memoryview(b"")


class MqttError(Exception):
    """The peer does not speak MQTT; the wire is closed."""


class RefusedError(Exception):
    """The server refused the session: CONNACK `code`, 4 and 5 being wrong credentials."""

    def __init__(self, code: int) -> None:
        super().__init__("session refused with code %d" % code)
        self.code = code
        self.credentials = code in (4, 5)


class _Starved(Exception):  # noqa: N818 - a signal, never seen outside this module
    """umqtt wants to read what has not arrived: where it would have waited."""


class _Memory:
    """The socket as umqtt sees it: writes are collected, reads come from what has arrived."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.arrived = _NOTHING

    def write(self, data: "bytes | bytearray", size: "int | None" = None) -> None:
        self.out.extend(data if size is None else memoryview(data)[:size])

    def read(self, size: int) -> "bytes | memoryview":
        if not 0 <= size <= len(self.arrived):
            raise _Starved
        part = self.arrived[:size]
        self.arrived = self.arrived[size:]
        return part if size > 256 else bytes(part)  # a large payload is never copied

    def setblocking(self, flag: bool) -> None:
        pass


class _Packets(MQTTClient):  # type: ignore[misc]
    """umqtt as an encoder and decoder of packets."""

    def __init__(self) -> None:
        super().__init__(b"", "")
        self.sock = _Memory()
        self.message: "tuple[bytes, bytes | memoryview] | None" = None
        self.set_callback(self._arrived)

    def _arrived(self, topic: bytes, payload: "bytes | memoryview", *flags: bool) -> None:
        self.message = (topic, payload)

    def reconnect(self) -> None:
        # robust's own would create sockets and try for ever.
        raise _Starved

    def encode(self, call, *arguments: object) -> "tuple[int, bytes]":  # type: ignore[no-untyped-def]
        """The packet id and the bytes of what *call* would have sent."""
        self.pid %= 0xFFFF  # ids are 1..65535; umqtt only ever counts up
        try:
            call(*arguments)
        except _Starved:
            pass  # it has written its packet and now waits for the acknowledgement
        return self.pid, self.take()

    def take(self) -> bytes:
        """What was written since the last call."""
        out = bytes(self.sock.out)
        self.sock.out = bytearray()
        return out

    def decode(self, packet: memoryview) -> "tuple[bytes, bytes | memoryview]":
        """Topic and payload of a PUBLISH; an acknowledgement it asks for is left for take()."""
        self.sock.arrived = packet
        try:
            self.wait_msg()
        except (_Starved, AssertionError):
            raise MqttError("malformed message")
        if self.message is None:
            raise MqttError("not a message")
        return self.message

    def forget(self) -> None:
        """Let go of the last packet, whose buffer will be used again."""
        self.message = None
        self.sock.arrived = _NOTHING


class Receipt:
    """The acknowledgement of one packet: `acked`, and for a subscription the `granted` code."""

    def __init__(self) -> None:
        self.acked = False
        self.granted = 0
        self._settled = Bell()

    def settle(self, acked: bool) -> None:
        self.acked = acked
        self._settled.set()

    async def wait(self, limit_ms: int) -> bool:
        """True when the acknowledgement came in time; False when not, or the connection ended."""
        return await self._settled.wait_ms(limit_ms) and self.acked


class Session:
    """One MQTT connection. `on_message(topic, payload)` is called by `run`; the payload is a view
    that lives during the call. `dropped` counts incoming packets that were too long.
    """

    def __init__(self, wire: Wire, on_message, limit: int = LIMIT) -> None:  # type: ignore[no-untyped-def]
        self.wire = wire
        self.dropped = 0
        self._on_message = on_message
        self._limit = limit
        self._packets = _Packets()
        self._receipts: "dict[int, Receipt]" = {}
        self._paced = time.ticks_ms()
        self._debt = 0  # milliseconds of rest that are owed to the other sessions
        self._head = memoryview(bytearray(2))
        self._own = bytearray(_SMALL)
        self._buffer = self._own

    async def connect(self, client_id: str, user: str, password: str, keepalive: int) -> None:
        """Open a clean session. Raises RefusedError, MqttError, OSError or EOFError, wire closed."""
        try:
            await self.wire.send(connect_packet(client_id, user, password, keepalive))
            kind, body = await self._read_packet()
            if kind & 0xF0 != _CONNACK or len(body) != 2:
                raise MqttError("no answer to the connection request")
            if body[1]:
                raise RefusedError(body[1])
        except BaseException:
            self.wire.close()
            raise

    async def run(self) -> None:
        """Read until the connection ends, which is always by an error: OSError, EOFError, MqttError."""
        try:
            while True:
                kind, body = await self._read_packet()
                if kind & 0xF0 == _PUBLISH:
                    began = time.ticks_us()
                    self._incoming(body)
                    await self._answer()
                    await self._pace(time.ticks_diff(time.ticks_us(), began))
                elif kind in (_PUBACK, _SUBACK) and len(body) >= 2:
                    self._acknowledged(kind, body)
        finally:
            self._give_back()
            self.wire.close()
            for receipt in self._receipts.values():
                receipt.settle(False)
            self._receipts.clear()

    def _incoming(self, packet: memoryview) -> None:
        try:
            self._on_message(*self._packets.decode(packet))
        finally:
            self._packets.forget()
            self._give_back()

    async def _answer(self) -> None:
        answer = self._packets.take()
        if answer:
            await self.wire.send(answer)

    async def _pace(self, spent_us: int) -> None:
        now = time.ticks_ms()
        rested = time.ticks_diff(now, self._paced)
        self._paced = now
        self._debt = max(0, self._debt - max(0, rested)) + spent_us * _SHARE // 1000
        await asyncio.sleep_ms(max(0, self._debt - _BURST_MS))

    def _acknowledged(self, kind: int, body: memoryview) -> None:
        receipt = self._receipts.pop(body[0] << 8 | body[1], None)
        if receipt is not None:
            if kind == _SUBACK and len(body) > 2:
                receipt.granted = body[2]
            receipt.settle(True)

    async def subscribe(self, topic: str, limit_ms: int) -> bool:
        """Subscribe with QoS 0; False when refused or not acknowledged in time."""
        receipt = await self._send(self._packets.subscribe, topic.encode())
        return await receipt.wait(limit_ms) and receipt.granted < 0x80

    async def publish(self, topic: str, message: "bytes | str") -> Receipt:
        """Send with QoS 1; returns once the network stack has it. The receipt tells the rest."""
        payload = message.encode() if isinstance(message, str) else message
        return await self._send(self._packets.publish, topic.encode(), payload, False, 1)

    async def _send(self, call, *arguments: object) -> Receipt:  # type: ignore[no-untyped-def]
        receipt = Receipt()
        number, packet = self._packets.encode(call, *arguments)
        if len(self._receipts) >= _AWAITED:
            # Ids count up, so the one behind the newest by most is the oldest.
            oldest = max(self._receipts, key=lambda other: (number - other) & 0xFFFF)
            self._receipts.pop(oldest).settle(False)
        self._receipts[number] = receipt
        await self.wire.send(packet)
        return receipt

    async def ping(self) -> None:
        """Ask for a sign of life; the answer moves `wire.last_rx`."""
        await self.wire.send(self._packets.encode(self._packets.ping)[1])

    async def close(self) -> None:
        """Say goodbye, so that the printer frees its slot at once, and close."""
        if not self.wire.closed:
            try:
                await self.wire.send(b"\xe0\0")
            except OSError:
                pass  # it left before us
            self.wire.close()

    async def _read_packet(self) -> "tuple[int, memoryview]":
        """First byte and content of the next packet: of PUBLISH all of it, as umqtt wants it, of
        others the body. The view lives until the next call.
        """
        while True:
            kind, size = await self._read_head()
            if size > self._limit:
                self.dropped += 1
                await self._skip(size)
                continue
            end = await self._read_body(size)
            if not end:
                self.dropped += 1
                continue
            if kind & 0xF0 != _PUBLISH:
                return kind, memoryview(self._buffer)[_HEAD:end]
            head = bytes((kind,)) + encode_length(end - _HEAD)
            start = _HEAD - len(head)
            self._buffer[start:_HEAD] = head
            return kind, memoryview(self._buffer)[start:end]

    async def _read_head(self) -> "tuple[int, int]":
        await self.wire.fill(self._head)
        kind, byte = self._head[0], self._head[1]
        size, shift = byte & 127, 7
        while byte & 128:
            if shift > 21:
                self.wire.close()
                raise MqttError("malformed length")
            await self.wire.fill(self._head[1:])
            byte = self._head[1]
            size |= (byte & 127) << shift
            shift += 7
        return kind, size

    async def _read_body(self, left: int) -> int:
        """Read a body behind the room for the header, without indentation; return its end.

        0 when the heap has no room: the body was skipped then.
        """
        at = _HEAD
        indented = left > _INDENTED_FROM
        try:
            if at + left > _SMALL:
                await self._borrow()
            while left:
                take = min(left, _PIECE)
                if at + take > len(self._buffer):
                    self._grow(at)
                piece = memoryview(self._buffer)[at : at + take]
                await self.wire.fill(piece)
                left -= take
                if indented:
                    text = squeeze(bytes(piece))
                    take = len(text)
                    self._buffer[at : at + take] = text
                at += take
            return at
        except MemoryError:
            self._give_back()
            await self._skip(left)
            return 0

    async def _borrow(self) -> None:
        if self._buffer is self._own:
            if not _spares:
                await asyncio.sleep_ms(_MOMENT_MS)
            self._buffer = _spares.pop() if _spares else bytearray(_LARGE // 2)

    def _grow(self, used: int) -> None:
        # No extend(): it may move the bytes from under the views that still look at them.
        bigger = bytearray(2 * len(self._buffer))
        bigger[:used] = memoryview(self._buffer)[:used]
        self._buffer = bigger

    def _give_back(self) -> None:
        if self._buffer is not self._own:
            if len(_spares) < _SPARES:
                _spares.append(self._buffer)
            self._buffer = self._own

    async def _skip(self, left: int) -> None:
        while left:
            take = min(left, len(self._buffer))
            await self.wire.fill(memoryview(self._buffer)[:take])
            left -= take


def squeeze(text: bytes) -> bytes:
    """*text*, a part of a JSON document, with less indentation."""
    if _INDENTS[-1] in text:
        for indent in _INDENTS:
            text = text.replace(indent, b"")
    return text


def encode_length(size: int) -> bytes:
    """An MQTT remaining length."""
    out = bytearray()
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    out.append(size)
    return bytes(out)


def connect_packet(client_id: str, user: str, password: str, keepalive: int) -> bytes:
    """A CONNECT packet for a clean session. (umqtt's own is written while it opens a socket.)"""
    body = b"\x00\x04MQTT\x04\xc2" + struct.pack(">H", keepalive)
    for text in (client_id, user, password):
        data = text.encode()
        body += struct.pack(">H", len(data)) + data
    return b"\x10" + encode_length(len(body)) + body


def random_id(prefix: str, entropy: bytes) -> str:
    """A client id: two clients of one id throw each other out for ever, so it must be random."""
    return prefix + hexlify(entropy).decode()
