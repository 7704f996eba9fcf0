"""/api/sessions: where one is logged in, and logging out there."""

from collections.abc import Sequence

from msgspec import Struct

from cloud.accounts import Accounts
from cloud.api.errors import not_found
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id
from cloud.storage import sessions as queries


class SessionOut(Struct, frozen=True, kw_only=True):
    id: str
    current: bool
    """The one that asks."""
    method: str
    """How one logged in: password, setup, invitation, reset, oidc."""
    address: str
    user_agent: str
    created_at: str
    last_used_at: str | None
    expires_at: str


class SessionList(Struct, frozen=True):
    items: list[SessionOut]
    total: int


class Ended(Struct, frozen=True):
    sessions: int
    """How many ended."""


class SessionsApi:
    """Endpoints about one's own logins."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", "/api/sessions/", self.list),
            Endpoint("DELETE", "/api/sessions/{id}", self.end, role="viewer"),
            Endpoint("POST", "/api/sessions/revoke-others", self.end_others, role="viewer"),
        ]

    async def list(self, call: Call) -> SessionList:
        """Where one is logged in, the last used first."""
        mine = await call.store.read(lambda tx: queries.of_user(tx, call.principal.user_id))
        return session_list(mine, call.principal.session_id)

    async def end(self, call: Call, session_id: Id) -> None:
        """Log out there."""
        me = call.principal.user_id
        sessions = self._accounts.sessions
        if not await call.store.write(lambda tx: sessions.revoke(tx, session_id, reason="ended", user_id=me)):
            raise not_found("session")

    async def end_others(self, call: Call) -> Ended:
        """Log out everywhere else."""
        me, this = call.principal.user_id, call.principal.session_id
        sessions = self._accounts.sessions
        return Ended(await call.store.write(lambda tx: sessions.revoke_all(tx, me, reason="ended", but=this)))


def session_list(found: Sequence[queries.Session], current: str) -> SessionList:
    items = [
        SessionOut(
            id=session.id,
            current=session.id == current,
            method=session.method,
            address=session.address,
            user_agent=session.user_agent,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
        )
        for session in found
    ]
    return SessionList(items, len(items))
