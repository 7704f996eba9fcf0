"""Logins that last: refreshed, listed, ended; and a stolen refresh token, which throws its thief out."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import update

from cloud.accounts.refresh import RefreshTokens
from cloud.storage import clock
from cloud.storage.audit import ENTRIES
from cloud.storage.rows import Listing
from cloud.storage.secrets import KeyRing, Secret
from cloud.storage.store import Tx
from cloud.storage.tables import sessions
from tests.cloud.api_kit import OWNER, PASSWORD, Client, Cloud, running_cloud

LOGIN = {"email": OWNER, "password": PASSWORD}


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def login(cloud: Cloud) -> dict[str, Any]:
    made: dict[str, Any] = await cloud.anonymous().ok("POST", "/api/auth/login", LOGIN)
    return made


async def refresh(cloud: Cloud, token: str) -> tuple[int, Any]:
    return await cloud.anonymous().call("POST", "/api/auth/refresh", {"refresh_token": token})


async def change_sessions(cloud: Cloud, **values: Any) -> None:
    async def unit(tx: Tx) -> None:
        await tx.run(update(sessions).values(**values))

    await cloud.services.store.write(unit)


async def me(cloud: Cloud, token: str) -> int:
    async with Client(cloud.base, token) as client:
        return (await client.call("GET", "/api/auth/me"))[0]


async def test_a_refresh_gives_new_tokens_and_the_old_ones_stay_good_for_a_moment(cloud: Cloud) -> None:
    first = await login(cloud)
    assert first["expires_in"] == 600
    status, second = await refresh(cloud, first["refresh_token"])
    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert await me(cloud, second["access_token"]) == 200
    # A second tab refreshed at the same moment, with the token both knew: it is told the same next one.
    status, again = await refresh(cloud, first["refresh_token"])
    assert (status, again["refresh_token"]) == (200, second["refresh_token"])
    status, third = await refresh(cloud, second["refresh_token"])
    assert status == 200
    assert third["refresh_token"] != second["refresh_token"]


async def test_a_refresh_token_that_comes_again_ends_the_login_for_everybody(cloud: Cloud) -> None:
    first = await login(cloud)
    _, second = await refresh(cloud, first["refresh_token"])
    await change_sessions(cloud, rotated_at=clock.after(-60))  # a minute later
    status, body = await refresh(cloud, first["refresh_token"])
    assert (status, body["error"]["code"]) == (401, "logged_out")
    assert (await refresh(cloud, second["refresh_token"]))[0] == 401
    assert await me(cloud, second["access_token"]) == 401
    told = await (await cloud.tenant()).read(
        lambda tx: ENTRIES.page(tx, Listing(filters={"action": "auth_refresh_reused"}))
    )
    assert told[1] == 1


@pytest.mark.parametrize("flaw", ["cut", "generation", "session", "other key", "nonsense"])
async def test_a_forged_refresh_token_is_refused_and_harms_nobody(cloud: Cloud, flaw: str) -> None:
    made = await login(cloud)
    kind, session, generation, signature = made["refresh_token"].split(".")
    stranger = RefreshTokens(KeyRing({"k": b"\7" * 32}))
    forged = {
        "cut": made["refresh_token"][:-1],
        "generation": f"{kind}.{session}.7.{signature}",
        "session": f"{kind}.ses_other.{generation}.{signature}",
        "other key": stranger.make(session, 0).reveal(),
        "nonsense": "pfr...",
    }[flaw]
    assert (await refresh(cloud, forged))[0] == 401
    assert (await refresh(cloud, made["refresh_token"]))[0] == 200


async def test_a_login_ends_when_nobody_uses_it_and_at_the_latest_after_its_longest_time(cloud: Cloud) -> None:
    made = await login(cloud)
    await change_sessions(cloud, expires_at=clock.after(-1))
    assert (await refresh(cloud, made["refresh_token"]))[0] == 401
    made = await login(cloud)
    longest = cloud.services.settings.session_max_days * 86400
    await change_sessions(cloud, created_at=clock.after(60 - longest))
    _, body = await refresh(cloud, made["refresh_token"])
    async with Client(cloud.base, body["access_token"]) as client:
        listed = await client.ok("GET", "/api/sessions/")
    (current,) = [one for one in listed["items"] if one["current"]]
    assert clock.after(50) < current["expires_at"] < clock.after(70)


async def test_a_browser_refreshes_with_its_cookie_and_a_foreign_page_cannot(cloud: Cloud) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cloud.base, cookie_jar=jar) as browser:
        async with browser.post("/api/auth/login", json=LOGIN) as answer:
            assert answer.status == 200
        before = {cookie.key: cookie.value for cookie in jar}
        foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        async with browser.post("/api/auth/refresh", json={}, headers=foreign) as answer:
            assert answer.status == 403
        ours = {"origin": cloud.base, "sec-fetch-site": "same-origin"}
        async with browser.post("/api/auth/refresh", json={}, headers=ours) as answer:
            assert answer.status == 200
        after = {cookie.key: cookie.value for cookie in jar}
        assert after["printfarm_refresh"] != before["printfarm_refresh"]
        async with browser.get("/api/auth/me") as answer:
            assert answer.status == 200
        async with browser.post("/api/auth/logout", headers=ours) as answer:
            assert answer.status == 204
        assert [cookie.value for cookie in jar if cookie.value] == []
    async with aiohttp.ClientSession(cloud.base) as nobody, nobody.post("/api/auth/refresh", json={}) as answer:
        assert answer.status == 401


async def test_ones_logins_are_listed_and_ended(cloud: Cloud) -> None:
    phone = await cloud.login()
    listed = await cloud.owner.ok("GET", "/api/sessions/")
    assert listed["total"] == 2
    assert [one["method"] for one in listed["items"]] == ["password", "password"]
    assert {one["address"] for one in listed["items"]} == {"127.0.0.1"}
    (other,) = [one for one in listed["items"] if not one["current"]]
    stranger = await cloud.stranger()
    assert await stranger.refused("DELETE", f"/api/sessions/{other['id']}") == (404, "not_found")
    await cloud.owner.ok("DELETE", f"/api/sessions/{other['id']}")
    assert await phone.refused("GET", "/api/auth/me") == (401, "unauthenticated")
    assert await cloud.owner.refused("DELETE", f"/api/sessions/{other['id']}") == (404, "not_found")
    await cloud.login()
    await cloud.login()
    assert await cloud.owner.ok("POST", "/api/sessions/revoke-others") == {"sessions": 2}
    assert (await cloud.owner.ok("GET", "/api/sessions/"))["total"] == 1


async def test_a_new_password_ends_ones_other_logins_and_takes_the_old_one(cloud: Cloud) -> None:
    phone = await cloud.login()
    body = {"current_password": "not the password", "new_password": "another long password"}
    assert await cloud.owner.refused("POST", "/api/auth/password", body) == (422, "wrong_password")
    body["current_password"] = PASSWORD
    assert await cloud.owner.refused("POST", "/api/auth/password", {**body, "new_password": "short"}) == (
        422,
        "weak_password",
    )
    await cloud.owner.ok("POST", "/api/auth/password", body)
    assert await phone.refused("GET", "/api/auth/me") == (401, "unauthenticated")
    await cloud.owner.ok("GET", "/api/auth/me")
    assert await cloud.anonymous().refused("POST", "/api/auth/login", LOGIN) == (401, "bad_credentials")
    rows, _ = await (await cloud.tenant()).read(
        lambda tx: ENTRIES.page(tx, Listing(filters={"action": "auth_password"}))
    )
    assert [row["details"] for row in rows] == [{"current_password": "***", "new_password": "***"}]


def test_a_rotated_master_key_still_reads_old_tokens() -> None:
    old, new = b"\1" * 32, b"\2" * 32
    token = RefreshTokens(KeyRing({"old": old})).make("ses_a", 3)
    seen = RefreshTokens(KeyRing({"new": new, "old": old})).read(token)
    assert seen is not None
    assert (seen.session_id, seen.generation) == ("ses_a", 3)
    assert RefreshTokens(KeyRing({"new": new})).read(token) is None
    assert RefreshTokens(KeyRing({"new": new})).read(Secret("pfr.a.b.c")) is None
