"""Logins that last: opened, proved by short access tokens, prolonged by refresh tokens, listed, revoked."""

import functools
import time
from typing import Final

import msgspec
import structlog

from cloud.accounts.principal import Principal
from cloud.accounts.refresh import RefreshTokens
from cloud.accounts.tokens import Tokens
from cloud.bus import Bus, Subscription
from cloud.errors import DomainError
from cloud.storage import audit, clock
from cloud.storage import sessions as queries
from cloud.storage.accounts import User
from cloud.storage.secrets import KeyRing, Secret
from cloud.storage.store import Store, Tx
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

REVOKED: Final = "session.revoked"
"""Bus subject; the data is the id of a session or an API key. Its sockets close."""
TRUSTED_SECONDS: Final = 10.0
"""How long a session that was looked up is believed. Revocations come over the bus, so this is the second net."""
MAX_TRUSTED: Final = 10_000
GRACE_SECONDS: Final = 15.0
"""Two tabs refresh at the same moment, or an answer is lost on a phone's way out of a lift: the token before the
current one is no theft for so long."""
KEEP_EXPIRED_DAYS: Final = 30


class Lifetimes(msgspec.Struct, frozen=True, kw_only=True):
    """All in seconds."""

    access: int
    """Of an access token."""
    idle: int
    """A session nobody uses ends after this."""
    longest: int
    """Every session ends after this."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request comes from, for the list of sessions and the audit log."""

    address: str
    user_agent: str = ""
    method: str = "password"

    def entry(self, user: User, action: str, **details: object) -> audit.Entry:
        """That a person did this from here, for the audit log."""
        return audit.Entry(
            actor=user.id,
            actor_name=user.name or user.email,
            action=action,
            object_type="auth",
            object_id=user.id,
            details=details,
            address=self.address,
        )


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A login, fresh or prolonged: its tokens are shown to nobody but their owner."""

    token: Secret
    refresh: Secret
    principal: Principal
    seconds: int
    """How long the access token is good for."""


class Sessions:
    """Of all tenants. `start` after the migrations, `close` at the end."""

    def __init__(self, store: Store, bus: Bus, ring: KeyRing, lifetimes: Lifetimes) -> None:
        self._store = store
        self._bus = bus
        self._access = Tokens(ring)
        self._refresh = RefreshTokens(ring)
        self._lifetimes = lifetimes
        self._trusted: dict[str, tuple[float, Principal]] = {}
        self._subscription: Subscription | None = None
        self._revocations = 0

    async def start(self) -> None:
        self._subscription = self._bus.subscribe(REVOKED, self._on_revoked)
        old = clock.after(-KEEP_EXPIRED_DAYS * 86400)
        await self._store.write(lambda tx: queries.forget_expired(tx, old))

    def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()

    # ---- beginning and going on

    async def open(self, user: User, origin: Origin) -> Login:
        """A new session of this person."""

        async def unit(tx: Tx) -> str:
            scoped = TenantTx(tx, user.tenant_id)
            await audit.record(scoped, origin.entry(user, "auth_login", method=origin.method))
            return await queries.create(
                scoped,
                user_id=user.id,
                expires_at=clock.after(min(self._lifetimes.idle, self._lifetimes.longest)),
                user_agent=origin.user_agent,
                address=origin.address,
                method=origin.method,
            )

        session_id = await self._store.write(unit)
        session = await self._store.read(lambda tx: queries.live(tx, session_id))
        if session is None:
            raise DomainError("logged_out", 401, "The login was ended at once. Log in again.")
        return self._login(session)

    async def refresh(self, token: Secret, origin: Origin) -> Login | None:
        """A new access token and the next refresh token; None when the login has ended, or never was."""
        seen = self._refresh.read(token)
        if seen is None:
            return None

        async def unit(tx: Tx) -> queries.Session | None:
            session = await queries.live(tx, seen.session_id)
            if session is None:
                return None
            if seen.generation == session.generation:
                longest = clock.later(session.created_at, self._lifetimes.longest)
                expires_at = min(clock.after(self._lifetimes.idle), longest)
                await queries.rotate(tx, session.id, generation=seen.generation, expires_at=expires_at)
                return await queries.live(tx, session.id)
            if seen.generation == session.generation - 1 and (session.rotated_at or "") > clock.after(-GRACE_SECONDS):
                return session
            await self._reused(TenantTx(tx, session.user.tenant_id), session, origin)
            return None

        session = await self._store.write(unit)
        return None if session is None else self._login(session)

    # ---- proving

    async def authenticate(self, token: str) -> Principal | None:
        """Who an access token speaks for; None when it is not valid any more, or never was."""
        claims = self._access.read(token)
        if claims is None:
            return None
        principal = await self.principal(claims.session_id)
        return principal if principal is not None and principal.user_id == claims.user_id else None

    async def principal(self, session_id: str) -> Principal | None:
        """Whose session this is; None when it has ended."""
        trusted = self._trusted.get(session_id)
        if trusted is not None and trusted[0] > time.monotonic():
            return trusted[1]
        revocations = self._revocations
        session = await self._store.read(lambda tx: queries.live(tx, session_id))
        if session is None:
            self._trusted.pop(session_id, None)
            return None
        principal = _of(session)
        if len(self._trusted) >= MAX_TRUSTED:
            self._trusted.clear()
        if revocations == self._revocations:  # else it may be this one that was revoked while we read
            self._trusted[session.id] = (time.monotonic() + TRUSTED_SECONDS, principal)
        return principal

    # ---- ending; all of it in the caller's unit

    async def revoke(self, tx: TenantTx, session_id: str, *, reason: str, user_id: str | None = None) -> bool:
        """End one session, of this person when named; false when there is none that lives."""
        ended = await queries.revoke(tx, reason=reason, session_id=session_id, user_id=user_id)
        self._announce(tx, ended)
        return bool(ended)

    async def revoke_all(self, tx: TenantTx, user_id: str, *, reason: str, but: str | None = None) -> int:
        """End every session of a person, but perhaps the one he sits at; how many there were."""
        ended = await queries.revoke(tx, reason=reason, user_id=user_id, but=but)
        self._announce(tx, ended)
        return len(ended)

    async def changed(self, tx: TenantTx, user_id: str) -> None:
        """Name or role of a person changed: what is remembered of him is looked up again."""
        for session_id in await queries.living_ids(tx, user_id):
            tx.after_commit(functools.partial(self._forget, session_id))

    async def _reused(self, tx: TenantTx, session: queries.Session, origin: Origin) -> None:
        log.warning("a refresh token was used twice", session=session.id, user=session.user.id, address=origin.address)
        await self.revoke(tx, session.id, reason="reuse")
        await audit.record(tx, origin.entry(session.user, "auth_refresh_reused", session=session.id))

    def _announce(self, tx: TenantTx, session_ids: list[str]) -> None:
        def tell() -> None:
            for session_id in session_ids:
                self._forget(session_id)
                self._bus.publish(REVOKED, session_id.encode())

        tx.after_commit(tell)

    # ---- inside

    def _login(self, session: queries.Session) -> Login:
        expires_at = min(clock.after(self._lifetimes.access), session.expires_at)
        token = self._access.make(user_id=session.user.id, session_id=session.id, expires_at=expires_at)
        return Login(
            token=Secret(token),
            refresh=self._refresh.make(session.id, session.generation),
            principal=_of(session),
            seconds=self._lifetimes.access,
        )

    def _on_revoked(self, _subject: str, data: bytes) -> None:
        self._forget(data.decode(errors="replace"))

    def _forget(self, session_id: str) -> None:
        self._revocations += 1
        self._trusted.pop(session_id, None)


def _of(session: queries.Session) -> Principal:
    return Principal.of(session.user, session_id=session.id, expires_at=session.expires_at)
