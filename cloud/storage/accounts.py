"""Queries: tenants, people, and the link of the first set-up."""

from typing import Final

import msgspec
from sqlalchemy import delete, func, select, update

from cloud.storage import clock, ids
from cloud.storage.errors import StaleError
from cloud.storage.rows import Rows
from cloud.storage.store import Tx
from cloud.storage.tables import setup_links, tenants, users
from cloud.storage.tenant import TenantTx


class User(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    email: str
    name: str
    role: str
    is_active: bool
    totp_confirmed_at: str | None
    """Since when a login takes a second step; None = it does not."""
    created_at: str
    last_login_at: str | None
    version: int


PEOPLE: Final = Rows(
    users,
    sorts=("name", "email", "role", "created_at", "last_login_at"),
    default_sort=("name",),
    searched=("name", "email"),
)
COLLEAGUES: Final = Rows(
    users, sorts=("name", "role", "created_at"), default_sort=("name",), searched=("name",)
)  # fmt: skip
"""The same for whoever is not told addresses: what one can search for or sort by, one can find out."""
USER = [users.c[name] for name in User.__struct_fields__]


async def create_tenant(tx: Tx, name: str) -> str:
    tenant_id = ids.new("ten")
    await tx.run(tenants.insert().values(id=tenant_id, name=name, created_at=clock.now()))
    return tenant_id


async def any_user(tx: Tx) -> bool:
    return await tx.value(select(users.c.id).limit(1)) is not None


async def create_user(tx: TenantTx, *, email: str, name: str, password_hash: str, role: str) -> User:
    """Raises ConflictError (unique, email) when the address is taken, by whatever tenant."""
    user = User(
        id=ids.new("usr"),
        tenant_id=tx.tenant_id,
        email=email.lower(),
        name=name,
        role=role,
        is_active=True,
        totp_confirmed_at=None,
        created_at=clock.now(),
        last_login_at=None,
        version=1,
    )
    await tx.run(users.insert().values(**msgspec.structs.asdict(user), password_hash=password_hash))
    return user


async def credentials(tx: Tx, email: str) -> tuple[User, str] | None:
    """The active user with this address, of any tenant, and the hash of the password."""
    row = await tx.one(
        select(*USER, users.c.password_hash).where(users.c.email == email.lower(), users.c.is_active.is_(True))
    )
    return None if row is None else (msgspec.convert(row, User), str(row["password_hash"]))


async def by_email(tx: Tx, email: str) -> User | None:
    """Of any tenant, whether active or not: an address belongs to one person."""
    row = await tx.one(select(*USER).where(users.c.email == email.lower()))
    return None if row is None else msgspec.convert(row, User)


async def by_oidc_subject(tx: Tx, subject: str) -> User | None:
    row = await tx.one(select(*USER).where(users.c.oidc_subject == subject))
    return None if row is None else msgspec.convert(row, User)


async def bind_oidc_subject(tx: Tx, user_id: str, subject: str) -> bool:
    """False when the person is bound to another one already."""
    unbound = (users.c.id == user_id, users.c.oidc_subject.is_(None))
    return await tx.run(update(users).where(*unbound).values(oidc_subject=subject)) == 1


async def get(tx: TenantTx, user_id: str) -> User | None:
    row = await tx.one(select(*USER).where(users.c.tenant_id == tx.tenant_id, users.c.id == user_id))
    return None if row is None else msgspec.convert(row, User)


async def password_hash(tx: TenantTx, user_id: str) -> str | None:
    where = (users.c.tenant_id == tx.tenant_id, users.c.id == user_id)
    found = await tx.value(select(users.c.password_hash).where(*where))
    return None if found is None else str(found)


async def owners_to_tell(tx: TenantTx) -> list[str]:
    """The addresses of those who answer for the farm."""
    where = (users.c.tenant_id == tx.tenant_id, users.c.role == "owner", users.c.is_active.is_(True))
    return [str(row["email"]) for row in await tx.all(select(users.c.email).where(*where).order_by(users.c.email))]


async def active_owners(tx: TenantTx) -> int:
    where = (users.c.tenant_id == tx.tenant_id, users.c.role == "owner", users.c.is_active.is_(True))
    return int(await tx.value(select(func.count()).select_from(users).where(*where)))


async def set_password_hash(tx: TenantTx, user_id: str, password_hash: str) -> None:
    moment = clock.now()
    await tx.run(
        update(users)
        .where(users.c.tenant_id == tx.tenant_id, users.c.id == user_id)
        .values(password_hash=password_hash, password_changed_at=moment, updated_at=moment)
    )


async def replace_setup_link(tx: Tx, *, token_hash: str, expires_at: str) -> None:
    """Only the newest link counts."""
    await tx.run(delete(setup_links))
    await tx.run(setup_links.insert().values(token_hash=token_hash, created_at=clock.now(), expires_at=expires_at))


async def use_setup_link(tx: Tx, token_hash: str) -> bool:
    """Use it up; true for exactly one caller, and never after its time."""
    used = await tx.run(
        update(setup_links)
        .where(
            setup_links.c.token_hash == token_hash,
            setup_links.c.used_at.is_(None),
            setup_links.c.expires_at > clock.now(),
        )
        .values(used_at=clock.now())
    )
    return used == 1


async def tenant_name(tx: Tx, tenant_id: str) -> str | None:
    found = await tx.value(select(tenants.c.name).where(tenants.c.id == tenant_id))
    return None if found is None else str(found)


async def tenant(tx: TenantTx) -> tuple[str, str, int]:
    """Name, settings as JSON, and the version of both."""
    row = await tx.one(select(tenants).where(tenants.c.id == tx.tenant_id))
    if row is None:
        raise RuntimeError("the tenant of a request is gone")
    return str(row["name"]), str(row["settings"]), int(row["version"])


async def change_tenant(tx: TenantTx, *, name: str, settings: str, version: int | None) -> int:
    """The new version. Raises StaleError unless it is of `version`."""
    where = [tenants.c.id == tx.tenant_id]
    if version is not None:
        where.append(tenants.c.version == version)
    changed = (
        update(tenants)
        .where(*where)
        .values(name=name, settings=settings, updated_at=clock.now(), version=tenants.c.version + 1)
    )
    row = await tx.one(changed.returning(tenants.c.version))
    if row is None:
        raise StaleError((await tenant(tx))[2])
    return int(row["version"])
