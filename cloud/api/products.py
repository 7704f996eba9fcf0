"""/api/products: what a farm makes, with its SKUs, its print files and its picture."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import structlog
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.responses import FileResponse, Response

from cloud.api import uploads
from cloud.api.collection import Collection, given
from cloud.api.errors import not_found
from cloud.api.files import knows
from cloud.api.kit import Call, Endpoint
from cloud.api.product_skus import ProductSkuNew, ProductSkuOut
from cloud.api.shapes import Id, Line, ListQuery, Name, Text
from cloud.catalog import pictures, products
from cloud.catalog.keeping import BlobKeeping
from cloud.storage import products as queries
from cloud.storage.files_folder import Blob, BlobStore, NoSpaceError
from cloud.storage.products import PRODUCTS
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

MAX_PICTURE: Final = 10 * 2**20
Url = Annotated[str, Meta(max_length=2000, pattern=r"^https?://[^\s\u0000-\u001f\u007f]+$(?!\n)")]
Priority = (
    Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=500)]
    | Annotated[str, Meta(max_length=16_000)]
)
"""Text: the same list as JSON, as old clients send it."""
FORM: Final = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary", "description": "A PNG, JPEG or WebP, 10 MiB."}},
}


class ProductIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product; with `skus`, all of it is made at once or nothing."""

    name: Name
    description: Text = ""
    category: Name | None = None
    print_file_id: Id | None = None
    """The file it is printed from, when it has several."""
    file_name: Line | None = None
    requires_assembly: bool = False
    requires_post_processing: bool = False
    printer_priority: Priority | None = None
    """Ids of printers or models ("N1", "P1S"), the preferred one first; also as JSON text."""
    wiki_id: Line | None = None
    image_url: Url | None = None
    """Of a picture kept elsewhere; one that is uploaded goes before it."""
    is_active: bool = True
    skus: Annotated[list[ProductSkuNew], Meta(max_length=100)] = []


class ProductPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed; what is left out stays."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    category: Name | UnsetType | None = UNSET
    print_file_id: Id | UnsetType | None = UNSET
    file_name: Line | UnsetType | None = UNSET
    requires_assembly: bool | UnsetType = UNSET
    requires_post_processing: bool | UnsetType = UNSET
    printer_priority: Priority | UnsetType | None = UNSET
    wiki_id: Line | UnsetType | None = UNSET
    image_url: Url | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


class ProductOut(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    description: str
    category: str | None
    print_file_id: str | None
    file_name: str | None
    requires_assembly: bool
    requires_post_processing: bool
    printer_priority: list[str] | None
    wiki_id: str | None
    image_url: str | None
    """Where its picture is: here, under an address that changes with it, or elsewhere."""
    has_image: bool
    """A picture was uploaded."""
    is_active: bool
    created_at: str
    updated_at: str
    version: int


class ProductFile(Struct, frozen=True, kw_only=True):
    """The little of a print file that a product's page shows."""

    id: str
    name: str
    printer_model_id: str | None
    file_size_bytes: int
    print_time_seconds: int | None
    filament_weight_grams: float | None
    filament_type: str | None
    number_of_units: int
    created_at: str


class ProductDetail(ProductOut, frozen=True, kw_only=True):
    """A product with its SKUs and what it is printed from."""

    skus: list[ProductSkuOut]
    print_files: list[ProductFile]
    """The one that `print_file_id` names comes first."""


class ProductsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`search` is part of the name."""

    category: Name | None = None
    is_active: bool | None = None


class PictureQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    v: Annotated[str, Meta(max_length=64)] = ""
    """Which picture `image_url` meant: that one may be kept for good."""


class ProductsApi(Collection):
    """Endpoints about products."""

    path = "/api/products/"
    noun = "product"
    rows = PRODUCTS
    shape = ProductOut
    detail = ProductDetail
    new = ProductIn
    patch = ProductPatch
    query = ProductsQuery

    def __init__(self, blobs: BlobStore, keeping: BlobKeeping) -> None:
        self._blobs = blobs
        self._keeping = keeping

    def endpoints(self) -> list[Endpoint]:
        image = "/api/products/{id}/image"
        picture = {kind: {"type": "string", "format": "binary"} for kind in ("image/png", "image/jpeg", "image/webp")}
        return [
            *super().endpoints(),
            Endpoint("GET", image, self.image, answers=picture),
            Endpoint("POST", image, self.upload_image, form=FORM, errors=(400, 413, 415, 422, 507)),
            Endpoint("DELETE", image, self.delete_image),
        ]

    def out(self, row: Row) -> ProductOut:
        return msgspec.convert(_told(row), ProductOut)

    async def alone(self, tx: TenantTx, row: Row) -> ProductDetail:
        skus = [{**sku, "product_name": row["name"]} for sku in await queries.skus_of(tx, row["id"])]
        files = await products.files_of(tx, row)
        return msgspec.convert({**_told(row), "skus": skus, "print_files": files}, ProductDetail)

    async def create(self, call: Call, body: ProductIn) -> ProductDetail:
        values = {name: value for name, value in given(body).items() if name != "skus"}
        skus = [given(sku) for sku in body.skus]

        async def unit(tx: TenantTx) -> ProductDetail:
            return await self.alone(tx, await products.create(tx, values, skus, actor=call.principal.actor))

        return await call.store.write(unit)

    async def changing(self, tx: TenantTx, before: Row, values: dict[str, Any]) -> Mapping[str, Any]:
        return await products.checked_change(tx, before, values)

    async def remove(self, call: Call, key: str, version: int | None) -> None:
        await self._keeping.release(call.store, lambda tx: products.delete(tx, key, version))

    async def image(self, call: Call, product_id: Id, query: PictureQuery) -> Response:
        """The picture that was uploaded for a product."""
        row = await call.store.read(lambda tx: queries.get(tx, product_id))
        if row is None:
            raise not_found("product")
        if row["image_sha256"] is None:
            raise not_found("picture")
        tag = f'"{row["image_sha256"]}"'
        lasting = query.v == _picture_version(row)
        caching = "private, max-age=31536000, immutable" if lasting else "private, no-cache"
        headers = {"etag": tag, "cache-control": caching, "x-content-type-options": "nosniff"}
        if knows(call.request, tag):
            return Response(status_code=304, headers=headers)
        if not await asyncio.to_thread(self._blobs.exists, row["image_sha256"]):
            log.error("a picture's bytes are missing", product=product_id, sha256=row["image_sha256"])
            raise not_found("picture")
        return FileResponse(self._blobs.path(row["image_sha256"]), headers=headers, media_type=row["image_type"])

    async def upload_image(self, call: Call, product_id: Id) -> ProductDetail:
        """Give a product a picture.

        A PNG, JPEG or WebP file of at most 10 MiB, whatever its name; it replaces the one before.
        """
        async with self._blobs.incoming(MAX_PICTURE) as incoming:
            await uploads.receive(call.request, self._blobs, incoming, MAX_PICTURE)
            picture = pictures.recognise(await asyncio.to_thread(incoming.path.read_bytes))

            async def note(tx: TenantTx, blob: Blob) -> tuple[ProductDetail, str]:
                row, former = await products.set_picture(tx, product_id, blob.sha256, picture.type)
                return await self.alone(tx, row), former

            try:
                return await self._keeping.keep(call.store, incoming, note)
            except NoSpaceError:
                raise uploads.no_space() from None

    async def delete_image(self, call: Call, product_id: Id) -> None:
        """Take a product's picture away; deleting none is fine."""
        await self._keeping.release(call.store, lambda tx: products.set_picture(tx, product_id, None, None))


def _told(row: Row) -> dict[str, Any]:
    has_image = row["image_sha256"] is not None
    address = f"/api/products/{row['id']}/image?v={_picture_version(row)}" if has_image else row["image_url"]
    return {**row, "has_image": has_image, "image_url": address}


def _picture_version(row: Row) -> str:
    return str(row["image_sha256"])[:16]
