"""/api/auth/oidc: logging in at the identity provider; and which ways in there are."""

from typing import Any
from urllib.parse import urlencode

from msgspec import Struct
from starlette.responses import RedirectResponse, Response

from cloud.accounts import Accounts
from cloud.accounts.oidc import Oidc
from cloud.accounts.sessions import Origin
from cloud.accounts.web import WebGate
from cloud.api.errors import as_api_error, not_found
from cloud.api.kit import PUBLIC, Call, Endpoint
from cloud.storage.secrets import Secret

COOKIE = "printfarm_oidc"
PATH = "/api/auth/oidc"


class ProviderOut(Struct, frozen=True):
    name: str


class Methods(Struct, frozen=True, kw_only=True):
    """How one may come in here."""

    password: bool
    oidc: ProviderOut | None
    signup: bool


class OidcApi:
    """Endpoints that a browser goes through, not a program."""

    def __init__(self, accounts: Accounts, gate: WebGate, oidc: Oidc | None, *, secure: bool) -> None:
        self._accounts = accounts
        self._gate = gate
        self._oidc = oidc
        self._secure = secure

    def endpoints(self) -> list[Endpoint]:
        away: dict[str, Any] = {"status": 302, "answers": {}, "role": PUBLIC}
        return [
            Endpoint("GET", "/api/auth/methods", self.methods, role=PUBLIC),
            Endpoint("GET", f"{PATH}/start", self.start, errors=(403, 404), **away),
            Endpoint("GET", f"{PATH}/callback", self.callback, errors=(404, 429), **away),
        ]

    async def methods(self, call: Call) -> Methods:
        """Which ways in there are."""
        provider = ProviderOut(self._oidc.name) if self._oidc else None
        return Methods(password=True, oidc=provider, signup=self._accounts.links.signup_open)

    async def start(self, call: Call) -> Response:
        """Go to the identity provider. `return_to`, a path of the dashboard, is where it ends."""
        if self._oidc is None:
            raise not_found("identity provider")
        address, cookie = await self._oidc.start(call.request.query_params.get("return_to", "/"))
        response = RedirectResponse(address, 302, {"cache-control": "no-store"})
        response.set_cookie(
            COOKIE, cookie.reveal(), max_age=600, path=PATH, secure=self._secure, httponly=True, samesite="lax"
        )
        return response

    async def callback(self, call: Call) -> Response:
        """Come back from the identity provider. What goes wrong is told on the login page."""
        if self._oidc is None:
            raise not_found("identity provider")
        self._accounts.attempt(call.address)
        query, cookie = call.request.query_params, call.request.cookies.get(COOKIE, "")
        origin = Origin(address=call.address, user_agent=call.user_agent, method="oidc")
        try:
            code = Secret(query.get("code", ""))
            login, to = await self._oidc.finish(code, query.get("state", ""), Secret(cookie), origin)
        except Exception as error:
            known = as_api_error(error)
            if known is None:
                raise
            return self._back(f"/login?{urlencode({'error': known.body.code})}")
        self._accounts.succeeded(call.address)
        response = self._back(to)
        self._gate.log_in(response, login)
        return response

    def _back(self, path: str) -> Response:
        response = RedirectResponse(path, 302, {"cache-control": "no-store"})
        response.delete_cookie(COOKIE, path=PATH, secure=self._secure, httponly=True, samesite="lax")
        return response
