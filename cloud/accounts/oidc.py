"""Logging in at an identity provider: OpenID Connect, authorization code flow with PKCE, one provider by settings.

The configured issuer says, over TLS, where its endpoints and keys are; nobody else is believed. PyJWT checks ID tokens:
signature by the provider's published keys with an asymmetric algorithm, issuer, audience, times, nonce. A person is
known by the provider's subject; the first time, by a verified e-mail address that is his here already, or that was
invited. Our own second step is not asked for: whether a login takes two is then the provider's to decide.
"""

import asyncio
import base64
import hashlib
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
import jwt
import msgspec
import structlog

from cloud.accounts.sessions import Login, Origin, Sessions
from cloud.errors import DomainError
from cloud.storage import accounts as people
from cloud.storage import audit
from cloud.storage import links as link_queries
from cloud.storage.accounts import User
from cloud.storage.secrets import KeyRing, Secret
from cloud.storage.store import Store, Tx
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

ALGORITHMS: Final = ("RS256", "ES256", "PS256", "EdDSA")
"""Never one with a shared key: whoever knows the provider's public key could sign with it."""
PATIENCE_SECONDS: Final = 600
"""How long somebody may take at the provider."""
KEEP_SECONDS: Final = 3600.0
"""How long the provider's description and keys are believed; an unknown key asks again at once."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
MAX_ANSWER: Final = 256 * 1024
_STATE_ALGORITHM: Final = "HS256"


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True):
    issuer: str
    client_id: str
    client_secret: Secret
    name: str
    """On the button."""
    redirect: str
    """Our own address that the provider sends people back to."""


class _Provider(msgspec.Struct, frozen=True, kw_only=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is, as the provider says."""

    subject: str
    email: str
    """Verified; "" otherwise."""
    name: str


class Oidc:
    """One provider. `close` at the end."""

    def __init__(self, store: Store, sessions: Sessions, ring: KeyRing, settings: OidcSettings) -> None:
        self._store = store
        self._sessions = sessions
        self._settings = settings
        self._key = ring.derive("printfarm oidc state")
        self._http: aiohttp.ClientSession | None = None
        self._known: tuple[float, _Provider, jwt.PyJWKSet] | None = None
        self._turn = asyncio.Lock()

    @property
    def name(self) -> str:
        return self._settings.name

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def start(self, return_to: str) -> tuple[str, Secret]:
        """Where to send the browser, and what it must bring back in its cookie. DomainError: oidc_unavailable."""
        provider, _ = await self._provider()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect,
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        claims = {
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "to": local_path(return_to),
            "exp": datetime.now(UTC) + timedelta(seconds=PATIENCE_SECONDS),
        }
        cookie = Secret(jwt.encode(claims, self._key, _STATE_ALGORITHM))
        joint = "&" if urlsplit(provider.authorization_endpoint).query else "?"
        return f"{provider.authorization_endpoint}{joint}{urlencode(query)}", cookie

    async def finish(self, code: Secret, state: str, cookie: Secret, origin: Origin) -> tuple[Login, str]:
        """The login, and where its page was. DomainErrors: oidc_state, oidc_refused, oidc_unavailable, not_invited."""
        try:
            began = jwt.decode(cookie.reveal(), self._key, [_STATE_ALGORITHM])
        except jwt.InvalidTokenError:
            raise _refusal("oidc_state") from None
        if not secrets.compare_digest(str(began["state"]).encode(), state.encode()):
            raise _refusal("oidc_state")
        identity = await self._identity(await self._exchange(code, began["verifier"]), began["nonce"])
        user = await self._store.write(lambda tx: _person(tx, identity, origin))
        return await self._sessions.open(user, origin), str(began["to"])

    # ---- the provider

    async def _provider(self, *, fresh: bool = False) -> tuple[_Provider, jwt.PyJWKSet]:
        async with self._turn:
            if self._known is not None and not fresh and self._known[0] > time.monotonic():
                return self._known[1], self._known[2]
            self._known = None
            provider, keys = await self._discover()
            self._known = (time.monotonic() + KEEP_SECONDS, provider, keys)
            return provider, keys

    async def _discover(self) -> tuple[_Provider, jwt.PyJWKSet]:
        issuer = self._settings.issuer.rstrip("/")
        described = await self._json("GET", f"{issuer}/.well-known/openid-configuration")
        try:
            provider = msgspec.convert(described, _Provider)
            keys = jwt.PyJWKSet.from_dict(await self._json("GET", provider.jwks_uri))
        except (msgspec.ValidationError, jwt.PyJWTError, LookupError, TypeError, ValueError, AttributeError) as error:
            # PyJWT takes keys apart without looking whether they are any.
            log.warning("the identity provider describes itself wrongly", problem=type(error).__name__)
            raise _refusal("oidc_unavailable") from None
        if provider.issuer.rstrip("/") != issuer:
            log.error("the identity provider says that it is another", issuer=provider.issuer[:200])
            raise _refusal("oidc_unavailable")
        return provider, keys

    async def _exchange(self, code: Secret, verifier: str) -> str:
        provider, _ = await self._provider()
        form = {
            "grant_type": "authorization_code",
            "code": code.reveal(),
            "redirect_uri": self._settings.redirect,
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.reveal(),
            "code_verifier": verifier,
        }
        answer = await self._json("POST", provider.token_endpoint, data=form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _refusal("oidc_refused")
        return token

    async def _identity(self, token: str, nonce: str) -> Identity:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            provider, keys = await self._provider()
            if key_id is not None and key_id not in {key.key_id for key in keys.keys}:
                provider, keys = await self._provider(fresh=True)  # the provider may have changed its keys
            key = next(one for one in keys.keys if key_id is None or one.key_id == key_id)
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._settings.client_id,
                issuer=provider.issuer,
                leeway=30,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.InvalidTokenError, StopIteration) as error:
            log.warning("an identity provider's token is refused", problem=type(error).__name__)
            raise _refusal("oidc_refused") from None
        if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise _refusal("oidc_refused")
        verified = claims.get("email_verified") in (True, "true")
        return Identity(
            subject=f"{claims['iss']}|{claims['sub']}",
            email=str(claims.get("email", "")).lower() if verified else "",
            name=str(claims.get("name", ""))[:120],
        )

    async def _json(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        """DomainErrors: oidc_unavailable, oidc_refused."""
        if not is_trusted(self._settings.issuer, url):
            log.error("the identity provider names an address that is not used", host=urlsplit(url).netloc[:200])
            raise _refusal("oidc_unavailable")
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._http.request(method, url, allow_redirects=False, **options) as answer:
                if 400 <= answer.status < 500 and method == "POST":
                    raise _refusal("oidc_refused")
                answer.raise_for_status()
                decoded = msgspec.json.decode(await _whole(answer.content))
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            log.warning("the identity provider does not answer", problem=type(error).__name__)
            raise _refusal("oidc_unavailable") from None
        if not isinstance(decoded, dict):
            raise _refusal("oidc_unavailable")
        return decoded


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """All of an answer, however many pieces it comes in. DomainError oidc_unavailable beyond MAX_ANSWER."""
    data = bytearray()
    async for piece in content.iter_any():
        data += piece
        if len(data) > MAX_ANSWER:
            log.error("the identity provider's answer has no end")
            raise _refusal("oidc_unavailable")
    return bytes(data)


def is_trusted(issuer: str, url: str) -> bool:
    """Whether an address that the issuer names is used: providers have several hosts, but never leave their TLS."""
    address = urlsplit(url)
    return bool(address.hostname) and address.scheme == urlsplit(issuer).scheme


def local_path(text: str) -> str:
    """Only paths of this site: an address in a query must not lead elsewhere."""
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) else "/"


async def _person(tx: Tx, identity: Identity, origin: Origin) -> User:
    known = await people.by_oidc_subject(tx, identity.subject)
    if known is not None:
        if not known.is_active:
            raise _refusal("not_invited")
        return known
    if not identity.email:
        raise _refusal("not_invited")
    user = await people.by_email(tx, identity.email) or await _invited(tx, identity)
    if user is None or not user.is_active or not await people.bind_oidc_subject(tx, user.id, identity.subject):
        raise _refusal("not_invited")
    await audit.record(TenantTx(tx, user.tenant_id), origin.entry(user, "auth_oidc_bound"))
    return user


async def _invited(tx: Tx, identity: Identity) -> User | None:
    link = await link_queries.invitation_of(tx, identity.email)
    if link is None or link.tenant_id is None or not await link_queries.use(tx, link.id):
        return None
    name = link.name or identity.name or identity.email
    scoped = TenantTx(tx, link.tenant_id)
    return await people.create_user(scoped, email=link.email, name=name, password_hash="", role=link.role or "viewer")


_SENTENCES: Final = {
    "oidc_state": "This login took too long, or was begun in another window. Try again.",
    "oidc_refused": "The identity provider's answer cannot be trusted. Try again, or tell the owner.",
    "oidc_unavailable": "The identity provider does not answer. Try again later.",
    "not_invited": "Nobody here has your address. Ask an owner to invite you.",
}


def _refusal(code: str) -> DomainError:
    return DomainError(code, 503 if code == "oidc_unavailable" else 403, _SENTENCES[code])
