"""Queries: the audit log. It is only ever added to, in the transaction of the change it tells of."""

from typing import Any

import msgspec

from cloud.storage import clock, ids
from cloud.storage.rows import Rows
from cloud.storage.tables import audit_log
from cloud.storage.tenant import TenantTx

ENTRIES = Rows(
    audit_log,
    sorts=("at", "action", "actor"),
    default_sort=("-at",),
    searched=("actor_name", "action", "object_id"),
    json=("details",),
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to what, and from where."""

    actor: str
    """Id of a user or an API key, or the part of the system that acted."""
    actor_name: str
    action: str
    object_type: str
    object_id: str = ""
    details: dict[str, Any] = {}
    """Never secrets."""
    address: str = ""
    request_id: str = ""


async def record(tx: TenantTx, entry: Entry) -> None:
    values = {**msgspec.structs.asdict(entry), "details": msgspec.json.encode(entry.details).decode()}
    await tx.run(audit_log.insert().values(id=ids.new("aud"), tenant_id=tx.tenant_id, at=clock.now(), **values))
