"""How a request or a WebSocket handshake proves who it is, and that its page may speak for that person."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from cloud.accounts.api_keys import is_key
from cloud.accounts.principal import Principal
from cloud.accounts.service import Accounts
from cloud.accounts.sessions import Login
from cloud.storage import clock
from cloud.storage.secrets import Secret

COOKIE: Final = "printfarm_session"
SECURE_COOKIE: Final = "__Host-printfarm_session"
"""With this prefix browsers accept the cookie from this very host over HTTPS only."""
REFRESH_COOKIE: Final = "printfarm_refresh"
SECURE_REFRESH_COOKIE: Final = "__Secure-printfarm_refresh"
"""It goes to one path only, which the stricter prefix does not allow."""
REFRESH_PATH: Final = "/api/auth"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class WebGate:
    """The one place that reads credentials from requests."""

    def __init__(
        self, accounts: Accounts, *, secure: bool, public_url: str = "", allowed_origins: Iterable[str] = ()
    ) -> None:
        self._accounts = accounts
        self._secure = secure
        self.cookie = SECURE_COOKIE if secure else COOKIE
        self._refresh_cookie = SECURE_REFRESH_COOKIE if secure else REFRESH_COOKIE
        self._origins = {origin for url in (public_url, *allowed_origins) if (origin := _origin(url))}

    async def principal(self, connection: HTTPConnection) -> Principal | None:
        """Whoever the bearer token speaks for, else the cookie. A request with a bearer token never uses its cookie."""
        bearer = self._bearer(connection)
        if bearer is not None and is_key(bearer):
            return await self._accounts.by_key(
                Secret(bearer), connection.client.host if connection.client else "unknown"
            )
        token = bearer or connection.cookies.get(self.cookie)
        return None if not token else await self._accounts.sessions.authenticate(token)

    async def renewed(self, principal: Principal) -> Principal | None:
        """The same login as it is now; None when it has ended. For sockets, which outlive their access token."""
        if principal.scopes is not None:
            return principal  # a key does not grow old by itself, and its end comes over the bus
        return await self._accounts.sessions.principal(principal.session_id)

    def refresh_token(self, connection: HTTPConnection) -> Secret | None:
        token = connection.cookies.get(self._refresh_cookie)
        return Secret(token) if token else None

    def origin_allowed(self, connection: HTTPConnection) -> bool:
        """Whether the page that sends this may: our own, a configured one, or no page at all (a program).

        The rule of datasette's csrf module: browsers state where an unsafe request comes from; what does not state it
        is not a browser. Bearer tokens are not sent by browsers of their own accord and prove the intent.
        """
        origin = connection.headers.get("origin")
        if origin is not None and origin in self._origins:
            return True
        if self._bearer(connection) and connection.scope["type"] == "http":
            return True
        site = connection.headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            return False
        return origin is None or origin == self._own_origin(connection)

    def log_in(self, response: Response, login: Login) -> None:
        self._set(response, self.cookie, login.token, path="/", seconds=login.seconds, samesite="lax")
        left = clock.parse(login.principal.expires_at) - datetime.now(UTC)
        seconds = max(1, int(left.total_seconds()))
        self._set(response, self._refresh_cookie, login.refresh, path=REFRESH_PATH, seconds=seconds, samesite="strict")

    def log_out(self, response: Response) -> None:
        response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="lax")
        response.delete_cookie(
            self._refresh_cookie, path=REFRESH_PATH, secure=self._secure, httponly=True, samesite="strict"
        )

    def _set(
        self,
        response: Response,
        name: str,
        token: Secret,
        *,
        path: str,
        seconds: int,
        samesite: Literal["lax", "strict"],
    ) -> None:
        response.set_cookie(
            name, token.reveal(), max_age=seconds, path=path, secure=self._secure, httponly=True, samesite=samesite
        )

    def _bearer(self, connection: HTTPConnection) -> str | None:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    def _own_origin(self, connection: HTTPConnection) -> str:
        scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
        return f"{scheme}://{connection.headers.get('host', '')}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
