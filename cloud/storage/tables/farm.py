"""Hubs and the printers behind them."""

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, PrimaryKeyConstraint, Table, UniqueConstraint, text

from cloud.storage.tables.base import (
    flag,
    id_column,
    legacy,
    maybe_number,
    maybe_words,
    metadata,
    not_negative,
    number,
    tenant,
    version,
    within_tenant,
    words,
)

_OWNED: Final = text("device_id <> '' AND released_at IS NULL AND taken_over_at IS NULL")
"""Of these a device has one at most, however many claim it at once."""

hubs = Table(
    "hubs",
    metadata,
    id_column(),
    tenant(),
    words("name"),
    words("key_hash"),  # SHA-256 of the key, hex; "" = revoked
    number("epoch"),  # fencing token: raised by each accepted connection
    words("boot", server_default=""),
    number("acked"),  # highest event number of `boot` that is stored
    words("firmware", server_default=""),
    words("board", server_default=""),
    number("sockets"),
    number("max_printers"),
    number("revision", 1),  # of the configuration the hub should run
    number("reported_revision"),  # of the one it runs
    maybe_words("last_seen_at"),
    words("created_at"),
    version(),
    # One claim of a device by a tenant; "" = set up by hand.
    words("device_id", server_default=""),
    number("reset_epoch"),  # how often the device had been reset to factory state when it was claimed
    maybe_words("released_at"),  # told to forget its owner; whoever holds it may claim it
    maybe_words("taken_over_at"),  # reset by its button and claimed again
    words("next_key_hash", server_default=""),  # a key under way: it becomes the key when the hub connects with it
    maybe_words("next_key_at"),
    # What the hub said of itself last.
    words("target", server_default=""),
    words("reset", server_default=""),
    flag("safe", False),
    words("image", server_default=""),  # the MicroPython that runs on it
    maybe_number("image_room"),  # bytes another one may have that comes over the air; 0 = none can
    maybe_words("telemetry"),  # JSON
    maybe_words("telemetry_at"),
    maybe_words("found"),  # JSON: the printers that announce themselves to it
    maybe_words("found_at"),
    words("update_version", server_default=""),
    words("update_state", server_default=""),
    words("update_code", server_default=""),
    words("update_message", server_default=""),
    maybe_words("update_at"),
    UniqueConstraint("tenant_id", "id"),
    Index(None, "tenant_id", "created_at"),
    Index(None, "device_id"),
    Index("uq_hubs_device_id_owned", "device_id", unique=True, sqlite_where=_OWNED, postgresql_where=_OWNED),
)

hub_pairings = Table(
    "hub_pairings",
    metadata,
    # Leave to claim one device for a tenant, once, within minutes. Of the token the SHA-256 is kept.
    id_column(),
    tenant(),
    words("device_id"),
    words("token_hash"),
    words("name", server_default=""),
    maybe_words("replaces"),  # no reference: that hub is gone afterwards
    words("created_by"),
    words("created_at"),
    words("expires_at"),
    maybe_words("used_at"),
    maybe_words("revoked_at"),
    maybe_words("hub_id"),  # what it made; no reference: the pairing is history
    UniqueConstraint("token_hash"),
    Index(None, "tenant_id", "created_at"),
    Index(None, "expires_at"),
)

hub_events = Table(
    "hub_events",
    metadata,
    id_column(),
    tenant(),
    words("hub_id"),
    words("boot"),
    Column("n", Integer, nullable=False),
    words("name"),
    words("printer_id", server_default=""),  # no reference: the printer may be gone when its event arrives
    words("data"),
    words("received_at"),
    within_tenant("hub_id", "hubs", ondelete="CASCADE"),
    UniqueConstraint("hub_id", "boot", "n"),  # delivered at least once, applied exactly once
    Index(None, "received_at"),
    Index(None, "hub_id", "name", "received_at"),
)

printers = Table(
    "printers",
    metadata,
    id_column(),
    tenant(),
    maybe_words("hub_id"),
    Column("printer_id", Integer, nullable=False),  # the number people use, per tenant
    words("name"),
    words("model"),  # the model's code, "C12"
    words("ip_address"),
    words("serial_number"),
    words("access_code_enc"),  # secrets.py
    words("cert_sha256", server_default=""),  # pinned certificate; "" = pin on first use
    number("mqtt_port", 8883),
    number("ftps_port", 990),
    number("camera_port", 6000),
    Column("nozzle_size", Float, nullable=True),  # mm
    maybe_words("current_build_plate"),
    maybe_words("location"),
    maybe_words("url_form"),  # what this machine was seen to accept; NULL = as its model does
    flag("is_active", True),
    flag("connect", True),  # the user wants the hub to hold a session with it
    flag("cleared", True),  # the plate is free
    number("sort_order"),
    maybe_words("last_state"),
    maybe_words("last_state_at"),
    # What a person says of it, for a printer that does not tell by itself.
    words("manufacturer", server_default="Bambu Lab"),
    maybe_words("current_color"),
    maybe_words("current_color_hex"),  # #RRGGBB
    maybe_words("current_filament_type"),
    maybe_number("filament_level"),  # percent
    # Maintenance and failures: a printer in maintenance, or disabled, gets no job.
    number("total_print_time"),  # seconds
    maybe_words("last_maintenance_date"),
    flag("in_maintenance", False),
    maybe_words("maintenance_type"),
    maybe_words("maintenance_reason"),
    maybe_words("maintenance_started_at"),
    number("consecutive_failures"),
    maybe_words("disabled_reason"),
    maybe_words("disabled_at"),
    words("created_at"),
    words("updated_at"),
    version(),
    legacy(),
    within_tenant("hub_id", "hubs"),
    UniqueConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "printer_id"),
    UniqueConstraint("tenant_id", "serial_number"),
    *not_negative("total_print_time", "consecutive_failures"),
    Index(None, "tenant_id", "sort_order"),
    Index(None, "hub_id"),
)

maintenance_log = Table(
    "maintenance_log",
    metadata,
    # Each time a printer was taken out of service, and what was done to it.
    id_column(),
    tenant(),
    words("printer_id"),
    words("type"),
    words("reason", server_default=""),
    words("started_at"),
    words("started_by"),
    maybe_words("completed_at"),
    maybe_words("completed_by"),
    words("notes", server_default=""),
    within_tenant("printer_id", "printers", ondelete="CASCADE"),
    Index(None, "tenant_id", "printer_id", "started_at"),
)

printer_files = Table(
    "printer_files",
    metadata,
    # What was put on a printer's storage and must be removed again, whatever becomes of the job.
    tenant(),
    words("printer_id"),
    words("path"),
    words("job_id"),  # no reference: the file outlives a deleted job
    words("created_at"),
    PrimaryKeyConstraint("printer_id", "path"),
    within_tenant("printer_id", "printers", ondelete="CASCADE"),
)
