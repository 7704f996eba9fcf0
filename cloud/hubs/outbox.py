"""What waits to be sent to one hub, and the one task that sends it.

Control frames (messages and credits) are few and go first; tunnel data is asked for only when none waits, one frame at
a time, so that a file on its way never delays a command by more than a frame.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from starlette.types import Message
from starlette.websockets import WebSocket

Frame = str | bytes

MAX_FRAMES: Final = 512
MAX_BYTES: Final = 1024 * 1024
"""A hub that lets so much wait does not read, or is asked too much: either way the connection is over."""


class Overflow(Exception):  # noqa: N818 - reads as what happened
    """More waits for the hub than it can be allowed."""


class Outbox:
    """Bounded in frames and bytes. `data` gives the next frame of tunnel data, or None."""

    def __init__(self, websocket: WebSocket, data: Callable[[], Frame | None]) -> None:
        self._websocket = websocket
        self._data = data
        self._control: deque[Frame] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._sending_since: float | None = None
        self.last_sent = time.monotonic()

    def put(self, frame: Frame) -> None:
        """Queue a control frame. Raises Overflow."""
        if len(self._control) >= MAX_FRAMES or self._bytes + len(frame) > MAX_BYTES:
            raise Overflow(f"{len(self._control)} frames, {self._bytes} bytes")
        self._control.append(frame)
        self._bytes += len(frame)
        self._empty.clear()
        self._wake.set()

    def wake(self) -> None:
        """There may be tunnel data to send."""
        self._wake.set()

    @property
    def stalled_for(self) -> float:
        """Seconds since the send in hand began; 0 when none is."""
        return 0.0 if self._sending_since is None else time.monotonic() - self._sending_since

    async def flushed(self) -> None:
        """Until no control frame waits or is being sent."""
        await self._empty.wait()

    async def run(self) -> None:
        """Send for ever. Ends by cancellation, or by what the socket raises when the hub is gone."""
        while True:
            frame = self._next()
            if frame is None:
                self._empty.set()
                self._wake.clear()
                await self._wake.wait()
                continue
            self._sending_since = time.monotonic()
            await self._websocket.send(_message(frame))
            self._sending_since = None
            self.last_sent = time.monotonic()

    def _next(self) -> Frame | None:
        if self._control:
            frame = self._control.popleft()
            self._bytes -= len(frame)
            return frame
        self._empty.set()
        return self._data()


def _message(frame: Frame) -> Message:
    if isinstance(frame, str):
        return {"type": "websocket.send", "text": frame}
    return {"type": "websocket.send", "bytes": frame}
