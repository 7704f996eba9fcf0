"""/api/printers/{id}/files: what lies on a printer's storage."""

from typing import Annotated

from msgspec import Meta, Struct

from cloud.api.kit import Call, Endpoint
from cloud.api.printer_controls import PRINTER_ERRORS
from cloud.api.shapes import Id
from cloud.printing.remote_files import RemoteFiles


class PrinterFileOut(Struct, frozen=True, kw_only=True):
    name: str
    path: str
    size: int
    modified: str | None
    """By the printer's own clock, without a zone; null when the printer does not tell."""
    is_ours: bool
    """It was put there from here, and is removed by itself when its job is over."""


class PrinterFileList(Struct, frozen=True, kw_only=True):
    items: list[PrinterFileOut]
    total: int
    complete: bool
    """False: there are more than were looked at."""


class PathQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: Annotated[str, Meta(min_length=2, max_length=400)]


class PrinterFilesApi:
    """Files on one printer."""

    def __init__(self, files: RemoteFiles) -> None:
        self._files = files

    def endpoints(self) -> list[Endpoint]:
        path = "/api/printers/{id}/files"
        return [
            Endpoint("GET", path, self.list_files, errors=PRINTER_ERRORS),
            Endpoint("DELETE", path, self.delete_file, errors=PRINTER_ERRORS),
        ]

    async def list_files(self, call: Call, printer_id: Id) -> PrinterFileList:
        """The files in the folders that sliced files lie in."""
        found, complete = await self._files.list(call.store, printer_id)
        items = [
            PrinterFileOut(
                name=one.file.path.rpartition("/")[2],
                path=one.file.path,
                size=one.file.size,
                modified=one.file.modified,
                is_ours=one.is_ours,
            )
            for one in found
        ]
        return PrinterFileList(items=items, total=len(items), complete=complete)

    async def delete_file(self, call: Call, printer_id: Id, query: PathQuery) -> None:
        """Delete a file that no unfinished job needs."""
        await self._files.delete(call.store, printer_id, query.path)
