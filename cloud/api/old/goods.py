"""/api/finished-goods-sync: finished goods, with money in dollars."""

from typing import Any

from msgspec import Struct

from cloud.api.errors import not_found
from cloud.api.finished_goods import (
    Address,
    AssemblyStockIn,
    FinishedGoodIn,
    FinishedGoodOut,
    FinishedGoodPatch,
    FinishedGoodsApi,
    FinishedGoodsQuery,
    GoodsStatus,
    Percent,
    Pieces,
    StockIn,
)
from cloud.api.kit import Call, Endpoint
from cloud.api.old.shapes import Dollars, Done, WholeList, as_new, as_old, cents, counted, dollars, old, said
from cloud.api.shapes import Count, Id, Line, Short

_MONEY = ("unit_price", "extra_cost")


class OldGoodPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is null or left out stays."""

    current_stock: Count | None = None
    unit_price: Dollars | None = None
    """Dollars; so is extra_cost."""
    extra_cost: Dollars | None = None
    profit_margin: Percent | None = None
    requires_assembly: bool | None = None
    quantity_assembled: Count | None = None
    quantity_needs_assembly: Count | None = None
    low_stock_threshold: Count | None = None
    quantity_per_sku: Pieces | None = None
    material: Short | None = None
    image_url: Address | None = None
    status: Line | None = None
    """Not heeded: it follows from the stock."""
    assembly_status: Line | None = None
    """Not heeded: the two quantities say it."""


class OldGoodIn(OldGoodPatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_sku_id: Id
    sku: Short
    color: Short


class OldGood(Struct, frozen=True, kw_only=True):
    id: str
    product_sku_id: str | None
    tenant_id: str
    print_job_id: str | None
    sku: str
    color: str
    material: str | None
    current_stock: int
    low_stock_threshold: int
    quantity_per_sku: int
    unit_price: float
    """Dollars; so is extra_cost."""
    extra_cost: float
    profit_margin: float
    """Percent."""
    requires_assembly: bool
    quantity_assembled: int
    quantity_needs_assembly: int
    status: GoodsStatus
    image_url: str | None
    is_active: bool
    created_at: str
    updated_at: str


class OldGoodsApi:
    """Works through the endpoints of today."""

    def __init__(self, goods: FinishedGoodsApi) -> None:
        self._goods = goods

    def endpoints(self) -> list[Endpoint]:
        every = "/api/finished-goods-sync/"
        one = f"{every}{{id}}"
        return [
            old("GET", every, self.every_good),
            old("POST", every, self.add_good, errors=(409,)),
            old("GET", f"{every}by-sku/{{product_sku_id}}", self.good_of_sku),
            old("GET", one, self.one_good),
            old("PUT", one, self.change_good, errors=(409,)),
            old("PUT", f"{one}/stock", self.count_good, errors=(409,)),
            old("PUT", f"{one}/assembly-stock", self.count_assembled, errors=(409,)),
            old("DELETE", one, self.delete_good, errors=(409,)),
        ]

    async def every_good(self, call: Call, query: WholeList) -> list[OldGood]:
        """The active finished goods."""
        page = await self._goods.list(call, FinishedGoodsQuery(is_active=True, limit=query.limit, offset=query.offset))
        counted(call, page.total)
        return [_old(call, one) for one in page.items]

    async def one_good(self, call: Call, good_id: Id) -> OldGood:
        """One finished good."""
        return _old(call, await self._goods.get(call, good_id))

    async def good_of_sku(self, call: Call, product_sku_id: Id) -> OldGood:
        """The first active finished good of a SKU: the old system had one of each."""
        page = await self._goods.list(call, FinishedGoodsQuery(is_active=True, product_sku_id=product_sku_id, limit=1))
        if not page.items:
            raise not_found("finished good of this SKU")
        return _old(call, page.items[0])

    async def add_good(self, call: Call, body: OldGoodIn) -> OldGood:
        """Add a finished good."""
        return _old(call, await self._goods.create(call, as_new(_heeded(body), FinishedGoodIn)))

    async def change_good(self, call: Call, good_id: Id, body: OldGoodPatch) -> OldGood:
        """Change a finished good; another stock becomes an adjustment in the ledger."""
        return _old(call, await self._goods.update(call, good_id, as_new(_heeded(body), FinishedGoodPatch)))

    async def count_good(self, call: Call, good_id: Id, body: StockIn) -> OldGood:
        """Say how many pieces were counted."""
        return _old(call, await self._goods.set_stock(call, good_id, body))

    async def count_assembled(self, call: Call, good_id: Id, body: AssemblyStockIn) -> OldGood:
        """Say how many pieces are assembled, or still have to be."""
        return _old(call, await self._goods.set_assembly_stock(call, good_id, body))

    async def delete_good(self, call: Call, good_id: Id) -> Done:
        """Hide a finished good; the ledger keeps it."""
        await self._goods.update(call, good_id, FinishedGoodPatch(is_active=False))
        return Done(message="The finished good is deleted.")


def _heeded(body: OldGoodPatch) -> dict[str, Any]:
    values = said(body, "status", "assembly_status")
    return {**values, **{name: cents(values[name]) for name in _MONEY if name in values}}


def _old(call: Call, good: FinishedGoodOut) -> OldGood:
    money = {name: dollars(getattr(good, name)) or 0.0 for name in _MONEY}
    return as_old(good, OldGood, tenant_id=call.tenant_id, profit_margin=good.profit_margin or 0.0, **money)
