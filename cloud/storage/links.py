"""Queries: one-time links that go by mail. Of their tokens only the SHA-256 is kept."""

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.sql import ColumnElement

from cloud.storage import clock, ids
from cloud.storage.rows import Rows
from cloud.storage.store import Tx
from cloud.storage.tables import links
from cloud.storage.tenant import TenantTx

KEEP_DAYS = 90


class Link(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str | None
    """None: using it makes a tenant."""
    purpose: str
    email: str
    name: str
    """Of the person, or of the farm to be made."""
    role: str | None
    user_id: str | None
    created_at: str
    created_by: str | None
    expires_at: str
    used_at: str | None
    revoked_at: str | None


_LINK = [links.c[name] for name in Link.__struct_fields__]
INVITATIONS = Rows(
    links, sorts=("created_at", "email", "expires_at"), default_sort=("-created_at",), searched=("email", "name")
)


async def create(tx: Tx, link: Link, token_hash: str) -> None:
    await tx.run(links.insert().values(**msgspec.structs.asdict(link), token_hash=token_hash))


def new(*, purpose: str, email: str, seconds: float, tenant_id: str | None = None, **more: str | None) -> Link:
    """Not stored yet."""
    values = {"name": "", "role": None, "user_id": None, "created_by": None, **more}
    fixed = {"id": ids.new("lnk"), "tenant_id": tenant_id, "purpose": purpose, "email": email.lower()}
    times = {"created_at": clock.now(), "expires_at": clock.after(seconds), "used_at": None, "revoked_at": None}
    return msgspec.convert({**values, **fixed, **times}, Link)


async def by_token(tx: Tx, token_hash: str, purpose: str) -> Link | None:
    """Whatever has become of it."""
    row = await tx.one(select(*_LINK).where(links.c.token_hash == token_hash, links.c.purpose == purpose))
    return None if row is None else msgspec.convert(row, Link)


async def use(tx: Tx, link_id: str) -> bool:
    """Use it up; true for exactly one caller."""
    return await tx.run(update(links).where(links.c.id == link_id, _open()).values(used_at=clock.now())) == 1


async def renew(tx: TenantTx, link_id: str, *, token_hash: str, seconds: float) -> Link | None:
    """Give an invitation that is not used another token and another time; None when there is no such one."""
    where = (links.c.tenant_id == tx.tenant_id, links.c.id == link_id, links.c.purpose == "invitation")
    unused = (links.c.used_at.is_(None), links.c.revoked_at.is_(None))
    values = {"token_hash": token_hash, "expires_at": clock.after(seconds)}
    row = await tx.one(update(links).where(*where, *unused).values(values).returning(*_LINK))
    return None if row is None else msgspec.convert(row, Link)


async def revoke(tx: Tx, *, purpose: str, link_id: str | None = None, user_id: str | None = None,
                 tenant_id: str | None = None) -> int:  # fmt: skip
    """Take back the links that match and were not used; how many there were."""
    where = [links.c.purpose == purpose, links.c.used_at.is_(None), links.c.revoked_at.is_(None)]
    for column, value in ((links.c.id, link_id), (links.c.user_id, user_id), (links.c.tenant_id, tenant_id)):
        if value is not None:
            where.append(column == value)
    return await tx.run(update(links).where(*where).values(revoked_at=clock.now()))


async def open_invitation(tx: TenantTx, email: str) -> str | None:
    """The id of an invitation to this address that still counts."""
    where = (links.c.tenant_id == tx.tenant_id, links.c.purpose == "invitation", links.c.email == email.lower())
    found = await tx.value(select(links.c.id).where(*where, _open()))
    return None if found is None else str(found)


async def invitation_of(tx: Tx, email: str) -> Link | None:
    """The newest invitation to this address, of any tenant, that still counts."""
    where = (links.c.purpose == "invitation", links.c.email == email.lower(), _open())
    row = await tx.one(select(*_LINK).where(*where).order_by(links.c.created_at.desc()).limit(1))
    return None if row is None else msgspec.convert(row, Link)


async def forget_old(tx: Tx) -> int:
    return await tx.run(delete(links).where(links.c.expires_at < clock.after(-KEEP_DAYS * 86400)))


def _open() -> ColumnElement[bool]:
    return links.c.used_at.is_(None) & links.c.revoked_at.is_(None) & (links.c.expires_at > clock.now())
