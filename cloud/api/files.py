"""/api/files: sliced files, in and out."""

import asyncio
from typing import Annotated, Any

import msgspec
import structlog
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from cloud.api import uploads
from cloud.api.errors import ApiError, not_found
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id, PageQuery
from cloud.catalog import models
from cloud.catalog.archive import ThreeMFError
from cloud.catalog.reading import ThreeMFReader
from cloud.catalog.sliced import SlicedFile
from cloud.catalog.threemf import ThumbnailSize
from cloud.storage import clock, ids
from cloud.storage import files as queries
from cloud.storage.files import PrintFile
from cloud.storage.files_folder import Blob, BlobStore, NoSpaceError
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

PlateNumber = Annotated[int, Meta(ge=1, le=9999)]
FileName = Annotated[str, Meta(min_length=1, max_length=180)]


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


class FileList(Struct, frozen=True):
    items: list[FileOut]
    total: int


class FilesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    search: Annotated[str, Meta(max_length=100)] = ""
    """Part of the name."""


class FilePatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: FileName


class PictureQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    size: ThumbnailSize = "large"
    """`large` 512 px, `small` 128 px."""


class FilesApi:
    """Endpoints about print files."""

    def __init__(self, blobs: BlobStore, reader: ThreeMFReader, pictures: ThreeMFReader, limit: int) -> None:
        self._blobs = blobs
        self._reader = reader
        self._pictures = pictures
        self._limit = limit
        # Keeping the bytes of a file and noting it are two steps, and so is deleting: they must not interleave.
        self._turn = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        one = "/api/files/{id}"
        picture = {"image/png": {"type": "string", "format": "binary"}}
        content = {"application/octet-stream": {"type": "string", "format": "binary"}}
        form = {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary", "description": "A sliced .gcode.3mf."}},
        }
        return [
            Endpoint("GET", "/api/files/", self.list),
            Endpoint("POST", "/api/files/upload", self.upload, status=201, form=form, errors=(400, 413, 415, 422, 507)),
            Endpoint("GET", one, self.get),
            Endpoint("PATCH", one, self.rename),
            Endpoint("DELETE", one, self.delete, errors=(409,)),
            Endpoint("GET", f"{one}/download", self.download, answers=content, errors=(416,)),
            Endpoint("GET", f"{one}/plates/{{plate}}/thumbnail", self.thumbnail, answers=picture),
        ]

    async def list(self, call: Call, query: FilesQuery) -> FileList:
        """A page of files, newest first."""
        files, total = await call.store.read(
            lambda tx: queries.page(tx, search=query.search, limit=query.limit, offset=query.offset)
        )
        return FileList([_out(file) for file in files], total)

    async def upload(self, call: Call) -> FileOut:
        """Upload a sliced file.

        It is read and checked before it is kept. The same file under the same name again is answered with what is
        there already; the same bytes under another name take no further space.
        """
        async with self._blobs.incoming(self._limit) as incoming:
            name = await uploads.receive(call.request, self._blobs, incoming, self._limit)
            sliced = await self._read(incoming.path)
            async with self._turn:
                try:
                    blob = await incoming.keep()
                except NoSpaceError:
                    raise uploads.no_space() from None
                file = await call.store.write(lambda tx: _noted(tx, name, blob, sliced, call.principal.user_id))
        log.info("file uploaded", file=file.id, bytes=file.file_size_bytes, plates=len(file.plates))
        return _out(file)

    async def get(self, call: Call, file_id: Id) -> FileOut:
        """One file and its plates."""
        return _out(await self._file(call, file_id))

    async def rename(self, call: Call, file_id: Id, body: FilePatch) -> FileOut:
        """Give a file another name."""
        name = uploads.safe_name(body.name)
        if not await call.store.write(lambda tx: queries.rename(tx, file_id, name)):
            raise not_found("file")
        return _out(await self._file(call, file_id))

    async def delete(self, call: Call, file_id: Id) -> None:
        """Delete a file that no unfinished job needs."""

        async def unit(tx: TenantTx) -> tuple[str, bool]:
            file = await queries.get(tx, file_id)
            if file is None:
                raise not_found("file")
            jobs = await queries.unfinished_jobs(tx, file_id)
            if jobs:
                raise ApiError(
                    409, "in_use", "Jobs still need this file: cancel or finish them first.", details={"jobs": jobs}
                )
            await queries.mark_deleted(tx, file_id)
            return file.sha256, await queries.content_in_use(tx, file.sha256)

        async with self._turn:
            sha256, in_use = await call.store.write(unit)
            if not in_use:
                await asyncio.to_thread(self._blobs.delete, sha256)

    async def download(self, call: Call, file_id: Id) -> Response:
        """The file's bytes; single ranges are understood."""
        file = await self._file(call, file_id)
        headers = {"etag": f'"{file.sha256}"', "cache-control": "private, no-cache"}
        if not await asyncio.to_thread(self._blobs.exists, file.sha256):
            log.error("a file's bytes are missing", file=file.id, sha256=file.sha256)
            raise not_found("file")
        return FileResponse(
            self._blobs.path(file.sha256), headers=headers, filename=file.name, media_type="application/octet-stream"
        )

    async def thumbnail(self, call: Call, file_id: Id, plate: PlateNumber, query: PictureQuery) -> Response:
        """The picture of a plate."""
        file = await self._file(call, file_id)
        # The bytes behind a file's id never change, so neither do its pictures.
        tag = f'"{file.sha256[:32]}-{plate}-{query.size}"'
        headers = {"etag": tag, "cache-control": "private, max-age=31536000, immutable"}
        if _knows(call.request, tag):
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


async def _noted(tx: TenantTx, name: str, blob: Blob, sliced: SlicedFile, user_id: str) -> PrintFile:
    known = await queries.by_content(tx, blob.sha256, name)
    if known is not None:
        return known
    file = PrintFile(
        id=ids.new("fil"),
        name=name,
        sha256=blob.sha256,
        file_size_bytes=blob.size,
        model_id=None,
        printer_model_id=sliced.model_id,
        flags=sliced.flags,
        plates=msgspec.to_builtins(sliced.plates),
        created_at=clock.now(),
        created_by=user_id,
    )
    await queries.create(tx, file)
    return file


def _out(file: PrintFile) -> FileOut:
    model = models.by_code(file.printer_model_id) if file.printer_model_id else None
    return FileOut(
        id=file.id,
        name=file.name,
        size=file.file_size_bytes,
        sha256=file.sha256,
        created_at=file.created_at,
        created_by=file.created_by,
        printer_model_id=file.printer_model_id,
        model_name=model.name if model else None,
        flags=file.flags,
        plates=[_plate(file.id, plate) for plate in file.plates],
    )


def _plate(file_id: str, plate: dict[str, Any]) -> PlateOut:
    address = f"/api/files/{file_id}/plates/{plate['index']}/thumbnail" if plate.get("thumbnail") else None
    return msgspec.convert({**plate, "thumbnail": address}, PlateOut)


def _knows(request: Request, tag: str) -> bool:
    return tag in (one.strip() for one in request.headers.get("if-none-match", "").split(","))
