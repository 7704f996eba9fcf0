"""Queries: finished goods, assembly, the worklist and orders, beyond what Rows does for every table."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Table, and_, exists, select, update
from sqlalchemy.sql import ColumnElement

from cloud.storage import clock
from cloud.storage.rows import Rows
from cloud.storage.stock import status_of
from cloud.storage.store import Row
from cloud.storage.tables import (
    ORDER_STATUSES,
    PRIORITIES,
    TASK_STATUSES,
    assembly_tasks,
    finished_goods,
    order_lines,
    orders,
    print_jobs,
    printers,
    product_skus,
    products,
    stock_movements,
    sync_logs,
    worklist_tasks,
)
from cloud.storage.tenant import TenantTx

_TASKS: Final = {"priority": PRIORITIES[::-1], "status": TASK_STATUSES}
"""Sorted by priority the most urgent come first, by status what waits."""

GOODS: Final = Rows(
    finished_goods,
    prefix="fin",
    sorts=("sku", "color", "location", "current_stock", "status", "created_at", "updated_at"),
    default_sort=("sku",),
    searched=("sku", "color", "material", "location"),
    ranked={"status": ("out_of_stock", "low_stock", "in_stock")},
)
ASSEMBLY: Final = Rows(
    assembly_tasks,
    prefix="asm",
    sorts=("created_at", "updated_at", "status", "priority", "product_name", "completed_at"),
    default_sort=("-created_at",),
    searched=("product_name", "sku", "notes"),
    ranked=_TASKS,
)
WORKLIST: Final = Rows(
    worklist_tasks,
    prefix="tsk",
    sorts=("created_at", "updated_at", "status", "priority", "due_date", "title", "completed_at"),
    default_sort=("-created_at",),
    searched=("title", "subtitle", "description", "order_number"),
    json=("metadata",),
    ranked=_TASKS,
)
ORDERS: Final = Rows(
    orders,
    prefix="ord",
    sorts=("ordered_at", "due_date", "order_number", "status", "created_at", "updated_at"),
    default_sort=("-ordered_at",),
    searched=("order_number", "notes"),
    ranked={"status": ORDER_STATUSES},
)
LINES: Final = Rows(
    order_lines,
    prefix="lin",
    sorts=("created_at", "sku"),
    default_sort=("created_at",),
    searched=("sku", "title"),
)
SYNC_LOGS: Final = Rows(
    sync_logs,
    sorts=("id", "created_at", "status", "operation_type", "table_name"),
    default_sort=("-id",),
    searched=("operation_type", "table_name", "record_id", "error_message"),
)

_REFERENCED: Final[Mapping[str, Table]] = {
    "product_id": products,
    "product_sku_id": product_skus,
    "finished_good_id": finished_goods,
    "assembly_task_id": assembly_tasks,
    "printer_id": printers,
    "order_line_id": order_lines,
}


async def there(tx: TenantTx, column: str, key: str) -> bool:
    """Whether what a column of this name refers to is there."""
    table = _REFERENCED[column]
    return await tx.value(select(table.c.id).where(table.c.tenant_id == tx.tenant_id, table.c.id == key)) is not None


# ---- finished goods


async def settle_good(tx: TenantTx, good_id: str) -> Row:
    """Bring a finished good's status in line with its stock and threshold; the row, which must be there."""
    status = status_of(finished_goods.c.current_stock, finished_goods.c.low_stock_threshold)
    settled = update(finished_goods).where(_is(tx, finished_goods, good_id)).values(status=status)
    row = await tx.one(settled.returning(*finished_goods.c))
    if row is None:
        raise LookupError(good_id)
    return row


async def give_sku(tx: TenantTx, good_id: str, sku_id: str) -> None:
    """Say which SKU a migrated finished good is of; its stock is 0 until the ledger brings it back."""
    named = update(finished_goods).where(_is(tx, finished_goods, good_id))
    await tx.run(named.values(product_sku_id=sku_id, current_stock=0))


async def good_has_movements(tx: TenantTx, good_id: str) -> bool:
    return await _any(tx, stock_movements, stock_movements.c.finished_good_id == good_id)


async def forget_good(tx: TenantTx, good_id: str) -> None:
    """Assembly tasks let go of a finished good that is about to go."""
    await _forget(tx, assembly_tasks, "finished_good_id", good_id)


async def assemble(tx: TenantTx, good_id: str, quantity: int) -> Row | None:
    """Move pieces from needing assembly to assembled; None when fewer than that need it."""
    table = finished_goods.c
    moved = {
        "quantity_needs_assembly": table.quantity_needs_assembly - quantity,
        "quantity_assembled": table.quantity_assembled + quantity,
        "version": table.version + 1,
        "updated_at": clock.now(),
    }
    enough = (_is(tx, finished_goods, good_id), table.quantity_needs_assembly >= quantity)
    return await tx.one(update(finished_goods).where(*enough).values(moved).returning(*table))


# ---- tasks


async def product_of_task(tx: TenantTx, task: Row) -> Row | None:
    """The (id, name, wiki_id) of what an assembly task puts together: its product, or that of its finished good."""
    columns = (products.c.id, products.c.name, products.c.wiki_id)
    mine = select(*columns).where(products.c.tenant_id == tx.tenant_id)
    if task["product_id"] is not None:
        return await tx.one(mine.where(products.c.id == task["product_id"]))
    good, sku = finished_goods.c, product_skus.c
    of_good = select(sku.product_id).where(
        sku.tenant_id == tx.tenant_id,
        good.tenant_id == tx.tenant_id,
        good.product_sku_id == sku.id,
        good.id == task["finished_good_id"],
    )
    return await tx.one(mine.where(products.c.id.in_(of_good)))


async def forget_assembly_task(tx: TenantTx, task_id: str) -> None:
    """Worklist tasks let go of an assembly task that is about to go."""
    await _forget(tx, worklist_tasks, "assembly_task_id", task_id)


async def forget_printer(tx: TenantTx, printer_id: str) -> None:
    """Worklist tasks let go of a printer that is about to go."""
    await _forget(tx, worklist_tasks, "printer_id", printer_id)


# ---- orders


async def lines_of(tx: TenantTx, order_ids: Collection[str]) -> list[Row]:
    """Of several orders, each order's in the order in which they were added."""
    if not order_ids:
        return []
    where = (order_lines.c.tenant_id == tx.tenant_id, order_lines.c.order_id.in_(list(order_ids)))
    return await tx.all(select(order_lines).where(*where).order_by(order_lines.c.created_at, order_lines.c.id))


async def touch_order(tx: TenantTx, order_id: str) -> None:
    """Its lines are part of what is told of an order: it gets a new version with them."""
    touched = {"version": orders.c.version + 1, "updated_at": clock.now()}
    await tx.run(update(orders).where(_is(tx, orders, order_id)).values(touched))


async def fulfil_lines(tx: TenantTx, order_id: str) -> None:
    """Whatever of the lines was not yet fulfilled now is."""
    lines = order_lines.c
    open_lines = (
        lines.tenant_id == tx.tenant_id,
        lines.order_id == order_id,
        lines.fulfilled_quantity < lines.quantity,
    )
    done = {"fulfilled_quantity": lines.quantity, "version": lines.version + 1, "updated_at": clock.now()}
    await tx.run(update(order_lines).where(*open_lines).values(done))


async def jobs_print_for(tx: TenantTx, line_ids: Sequence[str]) -> bool:
    """Whether print jobs, running or past, are for one of these lines."""
    return bool(line_ids) and await _any(tx, print_jobs, print_jobs.c.order_line_id.in_(list(line_ids)))


# ---- inside


def _is(tx: TenantTx, table: Table, key: str) -> ColumnElement[bool]:
    return and_(table.c.tenant_id == tx.tenant_id, table.c.id == key)


async def _any(tx: TenantTx, table: Table, where: ColumnElement[bool]) -> bool:
    return bool(await tx.value(select(exists().where(table.c.tenant_id == tx.tenant_id, where))))


async def _forget(tx: TenantTx, table: Table, column: str, key: str) -> None:
    forgotten: dict[Any, Any] = {column: None, "version": table.c.version + 1, "updated_at": clock.now()}
    await tx.run(update(table).where(table.c.tenant_id == tx.tenant_id, table.c[column] == key).values(forgotten))
