"""Releases of the hubs' firmware, and how they go on the hubs. Only new tables."""

import sqlalchemy as sa
from alembic import op

from cloud.storage.migrations.row_security import protect

revision: str = "0007"
down_revision: str | None = "0006"

_CHANNELS = "channel IN ('stable', 'beta')"


def _words(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=default)


def _number(name: str, default: int = 0) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text(str(default)))


def _of_release(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["version"], ["hub_releases.version"], name=op.f(f"fk_{table}_version"), ondelete="CASCADE"
    )


def upgrade() -> None:
    op.create_table(
        "hub_releases",
        _words("version"),
        _words("channel"),
        _number("percentage", 100),
        sa.Column("halted_at", sa.Text(), nullable=True),
        _words("halted_why", ""),
        _number("forgiven"),
        _words("notes", ""),
        _words("created_at"),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_hub_releases")),
        sa.CheckConstraint(_CHANNELS, name=op.f("ck_hub_releases_channel")),
    )
    op.create_table(
        "hub_release_targets",
        _words("version"),
        _words("target"),
        _words("manifest"),
        _number("size"),
        _of_release("hub_release_targets"),
        sa.PrimaryKeyConstraint("version", "target", name=op.f("pk_hub_release_targets")),
    )
    op.create_table(
        "hub_release_files",
        _words("version"),
        _words("sha256"),
        sa.Column("size", sa.Integer(), nullable=False),
        _of_release("hub_release_files"),
        sa.PrimaryKeyConstraint("version", "sha256", name=op.f("pk_hub_release_files")),
    )
    op.create_index("ix_hub_release_files_sha256", "hub_release_files", ["sha256"])
    op.create_table(
        "hub_protocols",
        _words("protocol"),
        _words("minimum"),
        sa.PrimaryKeyConstraint("protocol", name=op.f("pk_hub_protocols")),
    )
    op.create_table(
        "hub_rollouts",
        _words("tenant_id"),
        _words("channel", "stable"),
        _number("percentage", 100),
        _number("version", 1),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_hub_rollouts_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_hub_rollouts")),
        sa.CheckConstraint(_CHANNELS, name=op.f("ck_hub_rollouts_channel")),
    )
    _updates()
    protect("hub_rollouts", "hub_updates")


def _updates() -> None:
    op.create_table(
        "hub_updates",
        _words("id"),
        _words("tenant_id"),
        _words("hub_id"),
        _words("version"),
        _words("state"),
        _words("code", ""),
        _words("message", ""),
        _number("attempts"),
        _words("asked_at"),
        _words("updated_at"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_hub_updates_tenant_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "hub_id"],
            ["hubs.tenant_id", "hubs.id"],
            name=op.f("fk_hub_updates_tenant_id_hub_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_updates")),
        sa.UniqueConstraint("hub_id", "version", name=op.f("uq_hub_updates_hub_id_version")),
    )
    op.create_index("ix_hub_updates_version_state", "hub_updates", ["version", "state"])
