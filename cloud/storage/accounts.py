"""Queries: tenants, people, their sessions, and set-up links."""

import msgspec
from sqlalchemy import and_, delete, select, update

from cloud.storage import clock, ids
from cloud.storage.store import Tx
from cloud.storage.tables import sessions, setup_links, tenants, users
from cloud.storage.tenant import TenantTx


class User(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    email: str
    name: str
    role: str
    is_active: bool
    created_at: str
    last_login_at: str | None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A login that still counts, with the person behind it."""

    id: str
    user: User
    expires_at: str


_USER = [users.c[name] for name in User.__struct_fields__]


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
        created_at=clock.now(),
        last_login_at=None,
    )
    await tx.run(users.insert().values(**msgspec.structs.asdict(user), password_hash=password_hash))
    return user


async def credentials(tx: Tx, email: str) -> tuple[User, str] | None:
    """The active user with this address, of any tenant, and the hash of the password."""
    row = await tx.one(
        select(*_USER, users.c.password_hash).where(users.c.email == email.lower(), users.c.is_active.is_(True))
    )
    return None if row is None else (msgspec.convert(row, User), str(row["password_hash"]))


async def set_password_hash(tx: TenantTx, user_id: str, password_hash: str) -> None:
    await tx.run(
        update(users)
        .where(users.c.tenant_id == tx.tenant_id, users.c.id == user_id)
        .values(password_hash=password_hash)
    )


async def create_session(tx: TenantTx, *, user_id: str, expires_at: str, user_agent: str) -> str:
    """Open a session and note the login; the new session's id."""
    moment = clock.now()
    session_id = ids.new("ses")
    await tx.run(
        sessions.insert().values(
            id=session_id,
            tenant_id=tx.tenant_id,
            user_id=user_id,
            created_at=moment,
            expires_at=expires_at,
            user_agent=user_agent[:200],
        )
    )
    await tx.run(
        update(users).where(users.c.tenant_id == tx.tenant_id, users.c.id == user_id).values(last_login_at=moment)
    )
    return session_id


async def live_session(tx: Tx, session_id: str) -> Session | None:
    """The session, unless it is revoked, expired, or its user was switched off."""
    row = await tx.one(
        select(*_USER, sessions.c.expires_at.label("session_expires_at"))
        .select_from(
            sessions.join(users, and_(users.c.tenant_id == sessions.c.tenant_id, users.c.id == sessions.c.user_id))
        )
        .where(
            sessions.c.id == session_id,
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > clock.now(),
            users.c.is_active.is_(True),
        )
    )
    if row is None:
        return None
    return Session(id=session_id, user=msgspec.convert(row, User), expires_at=str(row["session_expires_at"]))


async def revoke_session(tx: TenantTx, session_id: str) -> bool:
    """False when it was revoked before, or is not of this tenant."""
    changed = await tx.run(
        update(sessions)
        .where(sessions.c.tenant_id == tx.tenant_id, sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
        .values(revoked_at=clock.now())
    )
    return changed > 0


async def forget_old_sessions(tx: Tx, expired_before: str) -> int:
    return await tx.run(delete(sessions).where(sessions.c.expires_at < expired_before))


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
