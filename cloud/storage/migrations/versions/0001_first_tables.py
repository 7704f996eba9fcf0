"""The first tables: people, hubs, printers, files and jobs."""

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None


def upgrade() -> None:
    op.create_table(
        "setup_links",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_setup_links")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
    )
    op.create_table(
        "hubs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("boot", sa.Text(), server_default="", nullable=False),
        sa.Column("acked", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("firmware", sa.Text(), server_default="", nullable=False),
        sa.Column("board", sa.Text(), server_default="", nullable=False),
        sa.Column("sockets", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("max_printers", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("reported_revision", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_seen_at", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_hubs_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hubs")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_hubs_tenant_id_id")),
    )
    op.create_table(
        "print_files",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("file_size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("printer_model_id", sa.Text(), nullable=True),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.Column("plates", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_print_files_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_print_files")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_print_files_tenant_id_id")),
    )
    op.create_index(op.f("ix_print_files_sha256"), "print_files", ["sha256"], unique=False)
    op.create_index(
        op.f("ix_print_files_tenant_id_created_at"), "print_files", ["tenant_id", "created_at"], unique=False
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("last_login_at", sa.Text(), nullable=True),
        sa.CheckConstraint("role IN ('owner', 'operator', 'viewer')", name=op.f("ck_users_role")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_users_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_users_tenant_id_id")),
    )
    op.create_table(
        "hub_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("printer_id", sa.Text(), server_default="", nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "hub_id"],
            ["hubs.tenant_id", "hubs.id"],
            name=op.f("fk_hub_events_tenant_id_hub_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_hub_events_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_events")),
        sa.UniqueConstraint("hub_id", "boot", "n", name=op.f("uq_hub_events_hub_id_boot_n")),
    )
    op.create_index(op.f("ix_hub_events_received_at"), "hub_events", ["received_at"], unique=False)
    op.create_table(
        "printers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("hub_id", sa.Text(), nullable=True),
        sa.Column("printer_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("ip_address", sa.Text(), nullable=False),
        sa.Column("serial_number", sa.Text(), nullable=False),
        sa.Column("access_code_enc", sa.Text(), nullable=False),
        sa.Column("cert_sha256", sa.Text(), server_default="", nullable=False),
        sa.Column("mqtt_port", sa.Integer(), server_default=sa.text("8883"), nullable=False),
        sa.Column("ftps_port", sa.Integer(), server_default=sa.text("990"), nullable=False),
        sa.Column("camera_port", sa.Integer(), server_default=sa.text("6000"), nullable=False),
        sa.Column("nozzle_size", sa.Float(), nullable=True),
        sa.Column("current_build_plate", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("url_form", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("connect", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("cleared", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("sort_order", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_state", sa.Text(), nullable=True),
        sa.Column("last_state_at", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "hub_id"], ["hubs.tenant_id", "hubs.id"], name=op.f("fk_printers_tenant_id_hub_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_printers_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_printers")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_printers_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "printer_id", name=op.f("uq_printers_tenant_id_printer_id")),
        sa.UniqueConstraint("tenant_id", "serial_number", name=op.f("uq_printers_tenant_id_serial_number")),
    )
    op.create_index(op.f("ix_printers_hub_id"), "printers", ["hub_id"], unique=False)
    op.create_index(op.f("ix_printers_tenant_id_sort_order"), "printers", ["tenant_id", "sort_order"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("fk_sessions_tenant_id_user_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_sessions_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_sessions_tenant_id_user_id"), "sessions", ["tenant_id", "user_id"], unique=False)
    op.create_table(
        "print_jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("print_file_id", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("plate", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("held", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("target_printer_id", sa.Text(), nullable=True),
        sa.Column("printer_id", sa.Text(), nullable=True),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("rank", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("task_id", sa.Text(), server_default="", nullable=False),
        sa.Column("remote_path", sa.Text(), server_default="", nullable=False),
        sa.Column("url_form", sa.Text(), server_default="", nullable=False),
        sa.Column("color_policy", sa.Text(), server_default="match", nullable=False),
        sa.Column("ams_mapping", sa.Text(), nullable=True),
        sa.Column("options", sa.Text(), server_default="{}", nullable=False),
        sa.Column("filaments", sa.Text(), server_default="[]", nullable=False),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("nozzle", sa.Float(), nullable=True),
        sa.Column("estimated_seconds", sa.Integer(), nullable=True),
        sa.Column("progress_percentage", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("remaining_seconds", sa.Integer(), nullable=True),
        sa.Column("layer", sa.Integer(), nullable=True),
        sa.Column("layers", sa.Integer(), nullable=True),
        sa.Column("upload_percent", sa.Integer(), nullable=True),
        sa.Column("waiting_reason", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("error_code", sa.BigInteger(), nullable=True),
        sa.Column("cancel_requested_at", sa.Text(), nullable=True),
        sa.Column("cancel_requested_by", sa.Text(), nullable=True),
        sa.Column("submitted_by", sa.Text(), server_default="", nullable=False),
        sa.Column("time_submitted", sa.Text(), nullable=False),
        sa.Column("time_started", sa.Text(), nullable=True),
        sa.Column("time_completed", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("color_policy IN ('match', 'type')", name=op.f("ck_print_jobs_color_policy")),
        sa.CheckConstraint(
            "status IN ('queued', 'assigned', 'uploading', 'starting', 'printing', 'paused', "
            "'completed', 'failed', 'cancelled')",
            name=op.f("ck_print_jobs_status"),
        ),
        sa.CheckConstraint("progress_percentage BETWEEN 0 AND 100", name=op.f("ck_print_jobs_progress")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "print_file_id"],
            ["print_files.tenant_id", "print_files.id"],
            name=op.f("fk_print_jobs_tenant_id_print_file_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "printer_id"],
            ["printers.tenant_id", "printers.id"],
            name=op.f("fk_print_jobs_tenant_id_printer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "target_printer_id"],
            ["printers.tenant_id", "printers.id"],
            name=op.f("fk_print_jobs_tenant_id_target_printer_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_print_jobs_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_print_jobs")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_print_jobs_tenant_id_id")),
    )
    op.create_index(op.f("ix_print_jobs_print_file_id"), "print_jobs", ["print_file_id"], unique=False)
    op.create_index(
        op.f("ix_print_jobs_tenant_id_status_time_submitted"),
        "print_jobs",
        ["tenant_id", "status", "time_submitted"],
        unique=False,
    )
    op.create_index(
        op.f("ix_print_jobs_tenant_id_time_submitted"), "print_jobs", ["tenant_id", "time_submitted"], unique=False
    )
    op.create_index(
        "uq_print_jobs_holding_printer",
        "print_jobs",
        ["printer_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('assigned', 'uploading', 'starting', 'printing', 'paused')"),
        postgresql_where=sa.text("status IN ('assigned', 'uploading', 'starting', 'printing', 'paused')"),
    )
    op.create_table(
        "printer_files",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("printer_id", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "printer_id"],
            ["printers.tenant_id", "printers.id"],
            name=op.f("fk_printer_files_tenant_id_printer_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_printer_files_tenant_id")),
        sa.PrimaryKeyConstraint("printer_id", "path", name=op.f("pk_printer_files")),
    )
    op.create_table(
        "job_history",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=True),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("printer_id", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("details", sa.Text(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["print_jobs.tenant_id", "print_jobs.id"],
            name=op.f("fk_job_history_tenant_id_job_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_job_history_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_history")),
    )
    op.create_index(
        op.f("ix_job_history_tenant_id_job_id_at"), "job_history", ["tenant_id", "job_id", "at"], unique=False
    )
