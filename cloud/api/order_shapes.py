"""What requests and answers about orders look like."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.shapes import Cents, Count, Id, ListQuery, Moment, Name, Short, Text, When
from cloud.production.orders import MAX_LINES, OrderStatus

Source = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9_-]+$(?!\n)")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)")]
Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]


class OrderLineIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sku: Short
    """As the order says it."""
    product_sku_id: Id | None = None
    """Which of our SKUs it is; left out, somebody has to say so later."""
    title: Short = ""
    quantity: Quantity = 1
    unit_price: Cents | None = None
    notes: Text = ""
    """Engraving and the like; nothing about who the customer is."""
    external_id: Short | None = None


class OrderLinePatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_sku_id: Id | UnsetType | None = UNSET
    title: Short | UnsetType = UNSET
    quantity: Quantity | UnsetType = UNSET
    fulfilled_quantity: Count | UnsetType = UNSET
    unit_price: Cents | UnsetType | None = UNSET
    notes: Text | UnsetType = UNSET


class OrderLineOut(Struct, frozen=True, kw_only=True):
    id: str
    order_id: str
    sku: str
    product_sku_id: str | None
    """None: nobody has said yet which of our SKUs it is."""
    title: str
    quantity: int
    fulfilled_quantity: int
    unit_price: int | None
    notes: str
    external_id: str | None
    created_at: str
    updated_at: str
    version: int


class OrderLines(Struct, frozen=True):
    items: list[OrderLineOut]
    total: int


class OrderIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order with its lines."""

    order_number: Name
    """Unique within its source."""
    source: Source = "manual"
    external_id: Short | None = None
    due_date: When | None = None
    notes: Text = ""
    total_price: Cents | None = None
    """What the shop says, with shipping and discounts; `lines_total` is what the lines add up to."""
    currency: Currency | None = None
    ordered_at: Moment | None = None
    """Left out: now."""
    lines: Annotated[list[OrderLineIn], Meta(max_length=MAX_LINES)] = []


class OrderPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    order_number: Name | UnsetType = UNSET
    status: OrderStatus | UnsetType = UNSET
    """open, in_production, ready, fulfilled, one after the other; cancelled from any but fulfilled."""
    due_date: When | UnsetType | None = UNSET
    notes: Text | UnsetType = UNSET
    total_price: Cents | UnsetType | None = UNSET
    currency: Currency | UnsetType | None = UNSET


class OrderOut(Struct, frozen=True, kw_only=True):
    id: str
    order_number: str
    source: str
    external_id: str | None
    status: OrderStatus
    due_date: str | None
    notes: str
    total_price: int | None
    currency: str | None
    ordered_at: str
    fulfilled_at: str | None
    lines: list[OrderLineOut]
    lines_total: int
    """Cents; lines without a price count 0."""
    quantity: int
    """Of all lines."""
    fulfilled_quantity: int
    needs_mapping: bool
    """A line's SKU is not known yet."""
    created_at: str
    updated_at: str
    version: int


class OrdersQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: Annotated[list[OrderStatus], Meta(max_length=5)] | None = None
    source: Source | None = None
    order_number: Name | None = None
    ordered_at_from: Moment | None = None
    ordered_at_to: Moment | None = None
    """Before this moment."""
    due_date_from: When | None = None
    due_date_to: When | None = None
    """Before this day or moment."""
