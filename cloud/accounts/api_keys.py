"""Keys for programs: `pfk_<key id>_<256 random bits>`, with scopes; never more than the person they belong to may."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any, Final

import structlog

from cloud.accounts.access import SCOPES
from cloud.accounts.opaque import hashed
from cloud.accounts.principal import Principal, Role
from cloud.accounts.sessions import REVOKED
from cloud.bus import Bus, Subscription
from cloud.errors import DomainError, not_found
from cloud.storage import api_keys as queries
from cloud.storage import clock, ids
from cloud.storage.errors import StoreError
from cloud.storage.secrets import Secret
from cloud.storage.store import Row, Store
from cloud.storage.tenant import TenantStore, TenantTx

log = structlog.get_logger(__name__)

PREFIX: Final = "pfk_"
TRUSTED_SECONDS: Final = 10.0
MAX_TRUSTED: Final = 10_000
NOTE_SECONDS: Final = 60.0
"""How exactly the last use of a key is known: a write for every request would cost more than it tells."""
FOREVER: Final = "9999-12-31T23:59:59.999Z"
_KEY: Final = re.compile(r"pfk_key_[a-z0-9]{8,40}_[a-z0-9]{40,80}")


class ApiKeys:
    """Of all tenants. `start` after the migrations, `close` at the end."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._trusted: dict[str, tuple[float, Principal]] = {}
        self._used: dict[str, tuple[str, str]] = {}
        self._revocations = 0
        self._subscription: Subscription | None = None
        self._noting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._subscription = self._bus.subscribe(REVOKED, lambda _subject, _data: self._forget())
        self._noting = asyncio.create_task(self._note_for_ever(), name="last use of API keys")

    async def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
        if self._noting is not None:
            self._noting.cancel()
            await asyncio.gather(self._noting, return_exceptions=True)
        await self._note()

    async def create(
        self,
        tenant: TenantStore,
        by: Principal,
        *,
        name: str,
        scopes: Sequence[str],
        expires_at: str | None,
        old_answers: bool = False,
    ) -> tuple[Row, Secret]:
        """The key is shown this once. DomainErrors: unknown_scope, scope_beyond_role, expired."""
        _check(by.role, scopes)
        if expires_at is not None and expires_at <= clock.now():
            raise DomainError("expired", 422, "This moment is past already.")
        key_id = queries.new_id()
        key = Secret(f"{PREFIX}{key_id}_{ids.random_text(32)}")
        values: dict[str, Any] = {
            "name": name,
            "key_hash": hashed(key.reveal()),
            "hint": key.reveal()[-4:],
            "scopes": sorted(set(scopes)),
            "old_answers": old_answers,
            "expires_at": expires_at,
        }
        row = await tenant.write(lambda tx: queries.create(tx, key_id=key_id, user_id=by.user_id, values=values))
        return row, key

    async def revoke(self, tenant: TenantStore, by: Principal, key_id: str) -> None:
        """One's own, or an owner anybody's; its sockets close. DomainError: not_found."""

        async def unit(tx: TenantTx) -> None:
            row = await queries.KEYS.get(tx, key_id)
            if row is None or (by.role != "owner" and row["user_id"] != by.user_id):
                raise not_found("API key")
            self.announce(tx, await queries.revoke(tx, key_id=key_id))

        await tenant.write(unit)

    def announce(self, tx: TenantTx, key_ids: Sequence[str]) -> None:
        """These keys end with the commit of this unit."""

        def tell() -> None:
            self._forget()
            for key_id in key_ids:
                self._bus.publish(REVOKED, key_id.encode())

        tx.after_commit(tell)

    async def authenticate(self, key: Secret, address: str) -> Principal | None:
        """Whom a key speaks for; None when it counts no more, or never did."""
        if not _KEY.fullmatch(key.reveal()):
            return None
        key_hash = hashed(key.reveal())
        trusted = self._trusted.get(key_hash)
        if trusted is None or trusted[0] <= time.monotonic():
            revocations = self._revocations
            found = await self._store.read(lambda tx: queries.live(tx, key_hash))
            if found is None:
                self._trusted.pop(key_hash, None)
                return None
            if len(self._trusted) >= MAX_TRUSTED:
                self._trusted.clear()
            trusted = (time.monotonic() + TRUSTED_SECONDS, _of(found))
            if revocations == self._revocations:  # else it may be this one that was revoked while we read
                self._trusted[key_hash] = trusted
        principal = trusted[1]
        if principal.expires_at <= clock.now():
            return None
        self._used[principal.session_id] = (clock.now(), address)
        return principal

    def _forget(self) -> None:
        self._revocations += 1
        self._trusted.clear()

    async def _note_for_ever(self) -> None:
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            await self._note()

    async def _note(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        rows = [(key_id, moment, address[:60]) for key_id, (moment, address) in used.items()]
        try:
            await self._store.write(lambda tx: queries.note_use(tx, rows))
        except StoreError as error:
            log.warning("the last use of API keys is not noted", problem=type(error).__name__)
        except Exception:
            log.exception("the last use of API keys cannot be noted")


def is_key(token: str) -> bool:
    return token.startswith(PREFIX)


def _check(role: Role, scopes: Sequence[str]) -> None:
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise DomainError("unknown_scope", 422, f"There is no scope {unknown[0]}. There are: {', '.join(SCOPES)}.")
    if role == "viewer" and any(scope.endswith(":write") for scope in scopes):
        raise DomainError("scope_beyond_role", 403, "A viewer's key can only read.")


def _of(found: queries.LiveKey) -> Principal:
    return Principal.of(
        found.user,
        session_id=found.id,
        expires_at=found.expires_at or FOREVER,
        scopes=frozenset(found.scopes),
        old_answers=found.old_answers,
    )
