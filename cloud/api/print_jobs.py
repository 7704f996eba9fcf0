"""/api/print-jobs: the queue and the past."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id, PageQuery
from cloud.printing.filaments import ColorPolicy
from cloud.printing.jobs import Status
from cloud.printing.orders import JobChange, NewJob, PrintOptions
from cloud.printing.service import MAX_COPIES, MAX_PRIORITY, JobService

Plate = Annotated[int, Meta(ge=1, le=999)]
Priority = Annotated[int, Meta(ge=-MAX_PRIORITY, le=MAX_PRIORITY)]
Mapping = Annotated[list[Annotated[int, Meta(ge=-1, le=255)]], Meta(max_length=32)]
Rank = Annotated[float, Meta(ge=-1e12, le=1e12)]
_PRINTER_ERRORS = (409, 502, 503, 504)


class JobIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One or several runs of one plate of a file."""

    print_file_id: Id
    plate: Plate | None = None
    """Left out: the only one there is."""
    printer_id: Id | None = None
    """Left out: any printer that fits."""
    priority: Priority = 0
    """Higher goes first."""
    copies: Annotated[int, Meta(ge=1, le=MAX_COPIES)] = 1
    color_policy: ColorPolicy = "match"
    """`match`: type and colour of the filament must fit; `type`: only the type."""
    ams_mapping: Mapping | None = None
    """Spools chosen by hand for the named printer: index = filament slot - 1, value = tray id, -1 = external spool."""
    options: PrintOptions | None = None
    hold: bool = False
    """Wait in the queue until somebody starts it."""


class JobPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed while a job waits; what is left out stays."""

    printer_id: Id | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    rank: Rank | UnsetType = UNSET
    color_policy: ColorPolicy | UnsetType = UNSET
    ams_mapping: Mapping | UnsetType | None = UNSET
    options: PrintOptions | UnsetType = UNSET
    hold: bool | UnsetType = UNSET


class NeededFilament(Struct, frozen=True, kw_only=True):
    slot: int
    type: str
    color: str | None = None
    grams: float | None = None
    profile: str = ""


class JobOut(Struct, frozen=True, kw_only=True):
    id: str
    print_file_id: str | None
    """None only on a migrated job whose file was gone."""
    file_name: str
    plate: int
    status: Status
    held: bool
    cancel_requested: bool
    """Somebody wants it to end; the printer has not said that it did."""
    target_printer_id: str | None
    printer_id: str | None
    priority: int
    rank: float
    attempt: int
    color_policy: ColorPolicy
    ams_mapping: list[int] | None
    options: PrintOptions
    filaments: list[NeededFilament]
    model_id: str | None
    nozzle: float | None
    estimated_seconds: int | None
    progress_percentage: int
    remaining_seconds: int | None
    layer: int | None
    layers: int | None
    upload_percent: int | None
    waiting_reason: str | None
    failure_code: str | None
    failure_reason: str | None
    error_code: int | None
    submitted_by: str
    time_submitted: str
    time_started: str | None
    time_completed: str | None
    updated_at: str
    version: int
    thumbnail: str | None


class JobStep(Struct, frozen=True, kw_only=True):
    """One line of a job's history."""

    at: str
    from_status: str | None
    to_status: str
    reason: str
    actor: str
    printer_id: str | None
    attempt: int
    details: dict[str, Any]


class JobDetail(JobOut, frozen=True, kw_only=True):
    """A job with its history, oldest line first."""

    history: list[JobStep]


class JobList(Struct, frozen=True):
    items: list[JobOut]
    total: int


class JobsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: Annotated[list[Status], Meta(max_length=20)] | None = None
    """Only these; repeat the name or use commas."""
    printer_id: Id | None = None


class CancelQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    force: bool = False
    """Give up on a printer that will not come back; what it still does, it does unseen."""


class JobsApi:
    """Endpoints about jobs."""

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs

    def endpoints(self) -> list[Endpoint]:
        one = "/api/print-jobs/{id}"
        return [
            Endpoint("GET", "/api/print-jobs/", self.list),
            Endpoint("POST", "/api/print-jobs/", self.create, status=201, errors=(404, 409)),
            Endpoint("GET", one, self.get),
            Endpoint("PUT", one, self.update, errors=(409,)),
            Endpoint("PATCH", one, self.patch, errors=(409,)),
            Endpoint("DELETE", one, self.delete, errors=(409,)),
            Endpoint("POST", f"{one}/start", self.start, errors=(409,)),
            Endpoint("POST", f"{one}/pause", self.pause, errors=_PRINTER_ERRORS),
            Endpoint("POST", f"{one}/resume", self.resume, errors=_PRINTER_ERRORS),
            Endpoint("POST", f"{one}/cancel", self.cancel, errors=_PRINTER_ERRORS),
        ]

    async def list(self, call: Call, query: JobsQuery) -> JobList:
        """A page of jobs, newest first."""
        views, total = await self._jobs.list(
            call.store,
            statuses=query.status or (),
            printer_id=query.printer_id,
            limit=query.limit,
            offset=query.offset,
        )
        return JobList([_out(view) for view in views], total)

    async def create(self, call: Call, body: JobIn) -> JobList:
        """Queue a plate of a file, once or several times."""
        values = {name: getattr(body, name) for name in body.__struct_fields__ if name != "options"}
        new = NewJob(**values, options=body.options or PrintOptions())
        views = await self._jobs.create(call.store, new, actor=call.principal.user_id)
        return JobList([_out(view) for view in views], len(views))

    async def get(self, call: Call, job_id: Id) -> JobDetail:
        """One job with its history."""
        return msgspec.convert(await self._jobs.get(call.store, job_id), JobDetail)

    async def update(self, call: Call, job_id: Id, body: JobPatch) -> JobOut:
        """Change a job that waits."""
        change = JobChange(**{name: getattr(body, name) for name in body.__struct_fields__})
        return _out(await self._jobs.update(call.store, job_id, change))

    async def patch(self, call: Call, job_id: Id, body: JobPatch) -> JobOut:
        """Change a job that waits; the same as PUT."""
        return await self.update(call, job_id, body)

    async def delete(self, call: Call, job_id: Id) -> None:
        """Remove a job that waits or is over."""
        await self._jobs.delete(call.store, job_id)

    async def start(self, call: Call, job_id: Id) -> JobOut:
        """Release a held job and make it the next one."""
        return _out(await self._jobs.start(call.store, job_id, actor=call.principal.user_id))

    async def pause(self, call: Call, job_id: Id) -> JobOut:
        """Ask the printer to pause; the job is paused when the printer says so."""
        return _out(await self._jobs.pause(call.store, job_id, actor=call.principal.user_id))

    async def resume(self, call: Call, job_id: Id) -> JobOut:
        """Ask the printer to go on."""
        return _out(await self._jobs.resume(call.store, job_id, actor=call.principal.user_id))

    async def cancel(self, call: Call, job_id: Id, query: CancelQuery) -> JobOut:
        """End a job; one that prints ends when its printer has stopped."""
        view = await self._jobs.cancel(call.store, job_id, actor=call.principal.user_id, force=query.force)
        return _out(view)


def _out(view: dict[str, Any]) -> JobOut:
    return msgspec.convert(view, JobOut)
