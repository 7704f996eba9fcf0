"""Logging in at an identity provider: a small real one, which can be told to lie in every way that matters."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloud.accounts.oidc import is_trusted, local_path
from cloud.storage.secrets import Secret
from tests.cloud.api_kit import OWNER, Cloud, running_cloud

CLIENT, CLIENT_SECRET = "printfarm", "the client's secret"


class Provider:
    """Lets everybody in as `email`, without asking."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.url = ""
        self.claims: dict[str, Any] = {"sub": "42", "email": OWNER, "email_verified": True, "name": "Olga"}
        self.lie = ""
        self._codes: dict[str, dict[str, str]] = {}

    @property
    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/.well-known/openid-configuration", self.describe),
            web.get("/jwks", self.jwks),
            web.get("/authorize", self.authorize),
            web.post("/token", self.token),
        ]

    async def describe(self, request: web.Request) -> web.StreamResponse:
        described = {
            "issuer": "https://somebody.else" if self.lie == "another issuer" else self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
        }
        if self.lie == "no address of its keys":
            del described["jwks_uri"]
        if self.lie == "keys in a file":
            described["jwks_uri"] = "file:///etc/passwd"
        if self.lie == "without end":
            described["more"] = "x" * 300_000
        return await _in_pieces(request, json.dumps(described).encode())

    async def jwks(self, _request: web.Request) -> web.Response:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        keys: list[Any] = [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]
        if self.lie == "no keys":
            keys = []
        if self.lie == "a damaged key":
            del keys[0]["n"]
        if self.lie == "keys that are none":
            keys = ["one"]
        return web.json_response({"keys": keys})

    async def authorize(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        raise web.HTTPFound(f"{query['redirect_uri']}?code={code}&state={query['state']}")

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self._codes.pop(str(form["code"]), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
        genuine = asked is not None and challenge.decode().rstrip("=") == asked["code_challenge"]
        if not genuine or asked is None or form["client_secret"] != CLIENT_SECRET:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": self._sign(asked["nonce"])})

    def _sign(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce, **self.claims}
        changed: dict[str, dict[str, Any]] = {
            "nonce": {"nonce": "another"},
            "audience": {"aud": "somebody"},
            "issuer": {"iss": "http://evil"},
            "expired": {"exp": now - 3600},
        }
        claims |= changed.get(self.lie, {})
        headers = {"kid": "one"}
        if self.lie == "no signature":
            return jwt.encode(claims, "", "none", headers)
        if self.lie == "public key as secret":
            return _signed_with(
                self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), claims
            )
        if self.lie == "another key":
            return jwt.encode(claims, rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256", headers)
        return jwt.encode(claims, self.key, "RS256", headers)


async def _in_pieces(request: web.Request, data: bytes) -> web.StreamResponse:
    """As it comes over a real network: the second half a moment later, when the first was read."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    for piece in (data[:40], data[40:]):
        await answer.write(piece)
        await asyncio.sleep(0.02)
    await answer.write_eof()
    return answer


def _signed_with(key: bytes, claims: dict[str, Any]) -> str:
    """HS256 by hand: no library lends itself to this."""
    header = {"alg": "HS256", "typ": "JWT", "kid": "one"}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
    digest = hmac.new(key, ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, base64.urlsafe_b64encode(digest).decode().rstrip("=")])


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    app = web.Application()
    app.add_routes(provider.routes)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield provider
    await runner.cleanup()


@pytest.fixture
async def cloud(tmp_path: Path, database: str, provider: Provider) -> AsyncIterator[Cloud]:
    settings = {"oidc_issuer": provider.url, "oidc_client_id": CLIENT, "oidc_client_secret": Secret(CLIENT_SECRET)}
    async with running_cloud(tmp_path, database_url=database, oidc_name="Farm ID", **settings) as cloud:
        yield cloud


async def come_in(cloud: Cloud, *, to: str = "/jobs", cookie: bool = True) -> tuple[str, dict[str, str]]:
    """Where a browser ends that clicks the button, and its cookies then."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        address = f"{cloud.base}/api/auth/oidc/start?return_to={to}"
        for _ in range(3):
            async with browser.get(address, allow_redirects=False) as answer:
                assert answer.status == 302, await answer.text()
                address = answer.headers["location"]
            if not cookie:
                jar.clear()
        return address, {one.key: one.value for one in jar if one.value}


async def test_somebody_known_by_his_address_comes_in_where_he_was_going(cloud: Cloud) -> None:
    methods = await cloud.anonymous().ok("GET", "/api/auth/methods")
    assert methods == {"password": True, "oidc": {"name": "Farm ID"}, "signup": False}
    where, cookies = await come_in(cloud)
    assert where == "/jobs"
    assert set(cookies) == {"printfarm_session", "printfarm_refresh"}
    async with (
        aiohttp.ClientSession(cookies=cookies) as browser,
        browser.get(f"{cloud.base}/api/auth/me") as answer,
    ):
        assert (await answer.json())["email"] == OWNER


async def test_from_then_on_the_provider_s_subject_counts_and_not_the_address(cloud: Cloud, provider: Provider) -> None:
    await come_in(cloud)
    provider.claims["email"] = "married@example.com"
    assert (await come_in(cloud))[0] == "/jobs"
    provider.claims |= {"sub": "43", "email": OWNER}  # somebody else got the address
    assert (await come_in(cloud))[0] == "/login?error=not_invited"


async def test_somebody_invited_becomes_a_member_and_a_stranger_does_not(cloud: Cloud, provider: Provider) -> None:
    provider.claims |= {"sub": "7", "email": "olga@example.com"}
    assert (await come_in(cloud))[0] == "/login?error=not_invited"
    await cloud.owner.ok("POST", "/api/invitations/", {"email": "olga@example.com", "role": "operator"})
    provider.claims["email_verified"] = False
    assert (await come_in(cloud))[0] == "/login?error=not_invited"
    provider.claims["email_verified"] = True
    assert (await come_in(cloud))[0] == "/jobs"
    people = (await cloud.owner.ok("GET", "/api/users/?role=operator"))["items"]
    assert [(one["email"], one["name"]) for one in people] == [("olga@example.com", "Olga")]
    body = {"email": "olga@example.com", "password": "whatever it is"}  # there is none to guess
    assert await cloud.anonymous().refused("POST", "/api/auth/login", body) == (401, "bad_credentials")


@pytest.mark.parametrize(
    "lie",
    ["nonce", "audience", "issuer", "expired", "no signature", "public key as secret", "another key"],
)
async def test_a_token_that_cannot_be_trusted_opens_nothing(cloud: Cloud, provider: Provider, lie: str) -> None:
    provider.lie = lie
    where, cookies = await come_in(cloud)
    assert where == "/login?error=oidc_refused"
    assert cookies == {}


@pytest.mark.parametrize(
    "lie",
    [
        "another issuer",
        "no address of its keys",
        "keys in a file",
        "without end",
        "no keys",
        "a damaged key",
        "keys that are none",
    ],
)
async def test_a_provider_that_talks_nonsense_is_not_available(cloud: Cloud, provider: Provider, lie: str) -> None:
    provider.lie = lie
    assert await cloud.anonymous().refused("GET", "/api/auth/oidc/start") == (503, "oidc_unavailable")


def test_a_provider_may_have_several_hosts_and_its_tls_is_never_left() -> None:
    issuer = "https://accounts.example.com"
    assert is_trusted(issuer, "https://oauth2.example.net:8443/token")
    assert not is_trusted(issuer, "http://accounts.example.com/token")
    assert not is_trusted(issuer, "https:///token")
    assert is_trusted("http://127.0.0.1:5556", "http://127.0.0.1:5557/keys")


async def test_a_login_begun_in_another_browser_is_refused(cloud: Cloud) -> None:
    where, cookies = await come_in(cloud, cookie=False)
    assert (where, cookies) == ("/login?error=oidc_state", {})


async def test_an_answer_to_another_login_of_the_same_browser_is_refused(cloud: Cloud) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(f"{cloud.base}/api/auth/oidc/start", allow_redirects=False) as answer:
            there = answer.headers["location"]
        async with browser.get(there, allow_redirects=False) as answer:
            back = answer.headers["location"]
        forged = back[: back.index("&state=")] + "&state=another"
        async with browser.get(forged, allow_redirects=False) as answer:
            assert answer.headers["location"] == "/login?error=oidc_state"


async def test_an_address_that_is_not_verified_is_nobody_s(cloud: Cloud, provider: Provider) -> None:
    provider.claims["email_verified"] = False
    where, cookies = await come_in(cloud)
    assert (where, cookies) == ("/login?error=not_invited", {})


async def test_a_code_counts_once_and_no_secret_is_in_the_way(cloud: Cloud) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        async with browser.get(f"{cloud.base}/api/auth/oidc/start", allow_redirects=False) as answer:
            there = answer.headers["location"]
            kept = jar.filter_cookies(answer.url)["printfarm_oidc"].value if jar else ""
        assert CLIENT_SECRET not in there
        assert parse_qs(urlsplit(there).query)["code_challenge_method"] == ["S256"]
        async with browser.get(there, allow_redirects=False) as answer:
            back = answer.headers["location"]
        cookies = {"printfarm_oidc": next((one.value for one in jar if one.key == "printfarm_oidc"), kept)}
    ends = []
    for _ in range(2):
        async with (
            aiohttp.ClientSession(cookies=cookies) as browser,
            browser.get(back, allow_redirects=False) as answer,
        ):
            ends.append(answer.headers["location"])
    assert ends == ["/", "/login?error=oidc_refused"]


async def test_without_a_provider_there_is_none(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as cloud:
        assert (await cloud.anonymous().ok("GET", "/api/auth/methods"))["oidc"] is None
        assert await cloud.anonymous().refused("GET", "/api/auth/oidc/start") == (404, "not_found")


@pytest.mark.parametrize("text", ["//evil.example", "/\\evil.example", "https://evil.example", "evil", ""])
def test_nobody_is_led_elsewhere(text: str) -> None:
    assert local_path(text) == "/"
    assert local_path("/printers/4?x=1") == "/printers/4?x=1"
