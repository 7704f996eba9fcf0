"""Tenants, people, and everything that proves who somebody is."""

from sqlalchemy import Column, Index, Table, Text, UniqueConstraint

from cloud.storage.tables.base import (
    flag,
    id_column,
    maybe_number,
    maybe_words,
    metadata,
    number,
    one_of,
    tenant,
    version,
    within_tenant,
    words,
)

ROLES = ("owner", "operator", "viewer")
LINKS = ("invitation", "password", "signup")
"""What a one-time link is for."""

tenants = Table(
    "tenants",
    metadata,
    id_column(),
    words("name"),
    words("settings", server_default="{}"),  # JSON of accounts' TenantSettings
    words("created_at"),
    maybe_words("updated_at"),
    version(),
)

users = Table(
    "users",
    metadata,
    id_column(),
    tenant(),
    words("email"),  # lower case
    words("name"),
    words("password_hash"),  # "" = logs in at the identity provider only
    words("role"),
    flag("is_active", True),
    maybe_words("totp_secret_enc"),  # secrets.py; set but unconfirmed while it is being set up
    maybe_words("totp_confirmed_at"),  # from then on a login takes a code
    maybe_number("totp_last_step"),  # the 30-second step of the last accepted code: each code counts once
    maybe_words("oidc_subject"),  # the provider's name for this person, bound at the first login there
    maybe_words("password_changed_at"),
    words("created_at"),
    maybe_words("updated_at"),
    maybe_words("last_login_at"),
    version(),
    UniqueConstraint("email"),
    UniqueConstraint("tenant_id", "id"),
    UniqueConstraint("oidc_subject"),
    one_of("role", ROLES),
)

sessions = Table(
    "sessions",
    metadata,
    id_column(),
    tenant(),
    words("user_id"),
    words("created_at"),
    words("expires_at"),
    maybe_words("revoked_at"),
    maybe_words("revoked_reason"),
    words("user_agent", server_default=""),
    words("address", server_default=""),
    words("method", server_default="password"),  # how the person logged in
    maybe_words("last_used_at"),
    number("generation"),  # of the refresh token that is valid now: an older one was stolen, or is a thief's
    maybe_words("rotated_at"),
    within_tenant("user_id", "users", ondelete="CASCADE"),
    Index(None, "tenant_id", "user_id"),
    Index(None, "expires_at"),
)

setup_links = Table(
    "setup_links",
    metadata,
    Column("token_hash", Text, primary_key=True),
    words("created_at"),
    words("expires_at"),
    maybe_words("used_at"),
)

links = Table(
    "links",
    metadata,
    # One-time links sent by mail. Their tokens are kept as SHA-256 only.
    id_column(),
    Column("tenant_id", Text, nullable=True),  # NULL: makes a tenant of its own
    words("purpose"),
    words("token_hash"),
    words("email"),
    words("name", server_default=""),
    maybe_words("role"),
    maybe_words("user_id"),
    words("created_at"),
    maybe_words("created_by"),
    words("expires_at"),
    maybe_words("used_at"),
    maybe_words("revoked_at"),
    UniqueConstraint("token_hash"),
    one_of("purpose", LINKS),
    Index(None, "tenant_id", "created_at"),
    Index(None, "expires_at"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    id_column(),
    tenant(),
    words("user_id"),
    words("code_hash"),
    words("created_at"),
    maybe_words("used_at"),
    within_tenant("user_id", "users", ondelete="CASCADE"),
    UniqueConstraint("user_id", "code_hash"),
    Index(None, "tenant_id", "user_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    id_column(),
    tenant(),
    words("user_id"),  # acts as this person at most
    words("name"),
    words("key_hash"),  # SHA-256: the key is random
    words("hint"),  # its last characters, to tell keys apart
    words("scopes"),  # JSON list
    flag("old_answers", default=False),  # it is for a program of the old system, and is answered as that did
    words("created_at"),
    maybe_words("expires_at"),
    maybe_words("last_used_at"),
    maybe_words("last_used_address"),
    maybe_words("revoked_at"),
    within_tenant("user_id", "users", ondelete="CASCADE"),
    UniqueConstraint("key_hash"),
    UniqueConstraint("tenant_id", "id"),
    Index(None, "tenant_id", "created_at"),
    Index(None, "tenant_id", "user_id"),
)

audit_log = Table(
    "audit_log",
    metadata,
    # Written in the transaction of the change it tells of; never changed.
    id_column(),
    tenant(),
    words("at"),
    words("actor"),  # id of a user or an API key, or the part of the system that acted
    words("actor_name"),  # as it was then: the log outlives the person
    words("action"),  # operation of the API, "printers_update"
    words("object_type"),
    words("object_id", server_default=""),
    words("details", server_default="{}"),  # JSON; secrets never
    words("address", server_default=""),
    words("request_id", server_default=""),
    Index(None, "tenant_id", "at"),
    Index(None, "tenant_id", "object_type", "object_id", "at"),
    Index(None, "tenant_id", "actor", "at"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    # What a creation was answered, for whoever asks again with the same key.
    Column("tenant_id", Text, primary_key=True),
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    words("fingerprint"),  # SHA-256 of method, path and body
    maybe_number("status"),  # NULL: done, but its answer was lost
    maybe_words("answer"),
    words("created_at"),
    Index(None, "created_at"),
)
