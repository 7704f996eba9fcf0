"""Queries: leave to claim a device. Of a token only the SHA-256 is kept."""

import msgspec
from sqlalchemy import delete, func, select, update
from sqlalchemy.sql import ColumnElement

from cloud.storage import clock, ids
from cloud.storage.store import Tx
from cloud.storage.tables import hub_pairings as pairings
from cloud.storage.tenant import TenantTx

KEEP_DAYS = 30


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    device_id: str
    name: str
    """For the hub; "" = one of its own."""
    replaces: str | None
    """A hub of the tenant whose printers come along."""
    created_by: str
    created_at: str
    expires_at: str
    used_at: str | None
    revoked_at: str | None
    hub_id: str | None
    """The hub that it made."""

    @property
    def expired(self) -> bool:
        return self.revoked_at is not None or self.expires_at <= clock.now()


_PAIRING = [pairings.c[name] for name in Pairing.__struct_fields__]


async def create(
    tx: TenantTx, *, device_id: str, token_hash: str, name: str, replaces: str | None, seconds: float
) -> Pairing:
    """A new one; an earlier one of the tenant for the same device counts no more."""
    mine = (pairings.c.tenant_id == tx.tenant_id, pairings.c.device_id == device_id, _open())
    await tx.run(update(pairings).where(*mine).values(revoked_at=clock.now()))
    pairing = Pairing(
        id=ids.new("par"),
        tenant_id=tx.tenant_id,
        device_id=device_id,
        name=name,
        replaces=replaces,
        created_by=tx.actor,
        created_at=clock.now(),
        expires_at=clock.after(seconds),
        used_at=None,
        revoked_at=None,
        hub_id=None,
    )
    await tx.run(pairings.insert().values(**msgspec.structs.asdict(pairing), token_hash=token_hash))
    return pairing


async def get(tx: TenantTx, pairing_id: str) -> Pairing | None:
    row = await tx.one(select(*_PAIRING).where(pairings.c.tenant_id == tx.tenant_id, pairings.c.id == pairing_id))
    return None if row is None else msgspec.convert(row, Pairing)


async def by_token(tx: Tx, token_hash: str) -> Pairing | None:
    """Of any tenant, whatever has become of it."""
    row = await tx.one(select(*_PAIRING).where(pairings.c.token_hash == token_hash))
    return None if row is None else msgspec.convert(row, Pairing)


async def use(tx: TenantTx, pairing_id: str, hub_id: str) -> bool:
    """Use it up; true for exactly one caller, and never after its time."""
    mine = (pairings.c.tenant_id == tx.tenant_id, pairings.c.id == pairing_id, _open())
    return await tx.run(update(pairings).where(*mine).values(used_at=clock.now(), hub_id=hub_id)) == 1


async def revoke(tx: TenantTx, pairing_id: str) -> bool:
    """Take it back; false when there is none that is open."""
    mine = (pairings.c.tenant_id == tx.tenant_id, pairings.c.id == pairing_id, _open())
    return await tx.run(update(pairings).where(*mine).values(revoked_at=clock.now())) == 1


async def count_open(tx: TenantTx) -> int:
    """How many of the tenant's wait for their device."""
    count = select(func.count()).select_from(pairings).where(pairings.c.tenant_id == tx.tenant_id, _open())
    return int(await tx.value(count) or 0)


async def forget_old(tx: Tx) -> int:
    return await tx.run(delete(pairings).where(pairings.c.expires_at < clock.after(-KEEP_DAYS * 86400)))


def _open() -> ColumnElement[bool]:
    return pairings.c.used_at.is_(None) & pairings.c.revoked_at.is_(None) & (pairings.c.expires_at > clock.now())
