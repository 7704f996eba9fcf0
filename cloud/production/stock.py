"""The stock ledger: the only place that changes how much there is of anything.

Stock is the sum of movements, which are only ever added: a mistake is corrected by its reverse.
"""

from typing import Final, Literal

import msgspec

from cloud.errors import DomainError, conflict
from cloud.storage import stock as queries
from cloud.storage.stock import MAX_STOCK
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

MovementKind = Literal["opening", "print", "assembly", "sale", "return", "adjustment", "correction"]

PERSONAL: Final[tuple[MovementKind, ...]] = ("sale", "return", "adjustment", "correction")
"""What people enter; the others follow from what happens."""


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
    good, sku = await _locked(tx, product_sku_id, finished_good_id)
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


async def _locked(tx: TenantTx, sku_id: str, good_id: str | None) -> tuple[Row | None, Row]:
    """Two who move the same stock come one after the other, so that the second sees the first one's cause."""
    good = None if good_id is None else await queries.lock_good(tx, good_id)
    if good_id is not None and good is None:
        raise unknown("finished good", "finished_good_id")
    sku = await queries.lock_sku(tx, sku_id)
    if sku is None:
        raise unknown("SKU", "product_sku_id")
    if good is not None and good["product_sku_id"] != sku_id:
        raise conflict("other_sku", "This finished good is of another SKU: name the SKU it is of, or no finished good.")
    return good, sku


def unknown(what: str, field: str) -> DomainError:
    """A request names something that is not there."""
    return DomainError("unknown_reference", 422, f"There is no such {what}.", path=f"$.{field}")


def _refusal(what: str, stock: int, delta: int) -> DomainError:
    if delta > 0:
        return conflict("too_much_stock", f"There can be {MAX_STOCK} pieces {what} at most; there are {stock}.")
    sentence = f"There are only {stock} pieces {what}: {-delta} cannot go out. Count them, and adjust the stock first."
    return conflict("not_enough_stock", sentence, stock=stock)


def _movement(row: Row) -> Movement:
    return msgspec.convert(row, Movement)
