"""/api/api-keys: keys for programs."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from cloud.accounts.api_keys import ApiKeys
from cloud.api.collection import Page, listing_of
from cloud.api.errors import not_found
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id, ListQuery, Moment, Name
from cloud.storage.api_keys import KEYS
from cloud.storage.store import Row


class ApiKeyIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    scopes: Annotated[list[str], Meta(min_length=1, max_length=32)]
    """`<area>:read` or `<area>:write`, which includes reading; areas: printers, jobs, files, catalog, production,
    hubs, reports, settings."""
    expires_at: Moment | None = None
    old_answers: bool = False
    """For a program of the system on the Pi: paths that were there already answer it as they did then, with bare lists
    and wrapped answers."""


class ApiKeyPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name


class ApiKeyOut(Struct, frozen=True, kw_only=True):
    id: str
    user_id: str
    """Whom it acts for; it never may more than this person."""
    name: str
    hint: str
    """Its last characters."""
    scopes: list[str]
    old_answers: bool
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    """To the minute."""
    last_used_address: str | None


class ApiKeyMade(ApiKeyOut, frozen=True, kw_only=True):
    key: str
    """Shown this once. Send it as `Authorization: Bearer …`."""


class ApiKeysQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user_id: Id | None = None
    """Owners see everybody's; others their own only."""


class ApiKeysApi:
    """Endpoints about API keys. A key cannot make keys."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    def endpoints(self) -> list[Endpoint]:
        one = "/api/api-keys/{id}"
        return [
            Endpoint("GET", "/api/api-keys/", self.list, sorts=KEYS.sorts),
            Endpoint("POST", "/api/api-keys/", self.create, role="viewer", status=201),
            Endpoint("PATCH", one, self.rename, role="viewer"),
            Endpoint("DELETE", one, self.revoke, role="viewer"),
        ]

    async def list(self, call: Call, query: ApiKeysQuery) -> Page[ApiKeyOut]:
        """Keys that count, the newest first."""
        listing = listing_of(query, KEYS.sorts)
        if call.principal.role != "owner":
            listing = msgspec.structs.replace(listing, filters={"user_id": call.principal.user_id})
        rows, total = await call.store.read(lambda tx: KEYS.page(tx, listing))
        return Page([_out(row) for row in rows], total)

    async def create(self, call: Call, body: ApiKeyIn) -> ApiKeyMade:
        """Make a key for oneself. It is in this answer and nowhere else."""
        row, key = await self._keys.create(
            call.store,
            call.principal,
            name=body.name,
            scopes=body.scopes,
            expires_at=body.expires_at,
            old_answers=body.old_answers,
        )
        # A repeated request must not give the key away a second time, whoever asks.
        call.once = False
        return msgspec.convert({**msgspec.to_builtins(_out(row)), "key": key.reveal()}, ApiKeyMade)

    async def rename(self, call: Call, key_id: Id, body: ApiKeyPatch) -> ApiKeyOut:
        """Give a key another name."""
        await self._mine(call, key_id)
        row = await call.store.write(lambda tx: KEYS.change(tx, key_id, {"name": body.name}))
        if row is None:
            raise not_found("API key")
        return _out(row)

    async def revoke(self, call: Call, key_id: Id) -> None:
        """End a key at once: one's own, or, as an owner, anybody's."""
        await self._keys.revoke(call.store, call.principal, key_id)

    async def _mine(self, call: Call, key_id: str) -> None:
        row = await call.store.read(lambda tx: KEYS.get(tx, key_id))
        if row is None or (call.principal.role != "owner" and row["user_id"] != call.principal.user_id):
            raise not_found("API key")


def _out(row: Row) -> ApiKeyOut:
    return msgspec.convert({name: row[name] for name in ApiKeyOut.__struct_fields__}, ApiKeyOut)
