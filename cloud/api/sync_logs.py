"""/api/sync-logs: what synchronisations with other systems did."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from cloud.api.collection import Page, listing_of
from cloud.api.errors import not_found
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import ListQuery, Moment, Short
from cloud.storage.production import SYNC_LOGS

Number = Annotated[int, Meta(ge=1, le=2**53)]


class SyncLogOut(Struct, frozen=True, kw_only=True):
    id: int
    """Counted within the farm."""
    operation_type: str
    table_name: str
    record_id: str
    status: str
    error_message: str | None
    created_at: str


class SyncLogsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    operation_type: Short | None = None
    table_name: Short | None = None
    record_id: Short | None = None
    status: Short | None = None
    created_at_from: Moment | None = None
    created_at_to: Moment | None = None
    """Before this moment."""


class SyncLogsApi:
    """They are read here; whoever synchronises writes them."""

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", "/api/sync-logs/", self.list, role="operator", sorts=SYNC_LOGS.sorts),
            Endpoint("GET", "/api/sync-logs/{id}", self.get, role="operator"),
        ]

    async def list(self, call: Call, query: SyncLogsQuery) -> Page[SyncLogOut]:
        """A page of synchronisations, the newest first."""
        rows, total = await call.store.read(lambda tx: SYNC_LOGS.page(tx, listing_of(query, SYNC_LOGS.sorts)))
        return Page([msgspec.convert(row, SyncLogOut) for row in rows], total)

    async def get(self, call: Call, number: Number) -> SyncLogOut:
        """One synchronisation."""
        row = await call.store.read(lambda tx: SYNC_LOGS.get(tx, number))
        if row is None:
            raise not_found("sync log")
        return msgspec.convert(row, SyncLogOut)
