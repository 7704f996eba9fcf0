"""Tunnels: TCP connections from the hub to its printers, carried in the hub's WebSocket.

Each direction is bounded by credits: nobody sends more than the other side has room for, so a slow printer, or a slow
reader here, holds up its own tunnel and nothing else. Many tunnels share the socket in turn, a frame each.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from cloud.hubs.outbox import Frame
from cloud.hubs.tunnel import SEND_BUFFER, Tunnel
from cloud.printing.streams import StreamError
from shared_protocol import codec
from shared_protocol.schema import ProtocolError

OPEN_S: Final = 20.0
"""The hub's own attempt to connect to the printer ends sooner; this is for a hub that says nothing."""
NO_SOCKET_RETRY_S: Final = 4.0
"""A closing tunnel keeps its socket until the printer has taken what is under way: worth a little patience."""
FORGET_S: Final = 10.0
"""What still arrives for a closed tunnel is expected for so long, after that it is a mistake of the hub."""
_LAST_NUMBER: Final = 65535

__all__ = ["SEND_BUFFER", "Tunnel", "Tunnels"]


class Tunnels:
    """All tunnels of one hub connection. `put` queues a control frame, `wake` tells that there is data to send."""

    def __init__(self, put: Callable[[Frame], None], wake: Callable[[], None]) -> None:
        self._put = put
        self._wake = wake
        self._tunnels: dict[int, Tunnel] = {}
        self._ready: deque[Tunnel] = deque()
        self._last = 0
        self._over: StreamError | None = None

    # ---- for those who want a stream

    async def open(self, printer_id: str, port: int) -> Tunnel:
        """A stream to a TCP port of a printer. Raises StreamError with a code of `tunnel_close` or "offline"."""
        deadline = time.monotonic() + NO_SOCKET_RETRY_S
        pause = 0.05
        while True:
            try:
                return await self._open_once(printer_id, port)
            except StreamError as error:
                if error.code != "no_socket" or time.monotonic() + pause > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.8)

    async def _open_once(self, printer_id: str, port: int) -> Tunnel:
        if self._over is not None:
            raise self._over
        tunnel = Tunnel(self._number(), self)
        self._tunnels[tunnel.number] = tunnel
        self._put(
            codec.encode("tunnel_open", tunnel=tunnel.number, printer=printer_id, port=port, window=tunnel.window)
        )
        try:
            async with asyncio.timeout(OPEN_S):
                await tunnel.opened
        except TimeoutError:
            tunnel.close("timeout")
            raise StreamError("timeout", "The hub did not answer in time.") from None
        except BaseException:
            tunnel.close()
            raise
        return tunnel

    def _number(self) -> int:
        """The next number not in use: an old one's stragglers must not reach a new tunnel."""
        for _ in range(_LAST_NUMBER):
            self._last = self._last % _LAST_NUMBER + 1
            if self._last not in self._tunnels:
                return self._last
        raise StreamError("no_socket", "Too many tunnels.")

    # ---- for the session: what the hub says

    def on_opened(self, message: dict[str, Any]) -> None:
        """Raises ProtocolError when no such tunnel waits for it."""
        tunnel = self._tunnels.get(message["tunnel"])
        if tunnel is None:
            raise ProtocolError("invalid", "tunnel", "no such tunnel")
        tunnel.on_opened(message["window"])

    def on_closed(self, number: int, code: str, sentence: str) -> None:
        """The hub's side is closed; for a tunnel already forgotten this says nothing new."""
        tunnel = self._tunnels.pop(number, None)
        if tunnel is not None:
            tunnel.on_closed(code, sentence)

    def on_binary(self, frame: bytes) -> None:
        """Data or credit. Raises ProtocolError for a frame that nobody expects."""
        kind, number, rest = codec.split_binary(frame)
        tunnel = self._tunnels.get(number)
        if tunnel is None:
            raise ProtocolError("invalid", "tunnel", "no such tunnel")
        if kind == codec.CREDIT:
            tunnel.on_credit(rest)
        else:
            tunnel.on_data(rest)

    def over(self) -> None:
        """The hub is gone: every tunnel ends now."""
        self._over = StreamError("offline", "The hub is not connected.")
        for tunnel in list(self._tunnels.values()):
            tunnel.on_closed("offline", self._over.sentence)
        self._tunnels.clear()
        self._ready.clear()

    def tidy(self) -> None:
        """Forget tunnels closed long ago whose end the hub never confirmed. Called now and then."""
        now = time.monotonic()
        for number, tunnel in list(self._tunnels.items()):
            if tunnel.finished_at is not None and now - tunnel.finished_at > FORGET_S:
                del self._tunnels[number]

    @property
    def count(self) -> int:
        """Tunnels that are open or whose end the hub has not confirmed."""
        return len(self._tunnels)

    # ---- for the tunnels and the writer

    def send_credit(self, number: int, count: int) -> None:
        if self._over is None:
            self._put(codec.credit(number, count))

    def ready(self, tunnel: Tunnel) -> None:
        """This tunnel has something to send; it is asked when its turn comes."""
        if not tunnel.waiting_turn and self._over is None:
            tunnel.waiting_turn = True
            self._ready.append(tunnel)
            self._wake()

    def next_frame(self) -> Frame | None:
        """One frame of the next tunnel in turn, or None when none has anything to send."""
        while self._ready:
            tunnel = self._ready.popleft()
            tunnel.waiting_turn = False
            frame = tunnel.take_frame()
            if frame is not None:
                if tunnel.sendable:
                    tunnel.waiting_turn = True
                    self._ready.append(tunnel)
                return frame
        return None
