"""The people of a farm: their roles, being switched off, their passwords. A farm never loses its last owner."""

from collections.abc import Mapping
from typing import Any

from cloud.accounts.api_keys import ApiKeys
from cloud.accounts.passwords import Passwords
from cloud.accounts.principal import Principal
from cloud.accounts.sessions import Sessions
from cloud.errors import DomainError, conflict, not_found
from cloud.storage import accounts as queries
from cloud.storage import api_keys as key_queries
from cloud.storage.accounts import User
from cloud.storage.secrets import Secret
from cloud.storage.tenant import TenantStore, TenantTx


class People:
    """Of all tenants; each call works in one. Units run in turn within a tenant, so that what they read still holds."""

    def __init__(self, sessions: Sessions, keys: ApiKeys, passwords: Passwords) -> None:
        self._sessions = sessions
        self._keys = keys
        self._passwords = passwords

    async def change(
        self, tenant: TenantStore, user_id: str, changes: Mapping[str, Any], *, version: int | None = None
    ) -> User:
        """Change name, role or is_active. Another role, or being switched off, ends the person's sessions at once.

        DomainErrors: not_found, last_owner. Raises StaleError.
        """

        async def unit(tx: TenantTx) -> User:
            before = await _existing(tx, user_id)
            demoted = before.role == "owner" and changes.get("role", "owner") != "owner"
            if demoted or (before.role == "owner" and changes.get("is_active") is False):
                await _refuse_last_owner(tx, before)
            row = await queries.PEOPLE.change(tx, user_id, changes, version=version)
            if row is None:
                raise not_found("person")
            after = await _existing(tx, user_id)
            if (before.role, before.is_active) != (after.role, after.is_active):
                await self._sessions.revoke_all(tx, user_id, reason="role changed")
                # His keys are judged anew; of somebody switched off they end for good.
                self._keys.announce(tx, [] if after.is_active else await key_queries.revoke(tx, user_id=user_id))
            else:
                await self._sessions.changed(tx, user_id)
            return after

        return await tenant.write(unit)

    async def remove(self, tenant: TenantStore, user_id: str, *, version: int | None = None) -> None:
        """What the person did stays in histories and in the audit log. DomainErrors: not_found, last_owner."""

        async def unit(tx: TenantTx) -> None:
            await _refuse_last_owner(tx, await _existing(tx, user_id))
            await self._sessions.revoke_all(tx, user_id, reason="removed")
            self._keys.announce(tx, await key_queries.revoke(tx, user_id=user_id))
            await queries.PEOPLE.remove(tx, user_id, version=version)

        await tenant.write(unit)

    async def change_password(self, tenant: TenantStore, principal: Principal, *, current: Secret, new: Secret) -> None:
        """Every other session of the person ends. DomainErrors: wrong_password; raises WeakPasswordError, BusyError."""
        known = await tenant.read(lambda tx: queries.password_hash(tx, principal.user_id))
        if not await self._passwords.matches(current, known or None):
            raise DomainError("wrong_password", 422, "The current password is wrong.")
        hashed = await self._passwords.hash(new)

        async def unit(tx: TenantTx) -> None:
            await queries.set_password_hash(tx, principal.user_id, hashed)
            await self._sessions.revoke_all(tx, principal.user_id, reason="password changed", but=principal.session_id)

        await tenant.write(unit)


async def _existing(tx: TenantTx, user_id: str) -> User:
    user = await queries.get(tx, user_id)
    if user is None:
        raise not_found("person")
    return user


async def _refuse_last_owner(tx: TenantTx, user: User) -> None:
    if user.role == "owner" and user.is_active and await queries.active_owners(tx) < 2:
        raise conflict("last_owner", "This is the farm's last owner: make somebody else an owner first.")
