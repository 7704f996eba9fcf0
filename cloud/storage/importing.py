"""Queries: rows that come from elsewhere with their ids. What is there already is never touched."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, select, update

from cloud.storage import tables
from cloud.storage.store import Row, Tx
from cloud.storage.tenant import TenantTx


async def add(tx: TenantTx, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """All of them, in one statement. Raises ConflictError."""
    await tx.batch(_table(table).insert(), [{**row, "tenant_id": tx.tenant_id} for row in rows])


async def known(tx: Tx, table: str, keys: Collection[Any], tenant_id: str) -> dict[Any, Row]:
    """Those of these ids that are there, of whatever tenant. Numbered rows (sync logs) are counted per tenant."""
    found = _table(table)
    query = select(found).where(found.c.id.in_(list(keys)))
    if table == "sync_logs":
        query = query.where(found.c.tenant_id == tenant_id)
    return {row["id"]: row for row in await tx.all(query)}


async def owners(tx: Tx, table: str, keys: Collection[str]) -> dict[str, str]:
    """Whose these ids are: id -> tenant."""
    found = _table(table)
    query = select(found.c.id, found.c.tenant_id).where(found.c.id.in_(list(keys)))
    return {row["id"]: row["tenant_id"] for row in await tx.all(query)}


async def values_of(tx: Tx, table: str, names: Sequence[str], where: Mapping[str, Any] | None = None) -> list[Row]:
    """A few columns of every row of every tenant, with `id` and `tenant_id`."""
    found = _table(table)
    query = select(found.c.id, found.c.tenant_id, *(found.c[name] for name in names))
    return await tx.all(query.where(*(found.c[name] == value for name, value in (where or {}).items())))


async def numbered(tx: Tx, table: str, keys: Collection[int]) -> list[Row]:
    """The rows of every tenant that have these numbers."""
    found = _table(table)
    return await tx.all(select(found).where(found.c.id.in_(list(keys))))


async def heal(tx: TenantTx, table: str, key: str, values: Mapping[str, Any], *, lacking: Mapping[str, Any]) -> bool:
    """Give a row that nobody has changed the bytes it lacked; whether it did lack them still."""
    found = _table(table)
    same = (found.c[name].is_(None) if value is None else found.c[name] == value for name, value in lacking.items())
    where = (found.c.tenant_id == tx.tenant_id, found.c.id == key, found.c.version == 1, *same)
    return await tx.run(update(found).where(*where).values(dict(values))) == 1


async def peopled(tx: Tx) -> set[str]:
    """The tenants that anybody belongs to."""
    return {row["tenant_id"] for row in await tx.all(select(tables.users.c.tenant_id).distinct())}


async def tenants(tx: Tx) -> list[Row]:
    return await tx.all(select(tables.tenants).order_by(tables.tenants.c.created_at))


async def add_tenant(tx: Tx, tenant_id: str, name: str, created_at: str) -> None:
    await tx.run(tables.tenants.insert().values(id=tenant_id, name=name, created_at=created_at))


def _table(name: str) -> Table:
    return tables.metadata.tables[name]
