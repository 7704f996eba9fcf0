"""A hub as a thing of its own: commands to it, what it tells of itself, and keys that change under way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from structlog.testing import capture_logs

from cloud.accounts import hub_keys
from cloud.hubs import session as session_module
from cloud.printing.asks import Answer, CommandAsk, ask_subject, decode_answer, encode
from cloud.storage import clock
from cloud.storage import hubs as hub_queries
from cloud.storage.hubs import OFFER_S
from cloud.storage.secrets import Secret
from cloud.storage.tables import hubs as hubs_table
from cloud.storage.tenant import TenantStore
from tests.cloud.hub_kit import HubCloud, hub_cloud

SECRET = "correct horse battery"
FOUND = {"serial": "01P1", "host": "10.0.0.7", "model": "C12", "name": "Left", "firmware": "01.07"}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[HubCloud]:
    async with hub_cloud(tmp_path) as cloud:
        yield cloud


def asking(cloud: HubCloud, name: str, ident: str = "c1", **args: Any) -> "asyncio.Task[Answer]":
    command = CommandAsk(id=ident, name=name, args=args, ttl_ms=5000)

    async def run() -> Answer:
        return decode_answer(await cloud.bus.request(ask_subject(cloud.hub), encode(command), 30))

    return asyncio.create_task(run())


async def test_a_command_to_the_hub_itself_names_no_printer(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        answer = asking(cloud, "identify", seconds=5)
        message = await hub.until("command")
        assert (message["name"], message["args"], "printer" in message) == ("identify", {"seconds": 5}, False)
        await hub.say("result", id="c1", ok=True, data={"secret": "of some other firmware"})
        assert await answer == Answer(ok=True)


async def test_what_a_printer_is_told_a_hub_is_not(cloud: HubCloud) -> None:
    async with cloud.connected():
        for name, args in (("pause", {}), ("identify", {"seconds": 0}), ("wifi", {"networks": [{"password": "x"}]})):
            assert (await asking(cloud, name, **args)).code == "invalid"


async def test_logs_come_back_clean_and_nonsense_is_called_that(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        for ident, data, lines in (
            ("c1", {"lines": ["one", "two\ud800"], "more": 1}, ["one", "two?"]),
            ("c2", {"lines": [1]}, None),
            ("c3", {}, None),
        ):
            answer = asking(cloud, "logs", ident)
            await hub.until("command")
            await hub.say("result", id=ident, ok=True, data=data)
            expected = Answer(ok=True, data={"lines": lines}) if lines else None
            given = await answer
            assert given == expected if expected else (given.ok, given.code) == (False, "broken")


async def test_secrets_in_commands_are_in_no_log(cloud: HubCloud) -> None:
    commands: dict[str, dict[str, Any]] = {
        "wifi": {"networks": [{"ssid": "Farm", "password": SECRET}]},
        "probe": {"host": "10.0.0.1", "code": SECRET},
        "key": {"key": f"pfh_hub_x_{SECRET.replace(' ', '')}"},
        "release": {"password": SECRET},
    }
    with capture_logs() as logs:
        for n, (name, args) in enumerate(commands.items()):
            async with cloud.connected() as hub:
                answer = asking(cloud, name, f"c{n}", **args)
                await hub.until("command")
                await hub.say("result", id=f"c{n}", ok=False, code="failed", message="no")
                assert not (await answer).ok
        async with cloud.connected():
            long = asking(cloud, "wifi", "c9", networks=[{"ssid": "Farm", "password": SECRET * 9}])
            assert SECRET not in str(await long)
    assert SECRET not in str(logs)
    assert SECRET.replace(" ", "") not in str(logs)
    assert SECRET not in repr(CommandAsk(id="c", name="wifi", args=commands["wifi"]))


# ---- what it tells of itself


async def test_telemetry_and_found_printers_are_told_and_kept(cloud: HubCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "NOTE_S", 0.0)
    async with cloud.connected(target="esp32s3", reset="watchdog", safe=True) as hub:
        arrived = cloud.watcher.arrived[-1]
        assert (arrived.target, arrived.reset, arrived.safe) == ("esp32s3", "watchdog", True)
        await hub.say("telemetry", uptime_ms=5, rssi=-60, ssid="Farm\0", colour="blue")
        await cloud.watcher.until("telemetry", cloud.hub, {"uptime_ms": 5, "rssi": -60, "ssid": "Farm"})
        await hub.say("found", printers=[FOUND, {**FOUND, "serial": "01P2", "host": "evil.example"}])
        await cloud.watcher.until("found", cloud.hub, [FOUND])
        async with asyncio.timeout(10):
            while (row := await cloud.row()).found is None or row.telemetry is None:
                await asyncio.sleep(0.01)
        assert "Farm" in row.telemetry
        assert "evil" not in row.found
        assert row.telemetry_at is not None


async def test_what_comes_often_is_written_seldom(cloud: HubCloud) -> None:
    writes: list[Any] = []
    seen = cloud.hubs._gateway._records.seen

    async def counted(hub_id: str, said: Any) -> None:
        writes.append(said)
        await seen(hub_id, said)

    async with cloud.connected() as hub:
        cloud.session._rooms.records.seen = counted  # type: ignore[method-assign]
        for n in range(300):
            await hub.say("telemetry", uptime_ms=n)
        await cloud.watcher.until("telemetry", cloud.hub, {"uptime_ms": 299})
    assert len(writes) <= 1


async def test_invalid_telemetry_is_refused_and_the_connection_lives(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        await hub.socket.send('{"kind":"telemetry","uptime_ms":1,"rssi":5}')
        assert (await hub.until("error"))["code"] == "invalid"
        await hub.say("telemetry", uptime_ms=2)
        await cloud.watcher.until("telemetry", cloud.hub, {"uptime_ms": 2})


# ---- another key


async def offer(cloud: HubCloud) -> str:
    key = hub_keys.new_key(cloud.hub)
    tenant = TenantStore(cloud.store, cloud.tenant)
    await tenant.write(lambda tx: hub_queries.offer_key(tx, cloud.hub, hub_keys.hashed(key)))
    return key.reveal()


async def refused(cloud: HubCloud, key: str) -> bool:
    try:
        async with cloud.dial(key=key):
            return False
    except websockets.InvalidStatus as error:
        return error.response.status_code == 401


async def test_an_offered_key_opens_beside_the_old_one_until_the_hub_came_with_it(cloud: HubCloud) -> None:
    old, new = cloud.key, await offer(cloud)
    async with cloud.connected():  # as before, and the offer stands: its command may still be under way
        assert (await cloud.row()).next_key_hash
    cloud.key = new
    async with cloud.connected():
        row = await cloud.row()
        assert (row.key_hash, row.next_key_hash) == (hub_keys.hashed(Secret(new)), "")
        assert await refused(cloud, old)
    async with cloud.connected():
        assert not (await cloud.row()).next_key_hash


async def test_an_offer_that_never_arrived_is_dropped_when_the_hub_comes_with_its_old_key(cloud: HubCloud) -> None:
    new = await offer(cloud)
    late = hubs_table.update().values(next_key_at=clock.after(-OFFER_S - 1))
    await cloud.store.write(lambda tx: tx.run(late))
    async with cloud.connected():
        assert (await cloud.row()).next_key_hash == ""
    assert await refused(cloud, new)


async def test_a_hub_that_took_a_key_is_asked_to_come_back_with_it(cloud: HubCloud) -> None:
    new = await offer(cloud)
    async with cloud.connected() as hub:
        answer = asking(cloud, "key", key=new)
        assert (await hub.until("command"))["args"] == {"key": new}
        await hub.say("result", id="c1", ok=True)
        assert (await answer).ok
        assert await hub.closed() == 1012
    cloud.key = new
    async with cloud.connected():
        assert not (await cloud.row()).next_key_hash


async def test_a_hub_that_did_not_take_the_key_stays(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        answer = asking(cloud, "key", key=await offer(cloud))
        await hub.until("command")
        await hub.say("result", id="c1", ok=False, code="failed", message="the disk is full")
        assert not (await answer).ok
        await hub.say("telemetry", uptime_ms=2)
        await cloud.watcher.until("telemetry")


async def test_a_cut_after_the_key_was_stored_leaves_a_hub_that_gets_in(cloud: HubCloud) -> None:
    new = await offer(cloud)
    async with cloud.connected() as hub:
        answer = asking(cloud, "key", key=new)
        await hub.until("command")  # stored it, and lost the line before it could say so
    cloud.key = new
    async with cloud.connected() as hub:
        await hub.until("command")  # said again, within its time
        await hub.say("result", id="c1", ok=True)
        assert (await answer).ok
    async with cloud.connected():
        assert (await cloud.row()).key_hash == hub_keys.hashed(Secret(new))


async def test_a_revoked_hubs_offered_key_is_dead_too(cloud: HubCloud) -> None:
    new = await offer(cloud)
    tenant = TenantStore(cloud.store, cloud.tenant)
    await tenant.write(lambda tx: hub_queries.set_key_hash(tx, cloud.hub, ""))
    assert await refused(cloud, new)
    assert await refused(cloud, cloud.key)
