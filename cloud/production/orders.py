"""Orders: what state follows which, and what may still be changed of their lines."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from cloud.errors import DomainError, conflict
from cloud.production.references import check_references
from cloud.storage import clock
from cloud.storage import production as queries
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

OrderStatus = Literal["open", "in_production", "ready", "fulfilled", "cancelled"]

MAX_LINES: Final = 200
MOVES: Final[Mapping[str, frozenset[str]]] = {
    "open": frozenset({"in_production", "cancelled"}),
    "in_production": frozenset({"ready", "cancelled"}),
    "ready": frozenset({"fulfilled", "cancelled"}),
    "fulfilled": frozenset(),
    "cancelled": frozenset(),
}
CLOSED: Final = frozenset({"fulfilled", "cancelled"})


async def moved(tx: TenantTx, order: Row, to: OrderStatus) -> dict[str, Any]:
    """The columns that change when an order goes to another state.

    A fulfilled order's lines are fulfilled with it; stock is not touched. Raises DomainError when it cannot go there;
    empty when it is there already.
    """
    status = order["status"]
    if to == status:
        return {}
    if to not in MOVES[status]:
        raise conflict("wrong_state", _refusal(status, to), current=status)
    if to != "fulfilled":
        return {"status": to}
    await queries.fulfil_lines(tx, order["id"])
    return {"status": to, "fulfilled_at": clock.now()}


async def add_lines(tx: TenantTx, order: Row, lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Add lines to an order, locked by this transaction. Raises DomainError, ConflictError (unique: external_id)."""
    check_open(order)
    there = len(await queries.lines_of(tx, [order["id"]]))
    if there + len(lines) > MAX_LINES:
        raise conflict("too_many_lines", f"An order has {MAX_LINES} lines at most.")
    made = []
    for place, values in enumerate(lines):
        await check_references(tx, values)
        # A millisecond apart, so that they keep the order in which one request named them.
        row = {**values, "order_id": order["id"], "created_at": clock.after(place / 1000)}
        made.append(await queries.LINES.create(tx, row))
    return made


async def check_line_change(tx: TenantTx, order: Row, line: Row, values: Mapping[str, Any]) -> None:
    """Raises DomainError unless a line of this order may change so."""
    check_open(order)
    await check_references(tx, values)
    after = {**line, **values}
    if after["fulfilled_quantity"] > after["quantity"]:
        sentence = f"No more than the {after['quantity']} ordered can be fulfilled."
        raise DomainError("invalid", 422, sentence, path="$.fulfilled_quantity")


async def check_removable(tx: TenantTx, lines: Sequence[Row]) -> None:
    """Raises DomainError when print jobs are for one of these lines."""
    if await queries.jobs_print_for(tx, [line["id"] for line in lines]):
        raise conflict("in_use", "Print jobs are for this: cancel the order, or delete those jobs first.")


def check_open(order: Row) -> None:
    """Raises DomainError when nothing of an order may change any more but its notes."""
    if order["status"] in CLOSED:
        raise conflict("wrong_state", f"The order is {order['status']}: its lines stay as they are.")


def _refusal(status: str, to: str) -> str:
    if status in CLOSED:
        return f"The order is {status}, and stays so. Make a new one."
    following = " or ".join(sorted(MOVES[status])).replace("_", " ")
    return f"An order that is {status.replace('_', ' ')} can become {following}, not {to.replace('_', ' ')}."
