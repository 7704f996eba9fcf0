"""Logging in and out, proving a login, and the first owner."""

import asyncio
import hashlib
import secrets
import time
from typing import Final, cast

import msgspec
import structlog

from cloud.accounts.errors import BadCredentialsError, BadLinkError, TooManyAttemptsError
from cloud.accounts.passwords import Passwords
from cloud.accounts.principal import Principal, Role
from cloud.accounts.throttle import Throttle
from cloud.accounts.tokens import Tokens
from cloud.bus import Bus, Subscription
from cloud.storage import accounts as queries
from cloud.storage import clock
from cloud.storage.secrets import KeyRing, Secret
from cloud.storage.store import Store, Tx
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

SESSION_REVOKED: Final = "session.revoked"
"""Bus subject; the data is the session's id. Sockets of the session close."""
SETUP_LINK_HOURS: Final = 24
TRUSTED_SECONDS: Final = 10.0
"""How long a session that was looked up is believed. Revocations come over the bus, so this is the second net."""
MAX_TRUSTED: Final = 10_000
KEEP_EXPIRED_DAYS: Final = 30


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh login: the token is shown to nobody but its owner."""

    token: Secret
    principal: Principal
    seconds: int


class Accounts:
    """The service. `start` after the migrations, `close` at the end."""

    def __init__(
        self, store: Store, bus: Bus, ring: KeyRing, *, session_hours: int, passwords: Passwords | None = None
    ) -> None:
        self._store = store
        self._bus = bus
        self._tokens = Tokens(ring)
        self._passwords = passwords or Passwords()
        self._seconds = session_hours * 3600
        self._by_account = Throttle(free=5)
        self._by_address = Throttle(free=20)
        self._trusted: dict[str, tuple[float, Principal]] = {}
        self._subscription: Subscription | None = None
        self._revocations = 0

    async def start(self) -> None:
        self._subscription = self._bus.subscribe(SESSION_REVOKED, self._on_revoked)
        old = clock.after(-KEEP_EXPIRED_DAYS * 86400)
        await self._store.write(lambda tx: queries.forget_old_sessions(tx, old))

    async def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
        await asyncio.to_thread(self._passwords.close)

    # ---- the first owner

    async def new_setup_link(self) -> Secret | None:
        """A token that makes its bearer the owner, once, within a day. None when there are users already."""
        token = secrets.token_urlsafe(32)

        async def unit(tx: Tx) -> bool:
            if await queries.any_user(tx):
                return False
            expires_at = clock.after(SETUP_LINK_HOURS * 3600)
            await queries.replace_setup_link(tx, token_hash=_hashed(token), expires_at=expires_at)
            return True

        return Secret(token) if await self._store.write(unit) else None

    async def setup(
        self, token: Secret, *, email: str, password: Secret, name: str, address: str, user_agent: str
    ) -> Login:
        """Use a set-up link: create the tenant and its owner, and log the owner in.

        Raises BadLinkError, WeakPasswordError, BusyError, TooManyAttemptsError.
        """
        self._throttle(address)
        self._by_address.attempt(address)
        hashed = await self._passwords.hash(password)

        async def unit(tx: Tx) -> queries.User:
            if await queries.any_user(tx) or not await queries.use_setup_link(tx, _hashed(token.reveal())):
                raise BadLinkError("the set-up link is not valid")
            return await _create_owner(tx, email=email, password_hash=hashed, name=name)

        user = await self._store.write(unit)
        self._by_address.excuse(address)
        log.info("owner created by set-up link", user=user.id, tenant=user.tenant_id)
        return await self._open_session(user, user_agent)

    async def ensure_owner(self, email: str, password: Secret) -> bool:
        """Create an owner with this password unless there is any user; true when created."""
        hashed = await self._passwords.hash(password)

        async def unit(tx: Tx) -> bool:
            if await queries.any_user(tx):
                return False
            await _create_owner(tx, email=email, password_hash=hashed, name="Owner")
            return True

        return await self._store.write(unit)

    # ---- logging in and out

    async def login(self, email: str, password: Secret, *, address: str, user_agent: str) -> Login:
        """Raises BadCredentialsError, TooManyAttemptsError, BusyError. The first is alike for every cause."""
        account = email.strip().lower()
        self._throttle(address, account)
        self._by_account.attempt(account)
        self._by_address.attempt(address)
        found = await self._store.read(lambda tx: queries.credentials(tx, account))
        if not await self._passwords.matches(password, found[1] if found else None) or found is None:
            log.info("login refused", address=address)
            raise BadCredentialsError("wrong e-mail address or password")
        self._by_account.succeeded(account)
        self._by_address.excuse(address)
        user, hashed = found
        if self._passwords.outdated(hashed):
            await self._rehash(user, password)
        return await self._open_session(user, user_agent)

    async def logout(self, principal: Principal) -> None:
        """End the session everywhere: tokens die, sockets close."""

        async def unit(tx: Tx) -> None:
            await queries.revoke_session(TenantTx(tx, principal.tenant_id), principal.session_id)
            tx.after_commit(lambda: self._revoked(principal.session_id))

        await self._store.write(unit)

    async def authenticate(self, token: str) -> Principal | None:
        """Who a token speaks for; None when it is not valid any more, or never was."""
        claims = self._tokens.read(token)
        if claims is None:
            return None
        trusted = self._trusted.get(claims.session_id)
        if trusted is not None and trusted[0] > time.monotonic():
            return trusted[1]
        revocations = self._revocations
        session = await self._store.read(lambda tx: queries.live_session(tx, claims.session_id))
        if session is None or session.user.id != claims.user_id:
            self._trusted.pop(claims.session_id, None)
            return None
        principal = _principal(session.user, session.id, session.expires_at)
        if len(self._trusted) >= MAX_TRUSTED:
            self._trusted.clear()
        if revocations == self._revocations:  # else it may be this one that was revoked while we read
            self._trusted[session.id] = (time.monotonic() + TRUSTED_SECONDS, principal)
        return principal

    # ---- inside

    def _throttle(self, address: str, account: str | None = None) -> None:
        wait = self._by_address.wait(address)
        if account is not None:
            wait = max(wait, self._by_account.wait(account))
        if wait > 0:
            raise TooManyAttemptsError(wait)

    async def _open_session(self, user: queries.User, user_agent: str) -> Login:
        expires_at = clock.after(self._seconds)

        async def unit(tx: Tx) -> str:
            scoped = TenantTx(tx, user.tenant_id)
            return await queries.create_session(scoped, user_id=user.id, expires_at=expires_at, user_agent=user_agent)

        session_id = await self._store.write(unit)
        token = self._tokens.make(user_id=user.id, session_id=session_id, expires_at=expires_at)
        return Login(token=Secret(token), principal=_principal(user, session_id, expires_at), seconds=self._seconds)

    async def _rehash(self, user: queries.User, password: Secret) -> None:
        hashed = await self._passwords.hash(password)
        await self._store.write(lambda tx: queries.set_password_hash(TenantTx(tx, user.tenant_id), user.id, hashed))

    def _revoked(self, session_id: str) -> None:
        self._forget(session_id)
        self._bus.publish(SESSION_REVOKED, session_id.encode())

    def _on_revoked(self, _subject: str, data: bytes) -> None:
        self._forget(data.decode(errors="replace"))

    def _forget(self, session_id: str) -> None:
        self._revocations += 1
        self._trusted.pop(session_id, None)


async def _create_owner(tx: Tx, *, email: str, password_hash: str, name: str) -> queries.User:
    tenant_id = await queries.create_tenant(tx, "My farm")
    return await queries.create_user(
        TenantTx(tx, tenant_id), email=email, name=name, password_hash=password_hash, role="owner"
    )


def _principal(user: queries.User, session_id: str, expires_at: str) -> Principal:
    return Principal(
        user_id=user.id,
        tenant_id=user.tenant_id,
        email=user.email,
        name=user.name,
        role=cast(Role, user.role),
        session_id=session_id,
        expires_at=expires_at,
    )


def _hashed(token: str) -> str:
    """The token is 256 random bits: a slow hash would buy nothing."""
    return hashlib.sha256(token.encode()).hexdigest()
