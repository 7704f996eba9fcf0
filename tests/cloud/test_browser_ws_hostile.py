"""Browsers that stop reading, flood, or talk nonsense: a message back, a closed socket, never a cost to the others."""

import asyncio
import contextlib
import gc
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cloud.live.browser as browser_module
from cloud.live.outbox import MAX_REPLIES, BrowserOutbox, TooManyReplies
from cloud.live.room import TenantRoom
from tests.cloud.live_kit import Browser, LiveCloud, live_cloud
from tests.cloud.serving import deaf_socket


@pytest.fixture
async def cloud() -> AsyncIterator[LiveCloud]:
    async with live_cloud() as cloud:
        yield cloud


NONSENSE: list[tuple[str | bytes, str]] = [
    ("", "not_json"),
    ("{", "not_json"),
    ("[]", "invalid"),
    ("null", "invalid"),
    ("{}", "invalid"),
    ('{"type":1}', "invalid"),
    ('{"type":"reboot"}', "invalid"),
    ('{"type":"pace"}', "invalid"),
    ('{"type":"pace","ms":-1}', "invalid"),
    ('{"type":"pace","ms":1e400}', "invalid"),
    ('{"type":"subscribe","printer_id":7}', "invalid"),
    ('{"type":"subscribe","printer_ids":["%s"]}' % ("x" * 100), "invalid"),
    ('{"type":"subscribe","printer_id":"\\ud800"}', "unknown_printer"),
    ("[" * 10_000, "not_json"),
    ('{"type":"ping","pad":"%s"}' % ("x" * 20_000), "too_large"),
    (b'{"type":"ping"}', "not_text"),
]


async def test_nonsense_is_answered_and_the_socket_lives(cloud: LiveCloud) -> None:
    async with cloud.browser() as browser:
        for message, code in NONSENSE:
            await browser.connection.send(message)
            answer = await browser.until("error")
            assert answer["code"] in (code, "invalid", "not_json"), (message[:50], answer)
        await browser.watch()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.text(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
            max_leaves=12,
        ).map(json.dumps),
        st.fixed_dictionaries(
            {"type": st.sampled_from(["subscribe", "unsubscribe", "watch", "pace", "ping", "x"])},
            optional={
                "printer_id": st.none() | st.text(max_size=70) | st.integers(),
                "printer_ids": st.none() | st.lists(st.sampled_from(["prn_a0", "prn_a1", "nope"]), max_size=5),
                "ms": st.integers() | st.none(),
            },
        ).map(json.dumps),
    )
)
def test_no_message_can_break_the_reader(message: str) -> None:
    """Straight into the reader: every answer is one of ours, and nothing escapes."""

    async def run() -> None:
        async with live_cloud_parts() as (socket_, outbox):
            socket_._take(message)
            while outbox._replies:
                answer = outbox._replies.popleft()
                assert answer["type"] in ("error", "pong", "subscribed", "unsubscribed")
                json.dumps(answer).encode()

    asyncio.run(run())


async def test_a_flood_is_cut_off_and_the_others_do_not_notice(cloud: LiveCloud) -> None:
    async with cloud.browser("one") as flooding, cloud.browser("two") as calm:
        await calm.watch()
        closing = asyncio.create_task(flooding.closed())
        with contextlib.suppress(websockets.ConnectionClosed):
            while not closing.done():
                await flooding.say(type="ping")
                await asyncio.sleep(0)
        assert await closing == 1013
        cloud.change("ten_a", "prn_a0", percent=5)
        await calm.follow(lambda: calm.views["prn_a0"]["percent"] == 5)


async def deaf(cloud: LiveCloud, sock: socket.socket, login: str = "two") -> websockets.ClientConnection:
    """A browser whose socket will not be read after this."""
    connection: websockets.ClientConnection = await websockets.connect(
        f"ws://127.0.0.1:{cloud.port}/api/v1/ws",
        sock=sock,
        additional_headers={"Cookie": f"printfarm_session={login}"},
        compression=None,
        ping_interval=None,
        proxy=None,
    )
    await connection.send(json.dumps({"type": "watch"}))
    await Browser(connection).until("snapshot")
    connection.transport.pause_reading()
    return connection


async def test_a_stalled_browser_costs_the_others_nothing_and_bounded_memory(cloud: LiveCloud) -> None:
    """One of three stops reading for thousands of changes; then it reads again and is at the newest state at once."""
    for n in range(50):
        cloud.source.printers["ten_a"][f"prn_x{n}"] = {"id": f"prn_x{n}", "name": "x" * 200, "percent": 0}
    sock = deaf_socket(cloud.port)
    async with cloud.browser("one") as first, cloud.browser("two") as second:
        stalled = await deaf(cloud, sock)
        await asyncio.gather(first.watch(), second.watch())
        gaps: list[float] = []
        tracemalloc.start()
        memory: list[int] = []

        async def churn(rounds: int) -> None:
            for n in range(rounds):
                for key in range(50):
                    cloud.change("ten_a", f"prn_x{key}", percent=n, name=f"{n:0200d}")
                await asyncio.sleep(0.02)
                if n % 50 == 49:
                    gc.collect()
                    memory.append(tracemalloc.get_traced_memory()[0])

        async def reads(browser: Browser, last: int) -> None:
            loop = asyncio.get_running_loop()
            at = loop.time()
            while any(browser.views[f"prn_x{key}"]["percent"] != last for key in range(50)):
                browser.take(await browser.hear())
                gaps.append(loop.time() - at)
                at = loop.time()

        await asyncio.gather(churn(200), reads(first, 199), reads(second, 199))
        tracemalloc.stop()
        assert max(gaps) < 3.0  # the stall lasts all the while
        # 200 rounds are 2.5 MB of changes to each browser; what the stalled one costs does not grow with them.
        assert memory[-1] - memory[0] < 500_000, memory

        stalled.transport.resume_reading()
        browser, behind = Browser(stalled), 0
        browser.seq, browser.views = 1, {}
        while any(browser.views.get(f"prn_x{key}", {}).get("percent") != 199 for key in range(50)):
            message = await browser.hear()
            browser.take(message)
            behind += 1
        # It did not have to read the past: some old messages lay in buffers, then everything newest in one.
        assert behind < 60
        await stalled.close()


async def test_a_browser_stalled_for_too_long_is_let_go(cloud: LiveCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_module, "CHECK_S", 0.05)
    monkeypatch.setattr(browser_module, "STALL_S", 0.3)
    sock = deaf_socket(cloud.port)
    stalled = await deaf(cloud, sock)
    async with asyncio.timeout(20):
        n = 0
        while cloud.gateway.count:
            n += 1
            for key in range(3):
                cloud.change("ten_a", f"prn_a{key}", name="y" * 5000, percent=n)
            await asyncio.sleep(0.02)
    stalled.transport.abort()


async def test_answers_that_nobody_reads_are_few() -> None:
    async with live_cloud_parts() as (_, outbox):
        with pytest.raises(TooManyReplies):
            for _ in range(MAX_REPLIES + 1):
                outbox.reply({"type": "pong"})


# ---- parts without a server


class _NoSocket:
    scope: dict[str, Any] = {}  # noqa: RUF012 - never written

    async def send(self, message: Any) -> None:
        raise AssertionError("nothing is sent here")


class live_cloud_parts:  # noqa: N801 - reads as the context manager it is
    """A browser's socket and outbox without a server."""

    async def __aenter__(self) -> tuple[browser_module.BrowserSocket, BrowserOutbox]:
        from cloud.bus import LocalBus
        from tests.cloud.live_kit import Logins, Source

        self.bus = LocalBus()
        await self.bus.start()
        source = Source()
        source.printers["ten_a"] = {"prn_a0": {"id": "prn_a0"}, "prn_a1": {"id": "prn_a1"}}
        self.room = TenantRoom("ten_a", self.bus, source, lambda room: room.close())
        principal = Logins().add("one", "ten_a")
        no_socket: Any = _NoSocket()
        socket_ = browser_module.BrowserSocket(no_socket, principal, self.room, _NoProver())
        return socket_, socket_.outbox

    async def __aexit__(self, *_: object) -> None:
        self.room.close()
        await self.bus.drain()


class _NoProver:
    async def renewed(self, principal: Any) -> None:
        return None
