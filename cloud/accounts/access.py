"""Who may do what: the one rule, for HTTP, WebSockets and files alike.

A person may what his role allows. An API key may what its scopes name, and never more than the person it belongs to;
what concerns credentials takes a person.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from cloud.accounts.principal import Principal, Role

Area = Literal["printers", "jobs", "files", "catalog", "production", "hubs", "reports", "settings"]
"""What a scope of an API key is about."""
Action = Literal["read", "write"]

AREAS: Final[tuple[Area, ...]] = get_args(Area)
SCOPES: Final = tuple(f"{area}:{action}" for area in AREAS for action in ("read", "write"))
"""All there are. Writing includes reading."""

_RANK: Final[Mapping[Role, int]] = {"viewer": 0, "operator": 1, "owner": 2}


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation takes."""

    role: Role
    area: Area | None
    """None: it takes a person, who is logged in."""
    action: Action


class Refusal(msgspec.Struct, frozen=True):
    """Why somebody may not. `needed` is the role or the scope that is missing."""

    needed: str
    sentence: str


def allows(role: Role, needed: Role) -> bool:
    """Roles are steps: an owner may all an operator may, who may all a viewer may."""
    return _RANK[role] >= _RANK[needed]


def refusal(principal: Principal, need: Need) -> Refusal | None:
    """None when the caller may."""
    if not allows(principal.role, need.role):
        return Refusal(need.role, f"This takes the role {need.role}; yours is {principal.role}.")
    if principal.scopes is None:
        return None
    if need.area is None:
        return Refusal("session", "An API key may not do this: log in as a person.")
    scope = f"{need.area}:{need.action}"
    if scope in principal.scopes or f"{need.area}:write" in principal.scopes:
        return None
    return Refusal(scope, f"This takes an API key with the scope {scope}.")
