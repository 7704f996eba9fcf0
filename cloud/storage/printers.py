"""Queries: printers. Access codes are in here only sealed (secrets.py)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import delete, func, select, update

from cloud.storage import clock, hubs, production
from cloud.storage.errors import StaleError
from cloud.storage.rows import Listing, Rows
from cloud.storage.store import Row, Tx
from cloud.storage.tables import FINISHED, HOLDING, print_jobs, printers
from cloud.storage.tenant import TenantTx


class Printer(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    hub_id: str | None
    printer_id: int
    """The number people use, unique in the tenant."""
    name: str
    model: str
    ip_address: str
    serial_number: str
    access_code_enc: str
    cert_sha256: str
    mqtt_port: int
    ftps_port: int
    camera_port: int
    nozzle_size: float | None
    current_build_plate: str | None
    location: str | None
    url_form: str | None
    is_active: bool
    connect: bool
    cleared: bool
    sort_order: int
    last_state: str | None
    last_state_at: str | None
    manufacturer: str
    current_color: str | None
    current_color_hex: str | None
    current_filament_type: str | None
    filament_level: int | None
    """Percent."""
    total_print_time: int
    """Seconds."""
    last_maintenance_date: str | None
    in_maintenance: bool
    maintenance_type: str | None
    maintenance_reason: str | None
    maintenance_started_at: str | None
    consecutive_failures: int
    """Jobs that failed because of the printer since one was completed."""
    disabled_reason: str | None
    disabled_at: str | None
    """None = it is not disabled."""
    created_at: str
    updated_at: str
    version: int
    """Raised by what people change, not by what the printer does."""


_PRINTER = [printers.c[name] for name in Printer.__struct_fields__]
# What the hub's configuration is made of: a change of these must reach the hub.
CONFIGURED = frozenset(
    {"hub_id", "ip_address", "serial_number", "access_code_enc", "cert_sha256", "mqtt_port", "is_active", "connect"}
)
LISTED = Rows(
    printers,
    sorts=("sort_order", "printer_id", "name", "model", "location", "total_print_time", "created_at", "updated_at"),
    default_sort=("sort_order", "printer_id"),
    searched=("name", "serial_number"),
)


async def page(tx: TenantTx, listing: Listing) -> tuple[list[Printer], int]:
    """Those that match, and how many there are in all."""
    rows, total = await LISTED.page(tx, listing)
    return [msgspec.convert(row, Printer) for row in rows], total


async def id_of_number(tx: TenantTx, number: int) -> str | None:
    """Of the printer that people call by this number; None when there is none."""
    where = (printers.c.tenant_id == tx.tenant_id, printers.c.printer_id == number)
    found = await tx.value(select(printers.c.id).where(*where))
    return None if found is None else str(found)


async def create(tx: TenantTx, values: Mapping[str, Any]) -> Printer:
    """Insert a printer with its `id`, the next free number unless one is given, and tell its hub's configuration.

    Raises ConflictError: unique on serial_number or printer_id, foreign_key when the hub is not the tenant's.
    """
    moment = clock.now()
    row = {"tenant_id": tx.tenant_id, "created_at": moment, "updated_at": moment, **values}
    if row.get("printer_id") is None:
        row["printer_id"] = await _next_number(tx)
    row.setdefault("sort_order", row["printer_id"])
    await tx.run(printers.insert().values(**row))
    found = await get(tx, str(row["id"]))
    if found is None:
        raise RuntimeError("the printer just created is gone")
    if found.hub_id is not None:
        await hubs.raise_revision(tx, found.hub_id)
    return found


async def _next_number(tx: TenantTx) -> int:
    highest = select(func.max(printers.c.printer_id)).where(printers.c.tenant_id == tx.tenant_id)
    return int(await tx.value(highest) or 0) + 1


async def all_of_tenant(tx: TenantTx) -> list[Printer]:
    rows = await tx.all(
        select(*_PRINTER)
        .where(printers.c.tenant_id == tx.tenant_id)
        .order_by(printers.c.sort_order, printers.c.printer_id)
    )
    return [msgspec.convert(row, Printer) for row in rows]


async def everyone(tx: Tx) -> list[Printer]:
    """The printers of every tenant: what a starting process rebuilds its live state from."""
    return [msgspec.convert(row, Printer) for row in await tx.all(select(*_PRINTER).order_by(printers.c.sort_order))]


async def of_hub(tx: TenantTx, hub_id: str) -> list[Printer]:
    rows = await tx.all(
        select(*_PRINTER)
        .where(printers.c.tenant_id == tx.tenant_id, printers.c.hub_id == hub_id)
        .order_by(printers.c.sort_order, printers.c.printer_id)
    )
    return [msgspec.convert(row, Printer) for row in rows]


async def get(tx: TenantTx, printer_id: str) -> Printer | None:
    row = await tx.one(select(*_PRINTER).where(printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id))
    return None if row is None else msgspec.convert(row, Printer)


async def update_printer(
    tx: TenantTx, printer_id: str, changes: Mapping[str, Any], *, version: int | None = None
) -> Printer | None:
    """What a person changes; when the hub must know, raise the revision of the hub, of both when it moved.

    None when there is no such printer. Raises StaleError unless it is of `version`, and ConflictError as `create`.
    """
    before = await get(tx, printer_id)
    if before is None:
        return None
    if version not in (None, before.version):
        raise StaleError(before.version)
    await tx.run(
        update(printers)
        .where(printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id)
        .values(**{**changes, "updated_at": clock.now(), "version": printers.c.version + 1})
    )
    after = await get(tx, printer_id)
    if after is not None and any(getattr(before, name) != getattr(after, name) for name in CONFIGURED):
        for hub_id in sorted({hub for hub in (before.hub_id, after.hub_id) if hub is not None}):
            await hubs.raise_revision(tx, hub_id)
    return after


async def is_held(tx: TenantTx, printer_id: str) -> bool:
    """A job is on it."""
    jobs = print_jobs.c
    held = (jobs.tenant_id == tx.tenant_id, jobs.printer_id == printer_id, jobs.status.in_(HOLDING))
    return await tx.value(select(jobs.id).where(*held).limit(1)) is not None


async def move_all(tx: TenantTx, hub_id: str, to: str) -> list[Printer]:
    """All printers of one hub go behind another; they are returned."""
    mine = (printers.c.tenant_id == tx.tenant_id, printers.c.hub_id == hub_id)
    values = {"hub_id": to, "updated_at": clock.now(), "version": printers.c.version + 1}
    rows = await tx.all(update(printers).where(*mine).values(values).returning(*_PRINTER))
    if rows:
        await hubs.raise_revision(tx, hub_id)
        await hubs.raise_revision(tx, to)
    return [msgspec.convert(row, Printer) for row in rows]


async def unfinished_jobs(tx: TenantTx, printer_id: str) -> int:
    """How many jobs hold this printer or wait for it by name."""
    jobs = print_jobs.c
    return int(
        await tx.value(
            select(func.count())
            .select_from(print_jobs)
            .where(
                jobs.tenant_id == tx.tenant_id,
                (jobs.printer_id == printer_id) | (jobs.target_printer_id == printer_id),
                jobs.status.not_in(FINISHED),
            )
        )
    )


async def delete_printer(tx: TenantTx, printer_id: str) -> list[Row]:
    """Remove it; its finished jobs stay and forget it, and are returned. Ask `unfinished_jobs` first, in this unit."""
    before = await get(tx, printer_id)
    if before is None:
        return []
    jobs: dict[str, Row] = {}
    for column in (print_jobs.c.printer_id, print_jobs.c.target_printer_id):
        forget = (
            update(print_jobs)
            .where(print_jobs.c.tenant_id == tx.tenant_id, column == printer_id)
            .values({column: None, print_jobs.c.version: print_jobs.c.version + 1})
        )
        jobs |= {row["id"]: row for row in await tx.all(forget.returning(*print_jobs.c))}
    await production.forget_printer(tx, printer_id)
    await tx.run(delete(printers).where(printers.c.tenant_id == tx.tenant_id, printers.c.id == printer_id))
    if before.hub_id is not None:
        await hubs.raise_revision(tx, before.hub_id)
    return list(jobs.values())
