"""What the sockets of hubs and of browsers have in common: refusing, closing, limiting, and our uvicorn protocol."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

ABORT = "printfarm.abort"
"""ASGI extension of our protocol class: a function that drops the connection with all that is still to be sent."""

SEND_AHEAD = 32 * 1024
"""Bytes that may wait in the kernel unsent. Behind them waits everything newer, so they are few."""

UNACKNOWLEDGED_MS = 90_000
"""A peer that has taken nothing for so long is given up by the kernel, whatever state the socket is in here."""

GONE = (WebSocketDisconnect, ClientDisconnected, RuntimeError, OSError)
"""What a send raises when the peer is gone; RuntimeError is Starlette's and uvicorn's 'after the close'."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, whose connection can be dropped and does not hoard what its peer does not read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=SEND_AHEAD)
        sock = transport.get_extra_info("socket")
        for option, value in (("TCP_NOTSENT_LOWAT", SEND_AHEAD), ("TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS)):
            if sock is not None and hasattr(socket, option):  # Linux has both
                with contextlib.suppress(OSError):  # a Unix socket has neither
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope = cast("dict[str, Any] | None", getattr(self, "scope", None))
        if scope is not None:  # None: the handshake itself was refused
            scope["extensions"][ABORT] = self.transport.abort


class TokenBucket:
    """`rate` per second in the long run, `burst` at once."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._at = clock()

    def take(self, tokens: float = 1) -> bool:
        """False when there is not enough; then nothing is taken."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True


async def deny(
    websocket: WebSocket,
    status: int,
    code: str,
    message: str,
    *,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Refuse a handshake with an HTTP answer in the one shape of errors."""
    body = {"error": {"code": code, "message": message, "details": dict(details or {})}}
    response = Response(msgspec.json.encode(body), status, dict(headers or {}), "application/json")
    with contextlib.suppress(*GONE):
        await websocket.send_denial_response(response)


async def close(websocket: WebSocket, code: int, reason: str = "", *, seconds: float = 2.0) -> None:
    """Say goodbye if the peer takes it within `seconds`, drop the connection if not. Never raises."""
    try:
        async with asyncio.timeout(seconds):
            await websocket.close(code, reason)
    except TimeoutError:
        abort(websocket)
    except GONE:
        pass


def abort(websocket: WebSocket) -> None:
    """Drop the connection now, where the server can; elsewhere it lingers until its peer or the kernel gives up."""
    drop = websocket.scope.get("extensions", {}).get(ABORT)
    if drop is not None:
        drop()
