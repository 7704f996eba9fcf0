"""/api/users: the people of the farm, and their logins."""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from cloud.accounts import Accounts, Role
from cloud.api.collection import Page, given, listing_of
from cloud.api.errors import not_found
from cloud.api.kit import Call, Endpoint
from cloud.api.sessions import SessionList, session_list
from cloud.api.shapes import Id, ListQuery, Name
from cloud.storage import accounts as queries
from cloud.storage import sessions
from cloud.storage.accounts import User
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx


class UserOut(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    role: Role
    is_active: bool
    """Switched off: cannot log in."""
    email: str | None
    """Told to owners only, like the fields below."""
    two_factor: bool | None
    last_login_at: str | None
    created_at: str
    version: int


class UserPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    """Another role ends the person's logins."""
    is_active: bool | UnsetType = UNSET


class UsersQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    role: Role | None = None
    is_active: bool | None = None


class UsersApi:
    """Endpoints about people."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def endpoints(self) -> list[Endpoint]:
        one = "/api/users/{id}"
        return [
            Endpoint("GET", "/api/users/", self.list, sorts=queries.PEOPLE.sorts),
            Endpoint("GET", one, self.get),
            Endpoint("PATCH", one, self.change, role="owner", errors=(409,), versioned=True),
            Endpoint("DELETE", one, self.remove, role="owner", errors=(409,), versioned=True),
            Endpoint("GET", f"{one}/sessions", self.sessions, role="owner"),
            Endpoint("DELETE", f"{one}/sessions", self.end_sessions, role="owner"),
        ]

    async def list(self, call: Call, query: UsersQuery) -> Page[UserOut]:
        """The people of the farm.

        Only owners search for and sort by what only they are told.
        """
        people = queries.PEOPLE if call.principal.role == "owner" else queries.COLLEAGUES
        listing = listing_of(query, people.sorts)
        rows, total = await call.store.read(lambda tx: people.page(tx, listing))
        return Page([_from_row(call, row) for row in rows], total)

    async def get(self, call: Call, user_id: Id) -> UserOut:
        """One person."""
        return _out(call, await call.store.read(lambda tx: _existing(tx, user_id)))

    async def change(self, call: Call, user_id: Id, body: UserPatch) -> UserOut:
        """Change somebody's name or role, or switch him off or on."""
        return _out(call, await self._accounts.people.change(call.store, user_id, given(body), version=call.version))

    async def remove(self, call: Call, user_id: Id) -> None:
        """Remove somebody. What he did stays in the histories."""
        await self._accounts.people.remove(call.store, user_id, version=call.version)

    async def sessions(self, call: Call, user_id: Id) -> SessionList:
        """Where somebody is logged in."""

        async def unit(tx: TenantTx) -> list[sessions.Session]:
            await _existing(tx, user_id)
            return await sessions.of_user(tx, user_id)

        return session_list(await call.store.read(unit), call.principal.session_id)

    async def end_sessions(self, call: Call, user_id: Id) -> None:
        """Log somebody out everywhere."""

        async def unit(tx: TenantTx) -> None:
            await _existing(tx, user_id)
            await self._accounts.sessions.revoke_all(tx, user_id, reason="ended by an owner")

        await call.store.write(unit)


async def _existing(tx: TenantTx, user_id: str) -> User:
    user = await queries.get(tx, user_id)
    if user is None:
        raise not_found("person")
    return user


def _from_row(call: Call, row: Row) -> UserOut:
    return _out(call, msgspec.convert({name: row[name] for name in User.__struct_fields__}, User))


def _out(call: Call, user: User) -> UserOut:
    tell = call.principal.role == "owner" or call.principal.user_id == user.id
    return UserOut(
        id=user.id,
        name=user.name,
        role=msgspec.convert(user.role, Role),
        is_active=user.is_active,
        email=user.email if tell else None,
        two_factor=user.totp_confirmed_at is not None if tell else None,
        last_login_at=user.last_login_at if tell else None,
        created_at=user.created_at,
        version=user.version,
    )
