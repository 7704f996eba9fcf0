"""What printing keeps about printers and hubs: the plate gate, files left on printers, events already applied."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import delete, select, update

from cloud.storage import clock, ids
from cloud.storage.store import Row, Tx
from cloud.storage.tables import HOLDING, hub_events, hubs, print_files, print_jobs, printer_files, printers
from cloud.storage.tenant import TenantTx


async def every_printer(tx: Tx) -> list[Row]:
    """All printers of all tenants, for filling the live views."""
    return await tx.all(select(printers).order_by(printers.c.sort_order, printers.c.id))


async def tenant_printers(tx: TenantTx) -> list[Row]:
    """A tenant's printers in the user's order."""
    mine = select(printers).where(printers.c.tenant_id == tx.tenant_id)
    return await tx.all(mine.order_by(printers.c.sort_order, printers.c.printer_id))


async def printer(tx: TenantTx, printer_id: str) -> Row | None:
    """One printer, or None."""
    return await tx.one(select(printers).where(printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id))


async def change_printer(tx: TenantTx, printer_id: str, values: Mapping[str, Any]) -> Row | None:
    """Set columns of a printer; the changed row, or None when there is none."""
    where = (printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id)
    changed = {**values, "updated_at": clock.now()}
    return await tx.one(update(printers).where(*where).values(changed).returning(*printers.c))


async def pin_certificate(tx: TenantTx, printer_id: str, sha256: str) -> bool:
    """Remember the certificate a printer showed first; an earlier pin stays."""
    where = (printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id, printers.c.cert_sha256 == "")
    return bool(await tx.run(update(printers).where(*where).values(cert_sha256=sha256)))


async def file(tx: TenantTx, file_id: str) -> Row | None:
    """One stored print file that was not deleted, or None."""
    where = (print_files.c.tenant_id == tx.tenant_id, print_files.c.id == file_id, print_files.c.deleted_at.is_(None))
    return await tx.one(select(print_files).where(*where))


async def hub_budget(tx: TenantTx, hub_id: str) -> tuple[int, int]:
    """A hub's sockets, and how many printers it serves."""
    sockets = await tx.value(select(hubs.c.sockets).where(hubs.c.tenant_id == tx.tenant_id, hubs.c.id == hub_id))
    mine = select(printers.c.id).where(printers.c.tenant_id == tx.tenant_id, printers.c.hub_id == hub_id)
    return int(sockets or 0), len(await tx.all(mine))


async def first_time(
    tx: TenantTx, *, hub_id: str, boot: str, n: int, name: str, printer_id: str, data: Mapping[str, Any]
) -> bool:
    """Note an event of a hub; False when it was noted before and must not be applied again."""
    row = {
        "id": ids.new("evt"),
        "tenant_id": tx.tenant_id,
        "hub_id": hub_id,
        "boot": boot,
        "n": n,
        "name": name,
        "printer_id": printer_id,
        "data": msgspec.json.encode(data).decode(),
        "received_at": clock.now(),
    }
    return bool(await tx.run(tx.insert(hub_events).values(row).on_conflict_do_nothing()))


async def note_file(tx: TenantTx, *, printer_id: str, path: str, job_id: str) -> None:
    """A file is about to be put on a printer: from now on it has to be removed one day."""
    row = {"tenant_id": tx.tenant_id, "printer_id": printer_id, "path": path, "job_id": job_id}
    await tx.run(tx.insert(printer_files).values(created_at=clock.now(), **row).on_conflict_do_nothing())


async def file_removed(tx: TenantTx, *, printer_id: str, path: str) -> None:
    """The file is gone from the printer."""
    mine = (printer_files.c.tenant_id == tx.tenant_id, printer_files.c.printer_id == printer_id)
    await tx.run(delete(printer_files).where(*mine, printer_files.c.path == path))


async def leftover_files(tx: TenantTx, printer_id: str) -> list[Row]:
    """Files on a printer that no job on it still needs."""
    needed = select(print_jobs.c.remote_path).where(
        print_jobs.c.tenant_id == tx.tenant_id,
        print_jobs.c.printer_id == printer_id,
        print_jobs.c.status.in_(HOLDING),
    )
    mine = (printer_files.c.tenant_id == tx.tenant_id, printer_files.c.printer_id == printer_id)
    return await tx.all(select(printer_files).where(*mine, printer_files.c.path.not_in(needed)))
