"""/api/product-skus-sync: SKUs with prices in dollars; each has the finished good that its stock is kept in."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from cloud.api.finished_goods import FinishedGoodIn, FinishedGoodsApi, FinishedGoodsQuery
from cloud.api.kit import Call, Endpoint
from cloud.api.old.shapes import (
    BOUND,
    Dollars,
    Done,
    WholeList,
    as_new,
    as_old,
    cents,
    counted,
    deleted_or_hidden,
    dollars,
    old,
    said,
)
from cloud.api.product_skus import (
    Pieces,
    ProductSkuIn,
    ProductSkuOut,
    ProductSkuPatch,
    ProductSkusApi,
    ProductSkusQuery,
    Sku,
)
from cloud.api.shapes import Color, Count, Id, Line, Name
from cloud.storage import products as queries
from cloud.storage.tenant import TenantTx

LOW: Final = 5
"""Pieces: what the old system called low, whatever a SKU's own threshold is."""
_DEFAULT_MATERIAL: Final = "PLA"


class OldSkuPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is null or left out stays."""

    sku: Sku | None = None
    color: Line | None = None
    filament_type: Name | None = None
    hex_code: Color | None = None
    quantity: Pieces | None = None
    stock_level: Count | None = None
    price: Dollars | None = None
    """Dollars."""
    low_stock_threshold: Count | None = None


class OldSkuIn(OldSkuPatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_id: Id
    sku: Sku
    color: Line


class OldSku(Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    product_id: str
    tenant_id: str
    sku: str
    color: str
    filament_type: str | None
    hex_code: str | None
    quantity: int
    stock_level: int
    price: float | None
    """Dollars."""
    low_stock_threshold: int
    is_active: bool
    created_at: str
    updated_at: str
    finishedGoodsStock: Annotated[int, Meta(ge=0)] | None = None  # noqa: N815 - so it was called
    """Pieces in finished goods, assembled or not; only in the list of all."""


class SkuDone(Done, frozen=True, kw_only=True):
    sku: OldSku


class OldSkusApi:
    """Works through the endpoints of today."""

    def __init__(self, skus: ProductSkusApi, goods: FinishedGoodsApi) -> None:
        self._skus = skus
        self._goods = goods

    def endpoints(self) -> list[Endpoint]:
        every = "/api/product-skus-sync/"
        return [
            old("GET", every, self.every_sku),
            old("POST", every, self.add_sku, errors=(409,)),
            old("GET", f"{every}stock/low", self.low_skus),
            old("GET", f"{every}product/{{product_id}}", self.skus_of_product),
            old("GET", f"{every}{{id}}", self.one_sku),
            old("PUT", f"{every}{{id}}", self.change_sku, errors=(409,)),
            old("DELETE", f"{every}{{id}}", self.delete_sku, errors=(409,)),
        ]

    async def every_sku(self, call: Call, query: WholeList) -> list[OldSku]:
        """The active SKUs, with what lies in finished goods of them."""
        found = await self._page(call, query)
        lying = await self._lying(call)
        return [_old(call, one, lying[one.id]) for one in found]

    async def skus_of_product(self, call: Call, product_id: Id, query: WholeList) -> list[OldSku]:
        """The active SKUs of a product."""
        return [_old(call, one) for one in await self._page(call, query, product_id=[product_id])]

    async def low_skus(self, call: Call, query: WholeList) -> list[OldSku]:
        """Active SKUs with at most 5 pieces, the emptiest first."""
        found = await self._page(call, query, sort=["stock_level"])
        return [_old(call, one) for one in found if one.stock_level <= LOW]

    async def one_sku(self, call: Call, sku_id: Id) -> OldSku:
        """One SKU."""
        return _old(call, await self._skus.get(call, sku_id))

    async def add_sku(self, call: Call, body: OldSkuIn) -> SkuDone:
        """Add a SKU, and the finished good that holds its stock."""
        sku = as_new(_in_cents(said(body, "stock_level")), ProductSkuIn)
        stock = body.stock_level or 0

        async def unit(tx: TenantTx) -> ProductSkuOut:
            made = await self._skus.created(tx, sku)
            product = await queries.get(tx, made.product_id)
            await self._goods.created(tx, _good(made, stock, assembled=not (product and product["requires_assembly"])))
            return await self._skus.one(tx, made.id)

        made = await call.store.write(unit)
        return SkuDone(message=f"The SKU {made.sku} is added.", sku=_old(call, made))

    async def change_sku(self, call: Call, sku_id: Id, body: OldSkuPatch) -> SkuDone:
        """Change a SKU."""
        changed = await self._skus.update(call, sku_id, as_new(_in_cents(said(body)), ProductSkuPatch))
        return SkuDone(message=f"The SKU {changed.sku} is changed.", sku=_old(call, changed))

    async def delete_sku(self, call: Call, sku_id: Id) -> Done:
        """Delete a SKU; one that something still needs, such as the books of stock, is hidden."""
        gone = await deleted_or_hidden(
            lambda: self._skus.remove(call, sku_id, None),
            lambda: self._skus.update(call, sku_id, ProductSkuPatch(is_active=False)),
        )
        return Done(message=f"The SKU is {gone}.")

    # ---- inside

    async def _page(self, call: Call, query: WholeList, **wanted: Any) -> Sequence[ProductSkuOut]:
        listed = ProductSkusQuery(is_active=True, limit=query.limit, offset=query.offset, **wanted)
        page = await self._skus.list(call, listed)
        counted(call, page.total)
        items: Sequence[ProductSkuOut] = page.items
        return items

    async def _lying(self, call: Call) -> Counter[str]:
        """Pieces in active finished goods by SKU, of as many as one answer may hold."""
        page = await self._goods.list(call, FinishedGoodsQuery(is_active=True, limit=BOUND))
        lying: Counter[str] = Counter()
        for good in page.items:
            lying[good.product_sku_id or ""] += good.quantity_assembled + good.quantity_needs_assembly
        return lying


def _in_cents(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "price": cents(values["price"])} if "price" in values else values


def _good(sku: ProductSkuOut, stock: int, *, assembled: bool) -> FinishedGoodIn:
    return FinishedGoodIn(
        product_sku_id=sku.id,
        sku=sku.sku,
        color=sku.color,
        material=sku.filament_type or _DEFAULT_MATERIAL,
        current_stock=stock,
        unit_price=sku.price,
        low_stock_threshold=sku.low_stock_threshold,
        requires_assembly=not assembled,
        quantity_assembled=stock if assembled else 0,
        quantity_needs_assembly=0 if assembled else stock,
    )


def _old(call: Call, sku: ProductSkuOut, lying: int | None = None) -> OldSku:
    return as_old(sku, OldSku, tenant_id=call.tenant_id, price=dollars(sku.price), finishedGoodsStock=lying)
