"""Logging in, staying logged in, being thrown out; and pages that may not speak for anybody."""

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from cloud.storage.secrets import Secret
from tests.cloud.api_kit import OWNER, PASSWORD, Client, Cloud, running_cloud

LOGIN = {"email": OWNER, "password": PASSWORD}


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def raw(cloud: Cloud, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
    """Status, headers and JSON of a request without any client's help."""
    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(cloud.base, cookie_jar=jar) as http,
        http.request(method, path, **options) as answer,
    ):
        data = await answer.read()
        return answer.status, answer.headers, await answer.json() if data else None


async def test_a_login_gives_a_token_and_a_cookie(cloud: Cloud) -> None:
    status, headers, body = await raw(cloud, "POST", "/api/auth/login", json=LOGIN)
    assert status == 200
    assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in", "user"}
    assert body["token_type"] == "bearer"
    assert (body["user"]["email"], body["user"]["role"]) == (OWNER, "owner")
    cookies = SimpleCookie("; ".join(headers.getall("set-cookie")))
    cookie = cookies["printfarm_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "lax", "/", "")
    refresh = cookies["printfarm_refresh"]
    assert (refresh["httponly"], refresh["samesite"], refresh["path"]) == (True, "strict", "/api/auth")
    assert refresh.value == body["refresh_token"]
    status, _, me = await raw(cloud, "GET", "/api/auth/me", cookies={"printfarm_session": cookie.value})
    assert (status, me) == (200, body["user"])


async def test_over_https_the_cookie_is_bound_to_the_host(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, public_url="https://farm.example") as cloud:
        _, headers, _ = await raw(cloud, "POST", "/api/auth/login", json=LOGIN)
        assert headers["set-cookie"].startswith("__Host-printfarm_session=")
        assert "Secure" in headers["set-cookie"]
        assert "max-age" in headers["strict-transport-security"]


async def test_unknown_address_and_wrong_password_are_told_alike(cloud: Cloud) -> None:
    anonymous = cloud.anonymous()
    wrong = await anonymous.call("POST", "/api/auth/login", {"email": OWNER, "password": "something else"})
    unknown = await anonymous.call("POST", "/api/auth/login", {"email": "nobody@example.com", "password": PASSWORD})
    assert wrong == unknown
    assert (wrong[0], wrong[1]["error"]["code"]) == (401, "bad_credentials")


async def test_guessing_is_slowed_down_also_for_the_right_password(cloud: Cloud) -> None:
    anonymous = cloud.anonymous()
    for _ in range(5):
        assert (await anonymous.refused("POST", "/api/auth/login", {**LOGIN, "password": "wrong wrong"}))[0] == 401
    status, headers, body = await raw(cloud, "POST", "/api/auth/login", json=LOGIN)
    assert (status, body["error"]["code"]) == (429, "too_many_attempts")
    assert int(headers["retry-after"]) == body["error"]["details"]["retry_after"] >= 1
    # Who is logged in already is not disturbed by somebody else's guessing.
    await cloud.owner.ok("GET", "/api/auth/me")


async def test_logging_out_ends_the_token_at_once(cloud: Cloud) -> None:
    other = await cloud.login()
    assert await other.call("POST", "/api/auth/logout") == (204, b"")
    assert await other.refused("GET", "/api/auth/me") == (401, "unauthenticated")
    await cloud.owner.ok("GET", "/api/auth/me")


@pytest.mark.parametrize("flaw", ["none", "cut", "changed", "other key", "not a token"])
async def test_a_token_that_is_not_ours_is_nobody(cloud: Cloud, flaw: str) -> None:
    header, payload, signature = cloud.owner.token.split(".")
    token = {
        "none": f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.",
        "cut": f"{header}.{payload}.{signature[:-2]}",
        "changed": f"{header}.{payload[:-4]}AAAA.{signature}",
        "other key": f"{header}.{payload}.{'A' * len(signature)}",
        "not a token": "pfh_hub_something",
    }[flaw]
    async with Client(cloud.base, token) as client:
        assert await client.refused("GET", "/api/auth/me") == (401, "unauthenticated")


FOREIGN = [
    {"origin": "https://evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": "http://other.127.0.0.1"},
    {"origin": "null"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_foreign_page_cannot_act_with_somebodys_cookie(cloud: Cloud, headers: dict[str, str]) -> None:
    cookies = {"printfarm_session": cloud.owner.token}
    status, _, body = await raw(cloud, "POST", "/api/hubs/", json={"name": "x"}, cookies=cookies, headers=headers)
    assert (status, body["error"]["code"]) == (403, "foreign_origin")
    status, _, body = await raw(cloud, "POST", "/api/auth/login", json=LOGIN, headers=headers)
    assert (status, body["error"]["code"]) == (403, "foreign_origin")
    assert (await cloud.owner.ok("GET", "/api/hubs/"))["total"] == 0


async def test_our_own_page_and_programs_may_act(cloud: Cloud) -> None:
    cookies = {"printfarm_session": cloud.owner.token}
    ours = {"origin": cloud.base, "sec-fetch-site": "same-origin"}
    for headers in (ours, {}):
        status, _, _ = await raw(cloud, "POST", "/api/hubs/", json={"name": "x"}, cookies=cookies, headers=headers)
        assert status == 201
    await cloud.owner.ok("POST", "/api/hubs/", {"name": "x"}, headers={"origin": "https://elsewhere.example"})


async def test_a_configured_origin_may_act(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, allowed_origins=("http://localhost:5173",)) as cloud:
        cookies = {"printfarm_session": cloud.owner.token}
        headers = {"origin": "http://localhost:5173", "sec-fetch-site": "cross-site"}
        status, _, _ = await raw(cloud, "POST", "/api/hubs/", json={"name": "x"}, cookies=cookies, headers=headers)
        assert status == 201


async def test_the_setup_link_makes_one_owner_once(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with running_cloud_without_owner(tmp_path) as cloud:
            (link,) = [line["url"] for line in logs if "/setup#" in line.get("url", "")]
            token = link.partition("#")[2]
            body = {"token": token, "email": "First@Example.com", "password": PASSWORD, "name": "First"}
            anonymous = cloud.anonymous()
            assert await anonymous.refused("POST", "/api/auth/setup", {**body, "token": "x"}) == (403, "bad_link")
            assert await anonymous.refused("POST", "/api/auth/setup", {**body, "password": "short"}) == (
                422,
                "weak_password",
            )
            made = await anonymous.ok("POST", "/api/auth/setup", body)
            assert (made["user"]["role"], made["user"]["email"]) == ("owner", "first@example.com")
            assert await anonymous.refused("POST", "/api/auth/setup", body) == (403, "bad_link")
            login = {"email": "FIRST@example.com", "password": PASSWORD}
            assert (await anonymous.ok("POST", "/api/auth/login", login))["user"] == made["user"]
            shown = str(logs)
            assert shown.count(token) == 1  # where the link was printed, not where it was used
            assert PASSWORD not in shown
    with capture_logs() as logs:
        async with running_cloud_without_owner(tmp_path):
            assert not [line for line in logs if "/setup#" in str(line)]


def running_cloud_without_owner(folder: Path) -> Any:
    return running_cloud(folder, demo_email="", demo_password=None)


async def test_passwords_never_show_in_errors(cloud: Cloud) -> None:
    anonymous = cloud.anonymous()
    _, answer = await anonymous.call("POST", "/api/auth/login", {"email": 5, "password": "SeCrEt-1234"})
    assert "SeCrEt" not in str(answer)
    assert "SeCrEt" not in repr(Secret("SeCrEt-1234")) + f"{Secret('SeCrEt-1234')}"
