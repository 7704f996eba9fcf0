"""Queries: API keys. Of the key itself only the SHA-256 is kept."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, select, update

from cloud.storage import clock, ids
from cloud.storage.accounts import USER, User
from cloud.storage.rows import Rows
from cloud.storage.store import Row, Tx
from cloud.storage.tables import api_keys, users
from cloud.storage.tenant import TenantTx

KEYS = Rows(
    api_keys,
    sorts=("name", "created_at", "last_used_at"),
    default_sort=("-created_at",),
    searched=("name",),
    json=("scopes",),
    only=api_keys.c.revoked_at.is_(None),
)


class LiveKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that counts, with the person it acts for."""

    id: str
    user: User
    scopes: list[str]
    old_answers: bool
    expires_at: str | None


async def create(tx: TenantTx, *, key_id: str, user_id: str, values: Mapping[str, Any]) -> Row:
    row = {"id": key_id, "user_id": user_id, **values}
    return await KEYS.create(tx, row)


async def live(tx: Tx, key_hash: str) -> LiveKey | None:
    """None when it is revoked or expired, its person was switched off, or it never was."""
    both = api_keys.join(users, and_(users.c.tenant_id == api_keys.c.tenant_id, users.c.id == api_keys.c.user_id))
    columns = (api_keys.c.id.label("key_id"), api_keys.c.scopes, api_keys.c.old_answers, api_keys.c.expires_at)
    row = await tx.one(
        select(*USER, *columns)
        .select_from(both)
        .where(api_keys.c.key_hash == key_hash, api_keys.c.revoked_at.is_(None), users.c.is_active.is_(True))
    )
    if row is None or (row["expires_at"] is not None and row["expires_at"] <= clock.now()):
        return None
    user = msgspec.convert({name: row[name] for name in User.__struct_fields__}, User)
    scopes = msgspec.json.decode(row["scopes"], type=list[str])
    return LiveKey(
        id=row["key_id"],
        user=user,
        scopes=scopes,
        old_answers=bool(row["old_answers"]),
        expires_at=row["expires_at"],
    )


async def revoke(tx: TenantTx, *, key_id: str | None = None, user_id: str | None = None) -> list[str]:
    """Of one key, or of all of a person's; the ids of those that lived."""
    where = [api_keys.c.tenant_id == tx.tenant_id, api_keys.c.revoked_at.is_(None)]
    if key_id is not None:
        where.append(api_keys.c.id == key_id)
    if user_id is not None:
        where.append(api_keys.c.user_id == user_id)
    ended = update(api_keys).where(*where).values(revoked_at=clock.now()).returning(api_keys.c.id)
    return [row["id"] for row in await tx.all(ended)]


async def note_use(tx: Tx, used: Iterable[tuple[str, str, str]]) -> None:
    """Each: key id, when, from which address."""
    changed = update(api_keys).where(api_keys.c.id == bindparam("which"))
    values: dict[str, Any] = {"last_used_at": bindparam("moment"), "last_used_address": bindparam("place")}
    rows = [{"which": key_id, "moment": moment, "place": place} for key_id, moment, place in sorted(used)]
    await tx.batch(changed.values(values), rows)


def new_id() -> str:
    return ids.new("key")
