"""What every request passes on its way in and out: its id, the security headers, the access log, the last resort."""

import re
import time
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.errors import ApiError, error_response
from cloud.storage import ids

log = structlog.get_logger("printfarm.access")

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
QUIET: Final = frozenset({"/healthz", "/readyz"})
"""Asked every few seconds by machines: logged only when they fail."""

# Styles may be inline because the dialogs of the dashboard set them; scripts may not.
POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HSTS: Final = "max-age=31536000"


class Edge:
    """The outermost ASGI layer."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = {**HEADERS, "strict-transport-security": HSTS} if https else HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request_id)
        scope.setdefault("state", {})["request_id"] = request_id
        if scope["type"] == "http":
            await self._http(scope, receive, send, request_id)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers["x-request-id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            log.exception("request failed", method=scope["method"], route=_route(scope))
            if status:
                raise  # half an answer is out: the server must cut the connection
            sorry = ApiError(500, "internal", "Something went wrong here. It has been noted.")
            await error_response(sorry)(scope, receive, sending)
        finally:
            _note(scope, status, time.perf_counter() - started)


def _note(scope: Scope, status: int, seconds: float) -> None:
    """The access log: the route's template, never the address with what it may hold."""
    if scope["path"] in QUIET and status < 400:
        return
    log.info(
        "request",
        method=scope["method"],
        route=_route(scope),
        status=status or None,
        ms=round(seconds * 1000, 1),
        client=(scope.get("client") or ("",))[0],
    )


def _route(scope: MutableMapping[str, Any]) -> str:
    route = scope.get("route")
    return getattr(route, "path", None) or "(none)"


def _request_id(scope: Scope) -> str:
    """The caller's, when it is a harmless one, so that logs of several systems can be joined; else a new one."""
    given = Headers(scope=scope).get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else ids.new("req")
