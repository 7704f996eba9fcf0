"""Queries: sessions, which are logins that last."""

import msgspec
from sqlalchemy import and_, delete, select, update
from sqlalchemy.sql import ColumnElement

from cloud.storage import clock, ids
from cloud.storage.accounts import USER, User
from cloud.storage.store import Tx
from cloud.storage.tables import sessions, users
from cloud.storage.tenant import TenantTx


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A login, with the person behind it."""

    id: str
    user: User
    created_at: str
    expires_at: str
    revoked_at: str | None
    user_agent: str
    address: str
    method: str
    last_used_at: str | None
    generation: int
    rotated_at: str | None


_OWN = [name for name in Session.__struct_fields__ if name != "user"]
_COLUMNS = [*USER, *(sessions.c[name].label(f"session_{name}") for name in _OWN)]
_BOTH = sessions.join(users, and_(users.c.tenant_id == sessions.c.tenant_id, users.c.id == sessions.c.user_id))


def _living() -> ColumnElement[bool]:
    return and_(sessions.c.revoked_at.is_(None), sessions.c.expires_at > clock.now(), users.c.is_active.is_(True))


async def create(tx: TenantTx, *, user_id: str, expires_at: str, user_agent: str, address: str, method: str) -> str:
    """Open a session and note the login; the new session's id."""
    moment = clock.now()
    session_id = ids.new("ses")
    await tx.run(
        sessions.insert().values(
            id=session_id,
            tenant_id=tx.tenant_id,
            user_id=user_id,
            created_at=moment,
            last_used_at=moment,
            expires_at=expires_at,
            user_agent=user_agent[:200],
            address=address[:60],
            method=method,
        )
    )
    await tx.run(
        update(users).where(users.c.tenant_id == tx.tenant_id, users.c.id == user_id).values(last_login_at=moment)
    )
    return session_id


async def live(tx: Tx, session_id: str) -> Session | None:
    """The session, unless it is revoked, expired, or its person was switched off."""
    row = await tx.one(select(*_COLUMNS).select_from(_BOTH).where(sessions.c.id == session_id, _living()))
    return None if row is None else _session(row)


async def of_user(tx: TenantTx, user_id: str) -> list[Session]:
    """Those that live, the last used first."""
    where = (sessions.c.tenant_id == tx.tenant_id, sessions.c.user_id == user_id, _living())
    rows = await tx.all(select(*_COLUMNS).select_from(_BOTH).where(*where).order_by(sessions.c.last_used_at.desc()))
    return [_session(row) for row in rows]


async def living_ids(tx: TenantTx, user_id: str) -> list[str]:
    return [session.id for session in await of_user(tx, user_id)]


async def rotate(tx: Tx, session_id: str, *, generation: int, expires_at: str) -> bool:
    """To the next generation; false when another request has done it meanwhile."""
    moment = clock.now()
    changed = await tx.run(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.generation == generation)
        .values(generation=generation + 1, rotated_at=moment, last_used_at=moment, expires_at=expires_at)
    )
    return changed > 0


async def revoke(
    tx: TenantTx, *, reason: str, session_id: str | None = None, user_id: str | None = None, but: str | None = None
) -> list[str]:
    """End the sessions that match and still live; their ids."""
    where = [sessions.c.tenant_id == tx.tenant_id, sessions.c.revoked_at.is_(None)]
    if session_id is not None:
        where.append(sessions.c.id == session_id)
    if user_id is not None:
        where.append(sessions.c.user_id == user_id)
    if but is not None:
        where.append(sessions.c.id != but)
    ended = update(sessions).where(*where).values(revoked_at=clock.now(), revoked_reason=reason)
    return [row["id"] for row in await tx.all(ended.returning(sessions.c.id))]


async def forget_expired(tx: Tx, before: str) -> int:
    return await tx.run(delete(sessions).where(sessions.c.expires_at < before))


def _session(row: object) -> Session:
    values = dict(msgspec.convert(row, dict[str, object]))
    own = {name: values[f"session_{name}"] for name in _OWN}
    user = {name: values[name] for name in User.__struct_fields__}
    return msgspec.convert({**own, "user": user}, Session)
