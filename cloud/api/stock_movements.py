"""/api/stock-movements: the ledger. Movements are added and never changed; a mistake is undone by its reverse."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from cloud.api.collection import Collection
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id, Line, ListQuery, Moment
from cloud.production import stock
from cloud.production.stock import Movement, MovementKind, PersonalKind
from cloud.storage.stock import MAX_STOCK, MOVEMENT_ROWS
from cloud.storage.store import Row

Delta = Annotated[int, Meta(ge=-MAX_STOCK, le=MAX_STOCK)]


class MovementIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stock that came or went, other than by printing."""

    product_sku_id: Id
    delta: Delta
    """Pieces: above 0 comes in, below 0 goes out."""
    kind: PersonalKind = "adjustment"
    reason: Line = ""
    finished_good_id: Id | None = None
    """Where it lies; its stock goes along."""
    order_line_id: Id | None = None
    """For which line of an order it goes out, or comes back."""


class ReverseIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Line = ""


class MovementsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_sku_id: Id | None = None
    finished_good_id: Id | None = None
    order_line_id: Id | None = None
    kind: Annotated[list[MovementKind], Meta(max_length=10)] | None = None
    at_from: Moment | None = None
    at_to: Moment | None = None
    """Before this moment."""


class StockMovementsApi(Collection):
    path = "/api/stock-movements/"
    noun = "stock movement"
    rows = MOVEMENT_ROWS
    shape = Movement
    new = MovementIn
    patch = ReverseIn
    query = MovementsQuery

    def endpoints(self) -> list[Endpoint]:
        plain = [one for one in super().endpoints() if one.handler in (self.list, self.create, self.get, self.export)]
        return [*plain, Endpoint("POST", f"{self.path}{{id}}/reverse", self.reverse, status=201, errors=(409,))]

    def out(self, row: Row) -> Movement:
        return msgspec.convert(row, Movement)

    async def create(self, call: Call, body: Any) -> Movement:
        values = msgspec.structs.asdict(body)
        return await call.store.write(lambda tx: stock.enter(tx, **values))

    async def reverse(self, call: Call, movement_id: Id, body: ReverseIn) -> Movement:
        """Undo a movement by its opposite.

        A movement is undone once: repeating this returns the same movement.
        """
        return await call.store.write(lambda tx: stock.reverse(tx, movement_id, body.reason))
