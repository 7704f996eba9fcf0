"""Every table, as SQLAlchemy Core. Migrations bring a database here; a test compares the two.

Rules: ids and times are TEXT (ids.py, clock.py), JSON is TEXT encoded with msgspec, every row of a tenant has
tenant_id, and foreign keys between such rows contain it, so that no row can point across tenants.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ROLES = ("owner", "operator", "viewer")
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


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


def _maybe_text(name: str) -> Column[str]:
    return Column(name, Text, nullable=True)


def _int(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


def _maybe_int(name: str) -> Column[int]:
    return Column(name, Integer, nullable=True)


def _bool(name: str, default: bool) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("true" if default else "false"))


def _tenant() -> Column[str]:
    return Column("tenant_id", Text, ForeignKey("tenants.id"), nullable=False)


def _within_tenant(column: str, target: str, **options: Any) -> ForeignKeyConstraint:
    """A reference that cannot leave the tenant."""
    return ForeignKeyConstraint(["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], **options)


tenants = Table("tenants", metadata, _id(), _text("name"), _text("created_at"))

users = Table(
    "users",
    metadata,
    _id(),
    _tenant(),
    _text("email"),  # lower case
    _text("name"),
    _text("password_hash"),
    _text("role"),
    _bool("is_active", True),
    _text("created_at"),
    _maybe_text("last_login_at"),
    UniqueConstraint("email"),
    UniqueConstraint("tenant_id", "id"),
    CheckConstraint(f"role IN ({_listed(ROLES)})", name="role"),
)

sessions = Table(
    "sessions",
    metadata,
    _id(),
    _tenant(),
    _text("user_id"),
    _text("created_at"),
    _text("expires_at"),
    _maybe_text("revoked_at"),
    _text("user_agent", server_default=""),
    _within_tenant("user_id", "users", ondelete="CASCADE"),
    Index(None, "tenant_id", "user_id"),
    Index(None, "expires_at"),
)

setup_links = Table(
    "setup_links",
    metadata,
    Column("token_hash", Text, primary_key=True),
    _text("created_at"),
    _text("expires_at"),
    _maybe_text("used_at"),
)

hubs = Table(
    "hubs",
    metadata,
    _id(),
    _tenant(),
    _text("name"),
    _text("key_hash"),  # SHA-256 of the key, hex; "" = revoked
    _int("epoch"),  # fencing token: raised by each accepted connection
    _text("boot", server_default=""),
    _int("acked"),  # highest event number of `boot` that is stored
    _text("firmware", server_default=""),
    _text("board", server_default=""),
    _int("sockets"),
    _int("max_printers"),
    _int("revision", 1),  # of the configuration the hub should run
    _int("reported_revision"),  # of the one it runs
    _maybe_text("last_seen_at"),
    _text("created_at"),
    UniqueConstraint("tenant_id", "id"),
)

hub_events = Table(
    "hub_events",
    metadata,
    _id(),
    _tenant(),
    _text("hub_id"),
    _text("boot"),
    Column("n", Integer, nullable=False),
    _text("name"),
    _text("printer_id", server_default=""),  # no reference: the printer may be gone when its event arrives
    _text("data"),
    _text("received_at"),
    _within_tenant("hub_id", "hubs", ondelete="CASCADE"),
    UniqueConstraint("hub_id", "boot", "n"),  # delivered at least once, applied exactly once
    Index(None, "received_at"),
)

printers = Table(
    "printers",
    metadata,
    _id(),
    _tenant(),
    _maybe_text("hub_id"),
    Column("printer_id", Integer, nullable=False),  # the number people use, per tenant
    _text("name"),
    _text("model"),  # the model's code, "C12"
    _text("ip_address"),
    _text("serial_number"),
    _text("access_code_enc"),  # secrets.py
    _text("cert_sha256", server_default=""),  # pinned certificate; "" = pin on first use
    _int("mqtt_port", 8883),
    _int("ftps_port", 990),
    _int("camera_port", 6000),
    Column("nozzle_size", Float, nullable=True),  # mm
    _maybe_text("current_build_plate"),
    _maybe_text("location"),
    _maybe_text("url_form"),  # what this machine was seen to accept; NULL = as its model does
    _bool("is_active", True),
    _bool("connect", True),  # the user wants the hub to hold a session with it
    _bool("cleared", True),  # the plate is free
    _int("sort_order"),
    _maybe_text("last_state"),
    _maybe_text("last_state_at"),
    _text("created_at"),
    _text("updated_at"),
    _within_tenant("hub_id", "hubs"),
    UniqueConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "printer_id"),
    UniqueConstraint("tenant_id", "serial_number"),
    Index(None, "tenant_id", "sort_order"),
    Index(None, "hub_id"),
)

print_files = Table(
    "print_files",
    metadata,
    _id(),
    _tenant(),
    _text("name"),
    _text("sha256"),
    Column("file_size_bytes", BigInteger, nullable=False),
    _maybe_text("model_id"),  # of the file's design, when the slicer wrote one
    _maybe_text("printer_model_id"),  # code of the printer it was sliced for
    _text("flags"),  # JSON list
    _text("plates"),  # JSON list of catalog.sliced.Plate
    _text("created_at"),
    _text("created_by"),
    _maybe_text("deleted_at"),
    UniqueConstraint("tenant_id", "id"),
    Index(None, "tenant_id", "created_at"),
    Index(None, "sha256"),
)

print_jobs = Table(
    "print_jobs",
    metadata,
    _id(),
    _tenant(),
    _text("print_file_id"),
    _text("file_name"),
    Column("plate", Integer, nullable=False),
    _text("status", server_default="queued"),
    _bool("held", False),  # waits until somebody starts it
    _maybe_text("target_printer_id"),  # NULL = any that fits
    _maybe_text("printer_id"),  # the one it is assigned to
    _int("priority"),
    Column("rank", Float, nullable=False, server_default=text("0")),  # order within a priority
    _int("attempt"),
    _text("task_id", server_default=""),  # decimal, new for every attempt; "" before the first
    _text("remote_path", server_default=""),
    _text("url_form", server_default=""),
    _text("color_policy", server_default="match"),
    _maybe_text("ams_mapping"),  # JSON list; NULL = choose from the loaded trays
    _text("options", server_default="{}"),  # JSON
    _text("filaments", server_default="[]"),  # JSON
    _maybe_text("model_id"),  # code of the printer model it was sliced for
    Column("nozzle", Float, nullable=True),  # mm
    _maybe_int("estimated_seconds"),
    _int("progress_percentage"),
    _maybe_int("remaining_seconds"),
    _maybe_int("layer"),
    _maybe_int("layers"),
    _maybe_int("upload_percent"),
    _maybe_text("waiting_reason"),
    _maybe_text("failure_code"),
    _maybe_text("failure_reason"),
    Column("error_code", BigInteger, nullable=True),  # as the printer reports it, 32 bits
    _maybe_text("cancel_requested_at"),  # somebody wants it stopped; the printer has not confirmed yet
    _maybe_text("cancel_requested_by"),
    _text("submitted_by", server_default=""),
    _text("time_submitted"),
    _maybe_text("time_started"),
    _maybe_text("time_completed"),
    _text("updated_at"),
    _int("version"),  # raised by every change: compare-and-set
    _within_tenant("print_file_id", "print_files"),
    _within_tenant("target_printer_id", "printers"),
    _within_tenant("printer_id", "printers"),
    UniqueConstraint("tenant_id", "id"),
    CheckConstraint(f"status IN ({_listed(JOB_STATUSES)})", name="status"),
    CheckConstraint("color_policy IN ('match', 'type')", name="color_policy"),
    CheckConstraint("progress_percentage BETWEEN 0 AND 100", name="progress"),
    Index(None, "tenant_id", "status", "time_submitted"),
    Index(None, "tenant_id", "time_submitted"),
    Index(None, "print_file_id"),
    Index(
        "uq_print_jobs_holding_printer",
        "printer_id",
        unique=True,
        sqlite_where=text(f"status IN ({_listed(HOLDING)})"),
        postgresql_where=text(f"status IN ({_listed(HOLDING)})"),
    ),
)

job_history = Table(
    "job_history",
    metadata,
    _id(),
    _tenant(),
    _text("job_id"),
    _text("at"),
    _maybe_text("from_status"),
    _text("to_status"),
    _text("reason", server_default=""),
    _text("actor", server_default=""),
    _maybe_text("printer_id"),  # no reference: history outlives the printer
    _int("attempt"),
    _text("details", server_default="{}"),  # JSON
    _within_tenant("job_id", "print_jobs", ondelete="CASCADE"),
    Index(None, "tenant_id", "job_id", "at"),
)

printer_files = Table(
    "printer_files",
    metadata,
    # What was put on a printer's storage and must be removed again, whatever becomes of the job.
    _tenant(),
    _text("printer_id"),
    _text("path"),
    _text("job_id"),  # no reference: the file outlives a deleted job
    _text("created_at"),
    PrimaryKeyConstraint("printer_id", "path"),
    _within_tenant("printer_id", "printers", ondelete="CASCADE"),
)
