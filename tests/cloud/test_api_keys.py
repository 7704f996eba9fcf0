"""Keys for programs: what they open, what they never open, and how they end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from cloud.storage import api_keys as queries
from cloud.storage.store import Tx
from tests.cloud.api_kit import Client, Cloud, running_cloud

PATH = "/api/api-keys/"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def key(cloud: Cloud, *scopes: str, by: Client | None = None, **more: Any) -> tuple[Client, dict[str, Any]]:
    body = {"name": "Robot", "scopes": list(scopes), **more}
    made = await (by or cloud.owner).ok("POST", PATH, body)
    return cloud._kept(Client(cloud.base, made["key"])), made


async def test_a_key_opens_what_its_scopes_name_and_nothing_else(cloud: Cloud) -> None:
    reader, made = await key(cloud, "printers:read", "jobs:write")
    assert made["key"].endswith(made["hint"])
    assert (await reader.ok("GET", "/api/printers/"))["total"] == 0
    assert (await reader.ok("GET", "/api/print-jobs/"))["total"] == 0  # writing includes reading
    assert await reader.refused("GET", "/api/files/") == (403, "forbidden")
    status, body = await reader.call("POST", "/api/printers/", {})
    assert (status, body["error"]["details"]) == (403, {"needed": "printers:write"})


async def test_no_key_opens_what_concerns_credentials(cloud: Cloud) -> None:
    from cloud.accounts.access import SCOPES

    everything, _ = await key(cloud, *SCOPES)
    for path in ("/api/users/", "/api/sessions/", "/api/api-keys/", "/api/invitations/"):
        assert await everything.refused("GET", path) == (403, "forbidden"), path
    body = {"name": "another", "scopes": ["jobs:read"]}
    assert await everything.refused("POST", PATH, body) == (403, "forbidden")
    await everything.ok("GET", "/api/settings/")


async def test_a_key_never_may_more_than_its_person(cloud: Cloud) -> None:
    viewer = await cloud.person("viewer")
    body = {"name": "x", "scopes": ["printers:write"]}
    assert await viewer.refused("POST", PATH, body) == (403, "scope_beyond_role")
    assert await viewer.refused("POST", PATH, {**body, "scopes": ["everything"]}) == (422, "unknown_scope")
    operator = await cloud.person("operator")
    robot, _ = await key(cloud, "catalog:write", "hubs:write", by=operator)
    assert await robot.refused("POST", "/api/hubs/", {"name": "x"}) == (403, "forbidden")  # takes an owner
    color = {"color_name": "Red", "hex_code": "#ff0000", "filament_type": "PLA"}
    await robot.ok("POST", "/api/color-presets/", color)
    who = (await operator.ok("GET", "/api/auth/me"))["id"]
    await cloud.owner.ok("PATCH", f"/api/users/{who}", {"role": "viewer"})
    assert await robot.refused("POST", "/api/color-presets/", {**color, "color_name": "Blue"}) == (403, "forbidden")
    await cloud.owner.ok("PATCH", f"/api/users/{who}", {"is_active": False})
    assert await robot.refused("GET", "/api/color-presets/") == (401, "unauthenticated")


async def test_a_revoked_key_is_dead_at_once_and_its_socket_closes(cloud: Cloud) -> None:
    robot, made = await key(cloud, "printers:read")
    headers = {"authorization": f"Bearer {made['key']}"}
    address = cloud.base.replace("http", "ws") + "/api/v1/ws"
    async with websockets.connect(address, additional_headers=headers) as socket:
        await socket.send('{"type": "watch"}')
        await socket.recv()
        await cloud.owner.ok("DELETE", PATH + made["id"])
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401
    assert await robot.refused("GET", "/api/printers/") == (401, "unauthenticated")
    assert (await cloud.owner.ok("GET", PATH))["total"] == 0


async def test_the_live_view_takes_the_scope_of_printers(cloud: Cloud) -> None:
    _, made = await key(cloud, "files:read")
    address = cloud.base.replace("http", "ws") + "/api/v1/ws"
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(address, additional_headers={"authorization": f"Bearer {made['key']}"}):
            pass
    assert refused.value.response.status_code == 403


async def test_a_key_is_shown_once_and_kept_as_a_hash(cloud: Cloud) -> None:
    headers = {"idempotency-key": "make-me-a-key"}
    body = {"name": "Robot", "scopes": ["jobs:read"]}
    made = await cloud.owner.ok("POST", PATH, body, headers=headers)
    assert await cloud.owner.refused("POST", PATH, body, headers=headers) == (409, "request_repeated")
    assert made["key"] not in str(await cloud.owner.ok("GET", PATH))
    assert made["key"] not in str(await cloud.owner.ok("GET", "/api/audit-log/"))


async def test_a_key_that_has_expired_is_nobody(cloud: Cloud) -> None:
    body = {"name": "x", "scopes": ["jobs:read"], "expires_at": "2020-01-01T00:00:00Z"}
    assert await cloud.owner.refused("POST", PATH, body) == (422, "expired")
    async with Client(cloud.base, "pfk_key_abcdefghij_" + "a" * 52) as nobody:
        assert await nobody.refused("GET", "/api/printers/") == (401, "unauthenticated")


async def test_everybody_sees_his_own_keys_and_owners_all(cloud: Cloud) -> None:
    operator = await cloud.person("operator")
    _, mine = await key(cloud, "jobs:read", by=operator)
    await key(cloud, "files:read")
    assert [one["id"] for one in (await operator.ok("GET", PATH))["items"]] == [mine["id"]]
    assert (await cloud.owner.ok("GET", PATH))["total"] == 2
    other = next(one["id"] for one in (await cloud.owner.ok("GET", PATH))["items"] if one["id"] != mine["id"])
    assert await operator.refused("DELETE", PATH + other) == (404, "not_found")
    assert (await operator.ok("PATCH", PATH + mine["id"], {"name": "Scale"}))["name"] == "Scale"


async def test_the_last_use_of_a_key_is_noted(cloud: Cloud) -> None:
    robot, made = await key(cloud, "printers:read")
    await robot.ok("GET", "/api/printers/")
    await cloud.services.accounts.keys._note()
    (listed,) = (await cloud.owner.ok("GET", PATH))["items"]
    assert (listed["id"], listed["last_used_address"]) == (made["id"], "127.0.0.1")
    assert listed["last_used_at"]


async def test_many_bad_keys_are_held_up_and_a_good_one_beside_them_is_not(cloud: Cloud) -> None:
    good, _ = await key(cloud, "printers:read")
    async with Client(cloud.base, "pfk_key_abcdefghij_" + "a" * 52) as guesser:
        statuses = [(await guesser.call("GET", "/api/printers/"))[0] for _ in range(55)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    await good.ok("GET", "/api/printers/")


async def test_a_key_revoked_while_it_is_looked_up_is_not_believed_afterwards(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot, made = await key(cloud, "jobs:read")
    looked_up, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Tx, hashed: str) -> queries.LiveKey | None:
        found = await live(tx, hashed)
        looked_up.set()
        await go_on.wait()
        return found

    live = queries.live
    monkeypatch.setattr(queries, "live", slow)
    under_way = asyncio.create_task(robot.call("GET", "/api/print-jobs/"))
    await looked_up.wait()
    monkeypatch.setattr(queries, "live", live)
    await cloud.owner.ok("DELETE", PATH + made["id"])
    go_on.set()
    await under_way
    assert await robot.refused("GET", "/api/print-jobs/") == (401, "unauthenticated")
