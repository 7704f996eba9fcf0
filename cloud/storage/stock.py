"""Queries: the stock ledger. Movements are only ever added; the sums of SKUs and finished goods go along with them."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import and_, case, select, update
from sqlalchemy.sql import ColumnElement

from cloud.storage import clock, ids
from cloud.storage.rows import Rows
from cloud.storage.store import Row
from cloud.storage.tables import finished_goods, product_skus, stock_movements
from cloud.storage.tenant import TenantTx

MAX_STOCK: Final = 1_000_000_000

MOVEMENT_ROWS: Final = Rows(
    stock_movements,
    prefix="mov",
    sorts=("at", "kind", "delta"),
    default_sort=("-at",),
    searched=("reason",),
)


async def get_good(tx: TenantTx, good_id: str) -> Row | None:
    return await tx.one(select(finished_goods).where(_good(tx, good_id)))


async def get_sku(tx: TenantTx, sku_id: str) -> Row | None:
    return await tx.one(select(product_skus).where(_sku(tx, sku_id)))


async def by_cause(tx: TenantTx, cause: str) -> Row | None:
    where = (stock_movements.c.tenant_id == tx.tenant_id, stock_movements.c.cause == cause)
    return await tx.one(select(stock_movements).where(*where))


async def add_to_sku(tx: TenantTx, sku_id: str, delta: int) -> int | None:
    """The new stock; None when it would be negative or beyond MAX_STOCK."""
    level = product_skus.c.stock_level + delta
    statement = update(product_skus).where(_sku(tx, sku_id), level.between(0, MAX_STOCK))
    changed = {"stock_level": level, "version": product_skus.c.version + 1, "updated_at": clock.now()}
    found = await tx.value(statement.values(changed).returning(product_skus.c.stock_level))
    return None if found is None else int(found)


async def add_to_good(tx: TenantTx, good_id: str, delta: int) -> bool:
    """False when its stock would be negative or beyond MAX_STOCK."""
    level = finished_goods.c.current_stock + delta
    changed = {
        "current_stock": level,
        "status": status_of(level, finished_goods.c.low_stock_threshold),
        "version": finished_goods.c.version + 1,
        "updated_at": clock.now(),
    }
    return bool(
        await tx.run(update(finished_goods).where(_good(tx, good_id), level.between(0, MAX_STOCK)).values(changed))
    )


async def append(tx: TenantTx, values: Mapping[str, Any]) -> Row:
    """Write a movement down. Raises ConflictError (unique) when its cause has one already."""
    row = {"id": ids.new("mov"), "at": clock.now(), **values, "tenant_id": tx.tenant_id}
    made = await tx.one(stock_movements.insert().values(row).returning(*stock_movements.c))
    if made is None:
        raise RuntimeError("the database gave no row back for an insert")
    return made


def status_of(stock: Any, threshold: Any) -> ColumnElement[str]:
    """What a finished good's status says, of columns or numbers."""
    return case((stock <= 0, "out_of_stock"), (stock <= threshold, "low_stock"), else_="in_stock")


def _sku(tx: TenantTx, sku_id: str) -> ColumnElement[bool]:
    return and_(product_skus.c.tenant_id == tx.tenant_id, product_skus.c.id == sku_id)


def _good(tx: TenantTx, good_id: str) -> ColumnElement[bool]:
    return and_(finished_goods.c.tenant_id == tx.tenant_id, finished_goods.c.id == good_id)
