"""/api/print-jobs: the queue and the past."""

import functools
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET
from starlette.responses import Response

from cloud.api.collection import CSV, CSV_PAGE, BulkOut, Page, csv_response, for_each, listing_of
from cloud.api.errors import ApiError
from cloud.api.job_shapes import (
    CancelQuery,
    JobDetail,
    JobIn,
    JobList,
    JobOut,
    JobPatch,
    JobsBulkIn,
    JobsQuery,
    JobStep,
)
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id, PageQuery
from cloud.printing.orders import JobChange, NewJob, PrintOptions
from cloud.printing.service import JobService
from cloud.printing.telling import told
from cloud.printing.views import View
from cloud.storage.jobs import JOBS
from cloud.storage.rows import Listing
from cloud.storage.tenant import TenantTx

_PRINTER_ERRORS: Final = (409, 502, 503, 504)


class JobsApi:
    """Endpoints about jobs."""

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs

    def endpoints(self) -> list[Endpoint]:
        every, one = "/api/print-jobs/", "/api/print-jobs/{id}"
        return [
            Endpoint("GET", every, self.list, sorts=JOBS.sorts),
            Endpoint("POST", every, self.create, status=201, errors=(404, 409)),
            Endpoint("POST", f"{every}bulk", self.bulk),
            Endpoint("GET", f"{every}export.csv", self.export, answers=CSV, sorts=JOBS.sorts),
            Endpoint("GET", one, self.get),
            Endpoint("GET", f"{one}/history", self.history),
            Endpoint("PUT", one, self.update, errors=(409,), versioned=True),
            Endpoint("PATCH", one, self.patch, errors=(409,), versioned=True),
            Endpoint("DELETE", one, self.delete, errors=(409,), versioned=True),
            Endpoint("POST", f"{one}/start", self.start, errors=(409,)),
            Endpoint("POST", f"{one}/pause", self.pause, errors=_PRINTER_ERRORS),
            Endpoint("POST", f"{one}/resume", self.resume, errors=_PRINTER_ERRORS),
            Endpoint("POST", f"{one}/cancel", self.cancel, errors=_PRINTER_ERRORS),
        ]

    async def list(self, call: Call, query: JobsQuery) -> JobList:
        """A page of jobs, newest first."""
        return await self._page(call, _listing(query), query.printer_id)

    async def create(self, call: Call, body: JobIn) -> JobList:
        """Queue a plate of a file, once or several times."""
        values = {name: getattr(body, name) for name in body.__struct_fields__ if name != "options"}
        new = NewJob(**values, options=body.options or PrintOptions())
        views = await self._jobs.create(call.store, new, actor=call.principal.user_id)
        return JobList(await _outs(call, views), len(views))

    async def get(self, call: Call, job_id: Id) -> JobDetail:
        """One job with its history."""
        view = await self._jobs.get(call.store, job_id)
        (view,) = await call.store.read(lambda tx: told(tx, [view]))
        return msgspec.convert(view, JobDetail)

    async def history(self, call: Call, job_id: Id, query: PageQuery) -> Page[JobStep]:
        """A page of a job's history, oldest line first."""
        lines, total = await self._jobs.history(call.store, job_id, limit=query.limit, offset=query.offset)
        return Page([msgspec.convert(line, JobStep) for line in lines], total)

    async def update(self, call: Call, job_id: Id, body: JobPatch) -> JobOut:
        """Change a job that waits."""
        return await _out(call, await self._jobs.update(call.store, job_id, _change(body), version=call.version))

    async def patch(self, call: Call, job_id: Id, body: JobPatch) -> JobOut:
        """Change a job that waits; the same as PUT."""
        return await self.update(call, job_id, body)

    async def delete(self, call: Call, job_id: Id) -> None:
        """Remove a job that waits or is over."""
        await self._jobs.delete(call.store, job_id, version=call.version)

    async def start(self, call: Call, job_id: Id) -> JobOut:
        """Release a held job and make it the next one."""
        return await _out(call, await self._jobs.start(call.store, job_id, actor=call.principal.user_id))

    async def pause(self, call: Call, job_id: Id) -> JobOut:
        """Ask the printer to pause; the job is paused when the printer says so."""
        return await _out(call, await self._jobs.pause(call.store, job_id, actor=call.principal.user_id))

    async def resume(self, call: Call, job_id: Id) -> JobOut:
        """Ask the printer to go on."""
        return await _out(call, await self._jobs.resume(call.store, job_id, actor=call.principal.user_id))

    async def cancel(self, call: Call, job_id: Id, query: CancelQuery) -> JobOut:
        """End a job; one that prints ends when its printer has stopped."""
        view = await self._jobs.cancel(call.store, job_id, actor=call.principal.user_id, force=query.force)
        return await _out(call, view)

    async def bulk(self, call: Call, body: JobsBulkIn) -> BulkOut:
        """Cancel, delete, start or change several jobs.

        The answer says of each what became of it. Jobs that are started go first in the order in which they are named.
        """
        tenant, actor = call.store, call.principal.user_id
        if body.action == "start":
            return await self._start_all(call, body.ids)
        if body.action == "update" and body.changes is UNSET:
            raise ApiError(422, "invalid", "Say in `changes` what is to be changed.", details={"path": "$.changes"})

        async def one(job_id: str) -> None:
            if body.action == "cancel":
                await self._jobs.cancel(tenant, job_id, actor=actor)
            elif body.action == "delete":
                await self._jobs.delete(tenant, job_id)
            elif body.changes is not UNSET:
                await self._jobs.update(tenant, job_id, _change(body.changes))

        return await for_each(body.ids, one)

    async def _start_all(self, call: Call, ids: Sequence[str]) -> BulkOut:
        """Who is started last goes first: begin at the end, and let the dispatcher see them all together."""
        actor = call.principal.user_id

        async def unit(tx: TenantTx) -> BulkOut:
            return await for_each(reversed(ids), lambda job_id: self._jobs.release(tx, job_id, actor=actor))

        done = await call.store.write(unit)
        return msgspec.structs.replace(done, results=done.results[::-1])

    async def export(self, call: Call, query: JobsQuery) -> Response:
        """All jobs that match, as CSV.

        limit and offset are not heeded.
        """
        return csv_response("print-jobs", JobOut, self._all(call, _listing(query), query.printer_id))

    async def _page(self, call: Call, listing: Listing, printer_id: str | None) -> JobList:
        views, total = await self._jobs.list(call.store, listing, printer_id=printer_id)
        return JobList(await _outs(call, views), total)

    async def _all(self, call: Call, wanted: Listing, printer_id: str | None) -> AsyncIterator[JobOut]:
        for offset in itertools.count(step=CSV_PAGE):
            listing = msgspec.structs.replace(wanted, limit=CSV_PAGE, offset=offset)
            page = await self._page(call, listing, printer_id)
            for item in page.items:
                yield item
            if len(page.items) < CSV_PAGE:
                return


def _listing(query: JobsQuery) -> Listing:
    """The printer's filter is more than a column: JobService.list knows what it means."""
    listing = listing_of(query, JOBS.sorts)
    filters = {name: value for name, value in listing.filters.items() if name != "printer_id"}
    return msgspec.structs.replace(listing, filters=filters)


def _change(body: JobPatch) -> JobChange:
    return JobChange(**{name: getattr(body, name) for name in body.__struct_fields__})


async def _outs(call: Call, views: Sequence[View]) -> list[JobOut]:
    named = await call.store.read(functools.partial(told, views=views))
    return [msgspec.convert(view, JobOut) for view in named]


async def _out(call: Call, view: dict[str, Any]) -> JobOut:
    return (await _outs(call, [view]))[0]
