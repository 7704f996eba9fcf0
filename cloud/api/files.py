"""/api/files: sliced files, in and out."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import structlog
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from cloud.api import uploads
from cloud.api.collection import Collection
from cloud.api.errors import ApiError, not_found
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id, Line, ListQuery, Moment
from cloud.catalog import models, print_files
from cloud.catalog.archive import ThreeMFError
from cloud.catalog.keeping import BlobKeeping
from cloud.catalog.reading import ThreeMFReader
from cloud.catalog.sliced import SlicedFile
from cloud.catalog.threemf import ThumbnailSize
from cloud.storage import files as queries
from cloud.storage.files import FILES, PrintFile
from cloud.storage.files_folder import BlobStore, NoSpaceError
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

PlateNumber = Annotated[int, Meta(ge=1, le=9999)]
FileName = Annotated[str, Meta(min_length=1, max_length=180)]
Units = Annotated[int, Meta(ge=1, le=10_000)]


class FilamentOut(Struct, frozen=True, kw_only=True):
    slot: int
    """1-based; a file may use 1 and 4 only."""
    type: str
    color: str | None
    grams: float | None
    meters: float | None = None
    profile: str = ""


class ObjectOut(Struct, frozen=True, kw_only=True):
    id: int
    name: str


class PlateOut(Struct, frozen=True, kw_only=True):
    index: int
    seconds: int | None
    grams: float | None
    layers: int | None
    model_id: str | None
    nozzle_diameters: list[float]
    bed_type: str | None
    filaments: list[FilamentOut]
    objects: list[ObjectOut]
    thumbnail: str | None
    """Address of its picture."""
    slicer_warnings: list[str]


class FileOut(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    size: int
    """Bytes."""
    sha256: str
    created_at: str
    created_by: str
    printer_model_id: str | None
    """Code of the printer model it was sliced for; null when the file does not say."""
    model_name: str | None
    flags: list[str]
    """What is odd about it but acceptable."""
    plates: list[PlateOut]
    has_content: bool
    """False when only the old system's record of it is left: upload the file again."""
    product_id: str | None
    print_time_seconds: int | None
    """Sum of the plates; so are weight, length and objects."""
    filament_weight_grams: float | None
    filament_length_meters: float | None
    filament_type: str | None
    """Of the first plate; so are nozzle, layers and bed."""
    nozzle_diameter: float | None
    layer_count: int | None
    object_count: int | None
    number_of_units: int
    """Pieces that one print of it yields."""
    curr_bed_type: str | None
    default_print_profile: str | None
    updated_at: str | None
    version: int


class FilesQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`search` is part of the name."""

    product_id: Id | None = None
    printer_model_id: Line | None = None
    filament_type: Line | None = None
    created_at_from: Moment | None = None
    created_at_to: Moment | None = None
    """Before this moment."""


class FilePatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed; what is left out stays."""

    name: FileName | UnsetType = UNSET
    product_id: Id | UnsetType | None = UNSET
    number_of_units: Units | UnsetType = UNSET
    curr_bed_type: Line | UnsetType | None = UNSET
    default_print_profile: Line | UnsetType | None = UNSET


class PictureQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    size: ThumbnailSize = "large"
    """`large` 512 px, `small` 128 px."""


class FilesApi(Collection):
    """Endpoints about print files."""

    path = "/api/files/"
    noun = "file"
    rows = FILES
    shape = FileOut
    new = FilePatch
    patch = FilePatch
    query = FilesQuery

    def __init__(
        self, blobs: BlobStore, keeping: BlobKeeping, reader: ThreeMFReader, pictures: ThreeMFReader, limit: int
    ) -> None:
        self._blobs = blobs
        self._keeping = keeping
        self._reader = reader
        self._pictures = pictures
        self._limit = limit

    def endpoints(self) -> list[Endpoint]:
        one = "/api/files/{id}"
        picture = {"image/png": {"type": "string", "format": "binary"}}
        content = {"application/octet-stream": {"type": "string", "format": "binary"}}
        made_by_upload = [endpoint for endpoint in super().endpoints() if not endpoint.creates]
        return [
            *made_by_upload,
            Endpoint("POST", "/api/files/upload", self.upload, status=201, form=FORM, errors=(400, 413, 415, 422, 507)),
            Endpoint("GET", f"{one}/download", self.download, answers=content, errors=(409, 416)),
            Endpoint("GET", f"{one}/plates/{{plate}}/thumbnail", self.thumbnail, answers=picture),
        ]

    def out(self, row: Row) -> FileOut:
        return file_out(row)

    async def changing(self, tx: TenantTx, before: Row, values: dict[str, Any]) -> Mapping[str, Any]:
        if "name" in values:
            values["name"] = uploads.safe_name(values["name"])
        await print_files.check_product(tx, values.get("product_id"))
        return values

    async def remove(self, call: Call, key: str, version: int | None) -> None:
        await self._keeping.release(call.store, lambda tx: print_files.delete(tx, key, version))

    async def upload(self, call: Call) -> FileOut:
        """Upload a sliced file.

        It is read and checked before it is kept. The same file under the same name again is answered with what is
        there already; the same bytes under another name take no further space.
        """
        async with self._blobs.incoming(self._limit) as incoming:
            name = await uploads.receive(call.request, self._blobs, incoming, self._limit)
            sliced = await self._read(incoming.path)
            upload = print_files.Upload(name=name, sliced=sliced, user_id=call.principal.user_id)
            try:
                row = await self._keeping.keep(call.store, incoming, upload.note)
            except NoSpaceError:
                raise uploads.no_space() from None
        file = file_out(row)
        log.info("file uploaded", file=file.id, bytes=file.size, plates=len(file.plates))
        return file

    async def download(self, call: Call, file_id: Id) -> Response:
        """The file's bytes; single ranges are understood."""
        file = await self._file(call, file_id)
        if not file.sha256 or not await asyncio.to_thread(self._blobs.exists, file.sha256):
            log.error("a file's bytes are missing", file=file.id, sha256=file.sha256)
            raise print_files.bytes_missing()
        headers = {"etag": f'"{file.sha256}"', "cache-control": "private, no-cache"}
        return FileResponse(
            self._blobs.path(file.sha256), headers=headers, filename=file.name, media_type="application/octet-stream"
        )

    async def thumbnail(self, call: Call, file_id: Id, plate: PlateNumber, query: PictureQuery) -> Response:
        """The picture of a plate."""
        file = await self._file(call, file_id)
        if not file.sha256:
            raise not_found("picture")
        # The bytes behind a file's id never change, so neither do its pictures.
        tag = f'"{file.sha256[:32]}-{plate}-{query.size}"'
        headers = {"etag": tag, "cache-control": "private, max-age=31536000, immutable"}
        if knows(call.request, tag):
            return Response(status_code=304, headers=headers)
        try:
            png = await self._pictures.thumbnail(self._blobs.path(file.sha256), plate, query.size)
        except (ThreeMFError, FileNotFoundError) as error:
            log.warning("no picture", file=file.id, plate=plate, reason=str(error))
            raise not_found("picture") from None
        if png is None:
            raise not_found("picture")
        return Response(png, 200, headers, "image/png")

    async def _file(self, call: Call, file_id: str) -> PrintFile:
        file = await call.store.read(lambda tx: queries.get(tx, file_id))
        if file is None:
            raise not_found("file")
        return file

    async def _read(self, path: Any) -> SlicedFile:
        try:
            return await self._reader.read(path)
        except ThreeMFError as error:
            raise ApiError(422, error.code, error.sentence) from None


FORM: Final = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary", "description": "A sliced .gcode.3mf."}},
}


def file_out(row: Row) -> FileOut:
    model = models.by_code(row["printer_model_id"]) if row["printer_model_id"] else None
    return msgspec.convert(
        {
            **row,
            "size": row["file_size_bytes"],
            "has_content": bool(row["sha256"]),
            "model_name": model.name if model else None,
            "plates": [_plate(row["id"], plate) for plate in row["plates"]],
        },
        FileOut,
    )


def _plate(file_id: str, plate: dict[str, Any]) -> PlateOut:
    address = f"/api/files/{file_id}/plates/{plate['index']}/thumbnail" if plate.get("thumbnail") else None
    return msgspec.convert({**plate, "thumbnail": address}, PlateOut)


def knows(request: Request, tag: str) -> bool:
    """Whether the client holds this version already (If-None-Match)."""
    return tag in (one.strip() for one in request.headers.get("if-none-match", "").split(","))
