"""Row level security on every table with rows of tenants (PostgreSQL)."""

from cloud.storage.migrations.row_security import protect

revision: str = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    protect(
        "api_keys",
        "assembly_tasks",
        "audit_log",
        "build_plate_types",
        "color_presets",
        "finished_goods",
        "hub_events",
        "hubs",
        "idempotency_keys",
        "job_history",
        "links",
        "maintenance_log",
        "order_lines",
        "orders",
        "print_files",
        "print_jobs",
        "printer_files",
        "printers",
        "product_skus",
        "products",
        "recovery_codes",
        "sessions",
        "stock_movements",
        "sync_logs",
        "users",
        "worklist_tasks",
    )
