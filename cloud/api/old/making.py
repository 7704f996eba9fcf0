"""/api/enhanced-print-jobs: how the old system was told to print something on a printer."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from cloud.api.errors import as_api_error, not_found
from cloud.api.job_shapes import JobIn, Priority
from cloud.api.kit import Call, Endpoint
from cloud.api.old.jobs import OldStatus, job_word
from cloud.api.old.numbers import printer_id_of
from cloud.api.old.shapes import as_new, old
from cloud.api.print_jobs import JobsApi
from cloud.api.shapes import Id, Line
from cloud.catalog import models
from cloud.catalog import products as product_rules
from cloud.printing.controls import Controls
from cloud.printing.service import MAX_COPIES
from cloud.storage import products as queries
from cloud.storage.tenant import TenantTx

Copies = Annotated[int, Meta(ge=1, le=MAX_COPIES)]


class MakeIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Print a file, or whatever a product is printed from, on a printer."""

    job_type: Literal["print_file", "product"]
    target_id: Id
    """Of the file or the product."""
    printer_id: Id
    """The printer's number, or its id."""
    product_sku_id: Id | None = None
    color: Line = ""
    filament_type: Line = ""
    """Not heeded, like material_type: what the printer needs stands in the file."""
    material_type: Line = ""
    copies: Copies = 1
    """So many jobs: files are printed as they were sliced."""
    spacing_mm: Annotated[float, Meta(ge=0, le=50)] = 5.0
    """Not heeded: nothing is arranged anew."""
    use_ams: bool = False
    """Not heeded: the spool is chosen by what the file needs and what is loaded."""
    start_print: bool = True
    """False: the job waits until somebody starts it."""
    priority: Priority = 0


class Making(Struct, frozen=True, kw_only=True):
    stage: Literal["queued", "held"]
    file_type: str
    target_id: str
    printer_id: str
    copies: int
    auto_start: bool


class MakeOut(Struct, frozen=True, kw_only=True):
    success: bool = True
    message: str
    job_id: str
    """Of the first, when there are several copies."""
    processing_status: Making
    error_details: str | None = None


class MakingOut(Struct, frozen=True, kw_only=True):
    success: bool = True
    job_id: str
    status: OldStatus
    progress_percentage: int
    created_at: str
    started_at: str | None
    completed_at: str | None
    failure_reason: str | None


class Findings(Struct, frozen=True, kw_only=True):
    valid: bool
    errors: list[str]
    warnings: list[str]


class Request(Struct, frozen=True, kw_only=True):
    job_type: str
    target_id: str
    printer_id: str
    copies: int
    auto_start: bool


class ValidateOut(Struct, frozen=True, kw_only=True):
    success: bool = True
    validation: Findings
    request_summary: Request


class OldMakingApi:
    """Works through the endpoints of today."""

    def __init__(self, jobs: JobsApi, controls: Controls) -> None:
        self._jobs = jobs
        self._controls = controls

    def endpoints(self) -> list[Endpoint]:
        base = "/api/enhanced-print-jobs"
        return [
            old("POST", f"{base}/create", self.make_job, errors=(404, 409)),
            old("POST", f"{base}/validate", self.validate_job),
            old("GET", f"{base}/status/{{id}}", self.job_progress),
        ]

    async def make_job(self, call: Call, body: MakeIn) -> MakeOut:
        """Queue what is to be printed; it starts as soon as the printer can take it."""
        made = await self._jobs.create(call, await self._wanted(call, body))
        told = _told(body)
        message = "The job is queued." if body.start_print else "The job is added; it waits to be started."
        stage: Literal["queued", "held"] = "queued" if body.start_print else "held"
        making = Making(stage=stage, file_type=body.job_type, **{n: v for n, v in told.items() if n != "job_type"})
        return MakeOut(message=message, job_id=made.items[0].id, processing_status=making)

    async def validate_job(self, call: Call, body: MakeIn) -> ValidateOut:
        """Say what is wrong with a request, without doing it."""
        errors, warnings = [], []
        try:
            wanted = await self._wanted(call, body)
            if not self._controls.printer(call.store, str(wanted.printer_id)).online:
                warnings.append("The printer is not connected: the job would wait for it.")
        except Exception as error:
            known = as_api_error(error)
            if known is None:
                raise
            errors.append(known.body.message)
        findings = Findings(valid=not errors, errors=errors, warnings=warnings)
        return ValidateOut(validation=findings, request_summary=Request(**_told(body)))

    async def job_progress(self, call: Call, job_id: Id) -> MakingOut:
        """How far a job is."""
        job = await self._jobs.get(call, job_id)
        return MakingOut(
            job_id=job.id,
            status=job_word(job.status),
            progress_percentage=job.progress_percentage,
            created_at=job.time_submitted,
            started_at=job.time_started,
            completed_at=job.time_completed,
            failure_reason=job.failure_reason,
        )

    # ---- inside

    async def _wanted(self, call: Call, body: MakeIn) -> JobIn:
        printer_id = await printer_id_of(call, body.printer_id)
        model = self._controls.printer(call.store, printer_id).meta["model"]
        file_id = body.target_id
        if body.job_type == "product":
            file_id = await call.store.read(lambda tx: _file_for(tx, body.target_id, model))
        values: dict[str, Any] = {
            "print_file_id": file_id,
            "printer_id": printer_id,
            "product_sku_id": body.product_sku_id,
            "color": body.color or None,
            "copies": body.copies,
            "priority": body.priority,
            "hold": not body.start_print,
        }
        return as_new(values, JobIn)


async def _file_for(tx: TenantTx, product_id: str, model: str) -> str:
    """The product's file that was sliced for this model, else the one it is printed from. Raises DomainError."""
    product = await queries.get(tx, product_id)
    if product is None:
        raise not_found("product")
    for file in await product_rules.files_of(tx, product):
        if file["sha256"] and models.compatible(file["printer_model_id"] or "", model):
            return str(file["id"])
    return await product_rules.file_to_print(tx, product_id)


def _told(body: MakeIn) -> dict[str, Any]:
    return {
        "job_type": body.job_type,
        "target_id": body.target_id,
        "printer_id": body.printer_id,
        "copies": body.copies,
        "auto_start": body.start_print,
    }
