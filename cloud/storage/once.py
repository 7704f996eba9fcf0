"""Queries: what creations were answered, so that the same request again is answered the same and creates nothing."""

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.sql import ColumnElement

from cloud.storage import clock
from cloud.storage.tables import idempotency_keys
from cloud.storage.tenant import TenantTx

KEEP_SECONDS = 24 * 3600


class Done(msgspec.Struct, frozen=True):
    """A request that was carried out."""

    fingerprint: str
    status: int | None
    """None: it was carried out, but the answer was lost, or is not out yet."""
    answer: str | None


async def find(tx: TenantTx, actor: str, key: str) -> Done | None:
    columns = [idempotency_keys.c[name] for name in Done.__struct_fields__]
    row = await tx.one(select(*columns).where(*_is(tx, actor, key)))
    return None if row is None else msgspec.convert(row, Done)


async def claim(tx: TenantTx, actor: str, key: str, fingerprint: str) -> None:
    """In the transaction of the creation. Raises ConflictError (unique) when another request has the key."""
    await tx.run(delete(idempotency_keys).where(idempotency_keys.c.created_at < clock.after(-KEEP_SECONDS)))
    row = {"tenant_id": tx.tenant_id, "actor": actor, "key": key, "fingerprint": fingerprint}
    await tx.run(idempotency_keys.insert().values(created_at=clock.now(), **row))


async def answered(tx: TenantTx, actor: str, key: str, status: int, answer: str) -> None:
    await tx.run(update(idempotency_keys).where(*_is(tx, actor, key)).values(status=status, answer=answer))


def _is(tx: TenantTx, actor: str, key: str) -> list[ColumnElement[bool]]:
    table = idempotency_keys.c
    return [table.tenant_id == tx.tenant_id, table.actor == actor, table.key == key]
