"""Browsers on the live socket: who gets in, what they get, and what a slow or hostile one costs the others."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets
from structlog.testing import capture_logs

import cloud.live.browser as browser_module
import cloud.live.gateway as gateway_module
import cloud.live.room as room_module
from cloud.accounts import Principal
from cloud.bus import NoResponder, subjects
from cloud.storage.errors import UnavailableError
from tests.cloud.live_kit import Browser, LiveCloud, live_cloud


@pytest.fixture
async def cloud() -> AsyncIterator[LiveCloud]:
    async with live_cloud() as cloud:
        yield cloud


# ---- the door


async def test_a_cookie_or_a_bearer_token_opens_and_nothing_else(cloud: LiveCloud) -> None:
    async with cloud.browser("one") as browser:
        assert set((await browser.watch())["printers"]) == {"prn_a0", "prn_a1", "prn_a2"}
    async with cloud.browser("other", cookie=False) as browser:
        assert set((await browser.watch())["printers"]) == {"prn_b0", "prn_b1", "prn_b2"}
    for token in (None, "stolen", ""):
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await cloud.dial(token)
        assert refusal.value.response.status_code == 401
        assert json.loads(refusal.value.response.body or b"")["error"]["code"] == "unauthorized"


async def test_a_page_without_login_learns_it_from_the_close(cloud: LiveCloud) -> None:
    """Pages cannot read the answer to a refused handshake."""
    async with cloud.dial(None, origin=f"http://127.0.0.1:{cloud.port}") as connection:
        assert await Browser(connection).closed() == 4401


async def test_a_foreign_page_is_refused_even_with_the_cookie(cloud: LiveCloud) -> None:
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{cloud.port}.evil.example"):
        with capture_logs(), pytest.raises(websockets.InvalidStatus) as refusal:
            await cloud.dial("one", origin=origin)
        assert refusal.value.response.status_code == 403
    async with cloud.dial("one", origin=f"http://127.0.0.1:{cloud.port}") as connection:
        await Browser(connection).watch()


async def test_a_logout_closes_the_sockets_of_that_login_only(cloud: LiveCloud) -> None:
    async with cloud.browser("one") as leaving, cloud.browser("one") as too, cloud.browser("two") as staying:
        await staying.watch()
        cloud.bus.publish("session.revoked", b"ses_one")
        assert await leaving.closed() == 4401
        assert await too.closed() == 4401
        await staying.say(type="ping")
        await staying.until("pong")


async def test_a_login_that_ends_closes_its_socket(cloud: LiveCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_module, "CHECK_S", 0.02)
    cloud.logins.add("short", "ten_a", seconds=0.1)
    async with cloud.browser("short") as browser:
        assert await browser.closed() == 4401


async def test_a_login_that_is_no_longer_valid_is_noticed_without_the_bus(
    cloud: LiveCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_module, "CHECK_S", 0.02)
    monkeypatch.setattr(browser_module, "PROVE_S", 0.04)
    async with cloud.browser("one") as browser:
        await browser.watch()
        del cloud.logins.valid["one"]
        assert await browser.closed() == 4401


async def test_a_page_stays_while_the_database_cannot_say_whose_it_is(
    cloud: LiveCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_module, "CHECK_S", 0.02)
    monkeypatch.setattr(browser_module, "PROVE_S", 0.04)
    asked, known = asyncio.Semaphore(0), cloud.logins.principal

    async def away(_session_id: str) -> Principal | None:
        asked.release()
        raise UnavailableError("away")

    async with cloud.browser("one") as browser:
        await browser.watch()
        monkeypatch.setattr(cloud.logins, "principal", away)
        for _ in range(2):
            await asyncio.wait_for(asked.acquire(), 10)
        await browser.say(type="ping")
        await browser.until("pong")
        monkeypatch.setattr(cloud.logins, "principal", known)
        del cloud.logins.valid["one"]
        assert await browser.closed() == 4401


async def test_too_many_pages_of_one_login(cloud: LiveCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "MAX_PER_LOGIN", 2)
    async with cloud.browser("one") as first, cloud.browser("one"):
        await first.watch()
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await cloud.dial("one")
        assert refusal.value.response.status_code == 429
        async with cloud.browser("two") as another:
            await another.watch()
    async with asyncio.timeout(10):
        while cloud.gateway.count:
            await asyncio.sleep(0.01)
    async with cloud.browser("one") as again:
        await again.watch()


async def test_draining_sends_pages_away_with_a_hint_each(cloud: LiveCloud) -> None:
    async with cloud.browser("one") as first, cloud.browser("two") as second:
        await asyncio.gather(first.watch(), second.watch())
        draining = asyncio.create_task(cloud.gateway.drain(0.1))
        assert [await first.closed(), await second.closed()] == [1012, 1012]
        for browser in (first, second):
            hint = browser.connection.close_reason or ""
            assert hint.startswith("retry_ms=")
            assert int(hint.removeprefix("retry_ms=")) >= 500
        await draining
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await cloud.dial("one")
        assert refusal.value.response.status_code == 503


# ---- the rich form


async def test_snapshot_then_deltas_with_sequence_numbers(cloud: LiveCloud) -> None:
    cloud.source.open_jobs["ten_a"] = {"job_1": {"id": "job_1", "status": "queued"}}
    async with cloud.browser() as browser:
        snapshot = await browser.watch()
        assert snapshot["seq"] == 1
        assert snapshot["jobs"] == {"job_1": {"id": "job_1", "status": "queued"}}
        cloud.change("ten_a", "prn_a0", percent=7)
        delta = await browser.hear()
        assert delta == {"type": "delta", "seq": 2, "printers": {"prn_a0": {"percent": 7}}}
        browser.take(delta)
        cloud.publish("ten_a", jobs={"job_1": {"status": "assigned"}, "job_2": {"id": "job_2"}})
        cloud.change("ten_a", "prn_a0", percent=None)
        cloud.publish("ten_a", printers={"prn_a1": None})
        await browser.follow(lambda: "prn_a1" not in browser.views and browser.views["prn_a0"]["percent"] is None)
        assert browser.jobs == {"job_1": {"id": "job_1", "status": "assigned"}, "job_2": {"id": "job_2"}}


async def test_a_second_watch_begins_again_with_everything(cloud: LiveCloud) -> None:
    async with cloud.browser() as browser:
        await browser.watch()
        cloud.change("ten_a", "prn_a0", percent=50)
        again = await browser.watch()
        assert again["printers"]["prn_a0"]["percent"] == 50


async def test_nothing_of_another_tenant_is_ever_seen(cloud: LiveCloud) -> None:
    async with cloud.browser("one") as mine, cloud.browser("other") as theirs:
        await asyncio.gather(mine.watch(), theirs.watch())
        await theirs.say(type="subscribe", printer_ids=["prn_a0", "prn_b0"])
        assert (await theirs.until("subscribed"))["printer_ids"] == ["prn_b0"]
        assert (await theirs.until("error"))["code"] == "unknown_printer"
        for n in range(20):
            cloud.change("ten_a", "prn_a0", percent=n)
        cloud.change("ten_b", "prn_b0", percent=99)
        await mine.follow(lambda: mine.views["prn_a0"]["percent"] == 19)
        heard: list[dict[str, Any]] = []
        while not any(message.get("printers", {}).get("prn_b0") for message in heard):
            heard.append(await theirs.hear())
        assert "prn_a" not in json.dumps(heard)


async def test_fast_changes_of_one_printer_are_merged_and_others_are_not_held_up(cloud: LiveCloud) -> None:
    async with cloud.browser() as browser:
        await browser.watch()
        loop = asyncio.get_running_loop()
        started, messages = loop.time(), 0
        for n in range(1, 101):
            cloud.change("ten_a", "prn_a0", percent=n, layer=n)
            if n == 50:
                cloud.change("ten_a", "prn_a1", percent=1)
            await asyncio.sleep(0.005)
        while browser.views["prn_a0"]["percent"] != 100:
            browser.take(await browser.hear())
            messages += 1
        assert browser.views["prn_a0"]["layer"] == 100
        # At most ten a second about one printer, plus the first, plus one about the other printer.
        assert messages <= (loop.time() - started) * 10 + 3


async def test_a_change_after_a_quiet_time_is_told_at_once(cloud: LiveCloud) -> None:
    async with cloud.browser() as browser:
        await browser.watch()
        waits = []
        for n in range(1, 6):
            await asyncio.sleep(0.12)
            started = asyncio.get_running_loop().time()
            cloud.change("ten_a", "prn_a0", percent=n)
            browser.take(await browser.hear())
            waits.append(asyncio.get_running_loop().time() - started)
        assert min(waits) < 0.03


async def test_every_state_of_a_job_is_seen_however_fast_it_goes(cloud: LiveCloud) -> None:
    statuses = ["assigned", "uploading", "starting", "printing"]
    async with cloud.browser() as browser:
        await browser.watch()
        heard: list[str] = []
        for status in statuses:
            cloud.publish("ten_a", jobs={"job_1": {"status": status, "upload_percent": 5}})
            await asyncio.sleep(0.02)
        while not heard or heard[-1] != statuses[-1]:
            heard.append((await browser.hear())["jobs"]["job_1"]["status"])
        assert heard == statuses


async def test_a_hidden_page_hears_seldom_and_everything_at_once_when_it_returns(cloud: LiveCloud) -> None:
    async with cloud.browser() as browser:
        await browser.watch()
        await browser.say(type="pace", ms=60_000)
        await browser.say(type="ping")
        await browser.until("pong")
        cloud.change("ten_a", "prn_a0", percent=1)  # the first may still come
        for n in range(2, 10):
            cloud.change("ten_a", "prn_a0", percent=n)
            cloud.change("ten_a", "prn_a1", percent=n)
            await asyncio.sleep(0.02)
        await browser.say(type="ping")
        heard = [await browser.hear()]
        while heard[-1]["type"] != "pong":
            heard.append(await browser.hear())
        assert sum(message["type"] == "delta" for message in heard) <= 1
        for message in heard[:-1]:
            browser.take(message)
        await browser.say(type="pace", ms=100)
        await browser.follow(lambda: [browser.views[key]["percent"] for key in ("prn_a0", "prn_a1")] == [9, 9])


async def test_when_the_bus_loses_messages_every_page_gets_a_new_snapshot(
    cloud: LiveCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_module, "BACKLOG", 3)
    async with cloud.browser() as browser:
        await browser.watch()
        with capture_logs() as logs:
            for n in range(10):
                cloud.change("ten_a", f"prn_a{n % 3}", percent=n)
            message = await browser.until("snapshot")
        assert [message["printers"][f"prn_a{n}"]["percent"] for n in range(3)] == [9, 7, 8]
        assert logs[0]["event"] == "live.messages_lost"


# ---- the old form


async def test_the_old_form_sends_whole_statuses(cloud: LiveCloud) -> None:
    async with cloud.browser() as browser:
        await browser.say(type="subscribe", printer_id="prn_a1")
        assert await browser.hear() == {"type": "subscribed", "printer_ids": ["prn_a1"]}
        first = {
            "type": "printer_status",
            "printer_id": "prn_a1",
            "status": {"id": "prn_a1", "name": "P1", "percent": 0},
        }
        assert await browser.hear() == first
        cloud.change("ten_a", "prn_a0", percent=3)
        cloud.change("ten_a", "prn_a1", percent=4)
        second = await browser.hear()
        assert (second["printer_id"], second["status"]["name"], second["status"]["percent"]) == ("prn_a1", "P1", 4)


async def test_subscribing_to_all_includes_printers_added_later(cloud: LiveCloud) -> None:
    async with cloud.browser() as browser:
        await browser.say(type="subscribe")
        assert (await browser.hear())["printer_ids"] == ["prn_a0", "prn_a1", "prn_a2"]
        for _ in range(3):
            await browser.until("printer_status")
        cloud.change("ten_a", "prn_new", id="prn_new", name="N")
        assert (await browser.until("printer_status"))["printer_id"] == "prn_new"
        await browser.say(type="unsubscribe", printer_id="prn_new")
        assert (await browser.until("unsubscribed"))["printer_ids"] == ["prn_new"]
        cloud.change("ten_a", "prn_new", name="M")
        cloud.change("ten_a", "prn_a2", name="Q")
        assert (await browser.until("printer_status"))["printer_id"] == "prn_a2"
        await browser.say(type="unsubscribe")
        assert len((await browser.until("unsubscribed"))["printer_ids"]) == 3
        cloud.change("ten_a", "prn_a2", name="R")
        await browser.say(type="ping")
        assert (await browser.hear())["type"] == "pong"


# ---- somebody watches


async def test_hubs_are_told_while_somebody_watches(cloud: LiveCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "LINGER_S", 0.05)
    told: asyncio.Queue[Any] = asyncio.Queue()
    cloud.bus.subscribe(subjects.watch("ten_a"), lambda _, data: told.put_nowait(json.loads(data)))
    with pytest.raises(NoResponder):
        await cloud.bus.request(subjects.watched("ten_a"), b"", 1)
    async with cloud.browser() as browser:
        await browser.watch()
        assert await asyncio.wait_for(told.get(), 5) == {"watching": True}
        await cloud.bus.request(subjects.watched("ten_a"), b"", 1)
        async with cloud.browser("two") as second:
            await second.watch()
    assert await asyncio.wait_for(told.get(), 5) == {"watching": False}
    with pytest.raises(NoResponder):
        await cloud.bus.request(subjects.watched("ten_a"), b"", 1)
    assert told.empty()


async def test_a_reloaded_page_does_not_make_the_hubs_slow_down_and_speed_up(cloud: LiveCloud) -> None:
    told: asyncio.Queue[Any] = asyncio.Queue()
    cloud.bus.subscribe(subjects.watch("ten_a"), lambda _, data: told.put_nowait(json.loads(data)))
    for _ in range(3):
        async with cloud.browser() as browser:
            await browser.watch()
    assert [told.get_nowait() for _ in range(told.qsize())] == [{"watching": True}]
