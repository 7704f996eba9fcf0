"""/api/auth: logging in and out, who one is, and the first owner."""

from typing import Literal

from msgspec import Struct

from cloud.accounts import Accounts, Principal, Role
from cloud.accounts.service import Login
from cloud.accounts.web import WebGate
from cloud.api.kit import PUBLIC, Call, Endpoint
from cloud.api.shapes import Email, Name
from cloud.storage.secrets import Secret


class LoginIn(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    password: Secret


class SetupIn(Struct, frozen=True, forbid_unknown_fields=True):
    token: Secret
    """What stands behind the `#` of the set-up link."""
    email: Email
    password: Secret
    name: Name


class User(Struct, frozen=True, kw_only=True):
    id: str
    email: str
    name: str
    role: Role


class Session(Struct, frozen=True, kw_only=True):
    """A login. Browsers get a cookie beside it; programs send the token as `Authorization: Bearer`."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind, not a token
    expires_in: int
    """Seconds."""
    user: User


class AuthApi:
    """Endpoints about the login itself."""

    def __init__(self, accounts: Accounts, gate: WebGate) -> None:
        self._accounts = accounts
        self._gate = gate

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("POST", "/api/auth/login", self.login, role=PUBLIC, errors=(401, 429)),
            Endpoint("POST", "/api/auth/setup", self.setup, role=PUBLIC, errors=(429,)),
            Endpoint("GET", "/api/auth/me", self.me),
            Endpoint("POST", "/api/auth/logout", self.logout, role="viewer"),
        ]

    async def login(self, call: Call, body: LoginIn) -> Session:
        """Log in with e-mail address and password."""
        login = await self._accounts.login(body.email, body.password, address=call.address, user_agent=call.user_agent)
        return self._begin(call, login)

    async def setup(self, call: Call, body: SetupIn) -> Session:
        """Create the first owner with the set-up link from the server's log, and log in."""
        login = await self._accounts.setup(
            body.token,
            email=body.email,
            password=body.password,
            name=body.name,
            address=call.address,
            user_agent=call.user_agent,
        )
        return self._begin(call, login)

    async def me(self, call: Call) -> User:
        """Who is logged in."""
        return _user(call.principal)

    async def logout(self, call: Call) -> None:
        """End this session everywhere: its token dies and its sockets close."""
        await self._accounts.logout(call.principal)
        call.finish = self._gate.log_out

    def _begin(self, call: Call, login: Login) -> Session:
        call.finish = lambda response: self._gate.log_in(response, login)
        return Session(access_token=login.token.reveal(), expires_in=login.seconds, user=_user(login.principal))


def _user(principal: Principal) -> User:
    return User(id=principal.user_id, email=principal.email, name=principal.name, role=principal.role)
