"""What people do to a hub: over HTTP, with a hub that answers at the other end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets
from structlog.testing import capture_logs

from cloud.storage import clock
from cloud.storage.tables import hubs as hubs_table
from cloud.storage.tables import printers as printers_table
from tests.cloud.api_kit import JSON, Cloud, running_cloud
from tests.cloud.hub_life_kit import Device, LivingHub, eventually, living
from tools.sample_file import PRESETS, build_sample

FOUND: JSON = {"serial": "01P00A000000001", "host": "192.168.1.99", "model": "C12", "name": "Left", "firmware": "01.07"}

SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For what asks nothing new of a database."""


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


@pytest.fixture
async def paired(cloud: Cloud) -> JSON:
    return await Device().paired(cloud, name="Rack")


def path_of(paired: JSON, verb: str = "") -> str:
    return f"/api/hubs/{paired['hub']}" + (f"/{verb}" if verb else "")


@SQLITE
async def test_restart_identify_and_discover_reach_the_hub(cloud: Cloud, paired: JSON) -> None:
    operator = await cloud.person("operator")
    async with living(cloud, paired["hub"], paired["key"]) as hub:
        assert (await operator.ok("POST", path_of(paired, "identify"), {"seconds": 7}))["ok"]
        for verb in ("restart", "discover"):
            assert (await operator.ok("POST", path_of(paired, verb)))["ok"]
        assert [(one["name"], one["args"]) for one in hub.told] == [
            ("identify", {"seconds": 7}), ("restart", {}), ("discover", {}),
        ]  # fmt: skip
        assert not any("printer" in one for one in hub.told)
        for _ in range(2):
            key = {"idempotency-key": "restart-once"}
            await operator.ok("POST", path_of(paired, "restart"), headers=key)
        assert len({one["id"] for one in hub.told if one["name"] == "restart"}) == 2


@SQLITE
async def test_a_hub_that_is_away_is_told_nothing_and_that_is_said(cloud: Cloud, paired: JSON) -> None:
    bodies: dict[str, Any] = {
        "identify": {"seconds": 1},
        "wifi": {"networks": [{"ssid": "Farm", "password": "long enough"}]},
        "probe": {"host": "10.0.0.1", "access_code": "12345678"},
    }
    for verb in ("restart", "identify", "discover", "probe", "rotate-key", "release"):
        answer = await cloud.owner.refused("POST", path_of(paired, verb), bodies.get(verb))
        assert answer == (503, "hub_offline"), verb
    assert await cloud.owner.refused("PUT", path_of(paired, "wifi"), bodies["wifi"]) == (503, "hub_offline")
    assert await cloud.owner.refused("GET", path_of(paired, "logs")) == (503, "hub_offline")
    hub = await cloud.owner.ok("GET", path_of(paired))
    assert (hub["rotating"], hub["releasing"]) == (False, False)


@SQLITE
async def test_a_hub_that_does_not_answer_may_have_done_it(
    cloud: Cloud, paired: JSON, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.printing.hub_care.TTL_MS", 50)
    monkeypatch.setattr("cloud.hubs.commands.GRACE_S", 0.1)
    async with living(cloud, paired["hub"], paired["key"], {"restart": None, "logs": {"ok": True}}):
        assert await cloud.owner.refused("POST", path_of(paired, "restart")) == (504, "no_answer")
        assert await cloud.owner.refused("GET", path_of(paired, "logs")) == (502, "broken")


@SQLITE
async def test_an_older_firmware_says_what_it_cannot(cloud: Cloud, paired: JSON) -> None:
    answers: dict[str, JSON | None] = {"identify": {"ok": False, "code": "unknown_command"}}
    async with living(cloud, paired["hub"], paired["key"], answers):
        status, answer = await cloud.owner.call("POST", path_of(paired, "identify"), {})
    assert (status, answer["error"]["code"]) == (502, "unknown_command")
    assert "update" in answer["error"]["message"]


async def test_logs_are_fetched_and_crashes_are_kept(cloud: Cloud, paired: JSON) -> None:
    lines = {"ok": True, "data": {"lines": ["one", "two"]}}
    async with living(cloud, paired["hub"], paired["key"], {"logs": lines}) as hub:
        assert await cloud.owner.ok("GET", path_of(paired, "logs")) == {"lines": ["one", "two"]}
        for n in range(1, 24):
            data = {"part": "cloud", "text": f"crash {n}"}
            await hub.say("event", boot="boot0001", n=n, name="crash", at_ms=n, data=data)

        async def newest() -> bool:
            found = await cloud.owner.ok("GET", path_of(paired, "crashes"))
            return bool(found["items"]) and found["items"][0]["text"] == "crash 23"

        await eventually(newest)
    found = await cloud.owner.ok("GET", path_of(paired, "crashes"))
    assert found["total"] == 20
    assert [one["text"] for one in found["items"]] == [f"crash {n}" for n in range(23, 3, -1)]
    assert (found["items"][0]["part"], found["items"][0]["boot"]) == ("cloud", "boot0001")


@SQLITE
async def test_wifi_networks_reach_the_hub_and_their_passwords_nobody_else(cloud: Cloud, paired: JSON) -> None:
    networks = [
        {"ssid": "Farm", "password": "a secret of ours"},
        {"ssid": "Old", "password": "", "address": "10.0.0.7/24", "gateway": "10.0.0.1", "dns": None},
    ]
    with capture_logs() as logs:
        async with living(cloud, paired["hub"], paired["key"]) as hub:
            answer = await cloud.owner.ok("PUT", path_of(paired, "wifi"), {"networks": networks})
            assert hub.told[0]["args"]["networks"] == [
                networks[0],
                {"ssid": "Old", "password": "", "address": "10.0.0.7/24", "gateway": "10.0.0.1"},
            ]
    audit = await cloud.owner.ok("GET", "/api/audit-log/?action=hubs_wifi")
    assert audit["items"][0]["details"]["networks"][0] == {
        "ssid": "Farm", "password": "***", "address": None, "gateway": None, "dns": None,
    }  # fmt: skip
    assert "a secret of ours" not in str((logs, audit, answer))
    for wrong in (
        [], [{"ssid": "", "password": ""}], [{"ssid": "x", "password": "short"}],
        [{"ssid": "x", "password": "nul\0" * 5}],
        [{"ssid": "x", "password": "", "dns": "1.1.1.1"}], [{"ssid": "x", "password": "", "address": "10.0.0.300/24"}],
        [{"ssid": "x", "password": ""}] * 5, [{"ssid": "x", "address": "10.0.0.7/24"}],
    ):  # fmt: skip
        assert await cloud.owner.refused("PUT", path_of(paired, "wifi"), {"networks": wrong}) == (422, "invalid")


@SQLITE
async def test_known_networks_are_asked_of_the_hub_and_kept_without_their_passwords(cloud: Cloud, paired: JSON) -> None:
    known = [{"ssid": "Farm", "state": "joined"}, {"ssid": "Hall", "state": "wrong_password"}]
    answers: dict[str, JSON | None] = {"networks": {"ok": True, "data": {"networks": known}}}
    async with living(cloud, paired["hub"], paired["key"], answers) as hub:
        assert await cloud.owner.ok("GET", path_of(paired, "wifi")) == {"networks": known}
        wanted = [{"ssid": "Farm"}, {"ssid": "New", "password": "long enough"}]
        await cloud.owner.ok("PUT", path_of(paired, "wifi"), {"networks": wanted})
        assert hub.told[-1]["args"]["networks"] == wanted


# ---- keys and endings


async def test_a_key_is_rotated_in_two_steps_and_seen_by_nobody(cloud: Cloud, paired: JSON) -> None:
    with capture_logs() as logs:
        async with living(cloud, paired["hub"], paired["key"]) as hub:
            answer = await cloud.owner.ok("POST", path_of(paired, "rotate-key"))
            key = hub.told[0]["args"]["key"]
            assert (await cloud.owner.ok("GET", path_of(paired)))["rotating"]
            assert await cloud.owner.refused("POST", path_of(paired, "rotate-key")) in [
                (409, "rotating"), (503, "hub_offline"),
            ]  # fmt: skip
            await asyncio.wait_for(hub.ended.wait(), 10)
        async with living(cloud, paired["hub"], paired["key"]):  # it had not stored the new one yet
            assert (await cloud.owner.ok("GET", path_of(paired)))["rotating"]
        async with living(cloud, paired["hub"], key):
            assert not (await cloud.owner.ok("GET", path_of(paired)))["rotating"]
    with pytest.raises(websockets.InvalidStatus):
        async with living(cloud, paired["hub"], paired["key"]):
            pass
    audit = await cloud.owner.ok("GET", "/api/audit-log/?action=hubs_rotate_key")
    assert key not in str((logs, audit, answer))


@SQLITE
async def test_a_key_that_the_hub_refuses_is_withdrawn(cloud: Cloud, paired: JSON) -> None:
    answers: dict[str, JSON | None] = {"key": {"ok": False, "code": "failed", "message": "The disk is full."}}
    async with living(cloud, paired["hub"], paired["key"], answers) as hub:
        assert await cloud.owner.refused("POST", path_of(paired, "rotate-key")) == (409, "failed")
        assert not (await cloud.owner.ok("GET", path_of(paired)))["rotating"]
        hub.answers["key"] = {"ok": True}
        await cloud.owner.ok("POST", path_of(paired, "rotate-key"))


@SQLITE
async def test_a_revoked_hub_gets_no_key(cloud: Cloud, paired: JSON) -> None:
    async with living(cloud, paired["hub"], paired["key"]) as hub:
        assert (await cloud.owner.ok("POST", path_of(paired, "revoke")))["revoked"]
        await asyncio.wait_for(hub.ended.wait(), 10)
    status, code = await cloud.owner.refused("POST", path_of(paired, "rotate-key"))
    assert (status, code) in [(409, "revoked"), (503, "hub_offline")]


async def test_a_released_hub_forgets_and_is_gone_and_its_printers_stay(cloud: Cloud) -> None:
    device = Device()
    paired = await device.paired(cloud)
    printer = await cloud.printer(hub_id=paired["hub"])
    async with living(cloud, paired["hub"], paired["key"]) as hub:
        await cloud.owner.ok("POST", path_of(paired, "release"))
        assert hub.told[-1]["name"] == "release"
        await asyncio.wait_for(hub.ended.wait(), 10)
    assert await cloud.owner.refused("GET", path_of(paired)) == (404, "not_found")
    assert (await cloud.owner.ok("GET", f"/api/printers/{printer['id']}"))["hub_id"] is None
    await device.paired(cloud, await cloud.stranger())  # handed over


async def test_a_hub_that_refuses_to_forget_stays_ours(cloud: Cloud) -> None:
    device = Device()
    paired = await device.paired(cloud)
    answers: dict[str, JSON | None] = {"release": {"ok": False, "code": "busy"}}
    async with living(cloud, paired["hub"], paired["key"], answers):
        assert await cloud.owner.refused("POST", path_of(paired, "release")) == (503, "busy")
    assert not (await cloud.owner.ok("GET", path_of(paired)))["releasing"]
    asked = {"device_id": device.id}
    assert await cloud.owner.refused("POST", "/api/pairings", asked) == (409, "already_owned")


@SQLITE
async def test_a_hub_is_not_released_under_a_job(cloud: Cloud, paired: JSON) -> None:
    printer = await cloud.printer(hub_id=paired["hub"])
    _, file = await cloud.owner.upload(build_sample(PRESETS["bracket_p1s"]))
    body = {"print_file_id": file["id"], "printer_id": printer["id"], "hold": True}
    await cloud.owner.ok("POST", "/api/print-jobs/", body)
    async with living(cloud, paired["hub"], paired["key"]) as hub:
        assert await cloud.owner.refused("POST", path_of(paired, "release")) == (409, "in_use")
        assert hub.told == []


async def test_another_hub_takes_the_place_of_a_dead_one(cloud: Cloud, paired: JSON) -> None:
    printer = await cloud.printer(hub_id=paired["hub"])
    new = await Device().paired(cloud)
    stranger = await cloud.stranger()
    theirs = await Device().paired(cloud, stranger)
    replace = path_of(paired, "replace")
    assert await cloud.owner.refused("POST", replace, {"hub_id": theirs["hub"]}) == (422, "no_such_hub")
    assert await cloud.owner.refused("POST", replace, {"hub_id": paired["hub"]}) == (422, "invalid")
    async with living(cloud, new["hub"], new["key"], max_printers=1) as hub:
        await cloud.owner.ok("POST", replace, {"hub_id": new["hub"]})
        await hub.until(lambda: hub.config.get("printers"))
        assert [one["id"] for one in hub.config["printers"]] == [printer["id"]]
    assert await cloud.owner.refused("GET", path_of(paired)) == (404, "not_found")
    more = await Device().paired(cloud)
    await cloud.printer("01P9", hub_id=more["hub"])
    full = path_of(more, "replace")
    assert await cloud.owner.refused("POST", full, {"hub_id": new["hub"]}) == (409, "hub_full")


async def test_a_printer_moves_between_hubs_live_and_not_under_a_job(cloud: Cloud, paired: JSON) -> None:
    printer = await cloud.printer(hub_id=paired["hub"])
    other = await Device().paired(cloud)
    path = f"/api/printers/{printer['id']}"
    async with (
        living(cloud, paired["hub"], paired["key"]) as left,
        living(cloud, other["hub"], other["key"]) as right,
    ):
        await left.until(lambda: left.config.get("printers"))
        await cloud.owner.ok("PATCH", path, {"hub_id": other["hub"]})
        await right.until(lambda: right.config.get("printers"))
        await left.until(lambda: left.config["printers"] == [])
        await holding(cloud, printer["id"])
        assert await cloud.owner.refused("PATCH", path, {"hub_id": paired["hub"]}) == (409, "in_use")
        assert (await cloud.owner.ok("GET", path))["hub_id"] == other["hub"]
        await cloud.owner.ok("PATCH", path, {"name": "Renamed"})  # what the hub does not know may change


async def holding(cloud: Cloud, printer_id: str) -> None:
    """A job that is printing on it."""
    from cloud.storage.tables import print_jobs

    tenant, moment = await cloud.tenant_id(), clock.now()
    row = {"id": "job_held", "tenant_id": tenant, "file_name": "a", "plate": 1, "status": "printing"}
    row |= {"printer_id": printer_id, "time_submitted": moment, "updated_at": moment}
    await cloud.services.store.write(lambda tx: tx.run(print_jobs.insert().values(**row)))


# ---- what it tells


async def test_telemetry_and_updates_are_shown_and_survive_a_restart(tmp_path: Path, database: str) -> None:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        paired = await Device().paired(cloud)
        async with living(cloud, paired["hub"], paired["key"], safe=True) as hub, watching(cloud) as browser:
            await hub.say("telemetry", uptime_ms=60_000, rssi=-51, heap_low=90_000)
            await browser.until(lambda: browser.hubs[paired["hub"]]["telemetry"])
            data = {"version": "0.3.0", "state": "rolled_back", "code": "no_cloud", "message": "No word of the cloud."}
            await hub.say("event", boot="boot0001", n=1, name="update", at_ms=1, data=data)
            await browser.until(lambda: browser.hubs[paired["hub"]]["update"])
            await hub.say("found", printers=[FOUND])
            await browser.until(lambda: browser.hubs[paired["hub"]]["found"] == [FOUND])
            seen = await cloud.owner.ok("GET", path_of(paired))
            assert (seen["telemetry"]["rssi"], seen["telemetry"]["ssid"], seen["safe"]) == (-51, None, True)
            assert {name: seen["update"][name] for name in data} == data
        await browser.until(lambda: not browser.hubs[paired["hub"]]["online"])
    async with running_cloud(tmp_path, database_url=database) as cloud:
        seen = await cloud.owner.ok("GET", path_of(paired))
        assert (seen["telemetry"]["heap_low"], seen["update"]["state"], seen["online"]) == (
            90_000,
            "rolled_back",
            False,
        )


class Watching:
    """A page's view of the hubs."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.hubs: dict[str, JSON] = {}
        self.messages: list[JSON] = []

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(10):
            while not condition():
                message = await self._socket.receive_json()
                self.messages.append(message)
                if message["type"] == "snapshot":
                    self.hubs = message["hubs"]
                for key, changes in message.get("hubs", {}).items() if message["type"] == "delta" else ():
                    if changes is None:
                        self.hubs.pop(key, None)
                    else:
                        self.hubs.setdefault(key, {}).update(changes)


class watching:  # noqa: N801 - reads as what it does
    """`async with watching(cloud) as browser`; the socket stays open until the cloud closes it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def __aenter__(self) -> Watching:
        socket = await self._cloud.owner.http.ws_connect("/api/v1/ws")
        await socket.send_json({"type": "watch"})
        browser = Watching(socket)
        await browser.until(lambda: browser.messages)
        return browser

    async def __aexit__(self, *_: object) -> None:
        return


@SQLITE
async def test_a_hub_that_is_added_renamed_and_removed_is_so_on_the_page(cloud: Cloud) -> None:
    async with watching(cloud) as browser:
        hub = await cloud.hub("Shelf")
        await browser.until(lambda: browser.hubs.get(hub, {}).get("name") == "Shelf")
        await cloud.owner.ok("PATCH", f"/api/hubs/{hub}", {"name": "Rack"})
        await browser.until(lambda: browser.hubs[hub]["name"] == "Rack")
        await cloud.owner.call("DELETE", f"/api/hubs/{hub}")
        await browser.until(lambda: hub not in browser.hubs)
    other = await cloud.stranger()
    await other.ok("POST", "/api/hubs/", {"name": "Theirs"})
    async with watching(cloud) as browser:
        assert browser.hubs == {}


# ---- printers in its network


async def test_found_printers_are_matched_with_those_configured(cloud: Cloud, paired: JSON) -> None:
    printer = await cloud.printer(FOUND["serial"], hub_id=paired["hub"])
    stranger = await cloud.stranger()
    new = {"serial": "22E8", "host": "10.0.0.3", "model": "XX9", "name": "", "firmware": ""}
    async with living(cloud, paired["hub"], paired["key"]) as hub:
        assert await cloud.owner.ok("GET", path_of(paired, "found")) == {"items": [], "total": 0, "found_at": None}
        await hub.say("found", printers=[FOUND, new])

        async def told() -> Any:
            return (await cloud.owner.ok("GET", path_of(paired, "found")))["items"]

        items = await eventually(told)
    assert items == [
        {**FOUND, "model_name": "P1S", "printer_id": printer["id"], "address_changed": True},
        {**new, "model_name": "XX9", "printer_id": None, "address_changed": False},
    ]
    assert await stranger.refused("GET", path_of(paired, "found")) == (404, "not_found")


async def pinned(cloud: Cloud, printer_id: str) -> None:
    pin = printers_table.update().where(printers_table.c.id == printer_id).values(cert_sha256="ab" * 32)
    await cloud.services.store.write(lambda tx: tx.run(pin))


async def address(cloud: Cloud, printer: JSON) -> str:
    return str((await cloud.owner.ok("GET", f"/api/printers/{printer['id']}"))["ip_address"])


async def test_a_printer_whose_address_changed_is_followed_and_that_is_in_the_log(cloud: Cloud, paired: JSON) -> None:
    printer = await cloud.printer(FOUND["serial"], hub_id=paired["hub"])
    await pinned(cloud, printer["id"])
    async with living(cloud, paired["hub"], paired["key"]) as hub:
        await hub.say("status", printer=printer["id"], full=True, data={"link": "offline"})
        await hub.say("found", printers=[FOUND])
        await hub.until(lambda: [one["host"] for one in hub.config["printers"]] == [FOUND["host"]])
        assert await address(cloud, printer) == FOUND["host"]
        log = (await cloud.owner.ok("GET", "/api/audit-log/?action=printers_follow"))["items"]
        assert [(one["actor"], one["actor_name"], one["object_id"]) for one in log] == [
            (paired["hub"], "Rack", printer["id"])
        ]
        assert log[0]["details"] == {"ip_address": FOUND["host"], "before": printer["ip_address"]}
        # Whoever announces yet another address at once does not fill the log.
        await hub.say("found", printers=[{**FOUND, "host": "192.168.1.66"}])
        await shown(cloud, paired, "192.168.1.66")
        assert await address(cloud, printer) == FOUND["host"]


async def shown(cloud: Cloud, paired: JSON, host: str) -> None:
    async def told() -> bool:
        items = (await cloud.owner.ok("GET", path_of(paired, "found")))["items"]
        return [one["host"] for one in items] == [host]

    await eventually(told)


@SQLITE
@pytest.mark.parametrize("why", ["online", "unpinned", "disconnected"])
async def test_a_printer_is_not_followed_where_a_stranger_could_lead_it(cloud: Cloud, paired: JSON, why: str) -> None:
    printer = await cloud.printer(FOUND["serial"], hub_id=paired["hub"], connect=why != "disconnected")
    if why != "unpinned":
        await pinned(cloud, printer["id"])
    link = "online" if why == "online" else "offline"
    async with living(cloud, paired["hub"], paired["key"]) as hub:
        await hub.say("status", printer=printer["id"], full=True, data={"link": link, "state": "idle"})
        await hub.say("found", printers=[FOUND])
        await shown(cloud, paired, FOUND["host"])
        assert await address(cloud, printer) == printer["ip_address"]
        if why == "online":  # and when it has lost its line there, it is
            await hub.say("status", printer=printer["id"], full=False, data={"link": "offline"})
            await hub.until(lambda: [one["host"] for one in hub.config["printers"]] == [FOUND["host"]])


@SQLITE
async def test_what_a_hub_heard_before_it_was_away_leads_no_printer_astray(cloud: Cloud, paired: JSON) -> None:
    """Somebody has corrected the address meanwhile; what was heard last week says otherwise."""
    printer = await cloud.printer(FOUND["serial"], hub_id=paired["hub"])
    async with living(cloud, paired["hub"], paired["key"]) as hub:
        await hub.say("found", printers=[FOUND])
        await shown(cloud, paired, FOUND["host"])
    await pinned(cloud, printer["id"])
    offline = {"link": "offline", "state": "idle"}
    async with living(cloud, paired["hub"], paired["key"]) as hub:
        await hub.say("status", printer=printer["id"], full=True, data=offline)

        async def told() -> bool:
            seen = await cloud.owner.ok("GET", f"/api/printers/{printer['id']}/status")
            return bool(seen["live"].get("link") == "offline")

        await eventually(told)
        await cloud.owner.ok("GET", path_of(paired, "found"))
        assert await address(cloud, printer) == printer["ip_address"]
        await hub.say("found", printers=[FOUND])  # heard now, it is news
        await hub.until(lambda: [one["host"] for one in hub.config["printers"]] == [FOUND["host"]])


@SQLITE
async def test_a_printer_is_tried_before_it_is_added(cloud: Cloud, paired: JSON) -> None:
    good = {"ok": True, "data": {"serial": "01P1", "model": "C12", "cert": "ab"}}
    body = {"host": "10.0.0.3", "access_code": "12345678", "serial": "01P1", "port": 8884}
    with capture_logs() as logs:
        async with living(cloud, paired["hub"], paired["key"], {"probe": good}) as hub:
            tried = await cloud.owner.ok("POST", path_of(paired, "probe"), body)
            assert tried == {"serial": "01P1", "model": "C12", "model_name": "P1S", "printer_id": None}
            expected = {"host": "10.0.0.3", "code": "12345678", "serial": "01P1", "port": 8884}
            assert hub.told[0]["args"] == expected
            sentences = await refusals(cloud, hub, paired, body)
    assert len(set(sentences)) == 6
    audit = await cloud.owner.ok("GET", "/api/audit-log/?action=hubs_probe")
    assert "12345678" not in str((logs, audit))
    assert audit["items"][0]["details"]["access_code"] == "***"


async def refusals(cloud: Cloud, hub: LivingHub, paired: JSON, body: JSON) -> list[str]:
    """A sentence for each way in which a printer is not to be had."""
    sentences = []
    codes = ("unreachable", "not_a_printer", "auth_failed", "wrong_serial", "lan_only_off", "developer_mode_off")
    for code in codes:
        hub.answers["probe"] = {"ok": False, "code": code, "message": "in the hub's own words"}
        status, answer = await cloud.owner.call("POST", path_of(paired, "probe"), body)
        assert (status, answer["error"]["code"]) == (422, code)
        sentences.append(answer["error"]["message"])
    assert "in the hub's own words" not in sentences
    return sentences


async def test_an_unfinished_offer_is_no_obstacle_later(cloud: Cloud, paired: JSON) -> None:
    offered = {"next_key_hash": "ab" * 32, "next_key_at": clock.after(-61)}
    await cloud.services.store.write(lambda tx: tx.run(hubs_table.update().values(**offered)))
    async with living(cloud, paired["hub"], paired["key"]) as hub:
        assert not (await cloud.owner.ok("GET", path_of(paired)))["rotating"]
        await cloud.owner.ok("POST", path_of(paired, "rotate-key"))
        assert [one["name"] for one in hub.told] == ["key"]
