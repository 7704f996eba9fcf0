"""Analytics ask for the jobs that ended in a period."""

from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    op.create_index("ix_print_jobs_tenant_id_time_completed", "print_jobs", ["tenant_id", "time_completed"])
