"""Queries: the second step of a login. Secrets are in here only sealed, recovery codes only as hashes."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import delete, func, or_, select, update

from cloud.storage import clock, ids
from cloud.storage.tables import recovery_codes, users
from cloud.storage.tenant import TenantTx


class SecondStep(msgspec.Struct, frozen=True, kw_only=True):
    totp_secret_enc: str | None
    totp_confirmed_at: str | None
    """None: it is being set up, or there is none."""


async def read(tx: TenantTx, user_id: str) -> SecondStep:
    columns = (users.c.totp_secret_enc, users.c.totp_confirmed_at)
    row = await tx.one(select(*columns).where(users.c.tenant_id == tx.tenant_id, users.c.id == user_id))
    return msgspec.convert(row or {"totp_secret_enc": None, "totp_confirmed_at": None}, SecondStep)


async def begin(tx: TenantTx, user_id: str, secret_enc: str) -> None:
    """A secret that counts once it is confirmed."""
    await _set(tx, user_id, totp_secret_enc=secret_enc, totp_confirmed_at=None, totp_last_step=None)


async def confirm(tx: TenantTx, user_id: str) -> None:
    await _set(tx, user_id, totp_confirmed_at=clock.now())


async def remove(tx: TenantTx, user_id: str) -> None:
    await _set(tx, user_id, totp_secret_enc=None, totp_confirmed_at=None, totp_last_step=None)
    await replace_codes(tx, user_id, ())


async def use_step(tx: TenantTx, user_id: str, step: int) -> bool:
    """Each 30 seconds' code counts once: false when this one, or a later one, was used."""
    mine = (users.c.tenant_id == tx.tenant_id, users.c.id == user_id)
    unused = or_(users.c.totp_last_step.is_(None), users.c.totp_last_step < step)
    return await tx.run(update(users).where(*mine, unused).values(totp_last_step=step)) == 1


async def replace_codes(tx: TenantTx, user_id: str, hashes: Iterable[str]) -> None:
    mine = (recovery_codes.c.tenant_id == tx.tenant_id, recovery_codes.c.user_id == user_id)
    await tx.run(delete(recovery_codes).where(*mine))
    row = {"tenant_id": tx.tenant_id, "user_id": user_id, "created_at": clock.now()}
    await tx.batch(recovery_codes.insert(), [{**row, "id": ids.new("rec"), "code_hash": one} for one in hashes])


async def use_code(tx: TenantTx, user_id: str, code_hash: str) -> bool:
    """True for exactly one caller."""
    codes = recovery_codes.c
    mine = (codes.tenant_id == tx.tenant_id, codes.user_id == user_id, codes.code_hash == code_hash)
    return await tx.run(update(recovery_codes).where(*mine, codes.used_at.is_(None)).values(used_at=clock.now())) == 1


async def codes_left(tx: TenantTx, user_id: str) -> int:
    codes = recovery_codes.c
    mine = (codes.tenant_id == tx.tenant_id, codes.user_id == user_id, codes.used_at.is_(None))
    return int(await tx.value(select(func.count()).select_from(recovery_codes).where(*mine)))


async def _set(tx: TenantTx, user_id: str, **values: object) -> None:
    await tx.run(update(users).where(users.c.tenant_id == tx.tenant_id, users.c.id == user_id).values(**values))
