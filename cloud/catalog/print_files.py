"""What belongs to adding, changing and deleting a print file."""

from typing import Any

import msgspec

from cloud.catalog.figures import file_figures
from cloud.catalog.sliced import SlicedFile
from cloud.errors import DomainError, conflict, not_found
from cloud.storage import files, products
from cloud.storage.files import FILES
from cloud.storage.files_folder import Blob
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A sliced file that somebody sent."""

    name: str
    sliced: SlicedFile
    user_id: str

    async def note(self, tx: TenantTx, blob: Blob) -> tuple[Row, str]:
        """Its row, and no bytes to let go of.

        The same bytes under the same name are the file that is there already; a file of this name that lost its bytes
        gets them back, with everything that hangs on it.
        """
        known = await files.by_content(tx, blob.sha256, self.name)
        if known is not None:
            return known, ""
        lost = await files.without_bytes(tx, self.name)
        row = None if lost is None else await FILES.change(tx, lost["id"], self._columns(blob))
        if row is None:
            row = await FILES.create(tx, {"name": self.name, "created_by": self.user_id, **self._columns(blob)})
        return row, ""

    def _columns(self, blob: Blob) -> dict[str, Any]:
        return {
            "sha256": blob.sha256,
            "file_size_bytes": blob.size,
            "printer_model_id": self.sliced.model_id,
            "flags": self.sliced.flags,
            "plates": msgspec.to_builtins(self.sliced.plates),
            **file_figures(self.sliced),
        }


async def check_product(tx: TenantTx, product_id: str | None) -> None:
    """Raises DomainError when a file is to belong to a product that is not there."""
    if product_id is not None and await products.get(tx, product_id) is None:
        raise DomainError("unknown_reference", 422, "There is no such product.", path="$.product_id")


async def delete(tx: TenantTx, file_id: str, version: int | None) -> tuple[Row, str]:
    """Hide a file that no unfinished job needs, and let go of it and its bytes.

    Raises DomainError and StaleError.
    """
    file = await FILES.get(tx, file_id)
    if file is None:
        raise not_found("file")
    jobs = await files.unfinished_jobs(tx, file_id)
    if jobs:
        raise conflict("in_use", "Jobs still need this file: cancel or finish them first.", jobs=jobs)
    await files.hide(tx, file_id, version)
    await files.forget(tx, file_id)
    return file, str(file["sha256"])


def bytes_missing() -> DomainError:
    """Of a file whose row came from the old system without them, or whose bytes the disk lost."""
    return conflict("bytes_missing", "The file's bytes are missing: upload it again.")
