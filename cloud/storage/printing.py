"""What printing keeps about printers: the plate gate, what was seen of them, files left on their storage."""

from sqlalchemy import delete, select, update

from cloud.storage import clock
from cloud.storage.store import Row, Tx
from cloud.storage.tables import HOLDING, print_jobs, printer_files, printers
from cloud.storage.tenant import TenantTx


async def is_cleared(tx: TenantTx, printer_id: str) -> bool:
    """Whether the plate gate is open; False when there is no such printer."""
    where = (printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id)
    return bool(await tx.value(select(printers.c.cleared).where(*where)))


async def takes_jobs(tx: TenantTx, printer_id: str) -> bool:
    """Whether a printer may be given another job: its plate is clear, and nobody took it out of service."""
    where = (
        printers.c.tenant_id == tx.tenant_id,
        printers.c.id == printer_id,
        printers.c.cleared.is_(True),
        printers.c.in_maintenance.is_(False),
        printers.c.disabled_at.is_(None),
    )
    return await tx.value(select(printers.c.id).where(*where)) is not None


async def set_cleared(tx: TenantTx, printer_id: str, cleared: bool) -> bool:
    """Open or close the plate gate; False when there is no such printer."""
    where = (printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id)
    values = {"cleared": cleared, "updated_at": clock.now()}
    return bool(await tx.run(update(printers).where(*where).values(values)))


async def note_state(tx: TenantTx, printer_id: str, state: str) -> None:
    """Remember the state a printer reported last."""
    where = (printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id)
    await tx.run(update(printers).where(*where).values(last_state=state, last_state_at=clock.now()))


async def set_url_form(tx: TenantTx, printer_id: str, url_form: str) -> None:
    """Remember how this machine wants the address of a file."""
    where = (printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id)
    await tx.run(update(printers).where(*where).values(url_form=url_form, updated_at=clock.now()))


async def pin_certificate(tx: TenantTx, printer_id: str, sha256: str) -> bool:
    """Remember the certificate a printer showed first; an earlier pin stays and False comes back."""
    where = (printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id, printers.c.cert_sha256 == "")
    return bool(await tx.run(update(printers).where(*where).values(cert_sha256=sha256)))


async def note_file(tx: TenantTx, *, printer_id: str, path: str, job_id: str) -> None:
    """A file is about to be put on a printer: from now on it has to be removed one day."""
    row = {"tenant_id": tx.tenant_id, "printer_id": printer_id, "path": path, "job_id": job_id}
    await tx.run(tx.insert(printer_files).values(created_at=clock.now(), **row).on_conflict_do_nothing())


async def file_removed(tx: TenantTx, *, printer_id: str, path: str) -> None:
    """The file is gone from the printer."""
    mine = (printer_files.c.tenant_id == tx.tenant_id, printer_files.c.printer_id == printer_id)
    await tx.run(delete(printer_files).where(*mine, printer_files.c.path == path))


async def files_of_ours(tx: TenantTx, printer_id: str) -> set[str]:
    """Paths of what was put on a printer's storage and is not known to be gone."""
    mine = (printer_files.c.tenant_id == tx.tenant_id, printer_files.c.printer_id == printer_id)
    return {row["path"] for row in await tx.all(select(printer_files.c.path).where(*mine))}


async def needed_by(tx: TenantTx, printer_id: str, path: str) -> str | None:
    """The unfinished job that needs this file on this printer, or None."""
    where = (
        print_jobs.c.tenant_id == tx.tenant_id,
        print_jobs.c.printer_id == printer_id,
        print_jobs.c.status.in_(HOLDING),
        print_jobs.c.remote_path == path,
    )
    row = await tx.one(select(print_jobs.c.id).where(*where).limit(1))
    return None if row is None else str(row["id"])


async def leftover_files(tx: TenantTx, printer_id: str) -> list[Row]:
    """Files on a printer that no job on it still needs."""
    needed = select(print_jobs.c.remote_path).where(
        print_jobs.c.tenant_id == tx.tenant_id,
        print_jobs.c.printer_id == printer_id,
        print_jobs.c.status.in_(HOLDING),
    )
    mine = (printer_files.c.tenant_id == tx.tenant_id, printer_files.c.printer_id == printer_id)
    return await tx.all(select(printer_files).where(*mine, printer_files.c.path.not_in(needed)))


async def printers_with_files(tx: Tx) -> set[str]:
    """Printers of all tenants that hold files of ours."""
    return {row["printer_id"] for row in await tx.all(select(printer_files.c.printer_id).distinct())}
