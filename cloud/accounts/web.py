"""How a request or a WebSocket handshake proves who it is, and that its page may speak for that person."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from cloud.accounts.principal import Principal
from cloud.accounts.service import Accounts, Login

COOKIE: Final = "printfarm_session"
SECURE_COOKIE: Final = "__Host-printfarm_session"
"""With this prefix browsers accept the cookie from this very host over HTTPS only."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class WebGate:
    """The one place that reads credentials from requests."""

    def __init__(
        self, accounts: Accounts, *, secure: bool, public_url: str = "", allowed_origins: Iterable[str] = ()
    ) -> None:
        self._accounts = accounts
        self._secure = secure
        self.cookie = SECURE_COOKIE if secure else COOKIE
        self._origins = {origin for url in (public_url, *allowed_origins) if (origin := _origin(url))}

    async def principal(self, connection: HTTPConnection) -> Principal | None:
        """Whoever the bearer token speaks for, else the cookie. A request with a bearer token never uses its cookie."""
        token = self._bearer(connection) or connection.cookies.get(self.cookie)
        return None if not token else await self._accounts.authenticate(token)

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
        response.set_cookie(
            self.cookie,
            login.token.reveal(),
            max_age=login.seconds,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def log_out(self, response: Response) -> None:
        response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="lax")

    def _bearer(self, connection: HTTPConnection) -> str | None:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    def _own_origin(self, connection: HTTPConnection) -> str:
        scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
        return f"{scheme}://{connection.headers.get('host', '')}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
