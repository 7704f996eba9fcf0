"""Queries: hubs, and the events they reported."""

from typing import Any

import msgspec
from sqlalchemy import delete, func, select, update

from cloud.storage import clock, ids
from cloud.storage.errors import StaleError
from cloud.storage.store import Tx
from cloud.storage.tables import hub_events, hubs, printers
from cloud.storage.tenant import TenantTx


class Hub(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    name: str
    key_hash: str
    """SHA-256 of the key, hex; "" once it is revoked."""
    epoch: int
    boot: str
    acked: int
    firmware: str
    board: str
    sockets: int
    max_printers: int
    revision: int
    reported_revision: int
    last_seen_at: str | None
    created_at: str
    version: int
    """Raised by what people change, not by what the hub does."""


_HUB = [hubs.c[name] for name in Hub.__struct_fields__]


async def create(tx: TenantTx, *, hub_id: str, name: str, key_hash: str) -> Hub:
    await tx.run(
        hubs.insert().values(id=hub_id, tenant_id=tx.tenant_id, name=name, key_hash=key_hash, created_at=clock.now())
    )
    found = await get(tx, hub_id)
    if found is None:
        raise RuntimeError("the hub just created is gone")
    return found


async def all_of_tenant(tx: TenantTx) -> list[Hub]:
    rows = await tx.all(select(*_HUB).where(hubs.c.tenant_id == tx.tenant_id).order_by(hubs.c.created_at, hubs.c.id))
    return [msgspec.convert(row, Hub) for row in rows]


async def get(tx: TenantTx, hub_id: str) -> Hub | None:
    row = await tx.one(select(*_HUB).where(hubs.c.tenant_id == tx.tenant_id, hubs.c.id == hub_id))
    return None if row is None else msgspec.convert(row, Hub)


async def find(tx: Tx, hub_id: str) -> Hub | None:
    """Of any tenant: who it belongs to is what an arriving hub's key is looked up for."""
    row = await tx.one(select(*_HUB).where(hubs.c.id == hub_id))
    return None if row is None else msgspec.convert(row, Hub)


async def only_one(tx: TenantTx) -> str | None:
    """The id of the tenant's hub when it has exactly one."""
    rows = await tx.all(select(hubs.c.id).where(hubs.c.tenant_id == tx.tenant_id).limit(2))
    return str(rows[0]["id"]) if len(rows) == 1 else None


async def rename(tx: TenantTx, hub_id: str, name: str, *, version: int | None = None) -> bool:
    """False when there is no such hub. Raises StaleError unless it is of `version`."""
    await _refuse_stale(tx, hub_id, version)
    return await _change(tx, hub_id, name=name, version=hubs.c.version + 1)


async def set_key_hash(tx: TenantTx, hub_id: str, key_hash: str) -> bool:
    """Replace the key; "" revokes it. False when there is no such hub."""
    return await _change(tx, hub_id, key_hash=key_hash, version=hubs.c.version + 1)


async def raise_revision(tx: TenantTx, hub_id: str) -> int | None:
    """The configuration the hub should run has changed; its new revision, None when there is no such hub."""
    row = await tx.one(
        update(hubs)
        .where(hubs.c.tenant_id == tx.tenant_id, hubs.c.id == hub_id)
        .values(revision=hubs.c.revision + 1)
        .returning(hubs.c.revision)
    )
    return None if row is None else int(row["revision"])


async def delete_hub(tx: TenantTx, hub_id: str, *, version: int | None = None) -> bool:
    """Its printers stay, without a hub; its events go with it. Raises StaleError unless it is of `version`."""
    await _refuse_stale(tx, hub_id, version)
    await tx.run(
        update(printers)
        .where(printers.c.tenant_id == tx.tenant_id, printers.c.hub_id == hub_id)
        .values(hub_id=None, version=printers.c.version + 1)
    )
    return await tx.run(delete(hubs).where(hubs.c.tenant_id == tx.tenant_id, hubs.c.id == hub_id)) > 0


async def connected(
    tx: Tx, hub_id: str, *, boot: str, firmware: str, board: str, sockets: int, max_printers: int
) -> int | None:
    """Note a hello and take the next epoch, the fencing token of this connection; None when the hub is gone."""
    row = await tx.one(
        update(hubs)
        .where(hubs.c.id == hub_id)
        .values(
            epoch=hubs.c.epoch + 1,
            boot=boot,
            firmware=firmware,
            board=board,
            sockets=sockets,
            max_printers=max_printers,
            last_seen_at=clock.now(),
        )
        .returning(hubs.c.epoch)
    )
    return None if row is None else int(row["epoch"])


async def report_revision(tx: Tx, hub_id: str, revision: int) -> None:
    await tx.run(update(hubs).where(hubs.c.id == hub_id).values(reported_revision=revision))


async def seen(tx: Tx, hub_id: str) -> None:
    await tx.run(update(hubs).where(hubs.c.id == hub_id).values(last_seen_at=clock.now()))


async def acked(tx: Tx, hub_id: str, boot: str) -> int:
    """The highest stored event number of this boot, 0 = none."""
    newest = select(func.max(hub_events.c.n)).where(hub_events.c.hub_id == hub_id, hub_events.c.boot == boot)
    return int(await tx.value(newest) or 0)


async def store_event(
    tx: TenantTx, *, hub_id: str, boot: str, n: int, name: str, printer_id: str, data: dict[str, Any]
) -> bool:
    """Keep one event; false when it is a repeat, whose effect must not happen again."""
    inserted = await tx.run(
        tx.insert(hub_events)
        .values(
            id=ids.new("evt"),
            tenant_id=tx.tenant_id,
            hub_id=hub_id,
            boot=boot,
            n=n,
            name=name,
            printer_id=printer_id,
            data=msgspec.json.encode(data).decode(),
            received_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["hub_id", "boot", "n"])
    )
    if inserted:
        await _change(tx, hub_id, acked=n, last_seen_at=clock.now())
    return inserted > 0


async def _refuse_stale(tx: TenantTx, hub_id: str, version: int | None) -> None:
    if version is not None and (hub := await get(tx, hub_id)) is not None and hub.version != version:
        raise StaleError(hub.version)


async def _change(tx: TenantTx, hub_id: str, **values: Any) -> bool:
    return await tx.run(update(hubs).where(hubs.c.tenant_id == tx.tenant_id, hubs.c.id == hub_id).values(**values)) > 0
