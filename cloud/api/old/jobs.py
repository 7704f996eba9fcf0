"""/api/print-jobs-sync and /api/enhanced-print-jobs: jobs, as the old system kept and made them."""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from cloud.api.errors import ApiError
from cloud.api.job_shapes import CancelQuery, JobIn, JobOut, JobPatch, JobsQuery, Priority, Units
from cloud.api.kit import Call, Endpoint
from cloud.api.old.shapes import Done, WholeList, as_new, as_old, counted, old, said
from cloud.api.print_jobs import JobsApi
from cloud.api.shapes import Id, Line
from cloud.errors import DomainError
from cloud.printing.jobs import Status

OldStatus = Literal["queued", "processing", "printing", "completed", "failed", "cancelled"]
_TODAY: Final[dict[OldStatus, list[Status]]] = {
    "queued": ["queued"],
    "processing": ["assigned", "uploading", "starting"],
    "printing": ["printing", "paused"],
    "completed": ["completed"],
    "failed": ["failed"],
    "cancelled": ["cancelled"],
}
_OLD: Final[dict[Status, OldStatus]] = {now: before for before, every in _TODAY.items() for now in every}
_ENDED: Final = ("cancelled",)
Unheeded = Line | int | float | bool | None
"""What the printer, the file or the SKU says, whatever a client wrote."""
_UNHEEDED: Final = (
    "file_name", "filament_type", "material_type", "progress_percentage", "filament_needed_grams",
    "estimated_print_time_minutes", "actual_print_time_minutes", "failure_reason", "time_submitted", "time_started",
    "time_completed", "submitted_by", "printer_numeric_id", "bambu_job_id", "status",
)  # fmt: skip


class OldJobPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is null or left out stays. Only the first seven are heeded."""

    status: Line | None = None
    """"cancelled" ends the job; any other status is the printer's to say."""
    printer_id: Id | None = None
    priority: Priority | None = None
    product_sku_id: Id | None = None
    color: Line | None = None
    number_of_units: Units | None = None
    print_file_id: Id | None = None
    """Heeded when the job is added."""
    file_name: Unheeded = None
    filament_type: Unheeded = None
    material_type: Unheeded = None
    progress_percentage: Unheeded = None
    filament_needed_grams: Unheeded = None
    estimated_print_time_minutes: Unheeded = None
    actual_print_time_minutes: Unheeded = None
    failure_reason: Unheeded = None
    time_submitted: Unheeded = None
    time_started: Unheeded = None
    time_completed: Unheeded = None
    submitted_by: Unheeded = None
    printer_numeric_id: Unheeded = None
    bambu_job_id: Unheeded = None


class OldJobIn(OldJobPatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    print_file_id: Id


class OldJob(Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    printer_id: str | None
    """The printer it is on, else the one it waits for."""
    print_file_id: str | None
    product_sku_id: str | None
    submitted_by: str
    file_name: str
    status: OldStatus
    color: str | None
    filament_type: str | None
    material_type: str | None
    number_of_units: int
    filament_needed_grams: float | None
    estimated_print_time_minutes: int | None
    actual_print_time_minutes: int | None
    progress_percentage: int
    bambu_job_id: str | None
    printer_numeric_id: int | None
    last_sync_time: str
    """When anything about it changed."""
    priority: int
    failure_reason: str | None
    time_submitted: str
    time_started: str | None
    time_completed: str | None
    created_at: str
    updated_at: str
    requires_assembly: bool
    quantity_per_print: int
    product_id: str | None
    product_name: str | None
    sku_name: str | None
    printer_model: str | None
    printer_name: str | None


class JobDone(Done, frozen=True, kw_only=True):
    print_job: OldJob


class JobGone(Done, frozen=True, kw_only=True):
    deleted_job_id: str


class JobsSummary(Struct, frozen=True, kw_only=True):
    total_jobs: int
    status_breakdown: dict[str, Annotated[int, Meta(ge=0)]]
    queued_jobs: int
    active_jobs: int
    completed_jobs: int
    failed_jobs: int


class OldJobsApi:
    """Works through the endpoints of today."""

    def __init__(self, jobs: JobsApi) -> None:
        self._jobs = jobs

    def endpoints(self) -> list[Endpoint]:
        every = "/api/print-jobs-sync/"
        return [
            old("GET", every, self.every_job),
            old("POST", every, self.add_job, errors=(404, 409)),
            old("GET", f"{every}queue/active", self.active_jobs),
            old("GET", f"{every}stats/summary", self.jobs_summary),
            old("GET", f"{every}status/{{status}}", self.jobs_in),
            old("GET", f"{every}{{id}}", self.one_job),
            old("PUT", f"{every}{{id}}", self.change_job, errors=(409, 502, 503, 504)),
            old("DELETE", f"{every}{{id}}", self.delete_job, errors=(409, 502, 503, 504)),
        ]

    async def every_job(self, call: Call, query: WholeList) -> list[OldJob]:
        """The newest jobs."""
        return await self._page(call, query, None)

    async def jobs_in(self, call: Call, status: OldStatus, query: WholeList) -> list[OldJob]:
        """The newest jobs of one status."""
        return await self._page(call, query, _TODAY[status])

    async def active_jobs(self, call: Call, query: WholeList) -> list[OldJob]:
        """Jobs that wait or are on a printer, the most urgent first."""
        open_ones: list[Status] = [*_TODAY["queued"], *_TODAY["processing"], *_TODAY["printing"]]
        return await self._page(call, query, open_ones, sort=["-priority", "time_submitted"])

    async def jobs_summary(self, call: Call) -> JobsSummary:
        """How many jobs there are of each status. Hours and grams are in /api/analytics/summary."""
        counts = {word: await self._count(call, today) for word, today in _TODAY.items()}
        return JobsSummary(
            total_jobs=sum(counts.values()),
            status_breakdown={word: count for word, count in counts.items() if count},
            queued_jobs=counts["queued"],
            active_jobs=counts["printing"],
            completed_jobs=counts["completed"],
            failed_jobs=counts["failed"],
        )

    async def one_job(self, call: Call, job_id: Id) -> OldJob:
        """One job."""
        return old_job(call, await self._jobs.get(call, job_id))

    async def add_job(self, call: Call, body: OldJobIn) -> JobDone:
        """Note a job. It is held: as in the old system, a noted job is not printed until somebody starts it."""
        made = await self._jobs.create(call, as_new({**said(body, *_UNHEEDED), "hold": True}, JobIn))
        return JobDone(message="The job is added; it waits to be started.", print_job=old_job(call, made.items[0]))

    async def change_job(self, call: Call, job_id: Id, body: OldJobPatch) -> JobDone:
        """Change a job that waits, or cancel one."""
        now = await self._jobs.get(call, job_id)
        if body.status in _ENDED and now.status not in _ENDED:
            ended = await self._jobs.cancel(call, job_id, CancelQuery())
            return JobDone(
                message="The job is cancelled, or will be when its printer stops.", print_job=old_job(call, ended)
            )
        if body.status is not None and body.status != _OLD[now.status]:
            raise ApiError(409, "not_yours_to_say", "The printer says what becomes of a job; you can cancel it.")
        changes = said(body, "print_file_id", *_UNHEEDED)
        changed = await self._jobs.update(call, job_id, as_new(changes, JobPatch)) if changes else now
        return JobDone(message="The job is changed.", print_job=old_job(call, changed))

    async def delete_job(self, call: Call, job_id: Id) -> JobGone:
        """Delete a job; one that is on a printer is cancelled first, and deleted once the printer has stopped."""
        try:
            await self._jobs.delete(call, job_id)
        except DomainError as error:
            if error.code != "job_active":
                raise
            ended = await self._jobs.cancel(call, job_id, CancelQuery())
            if ended.status not in _ENDED:
                sentence = "The printer is being told to stop: delete the job when it has."
                raise ApiError(409, "job_active", sentence) from None
            await self._jobs.delete(call, job_id)
        return JobGone(message="The job is deleted.", deleted_job_id=job_id)

    # ---- inside

    async def _page(
        self, call: Call, query: WholeList, status: list[Status] | None, sort: list[str] | None = None
    ) -> list[OldJob]:
        wanted = JobsQuery(status=status, sort=sort or ["-time_submitted"], limit=query.limit, offset=query.offset)
        page = await self._jobs.list(call, wanted)
        counted(call, page.total)
        return [old_job(call, one) for one in page.items]

    async def _count(self, call: Call, status: list[Status]) -> int:
        return (await self._jobs.list(call, JobsQuery(status=status, limit=1))).total


def old_job(call: Call, job: JobOut) -> OldJob:
    """A job as the old system told of it."""
    other: dict[str, Any] = {
        "tenant_id": call.tenant_id,
        "status": _OLD[job.status],
        "printer_id": job.printer_id or job.target_printer_id,
        "last_sync_time": job.updated_at,
        "created_at": job.time_submitted,
    }
    return as_old(job, OldJob, **other)


def job_word(status: Status) -> OldStatus:
    """The old system's word for a status."""
    return _OLD[status]
