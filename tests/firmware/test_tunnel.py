"""Tunnels carry every byte in both directions, end in every order, and hold nobody else up."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from shared_protocol import codec
from tests.firmware.fake_cloud import FakeCloud, Hub, cut, document, printer
from tests.firmware.micropython import run_code
from tools.hub import HubProcess

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def device(peer: Peer) -> AsyncIterator[int]:
    """A port of the `printer`, on which `peer` serves each connection."""
    faults: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer(reader, writer)
        except ConnectionError:
            pass
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            faults.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    assert not faults, faults


class Tunnel:
    """The cloud's end of a tunnel, with the flow control of the protocol."""

    def __init__(self, hub: Hub, number: int, window: int = codec.WINDOW) -> None:
        self.hub = hub
        self.number = number
        self.window = window
        self.room = 0
        self.granted = window
        self.received = bytearray()
        self._changed = asyncio.Condition()
        self._pump = asyncio.create_task(self._take())

    async def open(self, port: int, printer_id: str = "p1") -> None:
        await self.hub.send("tunnel_open", tunnel=self.number, printer=printer_id, port=port, window=self.window)
        opened = await self.hub.wait("tunnel_opened", tunnel=self.number)
        self.room = opened["window"]

    async def _take(self) -> None:
        while True:
            kind, number, rest = codec.split_binary(await self.hub.binary.get())
            assert number == self.number
            async with self._changed:
                if kind == codec.CREDIT:
                    self.room += rest
                else:
                    self.received += rest
                    self.granted -= len(rest)
                    assert self.granted >= 0, "the hub sent more than it was granted"
                self._changed.notify_all()
            if kind == codec.DATA:
                self.granted += len(rest)
                await self.hub.connection.send(codec.credit(number, len(rest)))

    async def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            async with asyncio.timeout(20), self._changed:
                await self._changed.wait_for(lambda: self.room > 0)
            size = min(self.room, codec.MAX_DATA, len(view))
            self.room -= size
            await self.hub.connection.send(codec.data_header(self.number) + bytes(view[:size]))
            view = view[size:]

    async def close(self) -> None:
        await self.hub.send("tunnel_close", tunnel=self.number, code="done")

    async def closed(self) -> str:
        return str((await self.hub.wait("tunnel_close", tunnel=self.number))["code"])

    def stop(self) -> None:
        self._pump.cancel()


@pytest.fixture
async def link(cloud: FakeCloud, hub: HubProcess) -> Hub:
    cloud.welcome = {"config": document(1, printer(1), printer(2))}
    connection = await cloud.hub()
    await connection.wait("status", 2)
    return connection


@contextlib.asynccontextmanager
async def tunnel(link: Hub, port: int, number: int = 7, window: int = codec.WINDOW) -> AsyncIterator[Tunnel]:
    made = Tunnel(link, number, window)
    try:
        await made.open(port)
        yield made
    finally:
        made.stop()


# ---- bytes -------------------------------------------------------------------------------------------------------


async def test_several_megabytes_both_ways_at_once(link: Hub) -> None:
    up, down = random.Random(1).randbytes(5_000_003), random.Random(2).randbytes(4_000_001)
    seen = hashlib.sha256()
    whole = asyncio.Event()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def drink() -> None:
            left = len(down)
            while left:
                data = await reader.read(65536)
                assert data, f"{left} bytes missing"
                seen.update(data)
                left -= len(data)
            whole.set()

        drinking = asyncio.create_task(drink())
        writer.write(up)
        await writer.drain()
        await drinking

    async with device(peer) as port, tunnel(link, port) as carried:
        await carried.send(down)
        async with asyncio.timeout(30):
            await whole.wait()
        assert await carried.closed() == "done"
        assert seen.digest() == hashlib.sha256(down).digest()
        assert hashlib.sha256(carried.received).digest() == hashlib.sha256(up).digest()
        assert carried.granted == carried.window


async def test_single_bytes_and_odd_sizes_arrive_in_order(link: Hub) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
            await writer.drain()

    sizes = [1, 1, 2, 3, 4095, 4096, 4097, 8191, 8192, 0, 5, 16000]
    sent = b"".join(os.urandom(size) for size in sizes)
    async with device(echo) as port, tunnel(link, port, window=1024) as carried:
        start = 0
        for size in sizes:
            await carried.send(sent[start : start + size])
            start += size
        async with asyncio.timeout(20):
            while len(carried.received) < len(sent):
                await asyncio.sleep(0.01)
        assert carried.received == sent


async def test_a_slow_printer_holds_the_cloud_back_and_nothing_else(link: Hub) -> None:
    """The hub's memory is its window: what the printer does not take, the cloud may not send."""
    release = asyncio.Event()
    total = 0

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal total
        await release.wait()
        while data := await reader.read(65536):
            total += len(data)

    async with device(peer) as port, tunnel(link, port) as carried:
        window = carried.room
        data = bytes(30_000_000)
        sending = asyncio.create_task(carried.send(data))
        # The kernel's buffers take some megabytes; then the credits stop.
        stuck_at = -1
        async with asyncio.timeout(20):
            while stuck_at != carried.room or carried.room:
                stuck_at = carried.room
                await asyncio.sleep(0.2)
        assert not sending.done()
        delays = []
        for n in range(20):
            began = time.perf_counter()
            await link.command(f"c{n}", "refresh")
            delays.append(time.perf_counter() - began)
        assert sorted(delays)[10] < 0.05, delays
        release.set()
        async with asyncio.timeout(30):
            await sending
            await carried.close()
            assert await carried.closed() == "done"
        assert total == len(data)
        assert window <= 32 * 1024


async def test_commands_are_not_delayed_by_a_transfer_at_full_speed(link: Hub) -> None:
    async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass

    async with device(sink) as port, tunnel(link, port) as carried:
        busy = asyncio.create_task(carried.send(bytes(200_000_000)))
        delays = []
        for n in range(100):
            began = time.perf_counter()
            await link.command(f"c{n}", "refresh")
            delays.append(time.perf_counter() - began)
        assert not busy.done(), "the transfer must outlast the measurement"
        busy.cancel()
        delays.sort()
        assert delays[50] < 0.03 and delays[95] < 0.1, delays


# ---- how it ends -------------------------------------------------------------------------------------------------


async def test_closing_delivers_what_is_under_way(link: Hub) -> None:
    """`tunnel_close` right behind the data: every byte still reaches a printer that is slow, then the end."""
    received = bytearray()
    ended = asyncio.Event()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        while data := await reader.read(512):
            received.extend(data)
            await asyncio.sleep(0.002)
        ended.set()

    data = os.urandom(15_000)
    async with device(peer) as port, tunnel(link, port) as carried:
        await carried.send(data)
        await carried.close()
        async with asyncio.timeout(20):
            await ended.wait()
        assert received == data
        assert await carried.closed() == "done"


async def test_the_printers_end_comes_behind_its_last_byte(link: Hub) -> None:
    data = os.urandom(300_000)

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    async with device(peer) as port, tunnel(link, port, window=2048) as carried:
        assert await carried.closed() == "done"
        assert carried.received == data


async def test_a_printer_that_resets(link: Hub) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with device(peer) as port, tunnel(link, port) as carried:
        await carried.send(b"x")
        assert await carried.closed() == "reset"


async def test_a_cloud_that_goes_takes_its_tunnels_with_it(cloud: FakeCloud, link: Hub) -> None:
    gone = asyncio.Event()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(100):
                pass
        gone.set()

    async with device(peer) as port:
        async with tunnel(link, port) as carried:
            await carried.send(b"hello")
            await cut(link)
            async with asyncio.timeout(5):
                await gone.wait()
        # The next connection starts without tunnels, and has all the sockets.
        again = await cloud.hub()
        for number in range(1, 5):
            await again.send("tunnel_open", tunnel=number, printer="p1", port=port, window=1024)
            await again.wait("tunnel_opened", tunnel=number)


async def test_tunnels_opened_and_closed_a_hundred_times_leave_nothing_behind(link: Hub, hub: HubProcess) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
            await writer.drain()

    files = Path(f"/proc/{hub.pid}/fd")
    before = len(list(files.iterdir()))
    async with device(echo) as port:
        for number in range(1, 101):
            async with tunnel(link, port, number) as carried:
                await carried.send(b"%d" % number)
                async with asyncio.timeout(5):
                    while carried.received != b"%d" % number:
                        await asyncio.sleep(0.001)
                await carried.close()
                await carried.closed()
    assert len(list(files.iterdir())) == before


async def test_closing_while_it_connects(link: Hub) -> None:
    """An address that does not answer: closing does not wait for it, and the number may be used again."""
    with socket.socket() as full:
        # A listener whose queue is full answers nobody.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        await link.send("tunnel_open", tunnel=1, printer="p1", port=port, window=1024)
        await link.send("tunnel_close", tunnel=1, code="done")
        assert (await link.command("c1", "refresh"))["code"] == "offline"
        for filler in fillers:
            filler.close()
    assert (await link.wait("tunnel_close", tunnel=1))["code"] in ("done", "refused", "timeout", "reset")


# ---- what is refused ---------------------------------------------------------------------------------------------


async def test_only_configured_printers_by_numeric_address(cloud: FakeCloud, link: Hub) -> None:
    await link.send("config", config=document(2, printer(1, host="localhost"), printer(2)))
    await link.wait("configured", 2)
    await link.send("tunnel_open", tunnel=1, printer="p9", port=80, window=1024)
    assert (await link.wait("tunnel_close", tunnel=1))["code"] == "unknown_printer"
    await link.send("tunnel_open", tunnel=2, printer="p1", port=80, window=1024)
    assert (await link.wait("tunnel_close", tunnel=2))["code"] == "unreachable"


async def test_a_closed_port_is_refused(link: Hub) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    await link.send("tunnel_open", tunnel=1, printer="p1", port=port, window=1024)
    assert (await link.wait("tunnel_close", tunnel=1))["code"] == "refused"


async def test_there_are_no_more_tunnels_than_sockets(link: Hub) -> None:
    """Ten sockets: the cloud's, two printers', a spare; six are left."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with device(peer) as port:
        for number in range(1, 8):
            await link.send("tunnel_open", tunnel=number, printer="p1", port=port, window=1024)
        assert (await link.wait("tunnel_close", tunnel=7))["code"] == "no_socket"
        for number in range(1, 7):
            await link.wait("tunnel_opened", tunnel=number)
        await link.send("tunnel_close", tunnel=3, code="done")
        await link.wait("tunnel_close", tunnel=3)
        await link.send("tunnel_open", tunnel=8, printer="p2", port=port, window=1024)
        await link.wait("tunnel_opened", tunnel=8)


async def test_a_cloud_that_sends_more_than_it_may_loses_the_tunnel(link: Hub) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with device(peer) as port, tunnel(link, port) as carried:
        frame = codec.data_header(7) + bytes(codec.MAX_DATA)
        for _ in range(2000):
            await link.connection.send(frame)
            if link.all("tunnel_close"):
                break
        assert await carried.closed() == "reset"
        carried.stop()
        await link.connection.send(frame)
        assert (await link.command("c1", "refresh"))["code"] == "offline", "the connection itself goes on"


@pytest.mark.parametrize("way", ["twice", "credits"])
async def test_a_cloud_that_contradicts_itself_loses_the_tunnel(link: Hub, way: str) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with device(peer) as port, tunnel(link, port) as carried:
        if way == "twice":
            await link.send("tunnel_open", tunnel=7, printer="p1", port=port, window=1024)
        else:
            for _ in range(3):
                await link.connection.send(codec.credit(7, 2**31))
        assert await carried.closed() == "reset"


async def test_the_ring_keeps_every_byte_and_gives_its_memory_back() -> None:
    program = """
import gc, os, random
from hub.tunnel import PIECE, Buffers, Ring
buffers = Buffers(4 * PIECE, 3)
ring = Ring(buffers)
put, got = [], []
used = 0
for step in range(3000):
    data = os.urandom(random.choice((0, 1, 100, 4095, 4096, 4097, 8192)))
    if ring.put(memoryview(data)):
        put.append(data)
        used += len(data)
    else:
        assert ring.used + len(data) > 4 * PIECE
    assert ring.used == used
    if used and random.random() < 0.7:
        head = ring.head()
        assert len(head)
        take = random.choice((len(head), 1 + len(head) // 2))
        got.append(bytes(head[:take]))
        ring.drop(take)
        used -= take
    if step % 50 == 49:
        while ring.used:
            head = ring.head()
            got.append(bytes(head))
            ring.drop(len(head))
            used = 0
        assert b"".join(put) == b"".join(got)
        assert len(buffers._free) == 3, "a drained ring holds no memory"
        put, got = [], []
        gc.collect()
assert ring.put(memoryview(bytes(4 * PIECE))) and not ring.put(memoryview(b"x"))
ring.clear()
assert ring.used == 0 and len(buffers._free) == 3
"""
    await run_code(program, heap="2M")


async def test_a_tunnel_for_which_there_is_no_memory_leaves_none_of_its_code_behind() -> None:
    """On a small board the module is let go of when nobody uses it; a refusal must not count as a use for ever."""
    finished = await run_code(
        """
import asyncio, sys
import hub.life
import hub.tunnel
from hub.tunnels import Buffers, Tunnels

hub.life.TIGHT = True
sent = []

async def send(text):
    sent.append(text)

def none(*_):
    raise MemoryError

hub.tunnel.Tunnel = none

async def main():
    tunnels = Tunnels(send, send, lambda printer: "127.0.0.1", lambda: 1, Buffers(4096, 1))
    await tunnels.open({"tunnel": 1, "printer": "p", "port": 990, "window": 4096})

asyncio.run(main())
print("no_socket" in str(sent), "hub.tunnel" in sys.modules)
"""
    )
    assert finished.out.split() == ["True", "False"]
