"""/api/products-sync: products, as a whole list and in wrapped answers."""

from typing import Any

import msgspec
from msgspec import Struct

from cloud.api.kit import Call, Endpoint
from cloud.api.old.shapes import Done, WholeList, as_new, as_old, counted, deleted_or_hidden, old, said
from cloud.api.products import Priority, ProductDetail, ProductIn, ProductOut, ProductPatch, ProductsApi, ProductsQuery
from cloud.api.shapes import Id, Line, Name, Text


class OldProductPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is null or left out stays."""

    name: Name | None = None
    description: Text | None = None
    category: Name | None = None
    print_file_id: Id | None = None
    file_name: Line | None = None
    requires_assembly: bool | None = None
    requires_post_processing: bool | None = None
    printer_priority: Priority | None = None
    wiki_id: Line | None = None
    image_url: Line | None = None
    """Heeded when it is a whole address: an uploaded picture has its own path."""
    is_active: bool | None = None
    components: list[dict[str, Any]] | None = None
    """Not heeded, as it was not by the old server."""


class OldProductIn(OldProductPatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    id: Id | None = None
    """Not heeded: the answer says which id the product has."""


class OldProductFile(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    printer_model_id: str | None
    file_name: str


class OldProduct(Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    name: str
    description: str | None
    category: str | None
    print_file_id: str | None
    file_name: str | None
    requires_assembly: bool
    requires_post_processing: bool
    printer_priority: str | None
    """JSON of a list."""
    image_url: str | None
    is_active: bool
    wiki_id: str | None
    created_at: str
    updated_at: str
    print_files: list[OldProductFile] = []
    """Only in the answer about one product."""


class ProductDone(Done, frozen=True, kw_only=True):
    product: OldProduct


class OldProductsApi:
    """Works through the endpoints of today."""

    def __init__(self, products: ProductsApi) -> None:
        self._products = products

    def endpoints(self) -> list[Endpoint]:
        every = "/api/products-sync/"
        return [
            old("GET", every, self.every_product),
            old("POST", every, self.add_product, errors=(409,)),
            old("GET", f"{every}{{id}}", self.one_product),
            old("PUT", f"{every}{{id}}", self.change_product, errors=(409,)),
            old("DELETE", f"{every}{{id}}", self.delete_product, errors=(409,)),
        ]

    async def every_product(self, call: Call, query: WholeList) -> list[OldProduct]:
        """The active products, by name."""
        wanted = ProductsQuery(is_active=True, sort=["name"], limit=query.limit, offset=query.offset)
        page = await self._products.list(call, wanted)
        counted(call, page.total)
        return [_old(call, one) for one in page.items]

    async def one_product(self, call: Call, product_id: Id) -> OldProduct:
        """One product, with its print files."""
        return _old(call, await self._products.get(call, product_id))

    async def add_product(self, call: Call, body: OldProductIn) -> ProductDone:
        """Add a product."""
        made = await self._products.create(call, as_new(_heeded(body), ProductIn))
        return ProductDone(message=f"The product {made.name} is added.", product=_old(call, made))

    async def change_product(self, call: Call, product_id: Id, body: OldProductPatch) -> ProductDone:
        """Change a product."""
        changed = await self._products.update(call, product_id, as_new(_heeded(body), ProductPatch))
        return ProductDone(message=f"The product {changed.name} is changed.", product=_old(call, changed))

    async def delete_product(self, call: Call, product_id: Id) -> Done:
        """Delete a product; one that something still needs is hidden."""
        gone = await deleted_or_hidden(
            lambda: self._products.remove(call, product_id, None),
            lambda: self._products.update(call, product_id, ProductPatch(is_active=False)),
        )
        return Done(message=f"The product is {gone}.")


def _heeded(body: OldProductPatch) -> dict[str, Any]:
    values = said(body, "components", "id")
    if not str(values.get("image_url", "")).startswith(("http://", "https://")):
        values.pop("image_url", None)
    return values


def _old(call: Call, product: ProductOut) -> OldProduct:
    wanted = product.printer_priority
    priority = None if wanted is None else msgspec.json.encode(wanted).decode()
    files = product.print_files if isinstance(product, ProductDetail) else []
    print_files = [as_old(file, OldProductFile, file_name=file.name) for file in files]
    return as_old(product, OldProduct, tenant_id=call.tenant_id, printer_priority=priority, print_files=print_files)
