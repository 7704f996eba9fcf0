"""Whoever a request speaks for."""

from typing import Any, Literal, Self, cast

import msgspec

from cloud.storage.accounts import User

Role = Literal["owner", "operator", "viewer"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A person who is logged in, or a program with an API key."""

    user_id: str
    """The person, or the one the key belongs to."""
    tenant_id: str
    email: str
    name: str
    role: Role
    session_id: str
    """Of the login, or the key's id: whatever is revoked by it ends."""
    expires_at: str
    """When the login or the key ends by itself, ISO 8601."""
    scopes: frozenset[str] | None = None
    """What a key may do; None = a person."""
    old_answers: bool = False
    """The key is for a program of the old system."""

    @classmethod
    def of(cls, user: User, **login: Any) -> Self:
        """A person, with the other fields of the login or the key he comes with."""
        return cls(
            user_id=user.id,
            tenant_id=user.tenant_id,
            email=user.email,
            name=user.name,
            role=cast(Role, user.role),
            **login,
        )

    @property
    def actor(self) -> str:
        """Who it was, for histories and the audit log: the key rather than its owner."""
        return self.user_id if self.scopes is None else self.session_id
