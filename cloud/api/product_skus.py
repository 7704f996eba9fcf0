"""/api/product-skus: products in one colour and pack size, the things that are stocked and sold."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.collection import Collection, Page, given, listing_of
from cloud.api.errors import not_found
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Cents, Color, Count, Id, Line, ListQuery, Name
from cloud.catalog import skus
from cloud.storage import products as queries
from cloud.storage.products import SKUS
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

Sku = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\u0000-\u001f\u007f]*$(?!\n)")]
Pieces = Annotated[int, Meta(ge=1, le=1_000_000)]


class ProductSkuNew(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A SKU of a product that is named elsewhere."""

    sku: Sku
    color: Line = ""
    """A name; with its code in one text, "Black|#000000", both are kept."""
    hex_code: Color | None = None
    filament_type: Name | None = None
    quantity: Pieces = 1
    """Pieces that one unit of it holds."""
    stock_level: Count = 0
    """What there is of it already."""
    low_stock_threshold: Count = 0
    price: Cents | None = None
    """Cents."""
    is_active: bool = True


class ProductSkuIn(ProductSkuNew, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_id: Id


class ProductSkuPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed; what is left out stays."""

    product_id: Id | UnsetType = UNSET
    sku: Sku | UnsetType = UNSET
    color: Line | UnsetType = UNSET
    hex_code: Color | UnsetType | None = UNSET
    filament_type: Name | UnsetType | None = UNSET
    quantity: Pieces | UnsetType = UNSET
    stock_level: Count | UnsetType = UNSET
    """Pieces counted: the difference becomes an adjustment in the ledger."""
    low_stock_threshold: Count | UnsetType = UNSET
    price: Cents | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


class ProductSkuOut(Struct, frozen=True, kw_only=True):
    id: str
    product_id: str
    product_name: str
    sku: str
    color: str
    hex_code: str | None
    filament_type: str | None
    quantity: int
    stock_level: int
    """The sum of its stock movements."""
    low_stock_threshold: int
    price: int | None
    """Cents."""
    is_active: bool
    created_at: str
    updated_at: str
    version: int


class SkusOfProductQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`search` is part of the SKU or of the colour's name."""

    color: Line | None = None
    filament_type: Name | None = None
    is_active: bool | None = None


class ProductSkusQuery(SkusOfProductQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_id: Annotated[list[Id], Meta(max_length=100)] | None = None
    sku: Sku | None = None


class ProductSkusApi(Collection):
    path = "/api/product-skus/"
    noun = "SKU"
    rows = SKUS
    shape = ProductSkuOut
    new = ProductSkuIn
    patch = ProductSkuPatch
    query = ProductSkusQuery

    def endpoints(self) -> list[Endpoint]:
        of_product = "/api/products/{id}/skus"
        return [
            *super().endpoints(),
            Endpoint("GET", of_product, self.list_of_product, sorts=SKUS.sorts),
            Endpoint("POST", of_product, self.create_in_product, status=201, errors=(409,)),
        ]

    async def outs(self, tx: TenantTx, rows: Sequence[Row]) -> list[ProductSkuOut]:
        names = await queries.names(tx, {row["product_id"] for row in rows})
        return [msgspec.convert({**row, "product_name": names[row["product_id"]]}, ProductSkuOut) for row in rows]

    async def create(self, call: Call, body: ProductSkuIn) -> ProductSkuOut:
        return await call.store.write(lambda tx: self.created(tx, body))

    async def created(self, tx: TenantTx, body: ProductSkuIn) -> ProductSkuOut:
        """Add one, within a transaction. Raises DomainError."""
        await skus.check_product(tx, body.product_id)
        values = {name: value for name, value in given(body).items() if name != "product_id"}
        row = await skus.create(tx, body.product_id, values, actor=tx.actor)
        return (await self.outs(tx, [row]))[0]

    async def one(self, tx: TenantTx, key: str) -> ProductSkuOut:
        """One as it is in this transaction. Raises ApiError 404."""
        return (await self.outs(tx, [await self._existing(tx, key)]))[0]

    async def changing(self, tx: TenantTx, before: Row, values: dict[str, Any]) -> Mapping[str, Any]:
        return await skus.checked_change(tx, before, values)

    async def _changed(self, tx: TenantTx, key: str, body: Any, version: int | None) -> Row:
        plain = msgspec.structs.replace(body, stock_level=UNSET)
        row = await super()._changed(tx, key, plain, version)
        if body.stock_level is UNSET:
            return row
        return await skus.set_stock(tx, row, body.stock_level, actor=tx.actor)

    async def removing(self, tx: TenantTx, before: Row) -> None:
        await skus.let_go(tx, [before])

    async def list_of_product(self, call: Call, product_id: Id, query: SkusOfProductQuery) -> Page[ProductSkuOut]:
        """A page of a product's SKUs."""
        wanted = listing_of(query, SKUS.sorts)
        wanted = msgspec.structs.replace(wanted, filters={**wanted.filters, "product_id": product_id})

        async def unit(tx: TenantTx) -> Page[ProductSkuOut]:
            if await queries.get(tx, product_id) is None:
                raise not_found("product")
            rows, total = await SKUS.page(tx, wanted)
            return Page(await self.outs(tx, rows), total)

        return await call.store.read(unit)

    async def create_in_product(self, call: Call, product_id: Id, body: ProductSkuNew) -> ProductSkuOut:
        """Add a SKU to a product."""

        async def unit(tx: TenantTx) -> ProductSkuOut:
            if await queries.get(tx, product_id) is None:
                raise not_found("product")
            row = await skus.create(tx, product_id, given(body), actor=call.principal.actor)
            return (await self.outs(tx, [row]))[0]

        return await call.store.write(unit)
