"""API keys for programs of the old system."""

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("old_answers", sa.Boolean(), nullable=False, server_default=sa.text("false")))
