"""/api/orders: what customers wait for. Who they are is not kept: the shop knows."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cloud.api.collection import Collection, given
from cloud.api.errors import not_found
from cloud.api.kit import Call, Endpoint
from cloud.api.order_shapes import (
    OrderIn,
    OrderLineIn,
    OrderLineOut,
    OrderLinePatch,
    OrderLines,
    OrderOut,
    OrderPatch,
    OrdersQuery,
)
from cloud.api.shapes import Id
from cloud.errors import conflict
from cloud.production import orders
from cloud.storage import clock
from cloud.storage import production as queries
from cloud.storage.errors import ConflictError
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx


class OrdersApi(Collection):
    path = "/api/orders/"
    noun = "order"
    rows = queries.ORDERS
    shape = OrderOut
    new = OrderIn
    patch = OrderPatch
    query = OrdersQuery

    def endpoints(self) -> list[Endpoint]:
        lines = f"{self.path}{{id}}/lines"
        one = f"{lines}/{{line}}"
        return [
            *super().endpoints(),
            Endpoint("GET", lines, self.list_lines),
            Endpoint("POST", lines, self.add_line, status=201, errors=(409,)),
            Endpoint("PATCH", one, self.change_line, errors=(409,), versioned=True),
            Endpoint("DELETE", one, self.delete_line, errors=(409,), versioned=True),
        ]

    # ---- orders

    def out(self, row: Row) -> OrderOut:
        return msgspec.convert({**row, **_sums(row["lines"])}, OrderOut)

    async def outs(self, tx: TenantTx, rows: Sequence[Row]) -> list[Any]:
        lines: dict[str, list[Row]] = {row["id"]: [] for row in rows}
        for line in await queries.lines_of(tx, lines.keys()):
            lines[line["order_id"]].append(line)
        return [self.out({**row, "lines": lines[row["id"]]}) for row in rows]

    async def create(self, call: Call, body: Any) -> Any:
        try:
            return await call.store.write(lambda tx: self._created(tx, body))
        except ConflictError as error:
            raise _named(error) from None

    async def changing(self, tx: TenantTx, before: Row, values: dict[str, Any]) -> Mapping[str, Any]:
        if "status" not in values:
            return values
        return {**values, "status": before["status"], **await orders.moved(tx, before, values["status"])}

    async def update(self, call: Call, key: Id, body: Any) -> Any:
        try:
            return await super().update(call, key, body)
        except ConflictError as error:
            raise _named(error) from None

    async def removing(self, tx: TenantTx, before: Row) -> None:
        await orders.check_removable(tx, await queries.lines_of(tx, [before["id"]]))

    async def _created(self, tx: TenantTx, body: Any) -> Any:
        values = given(body)
        lines = values.pop("lines")
        values["ordered_at"] = values["ordered_at"] or clock.now()
        order = await self.rows.create(tx, values)
        await orders.add_lines(tx, order, [given(line) for line in lines])
        return await self.alone(tx, order)

    # ---- their lines

    async def list_lines(self, call: Call, order_id: Id) -> OrderLines:
        """The lines of an order, in the order in which they were added."""

        async def unit(tx: TenantTx) -> list[Row]:
            return await queries.lines_of(tx, [(await self._existing(tx, order_id))["id"]])

        lines = await call.store.read(unit)
        return OrderLines([_line(row) for row in lines], len(lines))

    async def add_line(self, call: Call, order_id: Id, body: OrderLineIn) -> OrderLineOut:
        """Add a line to an order that is not closed."""

        async def unit(tx: TenantTx) -> Row:
            order = await self._existing(tx, order_id)
            line = (await orders.add_lines(tx, order, [given(body)]))[0]
            await queries.touch_order(tx, order_id)
            return line

        try:
            return _line(await call.store.write(unit))
        except ConflictError as error:
            raise _named(error) from None

    async def change_line(self, call: Call, order_id: Id, line_id: Id, body: OrderLinePatch) -> OrderLineOut:
        """Change a line of an order that is not closed: say which SKU it is, how many, how many are done."""
        version = call.version

        async def unit(tx: TenantTx) -> Row:
            order, line = await self._line(tx, order_id, line_id)
            await orders.check_line_change(tx, order, line, given(body))
            changed = await queries.LINES.change(tx, line_id, given(body), version=version)
            if changed is None:
                raise not_found("order line")
            await queries.touch_order(tx, order_id)
            return changed

        return _line(await call.store.write(unit))

    async def delete_line(self, call: Call, order_id: Id, line_id: Id) -> None:
        """Take a line off an order that is not closed."""
        version = call.version

        async def unit(tx: TenantTx) -> Row:
            order, line = await self._line(tx, order_id, line_id)
            orders.check_open(order)
            await orders.check_removable(tx, [line])
            await queries.LINES.remove(tx, line_id, version=version)
            await queries.touch_order(tx, order_id)
            return line

        await call.store.write(unit)

    async def _line(self, tx: TenantTx, order_id: str, line_id: str) -> tuple[Row, Row]:
        """An order, and one of its lines."""
        order = await self._existing(tx, order_id)
        line = await queries.LINES.get(tx, line_id)
        if line is None or line["order_id"] != order_id:
            raise not_found("order line")
        return order, line


def _line(row: Row) -> OrderLineOut:
    return msgspec.convert(row, OrderLineOut)


def _sums(lines: Sequence[Row]) -> dict[str, Any]:
    """Of an order's lines."""
    return {
        "lines_total": sum(line["quantity"] * (line["unit_price"] or 0) for line in lines),
        "quantity": sum(line["quantity"] for line in lines),
        "fulfilled_quantity": sum(line["fulfilled_quantity"] for line in lines),
        "needs_mapping": any(line["product_sku_id"] is None for line in lines),
    }


def _named(error: ConflictError) -> Exception:
    """What two orders, or two lines of one, may not share."""
    if error.kind == "unique" and "order_number" in error.columns:
        return conflict("duplicate", "There is an order with this number from this source already.")
    if error.kind == "unique" and "external_id" in error.columns:
        return conflict("duplicate", "There is one with this external id already.")
    return error
