"""Queries: print files. Their bytes lie in the blob store under their SHA-256 (files_folder.py)."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Select, func, select, true, update

from cloud.storage import clock
from cloud.storage.rows import Rows
from cloud.storage.store import Row, Tx
from cloud.storage.tables import FINISHED, hub_release_files, print_files, print_jobs, products
from cloud.storage.tenant import TenantTx

FILES: Final = Rows(
    print_files,
    prefix="fil",
    sorts=(
        "created_at", "name", "file_size_bytes", "print_time_seconds", "filament_weight_grams", "filament_type",
        "printer_model_id", "updated_at",
    ),
    default_sort=("-created_at",),
    searched=("name",),
    json=("flags", "plates"),
    only=print_files.c.deleted_at.is_(None),
)  # fmt: skip
"""A file that was deleted is not there any more; its row stays, because jobs of the past point at it."""


_BRIEF: Final = [
    print_files.c[name]
    for name in (
        "id", "name", "sha256", "product_id", "printer_model_id", "file_size_bytes", "print_time_seconds",
        "filament_weight_grams", "filament_type", "number_of_units", "created_at",
    )
]  # fmt: skip


HOLDERS: Final = (
    (print_files.c.sha256, print_files.c.deleted_at.is_(None)),
    (products.c.image_sha256, true()),
    (hub_release_files.c.sha256, true()),
)
"""The columns that name bytes in the blob store, of which rows. What none of them names is deleted."""


class PrintFile(msgspec.Struct, frozen=True, kw_only=True):
    """What printing needs to know of a file."""

    id: str
    name: str
    sha256: str
    """"" when a migrated file's bytes were never found."""
    file_size_bytes: int
    printer_model_id: str | None
    """Code of the printer model it was sliced for."""
    number_of_units: int
    """Pieces that one print of it yields."""
    plates: list[dict[str, Any]]
    """The fields of catalog.sliced.Plate."""


async def get(tx: TenantTx, file_id: str) -> PrintFile | None:
    """None when there is no such file, or it was deleted."""
    row = await FILES.get(tx, file_id)
    return None if row is None else msgspec.convert(row, PrintFile)


async def by_content(tx: TenantTx, sha256: str, name: str) -> Row | None:
    """The tenant's file with these bytes and this name: the same upload again."""
    key = await tx.value(_named(tx, name).where(print_files.c.sha256 == sha256))
    return None if key is None else await FILES.get(tx, key)


async def without_bytes(tx: TenantTx, name: str) -> Row | None:
    """The tenant's file of this name that waits for its bytes."""
    return await by_content(tx, "", name)


async def of_products(tx: TenantTx, product_ids: Sequence[str]) -> list[Row]:
    """The files that belong to these products, newest first."""
    where = (print_files.c.tenant_id == tx.tenant_id, print_files.c.product_id.in_(list(product_ids)))
    order = (print_files.c.created_at.desc(), print_files.c.id)
    return await tx.all(select(*_BRIEF).where(*where, print_files.c.deleted_at.is_(None)).order_by(*order))


async def by_ids(tx: TenantTx, file_ids: Sequence[str]) -> list[Row]:
    """The same few columns of these files."""
    where = (print_files.c.tenant_id == tx.tenant_id, print_files.c.id.in_(list(file_ids)))
    return await tx.all(select(*_BRIEF).where(*where, print_files.c.deleted_at.is_(None)))


def _named(tx: TenantTx, name: str) -> Select[Any]:
    mine = (print_files.c.tenant_id == tx.tenant_id, print_files.c.name == name, print_files.c.deleted_at.is_(None))
    return select(print_files.c.id).where(*mine).order_by(print_files.c.created_at).limit(1)


async def unfinished_jobs(tx: TenantTx, file_id: str) -> int:
    """How many jobs still need the file's bytes."""
    return int(
        await tx.value(
            select(func.count())
            .select_from(print_jobs)
            .where(
                print_jobs.c.tenant_id == tx.tenant_id,
                print_jobs.c.print_file_id == file_id,
                print_jobs.c.status.not_in(FINISHED),
            )
        )
    )


async def hide(tx: TenantTx, file_id: str, version: int | None) -> None:
    """Delete it for everybody but the jobs of the past. Raises StaleError unless it is of `version`."""
    await FILES.change(tx, file_id, {"product_id": None, "deleted_at": clock.now()}, version=version)


async def forget(tx: TenantTx, file_id: str) -> None:
    """Products are not printed from it any more."""
    where = (products.c.tenant_id == tx.tenant_id, products.c.print_file_id == file_id)
    changed = {"print_file_id": None, "version": products.c.version + 1, "updated_at": clock.now()}
    await tx.run(update(products).where(*where).values(changed))


async def blob_in_use(tx: Tx, sha256: str) -> bool:
    """Whether any row of any tenant still names these bytes. Ask it in a transaction that sees every tenant."""
    return bool(await blobs_in_use(tx, [sha256]))


async def blobs_in_use(tx: Tx, hashes: Sequence[str]) -> set[str]:
    """Those of these bytes that any row of any tenant still names."""
    used: set[str] = set()
    for column, condition in HOLDERS:
        query = select(column.label("sha256")).where(column.in_(list(hashes)), condition).distinct()
        used |= {row["sha256"] for row in await tx.all(query)}
    return used
