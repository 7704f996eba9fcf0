"""/api/print-files-sync and /api/file-operations: print files and pictures of products."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from starlette.responses import Response

from cloud.api.files import FORM, FileName, FileOut, FilePatch, FilesApi, FilesQuery, Units
from cloud.api.kit import Call, Endpoint
from cloud.api.old.shapes import Done, WholeList, as_new, as_old, counted, old, said
from cloud.api.products import FORM as PICTURE_FORM
from cloud.api.products import ProductsApi
from cloud.api.shapes import Id, Line

_UPLOAD_ERRORS: Final = (400, 413, 415, 422, 507)
_MIB: Final = 2**20
Unheeded = Annotated[str, Meta(max_length=300)] | int | float | None
"""What the file itself says, whatever a client wrote."""


class OldFilePatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is null or left out stays. Only the first five are heeded: the others are read from the file."""

    product_id: Id | None = None
    name: FileName | None = None
    number_of_units: Units | None = None
    curr_bed_type: Line | None = None
    default_print_profile: Line | None = None
    file_size_bytes: Unheeded = None
    printer_model_id: Unheeded = None
    print_time_seconds: Unheeded = None
    filament_weight_grams: Unheeded = None
    filament_length_meters: Unheeded = None
    filament_type: Unheeded = None
    nozzle_diameter: Unheeded = None
    layer_count: Unheeded = None


class PiecesIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    object_count: Units


class OldFile(Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    product_id: str | None
    name: str
    file_size_bytes: int
    number_of_units: int
    local_file_path: None = None
    """Never told: files lie where only the server reaches them."""
    print_time_seconds: int | None
    filament_weight_grams: float | None
    filament_length_meters: float | None
    filament_type: str | None
    printer_model_id: str | None
    nozzle_diameter: float | None
    layer_count: int | None
    curr_bed_type: str | None
    default_print_profile: str | None
    object_count: int
    """Pieces that one print yields: the same as number_of_units."""
    created_at: str
    updated_at: str | None


class FileDone(Done, frozen=True, kw_only=True):
    print_file: OldFile


class FilesSummary(Struct, frozen=True, kw_only=True):
    total_files: int
    total_size_bytes: int
    total_size_mb: float
    total_units: int
    files_with_products: int
    files_without_products: int
    average_file_size_mb: float


class FileGone(Done, frozen=True, kw_only=True):
    database_record_deleted: bool = True


class UploadDone(Done, frozen=True, kw_only=True):
    record_id: str
    """The file's id here, which may be another than the one in the path."""
    file_size: int
    metadata: OldFile


class PictureDone(Done, frozen=True, kw_only=True):
    product_id: str
    url_path: str


class OldFilesApi:
    """Works through the endpoints of today."""

    def __init__(self, files: FilesApi, products: ProductsApi) -> None:
        self._files = files
        self._products = products

    def endpoints(self) -> list[Endpoint]:
        every, operations = "/api/print-files-sync/", "/api/file-operations/"
        one, operation = f"{every}{{id}}", f"{operations}{{id}}"
        content = {"application/octet-stream": {"type": "string", "format": "binary"}}
        upload: dict[str, Any] = {"form": FORM, "errors": _UPLOAD_ERRORS}
        return [
            old("GET", every, self.every_file),
            old("GET", f"{every}stats/summary", self.files_summary),
            old("GET", one, self.one_file),
            old("PUT", one, self.change_file, errors=(409,)),
            old("PATCH", f"{one}/object-count", self.count_pieces, errors=(409,)),
            old("DELETE", one, self.delete_file, errors=(409,)),
            old("POST", f"{operations}upload/{{record_id}}", self.upload_file, **upload),
            old(
                "POST", f"{operations}upload-product-image/{{product_id}}", self.upload_picture, form=PICTURE_FORM,
                errors=_UPLOAD_ERRORS,
            ),
            old("GET", f"{operation}/download", self.download_file, answers=content, errors=(409, 416)),
            old("DELETE", operation, self.delete_stored_file, errors=(409,)),
        ]  # fmt: skip

    async def every_file(self, call: Call, query: WholeList) -> list[OldFile]:
        """The newest print files."""
        page = await self._files.list(call, FilesQuery(limit=query.limit, offset=query.offset))
        counted(call, page.total)
        return [_old(call, one) for one in page.items]

    async def files_summary(self, call: Call, query: WholeList) -> FilesSummary:
        """Figures of the newest print files, of as many as a list holds."""
        files = await self.every_file(call, query)
        size, count = sum(one.file_size_bytes for one in files), len(files)
        belonging = sum(one.product_id is not None for one in files)
        return FilesSummary(
            total_files=count,
            total_size_bytes=size,
            total_size_mb=round(size / _MIB, 2),
            total_units=sum(one.number_of_units for one in files),
            files_with_products=belonging,
            files_without_products=count - belonging,
            average_file_size_mb=round(size / count / _MIB, 2) if count else 0.0,
        )

    async def one_file(self, call: Call, file_id: Id) -> OldFile:
        """One print file."""
        return _old(call, await self._files.get(call, file_id))

    async def change_file(self, call: Call, file_id: Id, body: OldFilePatch) -> FileDone:
        """Change a print file, for example to which product it belongs."""
        heeded = said(body, *OldFilePatch.__struct_fields__[5:])
        changed = await self._files.update(call, file_id, as_new(heeded, FilePatch))
        return FileDone(message="The print file is changed.", print_file=_old(call, changed))

    async def count_pieces(self, call: Call, file_id: Id, body: PiecesIn) -> FileDone:
        """Say how many pieces a print of the file yields."""
        changed = await self._files.update(call, file_id, FilePatch(number_of_units=body.object_count))
        return FileDone(message="The number of pieces is changed.", print_file=_old(call, changed))

    async def delete_file(self, call: Call, file_id: Id) -> Done:
        """Delete a print file that no unfinished job needs."""
        await self._files.remove(call, file_id, None)
        return Done(message="The print file is deleted.")

    async def delete_stored_file(self, call: Call, file_id: Id) -> FileGone:
        """Delete a print file that no unfinished job needs; the same as in print-files-sync."""
        await self._files.remove(call, file_id, None)
        return FileGone(message="The print file is deleted.")

    async def upload_file(self, call: Call, record_id: Id) -> UploadDone:
        """Upload a sliced file.

        A record of the old system that lost its file gets it back by the file's name. Any other upload is a new file:
        the answer says under which id, whatever the path says.
        """
        made = await self._files.upload(call)
        metadata = _old(call, made)
        return UploadDone(message="The file is uploaded.", record_id=made.id, file_size=made.size, metadata=metadata)

    async def upload_picture(self, call: Call, product_id: Id) -> PictureDone:
        """Give a product that is there a picture."""
        product = await self._products.upload_image(call, product_id)
        return PictureDone(message="The picture is uploaded.", product_id=product.id, url_path=product.image_url or "")

    async def download_file(self, call: Call, file_id: Id) -> Response:
        """The file's bytes; single ranges are understood."""
        return await self._files.download(call, file_id)


def _old(call: Call, file: FileOut) -> OldFile:
    return as_old(file, OldFile, tenant_id=call.tenant_id, file_size_bytes=file.size, object_count=file.number_of_units)
