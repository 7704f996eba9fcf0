"""Queries: rows that come from elsewhere with their ids. What is there already is never touched."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, select

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


async def tenants(tx: Tx) -> list[Row]:
    return await tx.all(select(tables.tenants).order_by(tables.tenants.c.created_at))


async def add_tenant(tx: Tx, tenant_id: str, name: str, created_at: str) -> None:
    await tx.run(tables.tenants.insert().values(id=tenant_id, name=name, created_at=created_at))


def _table(name: str) -> Table:
    return tables.metadata.tables[name]
