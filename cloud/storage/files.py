"""Queries: print files. Their bytes lie in the blob store under their SHA-256 (files_folder.py)."""

from typing import Any

import msgspec
from sqlalchemy import func, select, update

from cloud.storage import clock
from cloud.storage.store import Row, Tx
from cloud.storage.tables import FINISHED, print_files, print_jobs
from cloud.storage.tenant import TenantTx


class PrintFile(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    sha256: str
    file_size_bytes: int
    model_id: str | None
    printer_model_id: str | None
    """Code of the printer model it was sliced for."""
    flags: list[str]
    plates: list[dict[str, Any]]
    """The fields of catalog.sliced.Plate."""
    created_at: str
    created_by: str


_FILE = [print_files.c[name] for name in PrintFile.__struct_fields__]


def _print_file(row: Row) -> PrintFile:
    decoded = {name: msgspec.json.decode(row[name]) for name in ("flags", "plates")}
    return msgspec.convert({**row, **decoded}, PrintFile)


async def create(tx: TenantTx, file: PrintFile) -> None:
    values = msgspec.structs.asdict(file)
    for name in ("flags", "plates"):
        values[name] = msgspec.json.encode(values[name]).decode()
    await tx.run(print_files.insert().values(tenant_id=tx.tenant_id, **values))


async def page(tx: TenantTx, *, search: str, limit: int, offset: int) -> tuple[list[PrintFile], int]:
    """Newest first, and how many there are in all."""
    wanted = [print_files.c.tenant_id == tx.tenant_id, print_files.c.deleted_at.is_(None)]
    if search:
        wanted.append(func.lower(print_files.c.name).contains(search.lower(), autoescape=True))
    rows = await tx.all(
        select(*_FILE)
        .where(*wanted)
        .order_by(print_files.c.created_at.desc(), print_files.c.id)
        .limit(limit)
        .offset(offset)
    )
    total = await tx.value(select(func.count()).select_from(print_files).where(*wanted))
    return [_print_file(row) for row in rows], int(total)


async def get(tx: TenantTx, file_id: str) -> PrintFile | None:
    """None when there is no such file, or it was deleted."""
    row = await tx.one(
        select(*_FILE).where(
            print_files.c.tenant_id == tx.tenant_id,
            print_files.c.id == file_id,
            print_files.c.deleted_at.is_(None),
        )
    )
    return None if row is None else _print_file(row)


async def by_content(tx: TenantTx, sha256: str, name: str) -> PrintFile | None:
    """The tenant's file with these bytes and this name: the same upload again."""
    row = await tx.one(
        select(*_FILE)
        .where(
            print_files.c.tenant_id == tx.tenant_id,
            print_files.c.sha256 == sha256,
            print_files.c.name == name,
            print_files.c.deleted_at.is_(None),
        )
        .limit(1)
    )
    return None if row is None else _print_file(row)


async def rename(tx: TenantTx, file_id: str, name: str) -> bool:
    changed = await tx.run(
        update(print_files)
        .where(print_files.c.tenant_id == tx.tenant_id, print_files.c.id == file_id, print_files.c.deleted_at.is_(None))
        .values(name=name)
    )
    return changed > 0


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


async def mark_deleted(tx: TenantTx, file_id: str) -> bool:
    """Hide it; the row stays, because jobs of the past point at it."""
    changed = await tx.run(
        update(print_files)
        .where(print_files.c.tenant_id == tx.tenant_id, print_files.c.id == file_id, print_files.c.deleted_at.is_(None))
        .values(deleted_at=clock.now())
    )
    return changed > 0


async def content_in_use(tx: Tx, sha256: str) -> bool:
    """Whether any tenant's file still has these bytes."""
    row = await tx.one(
        select(print_files.c.id).where(print_files.c.sha256 == sha256, print_files.c.deleted_at.is_(None)).limit(1)
    )
    return row is not None
