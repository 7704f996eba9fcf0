"""Runs of plates, and what became of each."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Index, Integer, Table, UniqueConstraint, text

from cloud.storage.tables.base import (
    flag,
    id_column,
    legacy,
    listed,
    maybe_float,
    maybe_number,
    maybe_words,
    metadata,
    number,
    one_of,
    tenant,
    within_tenant,
    words,
)

JOB_STATUSES = (
    "queued",
    "assigned",
    "uploading",
    "starting",
    "printing",
    "paused",
    "completed",
    "failed",
    "cancelled",
)
HOLDING = ("assigned", "uploading", "starting", "printing", "paused")
"""Job states in which the job holds its printer."""
FINISHED = ("completed", "failed", "cancelled")

print_jobs = Table(
    "print_jobs",
    metadata,
    id_column(),
    tenant(),
    maybe_words("print_file_id"),  # NULL only on a migrated job whose file was gone
    words("file_name"),
    Column("plate", Integer, nullable=False),
    words("status", server_default="queued"),
    flag("held", False),  # waits until somebody starts it
    maybe_words("target_printer_id"),  # NULL = any that fits
    maybe_words("printer_id"),  # the one it is assigned to
    number("priority"),
    Column("rank", Float, nullable=False, server_default=text("0")),  # order within a priority
    number("attempt"),
    words("task_id", server_default=""),  # decimal, new for every attempt; "" before the first
    words("remote_path", server_default=""),
    words("url_form", server_default=""),
    words("color_policy", server_default="match"),
    maybe_words("ams_mapping"),  # JSON list; NULL = choose from the loaded trays
    words("options", server_default="{}"),  # JSON
    words("filaments", server_default="[]"),  # JSON
    maybe_words("model_id"),  # code of the printer model it was sliced for
    Column("nozzle", Float, nullable=True),  # mm
    maybe_number("estimated_seconds"),
    number("progress_percentage"),
    maybe_number("remaining_seconds"),
    maybe_number("layer"),
    maybe_number("layers"),
    maybe_number("upload_percent"),
    maybe_words("waiting_reason"),
    maybe_words("failure_code"),
    maybe_words("failure_reason"),
    Column("error_code", BigInteger, nullable=True),  # as the printer reports it, 32 bits
    maybe_words("cancel_requested_at"),  # somebody wants it stopped; the printer has not confirmed yet
    maybe_words("cancel_requested_by"),
    words("submitted_by", server_default=""),
    words("time_submitted"),
    maybe_words("time_started"),
    maybe_words("time_completed"),
    words("updated_at"),
    number("version"),  # raised by every change but of figures and the waiting reason: compare-and-set
    # What it is printed for.
    maybe_words("product_sku_id"),
    maybe_words("order_line_id"),
    maybe_words("color"),
    maybe_words("filament_type"),
    maybe_float("filament_needed_grams"),
    number("number_of_units", 1),  # pieces a finished run yields
    maybe_words("bambu_job_id"),  # the printer's own number, on migrated jobs
    legacy(),
    within_tenant("print_file_id", "print_files"),
    within_tenant("target_printer_id", "printers"),
    within_tenant("printer_id", "printers"),
    within_tenant("product_sku_id", "product_skus"),
    within_tenant("order_line_id", "order_lines"),
    UniqueConstraint("tenant_id", "id"),
    one_of("status", JOB_STATUSES),
    one_of("color_policy", ("match", "type")),
    CheckConstraint("progress_percentage BETWEEN 0 AND 100", name="progress"),
    Index(None, "tenant_id", "status", "time_submitted"),
    Index(None, "tenant_id", "time_submitted"),
    Index(None, "tenant_id", "time_completed"),
    Index(None, "print_file_id"),
    Index(None, "tenant_id", "printer_id", "time_submitted"),
    Index(None, "tenant_id", "product_sku_id"),
    Index(None, "order_line_id"),
    Index(
        "uq_print_jobs_holding_printer",
        "printer_id",
        unique=True,
        sqlite_where=text(f"status IN ({listed(HOLDING)})"),
        postgresql_where=text(f"status IN ({listed(HOLDING)})"),
    ),
)

job_history = Table(
    "job_history",
    metadata,
    id_column(),
    tenant(),
    words("job_id"),
    words("at"),
    maybe_words("from_status"),
    words("to_status"),
    words("reason", server_default=""),
    words("actor", server_default=""),
    maybe_words("printer_id"),  # no reference: history outlives the printer
    number("attempt"),
    words("details", server_default="{}"),  # JSON
    within_tenant("job_id", "print_jobs", ondelete="CASCADE"),
    Index(None, "tenant_id", "job_id", "at"),
)
