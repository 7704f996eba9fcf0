"""lib/websocket.py against the `websockets` library's server, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http
import struct
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.firmware.micropython import HEAP, run_code
from tests.firmware.tls_servers import Handler, reset, server_context, serving

PRELUDE = """
import asyncio, gc, sys, time, tls
from lib.frames import ClosedError, HandshakeError, ViolationError
from lib.wire import Wire, resolve, within
from lib.websocket import WebSocket

PORT = int(sys.argv[1])

async def connect(secure=False, **more):
    context = None
    if secure:
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_NONE
    wire = await Wire.open(resolve("127.0.0.1", PORT), context)
    return await within(wire, 4000, WebSocket.connect(wire, "farm.example", "/link", **more))

async def outcome(work):
    try:
        return await work
    except ViolationError as error:
        return "violation %d" % error.code
    except ClosedError as error:
        return "closed %d %s" % (error.code, error.reason)
    except HandshakeError as error:
        return "refused %d" % error.status
    except EOFError:
        return "end"
    except OSError:
        return "broken"
"""


async def micropython(port: int, source: str, heap: str = HEAP) -> list[str]:
    finished = await run_code(PRELUDE + source + "\nasyncio.run(main())\n", str(port), heap=heap)
    return finished.out.strip().splitlines()


def port_of(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


# ---- with a server that behaves -----------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True])
async def test_messages_of_every_length_come_back_whole(secure: bool) -> None:
    context = server_context() if secure else None
    async with serve(echo, "127.0.0.1", 0, ssl=context, compression=None) as server:
        out = await micropython(
            port_of(server),
            f"""
async def main():
    ws = await connect({secure})
    for size in (0, 1, 125, 126, 127, 4095, 4096, 4097, 8192, 8195, 16384):
        data = bytearray(size)
        for i in range(size):
            data[i] = (i * 7 + size) & 255
        await ws.send_binary(data[:size // 3], bytearray(data[size // 3:size // 2]), memoryview(data)[size // 2:])
        kind, view = await ws.receive()
        assert kind == "binary" and bytes(view) == data, size
    await ws.send_text("grün €")
    print(await ws.receive() == ("text", "grün €".encode()))
    before = ws.last_rx
    await asyncio.sleep_ms(20)
    await ws.ping()
    await ws.send_text("x")
    print((await ws.receive())[0], time.ticks_diff(ws.last_rx, before) > 0)
    began = time.ticks_ms()
    await ws.close(1000, "bye")
    print(ws.wire.closed, time.ticks_diff(time.ticks_ms(), began) < 1000)
""",
        )
    assert out == ["True", "text True", "True True"]


async def test_request_carries_key_headers_and_the_offered_subprotocols() -> None:
    seen: list[Headers] = []

    async def remember(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers)
        await connection.send("hello")
        await connection.wait_closed()

    protocols = [Subprotocol("farm.v1")]
    async with serve(remember, "127.0.0.1", 0, subprotocols=protocols, compression=None) as server:
        out = await micropython(
            port_of(server),
            """
async def main():
    for attempt in range(2):
        ws = await connect(subprotocols=("farm.v2", "farm.v1"), headers=(("Authorization", "Bearer abc"),))
        print(ws.subprotocol, await ws.receive())
        await ws.close(1001)
    try:
        await connect(headers=(("Authorization", "a\\r\\nX-Evil: 1"),))
    except ValueError:
        print("refused")
""",
        )
    assert out == ["farm.v1 ('text', b'hello')"] * 2 + ["refused"]
    first, second = seen
    assert first["Authorization"] == "Bearer abc"
    assert first["Host"] == "farm.example"
    assert first["Sec-WebSocket-Protocol"] == "farm.v2, farm.v1"
    assert len(base64.b64decode(first["Sec-WebSocket-Key"])) == 16
    assert first["Sec-WebSocket-Key"] != second["Sec-WebSocket-Key"]


async def test_many_senders_at_once_never_mix_their_frames() -> None:
    received: list[bytes] = []

    async def collect(connection: ServerConnection) -> None:
        for _ in range(4 * 25):
            message = await connection.recv()
            assert isinstance(message, bytes)
            received.append(message)
            await connection.ping()  # its answers go between the frames
        await connection.send("all")
        await connection.wait_closed()

    async with serve(collect, "127.0.0.1", 0, compression=None) as server:
        out = await micropython(
            port_of(server),
            """
async def main():
    ws = await connect()
    async def sender(which):
        for i in range(25):
            await ws.send_binary(bytes([which, i]), bytes([which]) * 9000)
    receiver = asyncio.create_task(ws.receive())
    await asyncio.gather(*(sender(n) for n in range(4)))
    print(await receiver)
    await ws.close()
""",
        )
    assert out == ["('text', b'all')"]
    for which in range(4):
        mine = [message for message in received if message[0] == which]
        assert [message[1] for message in mine] == list(range(25))
        assert all(message[2:] == bytes([which]) * 9000 for message in mine)


async def test_a_ping_is_answered_and_a_close_is_answered_with_its_code() -> None:
    done: asyncio.Queue[int | None] = asyncio.Queue()

    async def server_side(connection: ServerConnection) -> None:
        pong = await connection.ping(b"are you there")
        await asyncio.wait_for(pong, 5)
        await connection.close(4001, "superseded")
        await done.put(connection.close_code)

    async with serve(server_side, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        out = await micropython(
            port_of(server),
            """
async def main():
    ws = await connect()
    print(await outcome(ws.receive()), ws.wire.closed)
    print(await outcome(ws.send_text("late")))
    await ws.close()
""",
        )
        assert await asyncio.wait_for(done.get(), 5) == 4001
    assert out == ["closed 4001 superseded True", "broken"]


async def test_closing_while_another_task_receives_waits_for_the_answer() -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def wait(connection: ServerConnection) -> None:
        await connection.wait_closed()
        await codes.put(connection.close_code)

    async with serve(wait, "127.0.0.1", 0, compression=None) as server:
        out = await micropython(
            port_of(server),
            """
async def main():
    ws = await connect()
    receiver = asyncio.create_task(outcome(ws.receive()))
    await asyncio.sleep_ms(50)
    await ws.close(1001, "restart")
    print(await receiver)
""",
        )
        assert await asyncio.wait_for(codes.get(), 5) == 1001
    assert out == ["closed 1001 restart"]


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (401, {}, b'{"error":{"code":"unauthorized"}}'),
        (403, {}, b""),
        (426, {}, b'{"error":{"code":"upgrade","details":{"firmware":"2.0.0"}}}'),
        (503, {"Retry-After": "7"}, b"draining" * 1000),
    ],
)
async def test_a_refusal_shows_status_retry_after_and_the_beginning_of_the_body(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        full = Headers(headers | {"Content-Length": str(len(body)), "Connection": "close"})
        return Response(status, http.HTTPStatus(status).phrase, full, body)

    async with serve(echo, "127.0.0.1", 0, process_request=refuse) as server:
        out = await micropython(
            port_of(server),
            """
async def main():
    try:
        await connect()
    except HandshakeError as error:
        print(error.status, error.retry_after, len(error.body))
        print(error.body.decode())
""",
        )
    wait = headers.get("Retry-After", "None")
    assert out[0] == f"{status} {wait} {min(len(body), 1024)}"
    assert "".join(out[1:]) == body[:1024].decode()


# ---- with servers that do not -------------------------------------------------------------------------------------


def frame(first: int, payload: bytes = b"", *, mask: bytes = b"", length: bytes | None = None) -> bytes:
    """A frame with any first byte, mask and length encoding."""
    if length is None:
        size = len(payload)
        length = (
            bytes([size])
            if size < 126
            else b"\x7e" + struct.pack(">H", size)
            if size < 65536
            else b"\x7f" + struct.pack(">Q", size)
        )
    length = bytes([length[0] | (0x80 if mask else 0)]) + length[1:]
    return bytes([first]) + length + mask + payload


def accept_key(request: bytes) -> str:
    key = next(line.split(b": ")[1] for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
    return base64.b64encode(
        hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    ).decode()


def upgraded(
    after: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], answer: str | None = None
) -> Handler:
    """A server that upgrades, with *answer* or correctly, and then does *after*."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        text = answer or (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        writer.write(text.replace("{accept}", accept_key(request)).encode())
        await writer.drain()
        await after(reader, writer)

    return handle


async def close_code(reader: asyncio.StreamReader) -> int:
    """The code of the close frame that the client sends; everything before it is skipped."""
    while True:
        first, second = await reader.readexactly(2)
        assert second & 0x80, "client frames are masked"
        mask = await reader.readexactly(4)
        masked = await reader.readexactly(second & 0x7F)
        data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
        if first == 0x88:
            return int.from_bytes(data[:2], "big")


TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A

HOSTILE = {
    "masked frame": (frame(TEXT, b"abcd", mask=b"1234"), 1002),
    "reserved bit 1 (compressed)": (frame(TEXT | 0x40, b"abcd"), 1002),
    "reserved bit 3": (frame(TEXT | 0x10, b"abcd"), 1002),
    "unknown data opcode": (frame(0x83, b"x"), 1002),
    "unknown control opcode": (frame(0x8B, b"x"), 1002),
    "fragmented ping": (frame(0x09, b"x"), 1002),
    "ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "close with half a code": (frame(CLOSE, b"\x03"), 1002),
    "close with a code that must not be sent": (frame(CLOSE, struct.pack(">H", 1005)), 1002),
    "close with a reason that is not UTF-8": (frame(CLOSE, struct.pack(">H", 1000) + b"\xff\xfe"), 1007),
    "continuation of nothing": (frame(0x80, b"x"), 1002),
    "new text inside a fragmented one": (frame(0x01, b"a") + frame(TEXT, b"b"), 1002),
    "length of 16 bits that fits into 7": (frame(TEXT, b"abcd", length=b"\x7e\x00\x04"), 1002),
    "length of 64 bits that fits into 16": (frame(TEXT, b"abcd", length=b"\x7f" + struct.pack(">Q", 4)), 1002),
    "length with its highest bit set": (frame(TEXT, length=b"\x7f" + struct.pack(">Q", 1 << 63)), 1002),
    "a message of 2^62 bytes": (frame(TEXT, length=b"\x7f" + struct.pack(">Q", 1 << 62)), 1009),
    "one byte above the limit": (frame(BINARY, bytes(17 * 1024 + 1)), 1009),
    "above the limit by fragments": (frame(0x02, bytes(9000)) + frame(0x80, bytes(9000)), 1009),
    "text that is not UTF-8": (frame(TEXT, b"\xc3\x28"), 1007),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_frames_are_told_why_and_end_the_connection(name: str) -> None:
    sent, code = HOSTILE[name]
    told: asyncio.Queue[int] = asyncio.Queue()

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        await told.put(await close_code(reader))

    async with serving(upgraded(attack)) as port:
        out = await micropython(
            port,
            """
async def main():
    ws = await connect()
    print(await outcome(ws.receive()), ws.wire.closed)
    print(await outcome(ws.receive()))
""",
        )
        assert await asyncio.wait_for(told.get(), 5) == code
    assert out == [f"violation {code} True", "broken"]


async def test_fragments_are_joined_and_control_frames_between_them_are_obeyed() -> None:
    pongs: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = frame(0x01, "grü".encode()[:3]) + frame(PING, b"now") + frame(0x00, b"") + frame(PONG, b"?")
        for byte in parts + frame(0x80, "grü€".encode()[3:]):
            writer.write(bytes([byte]))  # one byte at a time: no boundary falls where it is convenient
            await writer.drain()
            await asyncio.sleep(0.001)
        _, second = await reader.readexactly(2)
        mask = await reader.readexactly(4)
        masked = await reader.readexactly(second & 0x7F)
        await pongs.put(bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked)))

    async with serving(upgraded(send)) as port:
        out = await micropython(
            port,
            """
async def main():
    ws = await connect()
    kind, data = await ws.receive()
    print(kind, data.decode())
""",
        )
        assert await asyncio.wait_for(pongs.get(), 5) == b"now"
    assert out == ["text grü€"]


async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


GOOD = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
BAD_UPGRADES = {
    "wrong accept": GOOD + "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    "no accept": GOOD + "\r\n",
    "no upgrade": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n",
    "extension not offered": GOOD
    + "Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    "subprotocol not offered": GOOD + "Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: other\r\n\r\n",
    "not HTTP": "220 mail.example ESMTP\r\n\r\n",
    "header without colon": GOOD + "nonsense\r\n\r\n",
    "endless header": GOOD + "X: " + "y" * 6000,
}


@pytest.mark.parametrize("name", BAD_UPGRADES)
async def test_an_upgrade_that_proves_nothing_is_refused(name: str) -> None:
    async with serving(upgraded(nothing, BAD_UPGRADES[name])) as port:
        out = await micropython(port, "async def main():\n    print(await outcome(connect()))\n")
    assert out == ["violation 1002"]


async def test_a_server_that_chooses_no_offered_subprotocol_is_refused() -> None:
    async with serving(upgraded(nothing)) as port:
        out = await micropython(
            port, "async def main():\n    print(await outcome(connect(subprotocols=('farm.v1',))))\n"
        )
    assert out == ["violation 1002"]


async def test_a_header_that_drips_is_given_up_at_the_time_limit() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 100:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(drip) as port:
        out = await micropython(
            port,
            """
async def main():
    wire = await Wire.open(resolve("127.0.0.1", PORT))
    began = time.ticks_ms()
    print(await outcome(within(wire, 500, WebSocket.connect(wire, "x", "/"))))
    print(time.ticks_diff(time.ticks_ms(), began) < 900, wire.closed)
""",
        )
    assert out == ["broken", "True True"]


@pytest.mark.parametrize("ending", ["reset", "fin", "half a frame"])
async def test_an_end_without_a_close_frame_is_an_error(ending: str) -> None:
    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if ending == "half a frame":
            writer.write(frame(TEXT, b"0123456789")[:7])
            await writer.drain()
        if ending == "reset":
            reset(writer)
        else:
            writer.close()

    async with serving(upgraded(end)) as port:
        out = await micropython(
            port,
            """
async def main():
    ws = await connect()
    print(await outcome(ws.receive()), ws.wire.closed)
""",
        )
    assert out == ["broken True" if ending == "reset" else "end True"]


async def test_a_peer_that_reads_nothing_holds_the_sender_and_closing_still_takes_seconds_only() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(20)

    async with serving(upgraded(deaf)) as port:
        out = await micropython(
            port,
            """
async def main():
    ws = await connect()
    sent = [0]
    async def push():
        while True:
            await ws.send_binary(bytes(16000))
            sent[0] += 1
    pusher = asyncio.create_task(outcome(push()))
    await asyncio.sleep_ms(500)
    held = sent[0]
    await asyncio.sleep_ms(300)
    print(sent[0] == held)
    began = time.ticks_ms()
    await ws.close()
    print(time.ticks_diff(time.ticks_ms(), began) < 3500, await pusher)
""",
        )
    assert out == ["True", "True broken"]


async def test_a_long_talk_does_not_grow_the_heap() -> None:
    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        out = await micropython(
            port_of(server),
            """
async def main():
    ws = await connect()
    data = bytes(8195)
    async def talk(count):
        for i in range(count):
            await ws.send_binary(data)
            await ws.receive()
        gc.collect()
        return gc.mem_alloc()
    await talk(10)
    before = await talk(10)
    print(await talk(200) - before < 1024)
    await ws.close()
""",
            heap="192k",
        )
    assert out == ["True"]
