"""/api/audit-log: who did what, when, and from where."""

import itertools
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from cloud.api.collection import CSV_PAGE, Page, csv_response, listing_of
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import ListQuery, Moment
from cloud.storage.audit import ENTRIES
from cloud.storage.rows import Listing
from cloud.storage.store import Row

Word = Annotated[str, Meta(max_length=64)]


class AuditOut(Struct, frozen=True, kw_only=True):
    id: str
    at: str
    actor: str
    """Id of a person or an API key, or the part of the system that acted."""
    actor_name: str
    action: str
    """The operation's name in the API's document, or `auth_…`."""
    object_type: str
    object_id: str
    details: dict[str, Any]
    """What was asked for, without secrets."""
    address: str
    request_id: str
    """Also in the server's log, and in the answer's header `x-request-id`."""


class AuditQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    actor: Word | None = None
    action: Word | None = None
    object_type: Word | None = None
    object_id: Word | None = None
    at_from: Moment | None = None
    at_to: Moment | None = None
    """Before this moment."""


class AuditLogApi:
    """Endpoints about the audit log. Nobody can change it."""

    def endpoints(self) -> list[Endpoint]:
        path, sorts = "/api/audit-log/", ENTRIES.sorts
        csv = {"text/csv": {"type": "string"}}
        return [
            Endpoint("GET", path, self.list, role="owner", sorts=sorts),
            Endpoint("GET", f"{path}export.csv", self.export, role="owner", sorts=sorts, answers=csv),
        ]

    async def list(self, call: Call, query: AuditQuery) -> Page[AuditOut]:
        """Every change, the newest first."""
        rows, total = await call.store.read(partial(ENTRIES.page, listing=listing_of(query, ENTRIES.sorts)))
        return Page([_out(row) for row in rows], total)

    async def export(self, call: Call, query: AuditQuery) -> Response:
        """Every change that matches, as CSV."""
        # What is wrong with the query is found before the answer has begun.
        return csv_response("audit-log", AuditOut, self._all(call, listing_of(query, ENTRIES.sorts)))

    async def _all(self, call: Call, wanted: Listing) -> AsyncIterator[AuditOut]:
        for offset in itertools.count(step=CSV_PAGE):
            listing = msgspec.structs.replace(wanted, limit=CSV_PAGE, offset=offset)
            rows, _ = await call.store.read(partial(ENTRIES.page, listing=listing))
            for row in rows:
                yield _out(row)
            if len(rows) < CSV_PAGE:
                return


def _out(row: Row) -> AuditOut:
    return msgspec.convert({name: row[name] for name in AuditOut.__struct_fields__}, AuditOut)
