"""/api/auth: logging in, staying logged in, logging out; the ways in by a link; who one is."""

from typing import Literal

from msgspec import Struct

from cloud.accounts import Accounts, Principal, Role
from cloud.accounts.sessions import Login, Origin
from cloud.accounts.web import WebGate
from cloud.api.errors import ApiError
from cloud.api.kit import PUBLIC, Call, Endpoint
from cloud.api.shapes import Email, Name
from cloud.storage.secrets import Secret


class LoginIn(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    password: Secret
    code: Secret | None = None
    """The second step, where the answer was `code_required`: six digits, or a recovery code."""


class SetupIn(Struct, frozen=True, forbid_unknown_fields=True):
    token: Secret
    """What stands behind the `#` of the set-up link."""
    email: Email
    password: Secret
    name: Name


class RefreshIn(Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Secret | None = None
    """Of a program; a browser sends its cookie."""


class TokenIn(Struct, frozen=True, forbid_unknown_fields=True):
    token: Secret
    """What stands behind the `#` of the link."""


class AcceptIn(Struct, frozen=True, forbid_unknown_fields=True):
    token: Secret
    name: Name
    password: Secret


class ResetIn(Struct, frozen=True, forbid_unknown_fields=True):
    token: Secret
    password: Secret
    code: Secret | None = None
    """The second step, where the answer was `code_required`, as at a login."""


class ForgotIn(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


class SignupIn(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    farm_name: Name


class PasswordIn(Struct, frozen=True, forbid_unknown_fields=True):
    current_password: Secret
    new_password: Secret


class MePatch(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name


class User(Struct, frozen=True, kw_only=True):
    id: str
    email: str
    name: str
    role: Role


class Session(Struct, frozen=True, kw_only=True):
    """A login. Browsers get cookies beside it; programs send the token as `Authorization: Bearer`."""

    access_token: str
    refresh_token: str
    """Good for one refresh, which gives the next one. Using it twice ends the login."""
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind, not a token
    expires_in: int
    """Of the access token, seconds."""
    user: User


class Invited(Struct, frozen=True, kw_only=True):
    """What a link leads to."""

    farm: str
    email: str
    name: str
    role: Role
    makes_farm: bool
    """Using it makes a new farm, whose owner one becomes."""


class Accepted(Struct, frozen=True):
    """It is being done; there is nothing to tell."""

    ok: bool = True


class AuthApi:
    """Endpoints about the login itself."""

    def __init__(self, accounts: Accounts, gate: WebGate) -> None:
        self._accounts = accounts
        self._gate = gate

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("POST", "/api/auth/login", self.login, role=PUBLIC, errors=(401, 429)),
            Endpoint("POST", "/api/auth/refresh", self.refresh, role=PUBLIC, errors=(401, 429)),
            Endpoint("POST", "/api/auth/setup", self.setup, role=PUBLIC, errors=(429,)),
            Endpoint("POST", "/api/auth/invitation", self.invitation, role=PUBLIC, errors=(429,)),
            Endpoint("POST", "/api/auth/accept", self.accept, role=PUBLIC, errors=(409, 429)),
            Endpoint("POST", "/api/auth/forgot", self.forgot, role=PUBLIC, status=202, errors=(429,)),
            Endpoint("POST", "/api/auth/reset", self.reset, role=PUBLIC, errors=(401, 429)),
            Endpoint("POST", "/api/auth/signup", self.signup, role=PUBLIC, status=202, errors=(429,)),
            Endpoint("GET", "/api/auth/me", self.me),
            Endpoint("PATCH", "/api/auth/me", self.rename, role="viewer", area="person"),
            Endpoint("POST", "/api/auth/password", self.password, role="viewer", area="person"),
            Endpoint("POST", "/api/auth/logout", self.logout, role="viewer", area="person"),
        ]

    async def login(self, call: Call, body: LoginIn) -> Session:
        """Log in with e-mail address and password."""
        login = await self._accounts.login(body.email, body.password, origin=_origin(call), code=body.code)
        return self._begin(call, login)

    async def refresh(self, call: Call, body: RefreshIn) -> Session:
        """Prolong a login: a new access token, and the next refresh token.

        A refresh token is good once. When an old one comes again, it was copied: the login ends at once.
        """
        token = body.refresh_token or self._gate.refresh_token(call.request)
        self._accounts.attempt(call.address)
        login = None if token is None else await self._accounts.sessions.refresh(token, _origin(call))
        if login is None:
            raise ApiError(401, "logged_out", "The login has ended. Log in again.")
        self._accounts.succeeded(call.address)
        return self._begin(call, login)

    async def setup(self, call: Call, body: SetupIn) -> Session:
        """Create the first owner with the set-up link from the server's log, and log in."""
        self._accounts.attempt(call.address)
        origin = _origin(call, "setup")
        login = await self._accounts.setup(
            body.token, email=body.email, password=body.password, name=body.name, origin=origin
        )
        self._accounts.succeeded(call.address)
        return self._begin(call, login)

    async def invitation(self, call: Call, body: TokenIn) -> Invited:
        """What an invitation or a sign-up link leads to, before one decides."""
        self._accounts.attempt(call.address)
        link, farm = await self._accounts.links.look_at(body.token)
        self._accounts.succeeded(call.address)
        role: Role = "owner" if link.tenant_id is None else _role(link.role)
        return Invited(farm=farm, email=link.email, name=link.name, role=role, makes_farm=link.tenant_id is None)

    async def accept(self, call: Call, body: AcceptIn) -> Session:
        """Accept an invitation, or finish signing up: choose name and password, and log in."""
        self._accounts.attempt(call.address)
        origin = _origin(call, "invitation")
        login = await self._accounts.links.accept(body.token, name=body.name, password=body.password, origin=origin)
        self._accounts.succeeded(call.address)
        return self._begin(call, login)

    async def forgot(self, call: Call, body: ForgotIn) -> Accepted:
        """Ask for a link that sets a new password. The answer is the same whether there is such a person or not."""
        self._accounts.attempt(call.address, f"forgot {body.email.strip().lower()}")
        self._accounts.links.forgot(body.email, _origin(call))
        return Accepted()

    async def reset(self, call: Call, body: ResetIn) -> Session:
        """Set a new password with the link from the mail. Every other login of the person ends.

        Of a person whose logins take two steps it takes the second one, too; the link stays good until it is right.
        """
        self._accounts.attempt(call.address)
        login = await self._accounts.reset_password(
            body.token, body.password, origin=_origin(call, "reset"), code=body.code
        )
        self._accounts.succeeded(call.address)
        return self._begin(call, login)

    async def signup(self, call: Call, body: SignupIn) -> Accepted:
        """Ask for a link that makes a new farm, where this installation allows it."""
        self._accounts.attempt(call.address, f"signup {body.email.strip().lower()}")
        self._accounts.links.sign_up(body.email, body.farm_name)
        return Accepted()

    async def me(self, call: Call) -> User:
        """Who is logged in."""
        return _user(call.principal)

    async def rename(self, call: Call, body: MePatch) -> User:
        """Change one's own name."""
        user = await self._accounts.people.change(call.store, call.principal.user_id, {"name": body.name})
        return User(id=user.id, email=user.email, name=user.name, role=_role(user.role))

    async def password(self, call: Call, body: PasswordIn) -> None:
        """Change one's own password. One's other logins end."""
        self._accounts.attempt(call.address, call.principal.user_id)
        await self._accounts.people.change_password(
            call.store, call.principal, current=body.current_password, new=body.new_password
        )
        self._accounts.succeeded(call.address, call.principal.user_id)

    async def logout(self, call: Call) -> None:
        """End this session everywhere: its tokens die and its sockets close."""
        await self._accounts.logout(call.store, call.principal)
        call.finish = self._gate.log_out

    def _begin(self, call: Call, login: Login) -> Session:
        call.finish = lambda response: self._gate.log_in(response, login)
        return Session(
            access_token=login.token.reveal(),
            refresh_token=login.refresh.reveal(),
            expires_in=login.seconds,
            user=_user(login.principal),
        )


def _origin(call: Call, method: str = "password") -> Origin:
    return Origin(address=call.address, user_agent=call.user_agent, method=method)


def _role(word: str | None) -> Role:
    return "owner" if word == "owner" else "operator" if word == "operator" else "viewer"


def _user(principal: Principal) -> User:
    return User(id=principal.user_id, email=principal.email, name=principal.name, role=principal.role)
