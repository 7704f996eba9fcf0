"""The contract of a bus. Another implementation joins by adding its maker to BUSES: every test must hold for it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from structlog.testing import capture_logs

from cloud.bus import Bus, BusClosed, LocalBus, NoResponder, ResponderFailed, Timeout

BUSES: dict[str, Callable[[], Bus]] = {"local": LocalBus}


@pytest.fixture(params=sorted(BUSES))
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    bus = BUSES[request.param]()
    await bus.start()
    yield bus
    await bus.drain()


class Inbox:
    """Records what a subscription brings."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self._arrived = asyncio.Event()

    def __call__(self, subject: str, data: bytes) -> None:
        self.got.append((subject, data))
        self._arrived.set()

    async def count(self, n: int) -> list[tuple[str, bytes]]:
        async with asyncio.timeout(5):
            while len(self.got) < n:
                self._arrived.clear()
                await self._arrived.wait()
        return self.got


async def test_a_message_reaches_every_subscriber_of_its_subject_in_order(bus: Bus) -> None:
    one, two, other = Inbox(), Inbox(), Inbox()
    bus.subscribe("live.ten_1", one)
    bus.subscribe("live.ten_1", two)
    bus.subscribe("live.ten_2", other)
    for n in range(20):
        bus.publish("live.ten_1", b"%d" % n)
    expected = [("live.ten_1", b"%d" % n) for n in range(20)]
    assert await one.count(20) == expected
    assert await two.count(20) == expected
    assert other.got == []


async def test_a_wildcard_stands_for_exactly_one_token(bus: Bus) -> None:
    inbox = Inbox()
    bus.subscribe("hub.*.config", inbox)
    for subject in ("hub.a.config", "hub.b.config", "hub.config", "hub.a.b.config", "hub.a.ask", "hub.c.config"):
        bus.publish(subject, b"")
    assert [subject for subject, _ in await inbox.count(3)] == ["hub.a.config", "hub.b.config", "hub.c.config"]


async def test_an_asynchronous_handler_takes_one_message_at_a_time(bus: Bus) -> None:
    running, most, inbox = 0, 0, Inbox()

    async def handle(subject: str, data: bytes) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        inbox(subject, data)

    bus.subscribe("jobs.wake", handle)
    for n in range(10):
        bus.publish("jobs.wake", b"%d" % n)
    assert [data for _, data in await inbox.count(10)] == [b"%d" % n for n in range(10)]
    assert most == 1


async def test_a_slow_subscriber_loses_the_oldest_and_counts_them_while_others_lose_nothing(bus: Bus) -> None:
    gate, slow, quick = asyncio.Event(), Inbox(), Inbox()

    async def handle(subject: str, data: bytes) -> None:
        await gate.wait()
        slow(subject, data)

    subscription = bus.subscribe("live.t", handle, limit=4)
    other = bus.subscribe("live.t", quick)
    bus.publish("live.t", b"first")
    await quick.count(1)
    await asyncio.sleep(0)  # the slow one holds "first" in hand
    for n in range(10):
        bus.publish("live.t", b"%d" % n)
    await quick.count(11)
    gate.set()
    assert [data for _, data in await slow.count(5)] == [b"first", b"6", b"7", b"8", b"9"]
    assert subscription.dropped == 6
    assert other.dropped == 0


async def test_a_handler_that_raises_is_logged_and_goes_on(bus: Bus) -> None:
    inbox = Inbox()

    def handle(subject: str, data: bytes) -> None:
        if data == b"bad":
            raise RuntimeError("no")
        inbox(subject, data)

    with capture_logs() as logs:
        bus.subscribe("a.b", handle)
        bus.publish("a.b", b"bad")
        bus.publish("a.b", b"good")
        await inbox.count(1)
    assert [entry["event"] for entry in logs] == ["bus.handler_failed"]


async def test_a_closed_subscription_gets_nothing_more(bus: Bus) -> None:
    inbox, fence = Inbox(), Inbox()
    subscription = bus.subscribe("a.b", inbox)
    bus.subscribe("a.b", fence)
    subscription.close()
    subscription.close()
    bus.publish("a.b", b"x")
    await fence.count(1)
    assert inbox.got == []


async def test_a_request_is_answered(bus: Bus) -> None:
    async def double(data: bytes) -> bytes:
        return data + data

    bus.respond("hub.h1.ask", double)
    assert await bus.request("hub.h1.ask", b"ab", 5) == b"abab"


async def test_nobody_there_is_known_at_once(bus: Bus) -> None:
    async def answer(_: bytes) -> bytes:
        return b""

    async with asyncio.timeout(1):
        with pytest.raises(NoResponder):
            await bus.request("hub.h1.ask", b"", 60)
        answering = bus.respond("hub.h1.ask", answer)
        await bus.request("hub.h1.ask", b"", 60)
        answering.close()
        with pytest.raises(NoResponder):
            await bus.request("hub.h1.ask", b"", 60)


async def test_the_asker_gives_up_but_the_work_goes_on(bus: Bus) -> None:
    gate, finished = asyncio.Event(), asyncio.Event()

    async def slow(_: bytes) -> bytes:
        await gate.wait()
        finished.set()
        return b"late"

    bus.respond("hub.h1.ask", slow)
    with pytest.raises(Timeout):
        await bus.request("hub.h1.ask", b"", 0.02)
    gate.set()
    async with asyncio.timeout(5):
        await finished.wait()


async def test_requests_are_answered_concurrently(bus: Bus) -> None:
    both = asyncio.Barrier(2)

    async def meet(_: bytes) -> bytes:
        await both.wait()
        return b"met"

    bus.respond("hub.h1.ask", meet)
    assert await asyncio.gather(*(bus.request("hub.h1.ask", b"", 5) for _ in range(2))) == [b"met", b"met"]


async def test_a_responder_that_raises_tells_the_asker_at_once_but_not_why(bus: Bus) -> None:
    async def broken(_: bytes) -> bytes:
        raise RuntimeError("access code 12345678")

    bus.respond("hub.h1.ask", broken)
    with capture_logs() as logs, pytest.raises(ResponderFailed) as failure:
        await bus.request("hub.h1.ask", b"", 5)
    await asyncio.sleep(0)
    assert "12345678" not in str(failure.value)
    assert [entry["event"] for entry in logs] == ["bus.responder_failed"]


async def test_the_newest_responder_answers(bus: Bus) -> None:
    def answering(word: bytes) -> Callable[[bytes], asyncio.Future[bytes]]:
        def answer(_: bytes) -> asyncio.Future[bytes]:
            future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            future.set_result(word)
            return future

        return answer

    old = bus.respond("hub.h1.ask", answering(b"old"))
    new = bus.respond("hub.h1.ask", answering(b"new"))
    assert await bus.request("hub.h1.ask", b"", 5) == b"new"
    old.close()
    assert await bus.request("hub.h1.ask", b"", 5) == b"new"
    new.close()
    with pytest.raises(NoResponder):
        await bus.request("hub.h1.ask", b"", 5)


@pytest.mark.parametrize("subject", ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "a\n", "hub.é"])
async def test_a_bad_subject_is_refused(bus: Bus, subject: str) -> None:
    async def answer(_: bytes) -> bytes:
        return b""

    with pytest.raises(ValueError, match="not a subject"):
        bus.publish(subject, b"")
    with pytest.raises(ValueError, match="not a subject"):
        bus.respond(subject, answer)
    with pytest.raises(ValueError, match="not a subject"):
        await bus.request(subject, b"", 1)
    if "*" not in subject:
        with pytest.raises(ValueError, match="not a subject"):
            bus.subscribe(subject, Inbox())


@pytest.mark.parametrize("make", [BUSES[name] for name in sorted(BUSES)])
async def test_drain_finishes_what_is_queued_and_takes_nothing_new(make: Callable[[], Bus]) -> None:
    bus, inbox = make(), Inbox()
    await bus.start()

    async def handle(subject: str, data: bytes) -> None:
        await asyncio.sleep(0.001)
        inbox(subject, data)

    async def answer(_: bytes) -> bytes:
        await asyncio.sleep(0.01)
        return b"done"

    bus.subscribe("a.b", handle)
    bus.respond("c.d", answer)
    asking = asyncio.create_task(bus.request("c.d", b"", 5))
    await asyncio.sleep(0)
    for _ in range(5):
        bus.publish("a.b", b"")
    await bus.drain()
    assert len(inbox.got) == 5
    assert await asking == b"done"
    bus.publish("a.b", b"late")
    assert len(inbox.got) == 5
    with pytest.raises(BusClosed):
        await bus.request("c.d", b"", 1)
    with pytest.raises(BusClosed):
        bus.subscribe("a.b", inbox)


@pytest.mark.parametrize("make", [BUSES[name] for name in sorted(BUSES)])
async def test_drain_does_not_wait_for_ever(make: Callable[[], Bus]) -> None:
    bus = make()
    await bus.start()
    taken = asyncio.Event()

    async def stuck(_subject: str, _data: bytes) -> None:
        taken.set()
        await asyncio.Event().wait()

    bus.subscribe("a.b", stuck)
    bus.publish("a.b", b"")
    await taken.wait()
    async with asyncio.timeout(5):
        await bus.drain(0.02)
