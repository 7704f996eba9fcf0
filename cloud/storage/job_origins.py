"""Queries: what other tables know of jobs - the printer, the SKU, the product -, for many jobs at once."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.sql import ColumnElement, FromClause

from cloud.storage.store import Row
from cloud.storage.tables import order_lines, print_files, printers, product_skus, products
from cloud.storage.tenant import TenantTx


class Origins(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by the id that a job has of them."""

    printers: dict[str, Row]
    """`name`, `model`, `printer_id`."""
    skus: dict[str, Row]
    """`sku`, and of its product `product_id`, `product_name`, `requires_assembly`."""
    files: dict[str, Row]
    """The same of the product that a print file belongs to."""


async def origins(
    tx: TenantTx, printer_ids: Collection[str], sku_ids: Collection[str], file_ids: Collection[str]
) -> Origins:
    """What there is of these."""
    p, s, f = printers.c, product_skus.c, print_files.c
    of_product = (
        products.c.id.label("product_id"), products.c.name.label("product_name"), products.c.requires_assembly,
    )  # fmt: skip
    sold = product_skus.join(products, products.c.id == s.product_id)
    printed = print_files.join(products, products.c.id == f.product_id)
    return Origins(
        printers=await _by_id(tx, printers, p.id, printer_ids, p.name, p.model, p.printer_id),
        skus=await _by_id(tx, sold, s.id, sku_ids, s.sku, *of_product),
        files=await _by_id(tx, printed, f.id, file_ids, *of_product),
    )


async def order_line(tx: TenantTx, line_id: str) -> Row | None:
    where = (order_lines.c.tenant_id == tx.tenant_id, order_lines.c.id == line_id)
    return await tx.one(select(order_lines).where(*where))


async def _by_id(
    tx: TenantTx, source: FromClause, key: ColumnElement[str], wanted: Collection[str], *columns: ColumnElement[Any]
) -> dict[str, Row]:
    if not wanted:
        return {}
    mine = key.table.c.tenant_id == tx.tenant_id
    statement = select(key.label("key"), *columns).select_from(source).where(mine, key.in_(sorted(wanted)))
    return {row["key"]: row for row in await tx.all(statement)}
