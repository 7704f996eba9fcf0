"""lib/wire.py against real servers, with each way in which a connection can end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl

import pytest

from tests.firmware.micropython import run_code
from tests.firmware.tls_servers import Handler, certificate, reset, server_context, serving

PRELUDE = """
import asyncio, errno, sys, time, tls
from lib.wire import UntrustedError, Wire, pinned_context, resolve, within

PORT = int(sys.argv[1])
SECURE = len(sys.argv) > 2 and sys.argv[2] == "tls"

def context():
    if not SECURE:
        return None
    made = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    made.verify_mode = tls.CERT_NONE
    return made

async def connect(**more):
    return await Wire.open(resolve("127.0.0.1", PORT), context(), **more)

async def ending(work):
    began = time.ticks_ms()
    try:
        await work
        return "no error"
    except (OSError, EOFError) as error:
        assert time.ticks_diff(time.ticks_ms(), began) < 3000, "ended late"
        return type(error).__name__

def run(main):
    asyncio.run(main())
"""

SECURITY = pytest.mark.parametrize("security", ["plain", "tls"])


def tls_for(security: str) -> ssl.SSLContext | None:
    return server_context() if security == "tls" else None


async def micropython(port: int, security: str, source: str) -> str:
    finished = await run_code(PRELUDE + source, str(port), security)
    return finished.out.strip()


@SECURITY
async def test_three_writers_at_once_lose_nothing_against_a_slow_reader(security: str) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def slow_reader(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = bytearray()
        while len(data) < 3 * 60 * 8006:
            piece = await reader.read(1777)
            if not piece:
                break
            data += piece
            if len(data) % 5 == 0:
                await asyncio.sleep(0.001)
        await received.put(bytes(data))
        writer.write(b"done")
        await writer.drain()

    async with serving(slow_reader, tls_for(security)) as port:
        out = await micropython(
            port,
            security,
            """
async def writer(wire, which):
    body = bytearray(bytes([which]) * 8000)
    for i in range(60):
        body[0] = i
        await wire.send(b"<%d%03d>" % (which, i), body)

async def main():
    wire = await connect()
    await asyncio.gather(*(writer(wire, n) for n in (1, 2, 3)))
    answer = bytearray(4)
    await wire.fill(memoryview(answer))
    print(answer.decode())
    wire.close()
run(main)
""",
        )
    assert out == "done"
    data = received.get_nowait()
    seen = {1: 0, 2: 0, 3: 0}
    for start in range(0, len(data), 8006):
        which, number = int(data[start + 1 : start + 2]), int(data[start + 2 : start + 5])
        assert number == seen[which], "messages of one writer stay in order"
        seen[which] += 1
        body = data[start + 6 : start + 8006]
        assert body == bytes([number]) + bytes([which]) * 7999
    assert seen == {1: 60, 2: 60, 3: 60}


@SECURITY
async def test_both_directions_at_once_keep_every_byte(security: str) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(3000):
            writer.write(piece)
            await writer.drain()

    async with serving(echo, tls_for(security)) as port:
        out = await micropython(
            port,
            security,
            """
import hashlib
from binascii import hexlify
async def main():
    wire = await connect()
    sent, seen = hashlib.sha256(), hashlib.sha256()
    total = 600000
    async def push():
        block = bytearray(5000)
        for i in range(total // 5000):
            for k in range(0, 5000, 7):
                block[k] = (i * k) & 255
            sent.update(block)
            await wire.send(block)
    task = asyncio.create_task(push())
    buffer = memoryview(bytearray(4096))
    left = total
    while left:
        if left % 3:
            got = min(left, 1000)
            await wire.fill(buffer[:got])
        else:
            got = await wire.read_some(buffer[:min(left, 4096)])
        seen.update(buffer[:got])
        left -= got
    await task
    print(sent.digest() == seen.digest())
run(main)
""",
        )
    assert out == "True"


@SECURITY
async def test_a_server_that_speaks_first_is_heard(security: str) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        await reader.read()

    async with serving(greet, tls_for(security)) as port:
        out = await micropython(
            port,
            security,
            """
async def main():
    wire = await connect()
    line = bytearray(11)
    await within(wire, 5000, wire.fill(memoryview(line)))
    print(line.decode().strip())
    wire.close()
run(main)
""",
        )
    assert out == "220 ready"


async def close_notify(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(1)
    writer.write(b"hello")
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()
    await asyncio.sleep(5)


async def fin_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(1)
    writer.write(b"hello")
    await writer.drain()
    await asyncio.sleep(0.2)
    # Behind the back of TLS: no close-notify, no reset.
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as twin:
        twin.shutdown(socket.SHUT_WR)
        await asyncio.sleep(5)


async def with_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(1)
    writer.write(b"hello")
    await writer.drain()
    await asyncio.sleep(0.2)
    reset(writer)


@SECURITY
@pytest.mark.parametrize("end", [close_notify, fin_only, with_reset], ids=lambda end: str(end.__name__))
@pytest.mark.parametrize("reading", ["fill", "read_some"])
async def test_each_kind_of_ending_is_noticed_behind_the_last_bytes(security: str, end: Handler, reading: str) -> None:
    async with serving(end, tls_for(security)) as port:
        out = await micropython(
            port,
            security,
            f"""
async def main():
    wire = await connect()
    await wire.send(b"x")
    view = memoryview(bytearray(5))
    await wire.fill(view)
    assert view == b"hello"
    async def rest():
        if {reading!r} == "fill":
            await wire.fill(view)
        elif await wire.read_some(view) == 0:
            raise EOFError
    print(await ending(rest()))
    print(await ending(rest()))
    wire.close()
    wire.close()
    print(wire.closed)
run(main)
""",
        )
    first, second, closed = out.splitlines()
    assert first in ("OSError", "EOFError")
    assert second in ("OSError", "EOFError")
    assert closed == "True"


@SECURITY
async def test_closing_wakes_the_reader_and_the_blocked_writer_at_once(security: str) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(20)

    async with serving(deaf, tls_for(security)) as port:
        out = await micropython(
            port,
            security,
            """
async def main():
    wire = await connect()
    async def push():
        while True:
            await wire.send(bytes(8000))
    async def pull():
        await wire.fill(memoryview(bytearray(1)))
    tasks = [asyncio.create_task(push()), asyncio.create_task(push()), asyncio.create_task(pull())]
    await asyncio.sleep_ms(700)
    began = time.ticks_ms()
    wire.close(errno.ETIMEDOUT)
    # The same descriptor at once again: the poll set alone would not tell the waiters.
    again = await connect()
    for task in tasks:
        try:
            await task
        except OSError as error:
            print(error.errno == errno.ETIMEDOUT, time.ticks_diff(time.ticks_ms(), began) < 100)
run(main)
""",
        )
    assert out.splitlines() == ["True True"] * 3


@SECURITY
async def test_cancelling_one_waiter_does_not_leave_the_other_asleep(security: str) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(20)

    async with serving(deaf, tls_for(security)) as port:
        out = await micropython(
            port,
            security,
            """
async def main():
    wire = await connect()
    async def push():
        while True:
            await wire.send(bytes(8000))
    async def pull():
        await wire.fill(memoryview(bytearray(1)))
    writer, reader = asyncio.create_task(push()), asyncio.create_task(pull())
    await asyncio.sleep_ms(700)
    reader.cancel()
    print(await ending(asyncio.wait_for(writer, 2)), wire.closed)
run(main)
""",
        )
    assert out == "OSError True"


async def test_a_peer_that_never_answers_tls_is_given_up_in_time() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(20)

    async with serving(mute) as port:
        out = await micropython(
            port,
            "tls",
            """
async def main():
    late = []
    async def pulse():
        while True:
            then = time.ticks_ms()
            await asyncio.sleep_ms(10)
            late.append(time.ticks_diff(time.ticks_ms(), then) - 10)
    pulse = asyncio.create_task(pulse())
    wire = await connect()
    began = time.ticks_ms()
    try:
        await within(wire, 600, wire.send(b"x"))
    except OSError as error:
        print(error.errno == errno.ETIMEDOUT, 590 <= time.ticks_diff(time.ticks_ms(), began) < 900)
    print(max(late) < 100)
run(main)
""",
        )
    assert out.splitlines() == ["True True", "True"]


@SECURITY
async def test_a_refused_connection_is_an_oserror(security: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        out = await micropython(
            port,
            security,
            """
async def main():
    try:
        await connect()
        print("connected")
    except OSError as error:
        print(error.errno == errno.ECONNREFUSED)
run(main)
""",
        )
    assert out == "True"


async def test_failed_handshakes_and_refused_certificates_leak_no_descriptor() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"this is no TLS at all")
        await writer.drain()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("the handshake must not succeed")

    async with serving(plain) as plain_port, serving(never, server_context()) as tls_port:
        out = await micropython(
            plain_port,
            "tls",
            f"""
async def attempt(port, made):
    wire = await Wire.open(resolve("127.0.0.1", port), made, "localhost")
    try:
        await wire.send(b"hello")
        return "sent"
    except OSError as error:
        assert wire.closed
        return type(error).__name__

async def main():
    import socket
    before = socket.socket()
    number = before.fileno()
    before.close()
    pinned = pinned_context()
    strict = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    for i in range(20):
        print(await attempt(PORT, context()), await attempt({tls_port}, pinned), await attempt({tls_port}, strict))
    after = socket.socket()
    print(after.fileno() == number)
run(main)
""",
        )
    lines = out.splitlines()
    assert lines[:-1] == ["OSError UntrustedError UntrustedError"] * 20
    assert lines[-1] == "True"


async def test_a_name_keeps_its_last_good_address() -> None:
    out = await micropython(
        9,
        "plain",
        """
import lib.wire
first = resolve("localhost", 9)
class Broken:
    AF_INET = lib.wire.socket.AF_INET
    SOCK_STREAM = lib.wire.socket.SOCK_STREAM
    def getaddrinfo(self, *args):
        raise OSError(-3)
lib.wire.socket = Broken()
print(resolve("localhost", 9) == first)
try:
    resolve("another.example", 9)
except OSError as error:
    print(error.errno)
""",
    )
    assert out.splitlines() == ["True", "-3"]


async def test_addresses_that_are_numbers_are_not_remembered() -> None:
    """A sweep of the network asks 253 of them; each would stay for ever."""
    source = """
import lib.wire
for number in range(1, 255):
    resolve("127.0.0.%d" % number, 3000)
print(len(lib.wire._last_good))
"""
    assert await micropython(1, "plain", source) == "0"


async def test_a_stream_that_never_blocks_leaves_the_loop_to_others() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(400):
            writer.write(bytes(65536))
            await writer.drain()
        await reader.read()

    async with serving(flood) as port:
        out = await micropython(
            port,
            "plain",
            """
async def main():
    late = [0]
    async def pulse():
        while True:
            then = time.ticks_ms()
            await asyncio.sleep_ms(5)
            late.append(time.ticks_diff(time.ticks_ms(), then) - 5)
    pulse = asyncio.create_task(pulse())
    wire = await connect()
    view = memoryview(bytearray(4096))
    for i in range(400 * 16):
        await wire.fill(view)
    print(len(late) > 3, sorted(late)[len(late) // 2] < 50)
run(main)
""",
        )
    assert out == "True True"


async def test_a_pinned_certificate_is_looked_at_before_anything_is_sent() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard.put(await reader.read(100))

    _, _, der = certificate("01P00A000000001")
    async with serving(listen, server_context("01P00A000000001")) as port:
        out = await micropython(
            port,
            "tls",
            f"""
import hashlib
from binascii import hexlify
GOOD = {hashlib.sha256(der).hexdigest()!r}
async def attempt(wanted):
    seen = []
    def judge(der):
        seen.append(hexlify(hashlib.sha256(der).digest()).decode())
        return seen[0] == wanted
    wire = await Wire.open(resolve("127.0.0.1", PORT), pinned_context())
    try:
        await within(wire, 5000, wire.verified(judge))
        await wire.send(b"the access code")
        print("sent")
        await wire.read_some(memoryview(bytearray(1)))
    except UntrustedError:
        print("refused", wire.closed)
async def main():
    await attempt("00" * 32)
    await attempt(GOOD)
run(main)
""",
        )
    assert out.splitlines() == ["refused True", "sent"]
    assert heard.get_nowait() == b"the access code"
    assert heard.empty()
