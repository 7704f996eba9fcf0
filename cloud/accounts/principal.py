"""Whoever a request speaks for."""

from typing import Final, Literal

import msgspec

Role = Literal["owner", "operator", "viewer"]

_RANK: Final[dict[Role, int]] = {"viewer": 0, "operator": 1, "owner": 2}


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A person, logged in."""

    user_id: str
    tenant_id: str
    email: str
    name: str
    role: Role
    session_id: str
    expires_at: str
    """When the login ends by itself, ISO 8601."""


def allows(role: Role, needed: Role) -> bool:
    """Roles are steps: an owner may all an operator may, who may all a viewer may."""
    return _RANK[role] >= _RANK[needed]
