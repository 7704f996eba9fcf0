"""Tunnels through a real WebSocket; the hub's end is played by a small relay that keeps the protocol's credits."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud.hubs import tunnel as tunnel_module
from cloud.hubs.budget import SocketBudget
from cloud.hubs.tunnel import LEAST_CREDIT, SEND_BUFFER, Tunnel
from cloud.hubs.tunnels import Tunnels
from cloud.printing.streams import StreamError
from shared_protocol import codec
from shared_protocol.schema import CLOUD
from tests.cloud.hub_kit import WAIT_S, FakeHub, HubCloud, hub_cloud


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[HubCloud]:
    async with hub_cloud(tmp_path) as cloud:
        yield cloud


class Relay:
    """A hub whose printers echo. Keeps its credits; counts what it got; can be told to misbehave."""

    def __init__(self, hub: FakeHub, *, window: int = codec.WINDOW, echo: bool = True, pay: bool = True) -> None:
        self.hub = hub
        self.window = window
        self.echo = echo
        self.pay = pay
        self.refusals: deque[str] = deque()
        self.got: dict[int, bytearray] = {}
        self.closed: dict[int, str] = {}
        self.messages: list[dict[str, Any]] = []
        self.changed = asyncio.Event()
        self._credit: dict[int, int] = {}
        self._pending: dict[int, bytearray] = {}
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def send(self, number: int, data: bytes) -> None:
        self._pending.setdefault(number, bytearray()).extend(data)
        await self._flush(number)

    async def pay_back(self, number: int, count: int) -> None:
        await self.hub.socket.send(codec.credit(number, count))

    async def _run(self) -> None:
        async for frame in self.hub.socket:
            if isinstance(frame, str):
                await self._message(codec.decode(frame, CLOUD))
            else:
                await self._binary(frame)
            self.changed.set()

    async def _message(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message["kind"] == "tunnel_open":
            number = message["tunnel"]
            if self.refusals:
                await self.hub.say("tunnel_close", tunnel=number, code=self.refusals.popleft())
                return
            self.got[number] = bytearray()
            self._credit[number] = message["window"]
            await self.hub.say("tunnel_opened", tunnel=number, window=self.window)
        elif message["kind"] == "tunnel_close":
            self.closed[message["tunnel"]] = message["code"]
            await self.hub.say("tunnel_close", tunnel=message["tunnel"], code="done")

    async def _binary(self, frame: bytes) -> None:
        kind, number, rest = codec.split_binary(frame)
        if kind == codec.CREDIT:
            self._credit[number] += rest
            await self._flush(number)
            return
        assert number not in self.closed, "data after the close"
        self.got[number] += rest
        if self.pay:
            await self.pay_back(number, len(rest))
        if self.echo:
            await self.send(number, bytes(rest))

    async def _flush(self, number: int) -> None:
        pending = self._pending.get(number, bytearray())
        while pending and self._credit[number]:
            piece = bytes(pending[: min(codec.MAX_DATA, self._credit[number])])
            del pending[: len(piece)]
            self._credit[number] -= len(piece)
            await self.hub.socket.send(codec.data_header(number) + piece)


async def read_exactly(stream: Tunnel, size: int) -> bytes:
    got = bytearray()
    async with asyncio.timeout(WAIT_S):
        while len(got) < size:
            data = await stream.read()
            assert data, "closed early"
            got += data
    return bytes(got)


async def test_megabytes_pass_byte_for_byte_in_both_directions_and_several_at_once(cloud: HubCloud) -> None:
    async def there_and_back(stream: Tunnel, data: bytes) -> None:
        async def write() -> None:
            for start in range(0, len(data), 30_000):
                await stream.write(data[start : start + 30_000])

        writing = asyncio.create_task(write())
        assert await read_exactly(stream, len(data)) == data
        await writing
        stream.close()

    async with cloud.connected() as hub:
        relay = Relay(hub)
        streams = [await cloud.session.tunnels.open(cloud.printers[n], 990) for n in range(2)]
        await asyncio.gather(*(there_and_back(s, random.Random(s.number).randbytes(3_000_000)) for s in streams))
        await relay.until(lambda: len(relay.closed) == 2)
        assert [bytes(relay.got[s.number]) for s in streams] == [
            random.Random(s.number).randbytes(3_000_000) for s in streams
        ]
        await relay.stop()


async def test_a_reader_that_stops_holds_a_bounded_amount_and_loses_nothing(cloud: HubCloud) -> None:
    data = random.Random(1).randbytes(1_000_000)
    async with cloud.connected() as hub:
        relay = Relay(hub)
        stream = await cloud.session.tunnels.open(cloud.printers[0], 6000)
        await relay.send(stream.number, data)
        # A status sent after the data has passed it all: whatever the window lets through has arrived.
        await hub.say("status", printer=cloud.printers[0], full=True, data={"state": "idle"})
        await cloud.watcher.until("status")
        assert len(relay._pending[stream.number]) == len(data) - stream.window
        assert await read_exactly(stream, len(data)) == data
        stream.close()
        await relay.stop()


async def test_a_printer_that_stops_reading_holds_up_its_writer_and_nobody_else(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        relay = Relay(hub, pay=False, echo=False)
        stuck = await cloud.session.tunnels.open(cloud.printers[0], 990)
        writing = asyncio.create_task(stuck.write(bytes(1_000_000)))
        await relay.until(lambda: len(relay.got[stuck.number]) > codec.WINDOW - LEAST_CREDIT)
        assert not writing.done()
        assert stuck._queued <= SEND_BUFFER + codec.MAX_DATA

        relay.pay = relay.echo = True
        other = await cloud.session.tunnels.open(cloud.printers[1], 990)
        await other.write(b"hello" * 30_000)
        assert await read_exactly(other, 150_000) == b"hello" * 30_000

        await relay.pay_back(stuck.number, 2**20)  # it goes on
        await asyncio.wait_for(writing, WAIT_S)
        await relay.until(lambda: len(relay.got[stuck.number]) == 1_000_000)
        await relay.stop()


async def test_a_control_message_passes_data_that_waits(cloud: HubCloud) -> None:
    """With megabytes waiting in the tunnel, a message leaves before the next frame of data."""
    async with cloud.connected() as hub:
        relay = Relay(hub, echo=False, window=2**20)
        stream = await cloud.session.tunnels.open(cloud.printers[0], 990)
        writing = asyncio.create_task(stream.write(bytes(4_000_000)))
        await relay.until(lambda: len(relay.got[stream.number]) > 100_000)
        before = len(relay.got[stream.number])
        cloud.session.pace(1234)
        await relay.until(lambda: any(message["kind"] == "pace" for message in relay.messages))
        # What had left already: the kernel's and the server's buffers on the way, never the whole megabyte in line.
        assert len(relay.got[stream.number]) - before < 1_000_000
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await relay.stop()


async def test_close_delivers_what_was_written_before(cloud: HubCloud) -> None:
    data = random.Random(2).randbytes(SEND_BUFFER - 1)
    async with cloud.connected() as hub:
        relay = Relay(hub, echo=False)
        stream = await cloud.session.tunnels.open(cloud.printers[0], 990)
        await stream.write(data)
        stream.close()
        stream.close()
        await relay.until(lambda: stream.number in relay.closed)
        assert relay.closed[stream.number] == "done"
        assert bytes(relay.got[stream.number]) == data
        with pytest.raises(StreamError):
            await stream.write(b"x")
        with pytest.raises(StreamError):
            await stream.read()
        await relay.stop()


async def test_a_close_that_cannot_deliver_is_no_clean_end(cloud: HubCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel_module, "LINGER_S", 0.05)
    async with cloud.connected() as hub:
        relay = Relay(hub, echo=False, pay=False)
        stream = await cloud.session.tunnels.open(cloud.printers[0], 990)
        await stream.write(bytes(codec.WINDOW + 1))
        stream.close()
        await relay.until(lambda: stream.number in relay.closed)
        assert relay.closed[stream.number] == "timeout"
        await relay.stop()


async def test_the_printers_end_closes_after_its_data_was_read(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        relay = Relay(hub)
        stream = await cloud.session.tunnels.open(cloud.printers[0], 990)
        await relay.send(stream.number, b"goodbye")
        await hub.say("tunnel_close", tunnel=stream.number, code="done")
        assert await stream.read() == b"goodbye"
        assert await stream.read() == b""
        with pytest.raises(StreamError):
            await stream.write(b"x")
        assert cloud.session.tunnels.count == 0
        await relay.stop()


async def test_a_broken_connection_is_an_error_after_the_data(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        relay = Relay(hub)
        stream = await cloud.session.tunnels.open(cloud.printers[0], 990)
        await relay.send(stream.number, b"half")
        await hub.say("tunnel_close", tunnel=stream.number, code="reset", message="by peer")
        assert await stream.read() == b"half"
        with pytest.raises(StreamError) as broken:
            await stream.read()
        assert (broken.value.code, str(broken.value)) == ("reset", "by peer")
        await relay.stop()


@pytest.mark.parametrize("code", ["refused", "unreachable", "timeout", "unknown_printer"])
async def test_what_the_hub_cannot_open_is_told_by_its_code(cloud: HubCloud, code: str) -> None:
    async with cloud.connected() as hub:
        relay = Relay(hub)
        relay.refusals.append(code)
        with pytest.raises(StreamError) as refusal:
            await cloud.session.tunnels.open(cloud.printers[0], 990)
        assert refusal.value.code == code
        assert cloud.session.tunnels.count == 0
        await relay.stop()


async def test_no_socket_is_tried_again_for_a_moment(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        relay = Relay(hub)
        relay.refusals.extend(["no_socket", "no_socket"])
        stream = await cloud.session.tunnels.open(cloud.printers[0], 990)
        await stream.write(b"x")
        assert await stream.read() == b"x"
        await relay.stop()


async def test_everything_ends_when_the_hub_goes(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        relay = Relay(hub, pay=False, echo=False)
        tunnels = cloud.session.tunnels
        reading, writing = [await tunnels.open(cloud.printers[0], 990) for _ in range(2)]
        waiting = [
            asyncio.create_task(reading.read()),
            asyncio.create_task(writing.write(bytes(1_000_000))),
        ]
        await relay.until(lambda: len(relay.got[writing.number]) > codec.WINDOW - LEAST_CREDIT)
        await relay.stop()
    results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), WAIT_S)
    assert [getattr(error, "code", error) for error in results] == ["offline", "offline"]
    with pytest.raises(StreamError, match="not connected"):
        await tunnels.open(cloud.printers[0], 990)


async def test_a_hub_that_sends_more_than_it_may_loses_the_tunnel_and_not_the_line(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        opening = asyncio.create_task(cloud.session.tunnels.open(cloud.printers[0], 990))
        number = (await hub.until("tunnel_open"))["tunnel"]
        await hub.say("tunnel_opened", tunnel=number, window=1024)
        stream = await opening
        for _ in range(5):
            await hub.socket.send(codec.data_header(number) + bytes(codec.MAX_DATA))
        assert (await hub.until("error"))["code"] == "invalid"
        assert (await hub.until("tunnel_close"))["code"] == "reset"
        with pytest.raises(StreamError):
            await stream.read()
        await hub.say("status", printer=cloud.printers[0], full=True, data={"state": "idle"})
        await cloud.watcher.until("status")


async def test_whoever_gives_up_opening_leaves_nothing_open(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        opening = asyncio.create_task(cloud.session.tunnels.open(cloud.printers[0], 990))
        number = (await hub.until("tunnel_open"))["tunnel"]
        opening.cancel()
        assert (await hub.until("tunnel_close"))["tunnel"] == number
        await hub.say("tunnel_opened", tunnel=number, window=1024)  # crossed with the close: no mistake
        await hub.say("tunnel_close", tunnel=number, code="done")
        await hub.socket.send("{")
        assert (await hub.hear())["code"] == "not_json"
        assert cloud.session.tunnels.count == 0


async def test_numbers_are_not_used_again_while_they_may_still_be_heard_of() -> None:
    sent: list[Any] = []
    tunnels = Tunnels(sent.append, lambda: None)
    first = asyncio.create_task(tunnels.open("prn_1", 990))
    await asyncio.sleep(0)
    tunnels.on_opened({"tunnel": 1, "window": 1024})
    stream = await first
    tunnels._last = 65534
    others = [asyncio.create_task(tunnels.open("prn_1", 990)) for _ in range(2)]
    await asyncio.sleep(0)
    opened = [codec.decode(frame, CLOUD)["tunnel"] for frame in sent if isinstance(frame, str)]
    assert opened == [1, 65535, 2]
    stream.close()
    tunnels.over()
    await asyncio.gather(*others, return_exceptions=True)


# ---- sockets of the hub


async def test_sockets_are_lent_in_the_order_of_asking() -> None:
    budget, order = SocketBudget(2), list[str]()
    release = asyncio.Event()

    async def use(name: str, count: int, *, wait: bool = False) -> None:
        async with budget.lease(count, 5):
            order.append(name)
            if wait:
                await release.wait()

    first = asyncio.create_task(use("camera", 1, wait=True))
    await asyncio.sleep(0)
    rest = [asyncio.create_task(use("upload", 2)), asyncio.create_task(use("small", 1))]
    await asyncio.sleep(0.01)
    assert order == ["camera"]  # the small one does not pass the big one
    release.set()
    await asyncio.gather(first, *rest)
    assert order == ["camera", "upload", "small"]


async def test_a_hub_without_free_sockets_says_so_at_once_or_in_time() -> None:
    assert SocketBudget.of(sockets=10, printers=6) == 2
    assert SocketBudget.of(sockets=4, printers=6) == 0
    budget = SocketBudget(2)
    with pytest.raises(StreamError, match="too many printers"):
        async with budget.lease(3, 60):
            pass
    async with budget.lease(2, 1):
        with pytest.raises(StreamError, match="in use"):
            async with budget.lease(1, 0.01):
                pass
        waiting = asyncio.create_task(budget.lease(1, 60).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with budget.lease(2, 1):  # nothing was lost on the way
        pass
    budget.resize(0)
    with pytest.raises(StreamError):
        async with budget.lease(1, 1):
            pass


async def test_whoever_waits_for_sockets_of_a_hub_that_leaves_is_told() -> None:
    budget = SocketBudget(2)
    await budget.acquire(2, 1)
    waiting = [asyncio.create_task(budget.acquire(count, 60)) for count in (2, 1)]
    await asyncio.sleep(0)
    budget.close()
    results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), WAIT_S)
    assert [getattr(error, "code", error) for error in results] == ["offline", "offline"]
    budget.release(2)
    with pytest.raises(StreamError, match="not connected"):
        await budget.acquire(1, 1)


async def test_who_waits_for_more_sockets_than_there_are_left_is_told_and_holds_up_nobody() -> None:
    """A printer was added while a file stood in line: its two sockets will never come, the camera's one is there."""
    budget = SocketBudget(2)
    async with budget.lease(1, 1):
        upload = asyncio.create_task(budget.acquire(2, 60))
        await asyncio.sleep(0)
        camera = asyncio.create_task(budget.acquire(1, 60))
        budget.resize(1)
        with pytest.raises(StreamError, match="too many printers"):
            await asyncio.wait_for(upload, 5)
    await asyncio.wait_for(camera, 5)
