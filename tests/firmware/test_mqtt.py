"""lib/mqtt.py against a broker of our own that does what it should, and what it should not."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable

import pytest

from tests.firmware.micropython import run_code
from tests.firmware.tls_servers import Handler, serving

PRELUDE = """
import asyncio, json, sys, time
import lib.mqtt
from lib.mqtt import MqttError, RefusedError, Session
from lib.wire import Wire, resolve, within

PORT = int(sys.argv[1])
seen = []

def remember(topic, payload):
    seen.append((topic, json.loads(payload)))

async def connect(on_message=remember):
    session = Session(await Wire.open(resolve("127.0.0.1", PORT)), on_message)
    await within(session.wire, 4000, session.connect("id-1", "bblp", "geheim", 30))
    return session, asyncio.create_task(ending(session.run()))

async def ending(work):
    try:
        await work
    except (OSError, EOFError, MqttError) as error:
        return type(error).__name__

async def until(condition, limit_ms=4000):
    began = time.ticks_ms()
    while not condition():
        assert time.ticks_diff(time.ticks_ms(), began) < limit_ms, "waited in vain"
        await asyncio.sleep_ms(5)
"""


class Broker:
    """The broker's side of one connection, packet by packet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def receive(self) -> tuple[int, bytes]:
        first = (await self._reader.readexactly(1))[0]
        size = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first, await self._reader.readexactly(size)

    async def expect(self, kind: int) -> bytes:
        first, body = await self.receive()
        assert first & 0xF0 == kind, f"packet {first:02x}"
        return body

    async def raw(self, data: bytes, piece: int = 0) -> None:
        for start in range(0, len(data), piece or len(data)):
            self._writer.write(data[start : start + (piece or len(data))])
            await self._writer.drain()
            if piece:
                await asyncio.sleep(0.001)

    async def send(self, first: int, body: bytes, piece: int = 0) -> None:
        await self.raw(bytes([first]) + length(len(body)) + body, piece)

    async def publish(self, text: str | bytes, *, topic: bytes = b"device/S/report", piece: int = 0) -> None:
        payload = text.encode() if isinstance(text, str) else text
        await self.send(0x30, struct.pack(">H", len(topic)) + topic + payload, piece)


def length(size: int) -> bytes:
    out = bytearray()
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    return bytes(out) + bytes([size])


def broker(script: Callable[[Broker], Awaitable[None]], code: int = 0) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        side = Broker(reader, writer)
        body = await side.expect(0x10)
        assert body[:10] == b"\x00\x04MQTT\x04\xc2\x00\x1e"
        assert body[10:] == b"\x00\x04id-1\x00\x04bblp\x00\x06geheim"
        await side.send(0x20, bytes([0, code]))
        await script(side)

    return handle


async def idle(side: Broker) -> None:
    while True:
        await side.receive()


async def micropython(port: int, source: str) -> list[str]:
    finished = await run_code(PRELUDE + source + "\nasyncio.run(main())\n", str(port))
    return finished.out.strip().splitlines()


@pytest.mark.parametrize(("code", "credentials"), [(3, False), (4, True), (5, True)])
async def test_a_refused_session_tells_wrong_credentials_from_other_reasons(code: int, credentials: bool) -> None:
    async with serving(broker(idle, code)) as port:
        out = await micropython(
            port,
            """
async def main():
    try:
        await connect()
    except RefusedError as error:
        print(error.code, error.credentials)
        assert "geheim" not in repr(error)
""",
        )
    assert out == [f"{code} {credentials}"]


async def test_publishing_is_acknowledged_and_a_missing_acknowledgement_is_told_and_survived() -> None:
    got: list[tuple[int, bytes]] = []

    async def script(side: Broker) -> None:
        body = await side.expect(0x80)
        await side.send(0x90, body[:2] + b"\x00")
        for number in range(3):
            first, body = await side.receive()
            assert first == 0x32
            end = 2 + int.from_bytes(body[:2], "big")
            assert body[2:end] == b"device/S/request"
            got.append((int.from_bytes(body[end : end + 2], "big"), body[end + 2 :]))
            if number != 1:
                await side.send(0x40, body[end : end + 2])
        assert await side.receive() == (0xE0, b"")

    async with serving(broker(script)) as port:
        out = await micropython(
            port,
            """
async def main():
    session, task = await connect()
    print(await session.subscribe("device/S/report", 2000))
    for text in ("eins", "zwei", "drü"):
        receipt = await session.publish("device/S/request", text)
        print(await receipt.wait(400), receipt.acked)
    await session.close()
    print(await task)
""",
        )
    assert out == ["True", "True True", "False False", "True True", "OSError"]
    assert [text for _, text in got] == [b"eins", b"zwei", "drü".encode()]
    assert len({number for number, _ in got}) == 3


async def test_packet_ids_go_around_and_forgotten_acknowledgements_are_bounded() -> None:
    numbers: list[int] = []

    async def script(side: Broker) -> None:
        while True:
            first, body = await side.receive()
            if first == 0x32:
                numbers.append(int.from_bytes(body[3:5], "big"))

    async with serving(broker(script)) as port:
        out = await micropython(
            port,
            """
async def main():
    session, task = await connect()
    session._packets.pid = 65533
    receipts = []
    for _ in range(20):
        receipts.append(await session.publish("t", "x"))
    print(len(session._receipts))
    print(await receipts[0].wait(1000), await receipts[3].wait(1000))  # given up at once, not after the time
    await session.close()
""",
        )
    assert out[0] == "16"
    assert out[1] == "False False"
    assert numbers[:4] == [65534, 65535, 1, 2]


async def test_a_refused_subscription_is_false() -> None:
    async def script(side: Broker) -> None:
        body = await side.expect(0x80)
        await side.send(0x90, body[:2] + b"\x80")
        await idle(side)

    async with serving(broker(script)) as port:
        out = await micropython(
            port,
            """
async def main():
    session, task = await connect()
    print(await session.subscribe("device/X/report", 2000))
""",
        )
    assert out == ["False"]


REPORT = {
    "print": {
        "command": "push_status",
        "subtask_name": "blanks     and \n    breaks\\n    stay",
        "deep": [{"a": {"b": {"c": {"d": {"e": [[[["x"]]]]}}}}}] * 40,
        "list": [{"id": str(n), "tray": [{"color": "FFFFFFFF", "text": "        "}] * 4} for n in range(40)],
    }
}


@pytest.mark.parametrize("indent", [None, 4, 2, "\t"])
@pytest.mark.parametrize("piece", [0, 97])
async def test_large_reports_arrive_unchanged_indented_or_not_in_any_pieces(
    indent: int | str | None, piece: int
) -> None:
    text = json.dumps(REPORT, indent=indent)
    assert len(text) < 64 * 1024

    async def script(side: Broker) -> None:
        await side.publish('{"first":1}')
        await side.publish(text, piece=piece)
        await side.publish('{"last":3}', piece=1)
        await side.expect(0xE0)

    async with serving(broker(script)) as port:
        out = await micropython(
            port,
            """
async def main():
    session, task = await connect()
    await until(lambda: len(seen) == 3, 20000)
    print(seen[0], seen[2])
    print(json.dumps(seen[1][1]))
    print(session.dropped)
    await session.close()
""",
        )
    assert out[0] == "(b'device/S/report', {'first': 1}) (b'device/S/report', {'last': 3})"
    assert json.loads(out[1]) == REPORT
    assert out[2] == "0"


async def test_indentation_is_not_kept_in_memory() -> None:
    text = json.dumps(REPORT, indent=4)
    assert len(text) > 30_000

    async def script(side: Broker) -> None:
        await side.publish(text)
        await side.expect(0xE0)

    async with serving(broker(script)) as port:
        out = await micropython(
            port,
            """
async def main():
    session, task = await connect()
    await until(lambda: seen)
    print(max(len(buffer) for buffer in lib.mqtt._spares), len(session._buffer))
    await session.close()
""",
        )
    shared, own = map(int, out[0].split())
    assert shared <= 16 * 1024 < len(text) / 2
    assert own == 512


async def test_a_packet_above_the_limit_is_skipped_and_the_next_one_is_read() -> None:
    async def script(side: Broker) -> None:
        await side.publish(b"x" * 300_000)
        await side.publish('{"after":1}')
        await side.expect(0xE0)

    async with serving(broker(script)) as port:
        out = await micropython(
            port,
            """
async def main():
    session, task = await connect()
    await until(lambda: seen)
    print(seen, session.dropped)
    await session.close()
""",
        )
    assert out == ["[(b'device/S/report', {'after': 1})] 1"]


async def test_a_message_with_qos_1_is_acknowledged() -> None:
    acks: list[bytes] = []

    async def script(side: Broker) -> None:
        await side.send(0x32, b"\x00\x01t" + b"\x12\x34" + b"{}")
        acks.append(await side.expect(0x40))
        await side.expect(0xE0)

    async with serving(broker(script)) as port:
        await micropython(
            port,
            """
async def main():
    session, task = await connect()
    await until(lambda: seen)
    await asyncio.sleep_ms(50)
    await session.close()
""",
        )
    assert acks == [b"\x12\x34"]


MALFORMED = {
    "length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "topic longer than the packet": b"\x30\x04\x00\x09ab",
    "publish without topic": b"\x30\x01\x00",
    "publish of nothing": b"\x30\x00",
    "qos 1 without packet id": b"\x32\x03\x00\x01t",
    "qos 2": b"\x34\x07\x00\x01t\x00\x01{}",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_packets_end_the_session_and_nothing_else(name: str) -> None:
    async def script(side: Broker) -> None:
        await side.raw(MALFORMED[name])
        await idle(side)

    async with serving(broker(script)) as port:
        out = await micropython(
            port,
            """
async def main():
    session, task = await connect()
    print(await asyncio.wait_for(task, 3), session.wire.closed, seen)
""",
        )
    assert out == ["MqttError True []"]


async def test_packets_that_mean_nothing_to_a_client_are_passed_over() -> None:
    async def script(side: Broker) -> None:
        for packet in (b"\xd0\x00", b"\x40\x02\x77\x77", b"\x40\x00", b"\x90\x01\x00", b"\xf0\x03abc", b"\x20\x02\0\0"):
            await side.raw(packet)
        await side.publish('{"still":"here"}')
        await side.expect(0xE0)

    async with serving(broker(script)) as port:
        out = await micropython(
            port,
            """
async def main():
    session, task = await connect()
    await until(lambda: seen)
    print(seen[0][1])
    await session.close()
""",
        )
    assert out == ["{'still': 'here'}"]


async def test_a_flood_and_a_dripping_peer_leave_the_loop_to_the_others() -> None:
    async def flood(side: Broker) -> None:
        text = json.dumps(REPORT)
        while True:
            await side.publish(text)

    async def drip(side: Broker) -> None:
        await side.publish(json.dumps(REPORT), piece=1)

    async with serving(broker(flood)) as flooding, serving(broker(drip)) as dripping:
        out = await micropython(
            flooding,
            f"""
async def main():
    global PORT
    late = []
    counts = [0]
    def count(topic, payload):
        json.loads(payload)
        counts[0] += 1
    session, task = await connect(count)
    PORT = {dripping}
    other, other_task = await connect(count)
    for i in range(150):
        then = time.ticks_ms()
        await asyncio.sleep_ms(20)
        late.append(time.ticks_diff(time.ticks_ms(), then) - 20)
    late.sort()
    print(late[len(late) // 2] < 15, late[-3] < 120, counts[0] >= 20, late, counts)
    session.wire.close()
    other.wire.close()
""",
        )
    assert out[0].startswith("True True True"), out
