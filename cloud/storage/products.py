"""Queries: products and their SKUs."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import func, select, update

from cloud.storage import clock
from cloud.storage.rows import Rows
from cloud.storage.store import Row
from cloud.storage.tables import (
    FINISHED,
    assembly_tasks,
    finished_goods,
    order_lines,
    print_files,
    print_jobs,
    product_skus,
    products,
    stock_movements,
)
from cloud.storage.tenant import TenantTx

PRODUCTS: Final = Rows(
    products,
    prefix="prd",
    sorts=("name", "category", "is_active", "created_at", "updated_at"),
    default_sort=("name",),
    searched=("name",),
    json=("printer_priority",),
)
SKUS: Final = Rows(
    product_skus,
    prefix="sku",
    sorts=("sku", "color", "filament_type", "stock_level", "price", "is_active", "created_at", "updated_at"),
    default_sort=("sku",),
    searched=("sku", "color"),
)


async def get(tx: TenantTx, product_id: str) -> Row | None:
    return await PRODUCTS.get(tx, product_id)


async def named(tx: TenantTx, name: str) -> str | None:
    """The id of the product of this name."""
    where = (products.c.tenant_id == tx.tenant_id, products.c.name == name)
    found: str | None = await tx.value(select(products.c.id).where(*where))
    return found


async def names(tx: TenantTx, product_ids: Collection[str]) -> dict[str, str]:
    """The names of these products, by id."""
    where = (products.c.tenant_id == tx.tenant_id, products.c.id.in_(list(product_ids)))
    return {row["id"]: row["name"] for row in await tx.all(select(products.c.id, products.c.name).where(*where))}


async def active_sku(tx: TenantTx, sku: str) -> Row | None:
    """The SKU in use that is spelled like this, with `product_name`; there is one at most."""
    joined = product_skus.join(products, products.c.id == product_skus.c.product_id)
    where = (product_skus.c.tenant_id == tx.tenant_id, product_skus.c.sku == sku, product_skus.c.is_active)
    columns = (*product_skus.c, products.c.name.label("product_name"))
    return await tx.one(select(*columns).select_from(joined).where(*where))


async def skus_of(tx: TenantTx, product_id: str) -> list[Row]:
    """A product's SKUs."""
    where = (product_skus.c.tenant_id == tx.tenant_id, product_skus.c.product_id == product_id)
    return await tx.all(select(product_skus).where(*where).order_by(product_skus.c.sku, product_skus.c.id))


async def unfinished_jobs(tx: TenantTx, sku_ids: Collection[str]) -> int:
    """How many jobs are queued or printing for these SKUs."""
    jobs = print_jobs.c
    where = (jobs.tenant_id == tx.tenant_id, jobs.product_sku_id.in_(list(sku_ids)), jobs.status.not_in(FINISHED))
    return int(await tx.value(select(func.count()).select_from(print_jobs).where(*where)))


async def ordered(tx: TenantTx, sku_ids: Collection[str]) -> int:
    """How many order lines, of whatever age, are about these SKUs."""
    return await _count(tx, order_lines, order_lines.c.product_sku_id.in_(list(sku_ids)))


async def has_books(tx: TenantTx, sku_ids: Collection[str]) -> bool:
    """Whether stock was ever moved, or lies somewhere, of these SKUs."""
    keys = list(sku_ids)
    moved = await _count(tx, stock_movements, stock_movements.c.product_sku_id.in_(keys))
    return bool(moved or await _count(tx, finished_goods, finished_goods.c.product_sku_id.in_(keys)))


async def assembled(tx: TenantTx, product_id: str) -> int:
    """How many assembly tasks are about this product."""
    return await _count(tx, assembly_tasks, assembly_tasks.c.product_id == product_id)


async def forget_product(tx: TenantTx, product_id: str) -> None:
    """Print files, also deleted ones, do not belong to it any more."""
    where = (print_files.c.tenant_id == tx.tenant_id, print_files.c.product_id == product_id)
    changed = {"product_id": None, "version": print_files.c.version + 1, "updated_at": clock.now()}
    await tx.run(update(print_files).where(*where).values(changed))


async def _count(tx: TenantTx, table: Any, condition: Any) -> int:
    where = (table.c.tenant_id == tx.tenant_id, condition)
    return int(await tx.value(select(func.count()).select_from(table).where(*where)))
