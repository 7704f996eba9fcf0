"""Hubs at the door and on the line: real server, real database, the `websockets` library as the hub."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets
from structlog.testing import capture_logs

from cloud.accounts import hub_keys
from cloud.bus import subjects
from cloud.hubs import events
from cloud.hubs.gateway import WANTED_FIRMWARE
from cloud.hubs.records import HubRecords
from cloud.storage import hubs as hub_queries
from cloud.storage import printers as printer_queries
from cloud.storage.errors import UnavailableError
from cloud.storage.tenant import TenantStore
from tests.cloud.hub_kit import BOOT, FULL_STATUS, FakeHub, HubCloud, denial, hub_cloud
from tests.cloud.serving import deaf_socket

EVENT = {
    "from": "idle", "to": "running", "task": "t", "task_id": "1", "file": "f", "error": 0, "percent": 0, "layer": 0,
}  # fmt: skip


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[HubCloud]:
    async with hub_cloud(tmp_path) as cloud:
        yield cloud


# ---- the door


async def test_welcome_carries_epoch_intervals_and_the_configuration(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        assert hub.socket.subprotocol == "printfarm.hub.v1"
        assert hub.welcome["epoch"] == 1
        assert hub.welcome["acked"] == 0
        assert (hub.welcome["beat_ms"], hub.welcome["dead_ms"]) == (20_000, 60_000)
        config = hub.welcome["config"]
        assert [(p["id"], p["host"], p["code"]) for p in config["printers"]] == [
            (cloud.printers[0], "127.0.0.2", "12345678"),
            (cloud.printers[1], "127.0.0.3", "12345678"),
        ]
        row = await cloud.row()
        assert config["revision"] == row.revision
        assert (row.epoch, row.boot, row.firmware, row.sockets) == (1, BOOT, "0.1.0", 10)
        await cloud.watcher.until("online", cloud.hub, cloud.tenant, tuple(cloud.printers))


async def test_a_hub_that_runs_the_wanted_revision_gets_no_configuration(cloud: HubCloud) -> None:
    async with cloud.connected(revision=(await cloud.row()).revision) as hub:
        assert "config" not in hub.welcome


@pytest.mark.parametrize("flaw", ["unknown hub", "wrong secret", "no key", "revoked", "another word"])
async def test_a_wrong_key_is_refused_and_nothing_tells_why(cloud: HubCloud, flaw: str) -> None:
    if flaw == "revoked":
        await TenantStore(cloud.store, cloud.tenant).write(lambda tx: hub_queries.set_key_hash(tx, cloud.hub, ""))
    key = {
        "unknown hub": hub_keys.new_key("hub_nobody").reveal(),
        "wrong secret": hub_keys.new_key(cloud.hub).reveal(),
        "no key": "",
        "revoked": cloud.key,
        "another word": "x" * 5000,
    }[flaw]
    with capture_logs() as logs, pytest.raises(websockets.InvalidStatus) as refusal:
        await cloud.dial(key=key)
    status, body = denial(refusal.value)
    assert status == 401
    assert body == {"error": {"code": "unauthorized", "message": "No hub has this key.", "details": {}}}
    assert not key or key not in str(logs)


async def test_an_old_hub_is_told_which_firmware_it_needs(cloud: HubCloud) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await cloud.dial(subprotocols=("printfarm.hub.v0",))
    status, body = denial(refusal.value)
    assert status == 426
    assert body["error"]["details"] == {"firmware": WANTED_FIRMWARE, "subprotocols": ["printfarm.hub.v1"]}


async def test_a_newer_hub_is_served_in_the_version_both_know(cloud: HubCloud) -> None:
    async with cloud.dial(subprotocols=("printfarm.hub.v9", "printfarm.hub.v1")) as socket:
        assert socket.subprotocol == "printfarm.hub.v1"


async def test_while_draining_new_hubs_are_sent_away_and_old_ones_told_to_come_back(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        draining = asyncio.create_task(cloud.switchboard.drain(0.1))
        bye = await hub.until("bye")
        assert bye["code"] == "restart"
        assert bye["retry_ms"] >= 500
        assert await hub.closed() == 1012
        await draining
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await cloud.dial()
        assert refusal.value.response.status_code == 503
        assert int(refusal.value.response.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('{"kind":"beat"}', "unexpected"),
        ("what?", "not_json"),
        ("{}", "no_kind"),
        (b"\0\0\1x", "not_json"),
        ('{"kind":"hello"}', "invalid"),
    ],
)
async def test_the_first_message_must_be_hello(cloud: HubCloud, frame: str | bytes, code: str) -> None:
    async with cloud.dial() as socket:
        hub = FakeHub(socket)
        await socket.send(frame)
        assert (await hub.hear())["code"] == code
        assert await hub.closed() == 1008
    assert (await cloud.row()).epoch == 0


async def test_a_hub_cannot_say_hello_for_another(cloud: HubCloud) -> None:
    async with cloud.dial() as socket:
        hub = FakeHub(socket)
        await hub.say("hello", **cloud.hello(hub="hub_other"))
        assert await hub.closed() == 1008
    assert (await cloud.row()).epoch == 0


async def test_a_hub_that_says_nothing_is_let_go(tmp_path: Path) -> None:
    async with hub_cloud(tmp_path, hello_s=0.05) as cloud, cloud.dial() as socket:
        assert await FakeHub(socket).closed() == 1008


# ---- one hub, one connection


async def test_a_newer_connection_supersedes_the_older(cloud: HubCloud) -> None:
    async with cloud.connected() as old, cloud.connected() as new:
        assert (old.welcome["epoch"], new.welcome["epoch"]) == (1, 2)
        assert (await old.until("bye"))["code"] == "superseded"
        await old.closed()
        await new.say("status", printer=cloud.printers[0], full=True, data=FULL_STATUS)
        await cloud.watcher.until("status", cloud.printers[0])
    await cloud.watcher.until("offline", cloud.hub)
    assert [words[0] for words in cloud.watcher.said] == ["online", "online", "status", "offline"]


async def test_a_connection_with_a_higher_epoch_on_another_node_ends_this_one(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        cloud.bus.publish(f"hub.{cloud.hub}.claim", b"1")  # its own claim says nothing new
        await hub.say("status", printer=cloud.printers[0], full=True, data=FULL_STATUS)
        await cloud.watcher.until("status", cloud.printers[0])
        cloud.bus.publish(f"hub.{cloud.hub}.claim", b"2")
        assert (await hub.until("bye"))["code"] == "superseded"
        await hub.closed()


async def test_many_connections_at_once_leave_exactly_one(cloud: HubCloud) -> None:
    async def visit() -> FakeHub:
        socket = await cloud.dial()
        hub = FakeHub(socket)
        await hub.say("hello", **cloud.hello())
        return hub

    visitors = await asyncio.gather(*(visit() for _ in range(8)))
    await cloud.watcher.until("online")
    async with asyncio.timeout(10):
        while cloud.switchboard.session(cloud.hub) is None or cloud.session.arrival.epoch < 8:
            await asyncio.sleep(0.01)
        open_ones = list(visitors)
        while len(open_ones) > 1:
            open_ones = [hub for hub in open_ones if hub.socket.close_code is None]
            await asyncio.sleep(0.01)
    assert (await open_ones[0].until("welcome"))["epoch"] == 8
    await asyncio.gather(*(hub.socket.close() for hub in visitors))


async def test_a_dead_hub_is_offline_within_its_time_and_a_beating_one_is_not(tmp_path: Path) -> None:
    async with hub_cloud(tmp_path, beat_ms=200, dead_ms=500) as cloud:
        async with cloud.connected() as hub:
            for _ in range(5):
                await hub.until("beat")
                await hub.say("beat")
            assert [words[0] for words in cloud.watcher.said] == ["online"]
            started = asyncio.get_running_loop().time()
            await cloud.watcher.until("offline")
            assert asyncio.get_running_loop().time() - started < 1.5
        assert cloud.switchboard.count == 0


async def test_a_revoked_key_ends_the_connection(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        await TenantStore(cloud.store, cloud.tenant).write(lambda tx: hub_queries.set_key_hash(tx, cloud.hub, ""))
        cloud.bus.publish(subjects.hub_config(cloud.hub), b"")
        assert (await hub.until("bye"))["code"] == "revoked"
        await hub.closed()


# ---- configuration


async def test_a_changed_printer_reaches_the_connected_hub_and_is_confirmed(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        third = await cloud.add_printer("SERIAL9", "127.0.0.9")
        cloud.bus.publish(subjects.hub_config(cloud.hub), b"")
        config = (await hub.until("config"))["config"]
        assert third in [printer["id"] for printer in config["printers"]]
        await hub.say("status", printer=third, full=True, data=FULL_STATUS)
        await cloud.watcher.until("status", third)
        await hub.say("configured", revision=config["revision"])
        async with asyncio.timeout(10):
            while (await cloud.row()).reported_revision != config["revision"]:
                await asyncio.sleep(0.01)


async def test_a_disconnected_printer_is_off_and_an_inactive_one_is_gone(cloud: HubCloud) -> None:
    scoped = TenantStore(cloud.store, cloud.tenant)
    first, second = cloud.printers
    await scoped.write(lambda tx: printer_queries.update_printer(tx, first, {"connect": False, "mqtt_port": 18883}))
    await scoped.write(lambda tx: printer_queries.update_printer(tx, second, {"is_active": False}))
    async with cloud.connected() as hub:
        (printer,) = hub.welcome["config"]["printers"]
        assert (printer["id"], printer["off"], printer["port"]) == (first, True, 18883)


async def test_a_hub_is_not_given_more_printers_than_it_carries(cloud: HubCloud) -> None:
    async with cloud.connected(max_printers=1) as hub:
        assert [printer["id"] for printer in hub.welcome["config"]["printers"]] == cloud.printers[:1]


async def test_one_unreadable_access_code_does_not_take_the_others_off_line(cloud: HubCloud) -> None:
    scoped = TenantStore(cloud.store, cloud.tenant)
    broken = {"access_code_enc": "v1.k1.AAAA"}
    await scoped.write(lambda tx: printer_queries.update_printer(tx, cloud.printers[0], broken))
    async with cloud.connected() as hub:
        assert [printer["id"] for printer in hub.welcome["config"]["printers"]] == cloud.printers[1:]


async def test_hubs_report_faster_while_somebody_watches(cloud: HubCloud) -> None:
    async def yes(_: bytes) -> bytes:
        return b""

    async with cloud.connected() as hub:
        assert hub.welcome["status_ms"] == 5000
        watching = cloud.bus.respond(f"watched.{cloud.tenant}", yes)
        cloud.bus.publish(f"watch.{cloud.tenant}", b"")
        assert (await hub.until("pace"))["status_ms"] == 1000
        async with cloud.connected() as again:
            assert again.welcome["status_ms"] == 1000
            watching.close()
            cloud.bus.publish(f"watch.{cloud.tenant}", b"")
            assert (await again.until("pace"))["status_ms"] == 5000


# ---- status and events


async def test_a_hub_speaks_only_for_its_own_printers(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        await hub.say("status", printer="prn_of_somebody_else", full=True, data=FULL_STATUS)
        await hub.say("status", printer=cloud.printers[0], full=True, data=FULL_STATUS)
        await cloud.watcher.until("status")
    assert [words[1] for words in cloud.watcher.said if words[0] == "status"] == [cloud.printers[0]]


async def test_undeclared_fields_and_broken_text_stay_outside(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        data = '{"file":"a\\ud800b\\u0000c","news":1' + "0" * 400 + ',"hms":[{"attr":1,"code":2,"more":NaN}]}'
        await hub.socket.send(f'{{"kind":"status","printer":"{cloud.printers[0]}","full":false,"data":{data}}}')
        await cloud.watcher.until("status")
    assert cloud.watcher.said[1] == (
        "status", cloud.printers[0], False, {"file": "a?bc", "hms": [{"attr": 1, "code": 2}]},
    )  # fmt: skip


async def test_an_event_is_acknowledged_only_after_it_is_stored(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        cloud.watcher.gate.clear()
        for n in (1, 2):
            await hub.say("event", boot=BOOT, n=n, name="state", printer=cloud.printers[0], at_ms=5, data=EVENT)
        await hub.say("status", printer=cloud.printers[0], full=True, data=FULL_STATUS)
        await cloud.watcher.until("status")  # a status passes events that wait
        assert cloud.watcher.events == []
        cloud.watcher.gate.set()
        assert [await hub.until("ack"), await hub.until("ack")] == [
            {"kind": "ack", "boot": BOOT, "n": 1},
            {"kind": "ack", "boot": BOOT, "n": 2},
        ]
        assert cloud.watcher.events == [(BOOT, n, "state", cloud.printers[0], EVENT) for n in (1, 2)]


async def test_an_event_that_cannot_be_stored_is_tried_again_and_nothing_overtakes_it(cloud: HubCloud) -> None:
    cloud.watcher.fail_events = 2
    async with cloud.connected() as hub:
        with capture_logs() as logs:
            for n in (1, 2):
                await hub.say("event", boot=BOOT, n=n, name="state", printer=cloud.printers[0], at_ms=5, data=EVENT)
            assert (await hub.until("ack"))["n"] == 1
            assert (await hub.until("ack"))["n"] == 2
    assert [event[1] for event in cloud.watcher.events] == [1, 2]
    assert [entry["event"] for entry in logs].count("hub.event_not_stored") == 2


async def test_an_event_that_can_never_be_applied_is_set_aside_and_holds_up_nothing(
    cloud: HubCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RETRY_S", (0.01,))
    cloud.watcher.fail_events = events.TRIES
    async with cloud.connected() as hub:
        for n in (1, 2):
            await hub.say("event", boot=BOOT, n=n, name="state", printer=cloud.printers[0], at_ms=5, data=EVENT)
        assert (await hub.until("ack"))["n"] == 1
        assert (await hub.until("ack"))["n"] == 2
    assert cloud.watcher.aside == [("RuntimeError", 1)]
    assert [event[1] for event in cloud.watcher.events] == [2]


async def test_an_event_waits_for_a_database_that_is_away_and_is_never_set_aside(
    cloud: HubCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RETRY_S", (0.01,))
    cloud.watcher.fail_events, cloud.watcher.failure = 3 * events.TRIES, UnavailableError("away")
    async with cloud.connected() as hub:
        await hub.say("event", boot=BOOT, n=1, name="state", printer=cloud.printers[0], at_ms=5, data=EVENT)
        assert (await hub.until("ack"))["n"] == 1
    assert (cloud.watcher.aside, len(cloud.watcher.events)) == ([], 1)


async def test_a_note_that_cannot_be_written_does_not_cost_the_hub_its_connection(
    cloud: HubCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(_hub_id: str, _revision: int) -> None:
        raise ValueError("a fault of ours")

    async with cloud.connected() as hub:
        with monkeypatch.context() as patched, capture_logs() as logs:
            patched.setattr(HubRecords, "configured", staticmethod(failing))
            await hub.say("configured", revision=7)
            async with asyncio.timeout(10):
                while not [line for line in logs if line["event"] == "hub.note_failed"]:
                    await asyncio.sleep(0.01)
        await hub.say("event", boot=BOOT, n=1, name="state", printer=cloud.printers[0], at_ms=5, data=EVENT)
        assert (await hub.until("ack"))["n"] == 1


async def test_a_repeated_event_is_acknowledged_again_and_not_applied_again(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        for _ in range(2):
            await hub.say("event", boot=BOOT, n=1, name="state", printer=cloud.printers[0], at_ms=5, data=EVENT)
            assert (await hub.until("ack"))["n"] == 1
    assert len(cloud.watcher.events) == 1


async def test_events_of_an_earlier_boot_are_acknowledged_under_their_boot(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        await hub.say("event", boot="boot0000", n=7, name="state", printer=cloud.printers[0], at_ms=5, data=EVENT)
        await hub.say("event", boot=BOOT, n=1, name="state", printer=cloud.printers[0], at_ms=5, data=EVENT)
        assert await hub.until("ack") == {"kind": "ack", "boot": "boot0000", "n": 7}
        assert await hub.until("ack") == {"kind": "ack", "boot": BOOT, "n": 1}


async def test_welcome_says_what_is_stored_of_this_boot(cloud: HubCloud) -> None:
    scoped = TenantStore(cloud.store, cloud.tenant)
    await scoped.write(
        lambda tx: hub_queries.store_event(
            tx, hub_id=cloud.hub, boot=BOOT, n=4, name="state", printer_id=cloud.printers[0], data=EVENT
        )
    )
    async with cloud.connected() as hub:
        assert hub.welcome["acked"] == 4
    async with cloud.connected(boot="boot0002") as hub:
        assert hub.welcome["acked"] == 0


# ---- hubs that do not listen


async def deaf_hub(cloud: HubCloud) -> FakeHub:
    """A welcomed hub that reads nothing from then on."""
    hub = FakeHub(await cloud.dial(sock=deaf_socket(cloud.port)))
    await hub.say("hello", **cloud.hello())
    await hub.until("welcome")
    hub.socket.transport.pause_reading()
    return hub


async def test_a_hub_that_takes_nothing_is_cut_off_before_it_costs_memory(cloud: HubCloud) -> None:
    hub = await deaf_hub(cloud)
    session = cloud.session
    with capture_logs() as logs:
        for _ in range(2000):
            for _ in range(100):
                session.pace(1000)
            await asyncio.sleep(0)
            if session.ended:
                break
    assert "hub.outbox_overflow" in [entry["event"] for entry in logs]
    await cloud.watcher.until("offline", cloud.hub)
    hub.socket.transport.abort()


async def test_a_hub_that_does_not_take_a_frame_in_time_is_gone(tmp_path: Path) -> None:
    async with hub_cloud(tmp_path, send_s=0.2) as cloud:
        hub = await deaf_hub(cloud)
        session = cloud.session
        async with asyncio.timeout(10):
            while not session.outbox.stalled_for:
                session.pace(1000)
                await asyncio.sleep(0)
        await cloud.watcher.until("offline", cloud.hub)
        hub.socket.transport.abort()


# ---- nonsense


async def test_nonsense_is_answered_and_the_line_stays(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        for frame, code in (
            ("{", "not_json"),
            ("[]", "not_object"),
            ('{"kind":"invention"}', "unknown_kind"),
            ('{"kind":"welcome"}', "wrong_sender"),
            ('{"kind":"status"}', "invalid"),
            (b"\0", "invalid"),
            (b"\0\0\1data", "invalid"),
            (b"\1\0\1\0\0\0\1", "invalid"),
        ):
            await hub.socket.send(frame)
            assert (await hub.until("error"))["code"] == code
        await hub.say("status", printer=cloud.printers[0], full=True, data=FULL_STATUS)
        await cloud.watcher.until("status")


async def test_an_endless_stream_of_nonsense_is_cut_off(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        for _ in range(100):
            await hub.socket.send("nonsense")
        assert await hub.closed() == 1008
    await cloud.watcher.until("offline")


async def test_more_messages_than_any_hub_has_are_cut_off(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        with contextlib.suppress(websockets.ConnectionClosed):
            for _ in range(20_000):
                await hub.say("beat")
        assert await hub.closed() == 1008


async def test_a_frame_beyond_every_limit_closes_with_1009(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        await hub.socket.send("x" * 100_000)
        assert await hub.closed() == 1009
    await cloud.watcher.until("offline")


async def test_errors_of_the_hub_are_not_answered(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        await hub.say("error", code="unknown_kind", message="what was that?")
        await hub.socket.send("{")
        assert (await hub.hear())["code"] == "not_json"


async def test_a_fault_of_ours_with_one_message_does_not_cost_the_connection(cloud: HubCloud) -> None:
    cloud.watcher.fail_statuses = True
    async with cloud.connected() as hub:
        with capture_logs() as logs:
            await hub.say("status", printer=cloud.printers[0], full=True, data=FULL_STATUS)
            await hub.socket.send("{")
            await hub.until("error")
        assert "hub.message_failed" in [entry["event"] for entry in logs]
        cloud.watcher.fail_statuses = False
        await hub.say("status", printer=cloud.printers[0], full=True, data=FULL_STATUS)
        await cloud.watcher.until("status")
