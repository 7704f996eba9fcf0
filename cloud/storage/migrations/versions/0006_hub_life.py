"""A hub's whole life: the device behind it, how it is, its next key, its updates; and leave to claim a device.

Only additions, so that the release before goes on working on this schema.
"""

import sqlalchemy as sa
from alembic import op

from cloud.storage.migrations.row_security import protect

revision: str = "0006"
down_revision: str | None = "0005"

_WORDS = ("device_id", "next_key_hash", "target", "reset")
_WORDS_OF_UPDATES = ("update_version", "update_state", "update_code", "update_message")
_MAYBE = ("released_at", "taken_over_at", "next_key_at", "telemetry", "telemetry_at", "found", "found_at", "update_at")
_OWNED = sa.text("device_id <> '' AND released_at IS NULL AND taken_over_at IS NULL")


def upgrade() -> None:
    for name in (*_WORDS, *_WORDS_OF_UPDATES):
        op.add_column("hubs", sa.Column(name, sa.Text(), server_default="", nullable=False))
    for name in _MAYBE:
        op.add_column("hubs", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("hubs", sa.Column("reset_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("hubs", sa.Column("safe", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index("ix_hubs_device_id", "hubs", ["device_id"])
    op.create_index(
        "uq_hubs_device_id_owned", "hubs", ["device_id"], unique=True, sqlite_where=_OWNED, postgresql_where=_OWNED
    )
    op.create_index("ix_hub_events_hub_id_name_received_at", "hub_events", ["hub_id", "name", "received_at"])
    op.create_table(
        "hub_pairings",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("replaces", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Text(), nullable=True),
        sa.Column("revoked_at", sa.Text(), nullable=True),
        sa.Column("hub_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_hub_pairings_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_pairings")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_hub_pairings_token_hash")),
    )
    op.create_index("ix_hub_pairings_tenant_id_created_at", "hub_pairings", ["tenant_id", "created_at"])
    op.create_index("ix_hub_pairings_expires_at", "hub_pairings", ["expires_at"])
    protect("hub_pairings")
