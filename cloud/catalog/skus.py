"""What belongs to adding, changing and deleting a SKU: a product in one colour and pack size."""

from collections.abc import Mapping, Sequence
from typing import Any

from cloud.catalog.colors import split_color
from cloud.errors import DomainError, conflict
from cloud.production.stock import MovementKind, move
from cloud.storage import jobs as job_queries
from cloud.storage import products as queries
from cloud.storage.products import SKUS
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx


async def create(tx: TenantTx, product_id: str, values: Mapping[str, Any], *, actor: str) -> Row:
    """Add a SKU to a product; an opening `stock_level` goes into the books. Raises DomainError."""
    columns = {name: value for name, value in values.items() if name != "stock_level"}
    _split(columns)
    if columns.get("is_active", True):
        await _check_free(tx, columns["sku"], None)
    row = await SKUS.create(tx, {**columns, "product_id": product_id})
    return await set_stock(tx, row, values.get("stock_level", 0), kind="opening", actor=actor)


async def set_stock(tx: TenantTx, sku: Row, stock: int, *, kind: MovementKind = "adjustment", actor: str) -> Row:
    """Bring a SKU, as it is in this transaction, to `stock` pieces by one movement; its row. Raises DomainError."""
    if stock == sku["stock_level"]:
        return sku
    await move(tx, product_sku_id=sku["id"], delta=stock - sku["stock_level"], kind=kind, actor=actor)
    return await SKUS.get(tx, sku["id"]) or sku


async def checked_change(tx: TenantTx, before: Row, values: dict[str, Any]) -> Mapping[str, Any]:
    """The columns of a change. Raises DomainError."""
    _split(values)
    product_id = values.get("product_id")
    if product_id is not None:
        await check_product(tx, product_id)
    after = {**before, **values}
    if after["is_active"] and (after["sku"] != before["sku"] or not before["is_active"]):
        await _check_free(tx, after["sku"], before["id"])
    return values


async def check_product(tx: TenantTx, product_id: str) -> None:
    """Raises DomainError when there is no such product."""
    if await queries.get(tx, product_id) is None:
        raise DomainError("unknown_reference", 422, "There is no such product.", path="$.product_id")


async def let_go(tx: TenantTx, skus: Sequence[Row]) -> None:
    """Prepare the deletion of SKUs. Raises DomainError when work, orders or the books of stock still need them."""
    keys = [row["id"] for row in skus]
    if not keys:
        return
    what = f"the SKU {skus[0]['sku']}" if len(skus) == 1 else "its SKUs"
    instead = "set is_active to false instead, and it is offered no more."
    if jobs := await queries.unfinished_jobs(tx, keys):
        raise conflict("in_use", f"Jobs still print {what}: cancel or finish them first, or {instead}", jobs=jobs)
    if lines := await queries.ordered(tx, keys):
        raise conflict("in_use", f"Orders name {what}: {instead}", order_lines=lines)
    if await queries.has_books(tx, keys):
        raise conflict("in_use", f"There is stock, or a history of stock, of {what}: {instead}")
    await job_queries.forget_skus(tx, keys)


def _split(values: dict[str, Any]) -> None:
    """Take a colour of the old notation apart; an explicit hex_code wins over the one in the text."""
    if "color" in values:
        values["color"], code = split_color(values["color"])
        if code is not None and not values.get("hex_code"):
            values["hex_code"] = code


async def _check_free(tx: TenantTx, sku: str, mine: str | None) -> None:
    taken = await queries.active_sku(tx, sku)
    if taken is not None and taken["id"] != mine:
        raise conflict(
            "sku_taken",
            f"The SKU {sku} is in use already, by the product {taken['product_name']}: choose another, "
            "or set that one's is_active to false.",
            product_sku_id=taken["id"],
        )
