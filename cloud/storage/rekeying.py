"""Queries: secrets that are sealed with an older key than the current one."""

from collections.abc import Sequence

from sqlalchemy import select, update

from cloud.storage import tables
from cloud.storage.secrets import Vault
from cloud.storage.store import Row, Tx


async def older(tx: Tx, table: str, column: str, current: str, limit: int) -> list[Row]:
    """Rows whose secret is not sealed with the key `current`: id, tenant_id, sealed."""
    found = tables.metadata.tables[table]
    sealed = found.c[column]
    query = select(found.c.id, found.c.tenant_id, sealed.label("sealed"))
    return await tx.all(query.where(sealed.like("v1.%"), sealed.not_like(f"v1.{current}.%")).limit(limit))


async def reseal(tx: Tx, table: str, column: str, rows: Sequence[Row], vault: Vault) -> None:
    """Unless the secret was replaced meanwhile. Raises SecretKeyError."""
    found = tables.metadata.tables[table]
    for row in rows:
        place = {"tenant": row["tenant_id"], "table": table, "row": row["id"], "column": column}
        again = vault.seal(vault.open(row["sealed"], **place), **place)
        same = (found.c.id == row["id"], found.c[column] == row["sealed"])
        await tx.run(update(found).where(*same).values({column: again}))
