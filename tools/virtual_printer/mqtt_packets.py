"""MQTT 3.1.1 packets as a broker needs them: reading from a wire, and the few it sends."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tools.virtual_printer.wire import Wire

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

ACCEPTED, BAD_PROTOCOL, BAD_LOGIN = 0, 1, 5

_LARGEST = 1 << 20


class MqttError(Exception):
    """The client broke the protocol; a broker closes the connection."""


@dataclass(frozen=True)
class Connect:
    level: int
    client_id: str
    user: str
    password: str
    clean: bool
    keepalive: int


@dataclass(frozen=True)
class Publish:
    topic: str
    payload: bytes
    qos: int
    packet_id: int


async def read_packet(wire: Wire) -> tuple[int, int, bytes]:
    """Type, flags and body of the next packet. EOFError at the end, MqttError for a length that cannot be."""
    first = (await wire.read_exactly(1))[0]
    length, shift = 0, 0
    while True:
        byte = (await wire.read_exactly(1))[0]
        length |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
        shift += 7
        if shift > 21:
            raise MqttError("malformed remaining length")
    if length > _LARGEST:
        raise MqttError("packet too large")
    return first >> 4, first & 0x0F, await wire.read_exactly(length)


def packet(kind: int, flags: int, body: bytes) -> bytes:
    length, head = len(body), bytearray([kind << 4 | flags])
    while True:
        byte, length = length & 0x7F, length >> 7
        head.append(byte | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


def publish(topic: str, payload: bytes) -> bytes:
    """A QoS 0 publish, the only kind printers send."""
    name = topic.encode()
    return packet(PUBLISH, 0, struct.pack(">H", len(name)) + name + payload)


def connack(code: int) -> bytes:
    return packet(CONNACK, 0, bytes([0, code]))


def acknowledge(kind: int, packet_id: int, codes: bytes = b"") -> bytes:
    """PUBACK, SUBACK (with its codes) or UNSUBACK."""
    return packet(kind, 0, struct.pack(">H", packet_id) + codes)


def parse_connect(body: bytes) -> Connect:
    reader = _Reader(body)
    protocol = reader.text()
    level, flags, keepalive = reader.byte(), reader.byte(), reader.word()
    if protocol not in ("MQTT", "MQIsdp"):
        raise MqttError("not MQTT")
    if level > 4:
        return Connect(level, "", "", "", True, keepalive)
    client_id = reader.text()
    if flags & 0x04:
        reader.text()
        reader.blob()
    user = reader.text() if flags & 0x80 else ""
    password = reader.blob().decode("utf-8", "replace") if flags & 0x40 else ""
    return Connect(level, client_id, user, password, bool(flags & 0x02), keepalive)


def parse_publish(flags: int, body: bytes) -> Publish:
    reader = _Reader(body)
    qos = flags >> 1 & 3
    topic = reader.text()
    packet_id = reader.word() if qos else 0
    return Publish(topic, reader.rest(), qos, packet_id)


def parse_topics(body: bytes, *, with_qos: bool) -> tuple[int, list[tuple[str, int]]]:
    """Packet id and (filter, QoS) pairs of SUBSCRIBE, or of UNSUBSCRIBE without QoS."""
    reader = _Reader(body)
    packet_id = reader.word()
    topics = []
    while not reader.done:
        name = reader.text()
        topics.append((name, reader.byte() if with_qos else 0))
    if not topics:
        raise MqttError("no topics")
    return packet_id, topics


def matches(pattern: str, topic: str) -> bool:
    """Does a subscription filter cover a topic?"""
    want, have = pattern.split("/"), topic.split("/")
    for index, part in enumerate(want):
        if part == "#":
            return True
        if index >= len(have) or part not in ("+", have[index]):
            return False
    return len(want) == len(have)


class _Reader:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._body)

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._body):
            raise MqttError("packet is cut off")
        part = self._body[self._at : self._at + count]
        self._at += count
        return part

    def byte(self) -> int:
        return self.take(1)[0]

    def word(self) -> int:
        return int(struct.unpack(">H", self.take(2))[0])

    def blob(self) -> bytes:
        return self.take(self.word())

    def text(self) -> str:
        try:
            return self.blob().decode("utf-8")
        except UnicodeDecodeError as error:
            raise MqttError("text is not UTF-8") from error

    def rest(self) -> bytes:
        return self.take(len(self._body) - self._at)
