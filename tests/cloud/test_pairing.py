"""A device becomes a farm's hub, and another farm's: over HTTP, as a page and a device do it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import websockets
from structlog.testing import capture_logs

from cloud.accounts.throttle import Throttle
from cloud.storage import clock
from cloud.storage.secrets import Secret
from cloud.storage.tables import hub_pairings
from shared_protocol import pairing as labels
from tests.cloud.api_kit import OWNER, Client, Cloud, running_cloud
from tests.cloud.hub_life_kit import Device, eventually, living
from tests.cloud.test_links import mail_server

SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For what asks nothing new of a database."""


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def begin(who: Client, device: Device, **asked: Any) -> Any:
    return await who.ok("POST", "/api/pairings", {"device_id": device.id, **asked})


async def refused(cloud: Cloud, body: Any) -> tuple[int, str]:
    return await cloud.anonymous().refused("POST", "/hub/v1/claim", body)


async def test_a_device_is_paired_and_comes_online(cloud: Cloud) -> None:
    device = Device()
    begun = await begin(cloud.owner, device, name="Rack")
    assert set(begun) == {"id", "token", "expires_at", "cloud", "page"}
    assert begun["cloud"] == cloud.base
    path = f"/api/pairings/{begun['id']}"
    assert (await cloud.owner.ok("GET", path))["state"] == "waiting"
    claimed = await cloud.anonymous().ok("POST", "/hub/v1/claim", device.claim(begun["token"]))
    assert (claimed["name"], claimed["cloud"]) == ("Rack", cloud.base.replace("http", "ws", 1) + "/hub/v1/link")
    pairing = await cloud.owner.ok("GET", path)
    assert (pairing["state"], pairing["hub_id"]) == ("claimed", claimed["hub"])
    async with living(cloud, claimed["hub"], claimed["key"], target="esp32s3", reset="power"):
        hub = await cloud.owner.ok("GET", f"/api/hubs/{claimed['hub']}")
    assert (hub["device_id"], hub["name"], hub["online"]) == (device.id, "Rack", True)
    assert (hub["target"], hub["reset"], hub["safe"]) == ("esp32s3", "power", False)
    log = (await cloud.owner.ok("GET", "/api/audit-log/?action=hubs_claim"))["items"]
    assert (log[0]["object_id"], log[0]["details"]["device"]) == (claimed["hub"], labels.shown(device.id))
    assert await cloud.owner.refused("DELETE", path) == (409, "claimed")


async def test_a_token_makes_one_hub_and_is_worth_nothing_afterwards(cloud: Cloud) -> None:
    device = Device()
    begun = await begin(cloud.owner, device)
    first = await cloud.anonymous().ok("POST", "/hub/v1/claim", device.claim(begun["token"]))
    # The answer was lost on its way: the device asks again, and gets into the same hub.
    again = await cloud.anonymous().ok("POST", "/hub/v1/claim", device.claim(begun["token"]))
    assert again["hub"] == first["hub"]
    assert again["key"] != first["key"]
    with pytest.raises(websockets.InvalidStatus):
        async with living(cloud, first["hub"], first["key"]):
            pass
    async with living(cloud, again["hub"], again["key"]):
        pass
    assert await refused(cloud, device.claim(begun["token"])) == (403, "token_invalid")
    device.reset_epoch = 9
    assert await refused(cloud, device.claim(begun["token"])) == (403, "token_invalid")
    assert (await cloud.owner.ok("GET", "/api/hubs/"))["total"] == 1


async def test_a_token_is_for_one_device_and_its_time(cloud: Cloud) -> None:
    device, other = Device(), Device()
    begun = await begin(cloud.owner, device)
    assert await refused(cloud, other.claim(begun["token"])) == (403, "token_invalid")
    assert await refused(cloud, device.claim("x" + begun["token"])) == (403, "token_invalid")
    past = hub_pairings.update().values(expires_at=clock.after(-1))
    await cloud.services.store.write(lambda tx: tx.run(past))
    assert await refused(cloud, device.claim(begun["token"])) == (403, "token_invalid")
    assert (await cloud.owner.ok("GET", f"/api/pairings/{begun['id']}"))["state"] == "expired"
    renewed = await begin(cloud.owner, device)
    newest = await begin(cloud.owner, device)
    assert await refused(cloud, device.claim(renewed["token"])) == (403, "token_invalid")
    assert await cloud.owner.call("DELETE", f"/api/pairings/{newest['id']}") == (204, b"")
    assert await refused(cloud, device.claim(newest["token"])) == (403, "token_invalid")
    assert (await cloud.owner.ok("GET", "/api/hubs/"))["total"] == 0


@SQLITE
async def test_who_may_pair_and_see_a_pairing(cloud: Cloud) -> None:
    begun = await begin(cloud.owner, Device())
    stranger, operator = await cloud.stranger(), await cloud.person("operator")
    path = f"/api/pairings/{begun['id']}"
    assert await stranger.refused("GET", path) == (404, "not_found")
    assert await stranger.refused("DELETE", path) == (404, "not_found")
    assert await operator.refused("POST", "/api/pairings", {"device_id": Device().id}) == (403, "forbidden")
    hub = await cloud.hub()
    asked = {"device_id": Device().id, "replaces": hub}
    assert await stranger.refused("POST", "/api/pairings", asked) == (422, "no_such_hub")
    for wrong in ("", "7K3Q", "7k3qm2xdabcdefgh", "0" * 16, "A" * 17):
        assert await cloud.owner.refused("POST", "/api/pairings", {"device_id": wrong}) == (422, "invalid")


@SQLITE
async def test_a_proof_that_is_none_is_refused_in_words(cloud: Cloud) -> None:
    device = Device()
    begun = await begin(cloud.owner, device)
    for proof in ("", "zz" * 32, device.proof[:-2], device.proof.upper(), device.proof + "\n"):
        assert await refused(cloud, device.claim(begun["token"], proof=proof)) == (422, "invalid")
    assert await refused(cloud, device.claim(begun["token"], reset_epoch=-1)) == (422, "invalid")


async def test_an_owned_device_is_nobody_elses(cloud: Cloud) -> None:
    device, stranger = Device(), await cloud.stranger()
    claimed = await device.paired(cloud)
    status, mine = await cloud.owner.call("POST", "/api/pairings", {"device_id": device.id})
    assert (status, mine["error"]["code"]) == (409, "already_owned")
    assert mine["error"]["details"] == {"hub_id": claimed["hub"]}
    status, theirs = await stranger.call("POST", "/api/pairings", {"device_id": device.id})
    assert (status, theirs["error"]["code"], theirs["error"]["details"]) == (409, "already_owned", {})
    assert claimed["name"] not in str(theirs)
    begun = await begin(stranger, device, reset=True)  # says so, but it was not
    assert await refused(cloud, device.claim(begun["token"])) == (409, "already_owned")
    assert (await cloud.owner.ok("GET", f"/api/hubs/{claimed['hub']}"))["revoked"] is False


async def test_two_farms_claim_one_device_at_once_and_one_gets_it(cloud: Cloud) -> None:
    device, stranger = Device(), await cloud.stranger()
    tokens = [(await begin(who, device))["token"] for who in (cloud.owner, stranger)]
    nobody = cloud.anonymous()
    answers = await asyncio.gather(
        *(nobody.call("POST", "/hub/v1/claim", device.claim(token)) for token in tokens)
    )  # fmt: skip
    assert sorted(status for status, _ in answers) == [200, 409]
    totals = [(await who.ok("GET", "/api/hubs/"))["total"] for who in (cloud.owner, stranger)]
    assert sorted(totals) == [0, 1]


async def test_a_device_reset_by_its_button_goes_to_whoever_pairs_it_and_the_owner_is_told(
    tmp_path: Path, database: str
) -> None:
    async with AsyncExitStack() as stack:
        mails = await stack.enter_async_context(mail_server())
        url = Secret(f"smtp://127.0.0.1:{mails.port}?tls=never")
        mailing = {"smtp_url": url, "mail_from": "farm@example.com"}
        cloud = await stack.enter_async_context(running_cloud(tmp_path, database_url=database, **mailing))
        device, stranger = Device(), await cloud.stranger()
        old = await device.paired(cloud, name="Rack")
        printer = await cloud.printer(hub_id=old["hub"])
        device.reset_epoch = 1
        async with living(cloud, old["hub"], old["key"]):
            # It is connected, so it was not reset: this is somebody who has seen its label.
            begun = await begin(stranger, device, reset=True)
            assert await refused(cloud, device.claim(begun["token"])) == (409, "already_owned")
        await offline(cloud, old["hub"])
        new = await device.paired(cloud, stranger, reset=True)
        with pytest.raises(websockets.InvalidStatus):
            async with living(cloud, old["hub"], old["key"]):
                pass
        mail = await mails.next()
        assert mail["To"] == OWNER
        told = str(mail.get_payload())
        assert "'Rack'" in told
        assert labels.shown(device.id) in told
        lost = await cloud.owner.ok("GET", f"/api/hubs/{old['hub']}")
        assert (lost["revoked"], lost["online"], lost["taken_over_at"] is None) == (True, False, False)
        log = (await cloud.owner.ok("GET", "/api/audit-log/?action=hubs_taken_over"))["items"]
        assert [entry["object_id"] for entry in log] == [old["hub"]]
        # The old farm keeps its printer and sees nothing of the new hub, nor the other way round.
        assert (await cloud.owner.ok("GET", f"/api/printers/{printer['id']}"))["hub_id"] == old["hub"]
        assert await cloud.owner.refused("GET", f"/api/hubs/{new['hub']}") == (404, "not_found")
        assert await stranger.refused("GET", f"/api/hubs/{old['hub']}") == (404, "not_found")
        assert (await stranger.ok("GET", "/api/printers/"))["total"] == 0
        async with living(cloud, new["hub"], new["key"]) as hub:
            assert hub.config["printers"] == []
        # And it cannot be taken back without another reset.
        begun = await begin(cloud.owner, device, reset=True)
        assert await refused(cloud, device.claim(begun["token"])) == (409, "already_owned")


async def offline(cloud: Cloud, hub: str) -> None:
    async def so() -> bool:
        return not (await cloud.owner.ok("GET", f"/api/hubs/{hub}"))["online"]

    await eventually(so)


async def test_an_owner_who_resets_his_hub_gets_it_back_with_its_printers(cloud: Cloud) -> None:
    device = Device()
    old = await device.paired(cloud, name="Rack")
    printer = await cloud.printer(hub_id=old["hub"])
    device.reset_epoch = 3
    new = await device.paired(cloud, reset=True)
    assert (new["name"], new["hub"] == old["hub"]) == ("Rack", False)
    assert [hub["id"] for hub in (await cloud.owner.ok("GET", "/api/hubs/"))["items"]] == [new["hub"]]
    assert (await cloud.owner.ok("GET", f"/api/printers/{printer['id']}"))["hub_id"] == new["hub"]


async def test_a_dead_hubs_printers_come_along_with_the_one_that_replaces_it(cloud: Cloud) -> None:
    dead, new = Device(), Device()
    old = await dead.paired(cloud, name="Rack")
    printers = [await cloud.printer(f"01P{n}", hub_id=old["hub"]) for n in range(3)]
    claimed = await new.paired(cloud, replaces=old["hub"])
    assert claimed["name"] == "Rack"
    hubs = (await cloud.owner.ok("GET", "/api/hubs/"))["items"]
    assert [(hub["id"], hub["printers"]) for hub in hubs] == [(claimed["hub"], 3)]
    for printer in printers:
        seen = await cloud.owner.ok("GET", f"/api/printers/{printer['id']}")
        assert seen["hub_id"] == seen["live"]["hub_id"] == claimed["hub"]
    async with living(cloud, claimed["hub"], claimed["key"]) as hub:
        assert sorted(one["serial"] for one in hub.config["printers"]) == ["01P0", "01P1", "01P2"]
    with pytest.raises(websockets.InvalidStatus):
        async with living(cloud, old["hub"], old["key"]):
            pass
    # The replaced device, found again in a drawer, belongs to nobody.
    await dead.paired(cloud)


@SQLITE
async def test_claims_are_throttled_by_address_and_by_device(cloud: Cloud) -> None:
    pairings = cloud.services.accounts.pairings
    pairings._by_device = Throttle(free=2, now=lambda: 0.0)
    device = Device()
    begun = await begin(cloud.owner, device)
    for _ in range(2):
        assert await refused(cloud, device.claim("guess")) == (403, "token_invalid")
    assert await refused(cloud, device.claim(begun["token"])) == (429, "too_many_attempts")
    pairings._by_address = Throttle(free=3, now=lambda: 0.0)
    for _ in range(3):
        assert await refused(cloud, Device().claim("guess")) == (403, "token_invalid")
    assert await refused(cloud, Device().claim("guess")) == (429, "too_many_attempts")


async def test_no_secret_of_a_pairing_is_in_a_log_or_in_the_database(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    device = Device()
    label = labels.base32(device.secret)
    with capture_logs() as logs:
        begun = await begin(cloud.owner, device)
        await refused(cloud, device.claim("wrong" + begun["token"]))
        await refused(cloud, device.claim(begun["token"], proof=label))
        await refused(cloud, {**device.claim(begun["token"]), "secret": label})
        claimed = await cloud.anonymous().ok("POST", "/hub/v1/claim", device.claim(begun["token"]))
        async with living(cloud, claimed["hub"], claimed["key"]):
            pass
    written = str(logs) + caplog.text + str(await rows(cloud))
    for secret in (label, device.secret.hex(), device.proof, begun["token"], claimed["key"]):
        assert secret not in written
    assert labels.shown(device.id) in str(logs)


async def rows(cloud: Cloud) -> Any:
    from cloud.storage.tables import metadata

    return [
        await cloud.services.store.read(lambda tx, name=name: tx.all(metadata.tables[name].select()))  # type: ignore[misc]
        for name in ("hubs", "hub_pairings", "audit_log", "idempotency_keys")
    ]


async def test_a_released_hub_may_be_claimed_by_anybody_even_when_its_answer_was_lost(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.printing.hub_care.TTL_MS", 50)
    monkeypatch.setattr("cloud.hubs.commands.GRACE_S", 0.1)
    device, stranger = Device(), await cloud.stranger()
    old = await device.paired(cloud)
    async with living(cloud, old["hub"], old["key"], {"release": None}):
        assert await cloud.owner.refused("POST", f"/api/hubs/{old['hub']}/release") == (504, "no_answer")
    assert (await cloud.owner.ok("GET", f"/api/hubs/{old['hub']}"))["releasing"]
    new = await device.paired(cloud, stranger)
    assert (await cloud.owner.ok("GET", f"/api/hubs/{old['hub']}"))["taken_over_at"]

    await offline(cloud, old["hub"])
    async with living(cloud, new["hub"], new["key"]):
        assert (await stranger.ok("GET", f"/api/hubs/{new['hub']}"))["online"]


async def test_a_lost_hub_is_not_where_new_printers_go(cloud: Cloud) -> None:
    device, other, stranger = Device(), Device(), await cloud.stranger()
    await device.paired(cloud)
    living_one = await other.paired(cloud)
    device.reset_epoch = 1
    await device.paired(cloud, stranger, reset=True)
    assert (await cloud.printer())["hub_id"] == living_one["hub"]  # the only one there is, though two are listed
