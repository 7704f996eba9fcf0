"""The stock ledger: the only place that changes how much there is of anything.

Stock is the sum of movements, which are only ever added: a mistake is corrected by its reverse.
"""

from typing import Final, Literal

import msgspec

from cloud.errors import DomainError, conflict, not_found
from cloud.production.references import check_references, unknown
from cloud.storage import stock as queries
from cloud.storage.stock import MAX_STOCK
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

MovementKind = Literal["opening", "print", "assembly", "sale", "return", "adjustment", "correction"]

PersonalKind = Literal["sale", "return", "adjustment", "correction"]
"""What people enter; the others follow from what happens."""
REVERSAL: Final = "reverse:"
"""Begins the cause of a movement that undoes another."""


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """Stock that came or went."""

    id: str
    product_sku_id: str
    finished_good_id: str | None
    """Where it lies, when that is known."""
    kind: MovementKind
    delta: int
    balance: int
    """Of the SKU, after it."""
    reason: str
    cause: str | None
    """What it comes from: the same cause never moves stock twice."""
    order_line_id: str | None
    actor: str
    """Id of a user or an API key, or the part of the system that acted."""
    at: str


async def move(
    tx: TenantTx,
    *,
    product_sku_id: str,
    delta: int,
    kind: MovementKind,
    actor: str,
    reason: str = "",
    cause: str | None = None,
    finished_good_id: str | None = None,
    order_line_id: str | None = None,
) -> Movement:
    """Add a movement, and its `delta` to the stock of the SKU and of the finished good, in this transaction.

    A `cause` that moved stock before moves nothing: the first movement is returned. Raises DomainError when there
    would be less than nothing, and for a SKU or a finished good that is not there.
    """
    good, sku = await _named(tx, product_sku_id, finished_good_id)
    if cause is not None and (first := await queries.by_cause(tx, cause)) is not None:
        return _movement(first)
    if not 0 < abs(delta) <= MAX_STOCK:
        raise DomainError("invalid", 422, f"A movement is of 1 to {MAX_STOCK} pieces, in or out.", path="$.delta")
    if good is not None and not await queries.add_to_good(tx, good["id"], delta):
        raise _refusal("of this finished good", good["current_stock"], delta)
    balance = await queries.add_to_sku(tx, product_sku_id, delta)
    if balance is None:
        raise _refusal(f"of {sku['sku']}", sku["stock_level"], delta)
    values = {
        "product_sku_id": product_sku_id,
        "finished_good_id": finished_good_id,
        "kind": kind,
        "delta": delta,
        "balance": balance,
        "reason": reason,
        "cause": cause,
        "order_line_id": order_line_id,
        "actor": actor,
    }
    return _movement(await queries.append(tx, values))


async def enter(
    tx: TenantTx,
    *,
    product_sku_id: str,
    delta: int,
    kind: MovementKind,
    reason: str,
    finished_good_id: str | None,
    order_line_id: str | None,
) -> Movement:
    """A movement that a person enters. Raises DomainError as `move`, and when the sign contradicts the kind."""
    if (kind == "sale" and delta > 0) or (kind == "return" and delta < 0):
        raise DomainError("invalid", 422, "What is sold goes out (below 0), what is returned comes in.", path="$.delta")
    await check_references(tx, {"order_line_id": order_line_id})
    return await move(
        tx,
        product_sku_id=product_sku_id,
        delta=delta,
        kind=kind,
        actor=tx.actor,
        reason=reason,
        finished_good_id=finished_good_id,
        order_line_id=order_line_id,
    )


async def reverse(tx: TenantTx, movement_id: str, reason: str) -> Movement:
    """Undo a movement by its opposite, once. Raises DomainError as `move`, and when there is no such movement."""
    row = await queries.MOVEMENT_ROWS.get(tx, movement_id)
    if row is None:
        raise not_found("stock movement")
    if (row["cause"] or "").startswith(REVERSAL):
        raise conflict("reversal", "This movement undoes another one: enter a new movement instead.")
    return await move(
        tx,
        product_sku_id=row["product_sku_id"],
        finished_good_id=row["finished_good_id"],
        order_line_id=row["order_line_id"],
        delta=-row["delta"],
        kind="correction",
        actor=tx.actor,
        reason=reason,
        cause=f"{REVERSAL}{movement_id}",
    )


async def _named(tx: TenantTx, sku_id: str, good_id: str | None) -> tuple[Row | None, Row]:
    """What is to be moved. Raises DomainError."""
    good = None if good_id is None else await queries.get_good(tx, good_id)
    if good_id is not None and good is None:
        raise unknown("finished_good_id")
    sku = await queries.get_sku(tx, sku_id)
    if sku is None:
        raise unknown("product_sku_id")
    if good is not None and good["product_sku_id"] != sku_id:
        raise conflict("other_sku", "This finished good is of another SKU: name the SKU it is of, or no finished good.")
    return good, sku


def _refusal(what: str, stock: int, delta: int) -> DomainError:
    if delta > 0:
        return conflict("too_much_stock", f"There can be {MAX_STOCK} pieces {what} at most; there are {stock}.")
    sentence = f"There are only {stock} pieces {what}: {-delta} cannot go out. Count them, and adjust the stock first."
    return conflict("not_enough_stock", sentence, stock=stock)


def _movement(row: Row) -> Movement:
    return msgspec.convert(row, Movement)
