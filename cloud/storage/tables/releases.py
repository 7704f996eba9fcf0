"""Releases of the hubs' firmware: of the whole installation, so most of these tables have no tenant."""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text, UniqueConstraint

from cloud.storage.tables.base import (
    id_column,
    maybe_words,
    metadata,
    number,
    one_of,
    tenant,
    version,
    within_tenant,
    words,
)

CHANNELS: Final = ("stable", "beta")

hub_releases = Table(
    "hub_releases",
    metadata,
    Column("version", Text, primary_key=True),
    words("channel"),
    number("percentage", 100),  # of all hubs, by a hash of their ids
    maybe_words("halted_at"),
    words("halted_why", server_default=""),
    number("forgiven"),  # failures until it was resumed: they do not stop it again
    words("notes", server_default=""),
    words("created_at"),
    one_of("channel", CHANNELS),
)

hub_release_targets = Table(
    "hub_release_targets",
    metadata,
    # What hubs of one kind of board fetch first.
    Column("version", Text, ForeignKey("hub_releases.version", ondelete="CASCADE"), nullable=False),
    words("target"),
    words("manifest"),  # as it is sent: signature, line feed, JSON
    number("size"),  # bytes of all its files
    words("image", server_default=""),  # version of the MicroPython it brings
    PrimaryKeyConstraint("version", "target"),
)

hub_release_files = Table(
    "hub_release_files",
    metadata,
    # The bytes are in the file store, under their hash.
    Column("version", Text, ForeignKey("hub_releases.version", ondelete="CASCADE"), nullable=False),
    words("sha256"),
    Column("size", Integer, nullable=False),
    PrimaryKeyConstraint("version", "sha256"),
    Index(None, "sha256"),
)

hub_protocols = Table(
    "hub_protocols",
    metadata,
    # The oldest firmware that may speak a version of the protocol: what is older is updated before its turn.
    Column("protocol", Text, primary_key=True),
    words("minimum"),
)

hub_rollouts = Table(
    "hub_rollouts",
    metadata,
    # What a farm wants of updates; without a row: stable, all its hubs.
    Column("tenant_id", Text, ForeignKey("tenants.id"), primary_key=True),
    words("channel", server_default="stable"),
    number("percentage", 100),  # of its hubs
    version(),
    one_of("channel", CHANNELS),
)

hub_updates = Table(
    "hub_updates",
    metadata,
    # How a release went on a hub.
    id_column(),
    tenant(),
    words("hub_id"),
    words("version"),
    words("state"),  # asked, or a word of messages.UPDATE_STATES
    words("code", server_default=""),
    words("message", server_default=""),
    number("attempts"),
    words("asked_at"),
    words("updated_at"),
    within_tenant("hub_id", "hubs", ondelete="CASCADE"),
    UniqueConstraint("hub_id", "version"),
    Index(None, "version", "state"),
)
