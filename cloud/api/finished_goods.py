"""/api/finished-goods: where the stock of SKUs lies, and what of it still has to be assembled."""

from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.collection import Collection, Page, given, listing_of
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Cents, Count, Id, Line, ListQuery, Short
from cloud.production import goods
from cloud.production.references import check_references
from cloud.storage.production import GOODS
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

GoodsStatus = Literal["in_stock", "low_stock", "out_of_stock"]
Percent = Annotated[float, Meta(ge=-1000, le=1_000_000)]
Pieces = Annotated[int, Meta(ge=1, le=1_000_000)]
Address = Annotated[str, Meta(max_length=2000, pattern=r"^[^\u0000-\u0020\u007f]*$(?!\n)")]


class FinishedGoodIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_sku_id: Id
    print_job_id: Id | None = None
    """The job it was printed by."""
    sku: Short = ""
    color: Short = ""
    material: Short | None = None
    location: Short = ""
    current_stock: Count | UnsetType = UNSET
    """Pieces that lie there already: the ledger opens with them."""
    quantity: Count | UnsetType = UNSET
    """The old name of `current_stock`."""
    low_stock_threshold: Count = 0
    quantity_per_sku: Pieces = 1
    unit_price: Cents | None = None
    extra_cost: Cents | None = None
    profit_margin: Percent | None = None
    requires_assembly: bool = False
    quantity_assembled: Count = 0
    quantity_needs_assembly: Count = 0
    image_url: Address | None = None
    is_active: bool = True


class FinishedGoodPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_sku_id: Id | UnsetType = UNSET
    """Only for a migrated one that has none."""
    print_job_id: Id | UnsetType | None = UNSET
    sku: Short | UnsetType = UNSET
    color: Short | UnsetType = UNSET
    material: Short | UnsetType | None = UNSET
    location: Short | UnsetType = UNSET
    current_stock: Count | UnsetType = UNSET
    """Pieces counted: the difference becomes an adjustment in the ledger."""
    quantity: Count | UnsetType = UNSET
    """The old name of `current_stock`."""
    reason: Line | UnsetType = UNSET
    """Why the stock is another one; kept in the ledger."""
    low_stock_threshold: Count | UnsetType = UNSET
    quantity_per_sku: Pieces | UnsetType = UNSET
    unit_price: Cents | UnsetType | None = UNSET
    extra_cost: Cents | UnsetType | None = UNSET
    profit_margin: Percent | UnsetType | None = UNSET
    requires_assembly: bool | UnsetType = UNSET
    quantity_assembled: Count | UnsetType = UNSET
    quantity_needs_assembly: Count | UnsetType = UNSET
    image_url: Address | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


class StockIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    new_stock: Count
    reason: Line = ""


class AssemblyStockIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    new_quantity: Count
    assembly_type: Literal["assembled", "needs_assembly"]


class FinishedGoodOut(Struct, frozen=True, kw_only=True):
    id: str
    product_sku_id: str | None
    """None only on a migrated one whose SKU was gone."""
    print_job_id: str | None
    sku: str
    color: str
    material: str | None
    location: str
    current_stock: int
    quantity: int
    """The old name of `current_stock`."""
    low_stock_threshold: int
    quantity_per_sku: int
    unit_price: int | None
    extra_cost: int | None
    profit_margin: float | None
    requires_assembly: bool
    quantity_assembled: int
    quantity_needs_assembly: int
    status: GoodsStatus
    """`low_stock`: at or below the threshold."""
    image_url: str | None
    is_active: bool
    created_at: str
    updated_at: str
    version: int


class LowStockQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_sku_id: Id | None = None
    location: Short | None = None


class FinishedGoodsQuery(LowStockQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    print_job_id: Id | None = None
    sku: Short | None = None
    color: Short | None = None
    material: Short | None = None
    status: Annotated[list[GoodsStatus], Meta(max_length=3)] | None = None
    requires_assembly: bool | None = None
    is_active: bool | None = None


class FinishedGoodsApi(Collection):
    path = "/api/finished-goods/"
    noun = "finished good"
    rows = GOODS
    shape = FinishedGoodOut
    new = FinishedGoodIn
    patch = FinishedGoodPatch
    query = FinishedGoodsQuery

    def endpoints(self) -> list[Endpoint]:
        one = f"{self.path}{{id}}"
        return [
            *super().endpoints(),
            Endpoint("GET", f"{self.path}low-stock", self.low_stock, sorts=self.rows.sorts),
            Endpoint("PUT", f"{one}/stock", self.set_stock, errors=(409,), versioned=True),
            Endpoint("PUT", f"{one}/assembly-stock", self.set_assembly_stock, errors=(409,), versioned=True),
        ]

    def out(self, row: Row) -> FinishedGoodOut:
        return msgspec.convert({**row, "quantity": row["current_stock"]}, FinishedGoodOut)

    async def low_stock(self, call: Call, query: LowStockQuery) -> Page[FinishedGoodOut]:
        """What is running out: active finished goods at or below their threshold, the emptiest first."""
        listing = listing_of(query, self.rows.sorts)
        wanted = {**listing.filters, "status": ["low_stock", "out_of_stock"], "is_active": True}
        sort = listing.sort or ("current_stock",)
        listing = msgspec.structs.replace(listing, filters=wanted, sort=sort)
        return await call.store.read(lambda tx: self._page(tx, listing))

    async def set_stock(self, call: Call, key: Id, body: StockIn) -> FinishedGoodOut:
        """Say how many pieces were counted; the difference becomes an adjustment in the ledger."""
        change = FinishedGoodPatch(current_stock=body.new_stock, reason=body.reason)
        return cast(FinishedGoodOut, await self.update(call, key, change))

    async def set_assembly_stock(self, call: Call, key: Id, body: AssemblyStockIn) -> FinishedGoodOut:
        """Say how many pieces are assembled, or still have to be."""
        change = msgspec.convert({f"quantity_{body.assembly_type}": body.new_quantity}, FinishedGoodPatch)
        return cast(FinishedGoodOut, await self.update(call, key, change))

    async def create(self, call: Call, body: Any) -> Any:
        return self.out(await call.store.write(lambda tx: self.created(tx, body)))

    async def removing(self, tx: TenantTx, before: Row) -> None:
        await goods.prepare_removal(tx, before)

    async def created(self, tx: TenantTx, body: FinishedGoodIn) -> Row:
        """Add one, within a transaction. Raises DomainError."""
        stock = _stock(body)
        await check_references(tx, {"product_sku_id": body.product_sku_id})
        row = await self.rows.create(tx, given(_without_stock(body)))
        return await goods.set_stock(tx, row, stock or 0, kind="opening")

    async def _changed(self, tx: TenantTx, key: str, body: Any, version: int | None) -> Row:
        stock = _stock(body)
        if body.product_sku_id is not UNSET:
            await check_references(tx, {"product_sku_id": body.product_sku_id})
        plain = msgspec.structs.replace(_without_stock(body), product_sku_id=UNSET, reason=UNSET)
        row = await super()._changed(tx, key, plain, version)
        if body.product_sku_id is not UNSET:
            await goods.name_sku(tx, row, body.product_sku_id)
            row = await self._existing(tx, key)
        reason = "" if body.reason is UNSET else body.reason
        return await goods.set_stock(tx, row, row["current_stock"] if stock is None else stock, reason=reason)


def _stock(body: Any) -> int | None:
    """What the request says lies there, if it does."""
    said = [None if count is UNSET else count for count in (body.current_stock, body.quantity)]
    return goods.agreed_stock(*said)


def _without_stock(body: Any) -> Any:
    return msgspec.structs.replace(body, current_stock=UNSET, quantity=UNSET)
