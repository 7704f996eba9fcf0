"""The MicroPython that hubs run, whether another one can come over the air, and which one a release brings."""

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"


def upgrade() -> None:
    op.add_column("hubs", sa.Column("image", sa.Text(), server_default="", nullable=False))
    op.add_column("hubs", sa.Column("image_room", sa.Integer(), nullable=True))
    op.add_column("hub_release_targets", sa.Column("image", sa.Text(), server_default="", nullable=False))
