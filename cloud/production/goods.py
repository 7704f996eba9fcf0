"""Finished goods: where the stock of a SKU lies. What there is of them changes through the ledger only."""

from cloud.errors import DomainError, conflict
from cloud.production.stock import MovementKind, move
from cloud.storage import production as queries
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx


async def set_stock(tx: TenantTx, good: Row, stock: int, *, kind: MovementKind = "adjustment", reason: str = "") -> Row:
    """Bring a finished good to `stock` pieces by one movement; its row with its status."""
    delta = stock - good["current_stock"]
    if delta:
        if good["product_sku_id"] is None:
            raise conflict("sku_required", "Say first of which SKU this is: its stock is counted with the SKU's.")
        await move(
            tx,
            product_sku_id=good["product_sku_id"],
            finished_good_id=good["id"],
            delta=delta,
            kind=kind,
            actor=tx.actor,
            reason=reason,
        )
    return await queries.settle_good(tx, good["id"])


async def name_sku(tx: TenantTx, good: Row, sku_id: str) -> None:
    """A migrated finished good without a SKU gets one: the ledger opens with what lies there.

    One that has a SKU keeps it, for its past movements are the SKU's.
    """
    if good["product_sku_id"] == sku_id:
        return
    if good["product_sku_id"] is not None:
        sentence = "This finished good is counted with its SKU. Add one for the other SKU, and move the stock there."
        raise conflict("other_sku", sentence)
    await queries.give_sku(tx, good["id"], sku_id)
    named = {**good, "product_sku_id": sku_id, "current_stock": 0}
    await set_stock(tx, named, good["current_stock"], kind="opening", reason="stock of the old system")


async def prepare_removal(tx: TenantTx, good: Row) -> None:
    """Raises DomainError for one the ledger tells of; lets go of it otherwise."""
    if await queries.good_has_movements(tx, good["id"]):
        sentence = "The stock ledger tells of this finished good. Set it inactive instead of deleting it."
        raise conflict("in_use", sentence)
    await queries.forget_good(tx, good["id"])


def agreed_stock(current_stock: int | None, quantity: int | None) -> int | None:
    """`quantity` is the old name of `current_stock`: whichever was sent. Raises DomainError when they differ."""
    if current_stock is not None and quantity is not None and current_stock != quantity:
        sentence = "`quantity` is another name of `current_stock`: send one of them."
        raise DomainError("invalid", 422, sentence, path="$.quantity")
    return quantity if current_stock is None else current_stock
