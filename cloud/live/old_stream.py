"""What clients of the old system hear: everything anew, every few seconds, and at once when something changes."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from starlette.websockets import WebSocket

from cloud.live.room import Changes, What

LEAST_S: Final = 0.5
"""Between two messages, however much changes."""
MOST_S: Final = 3.0
"""Between two messages when nothing does: as seldom as the old system told all."""

Telling = Callable[[str, str | None], bytes]
"""Of a tenant's printer, by number or id, or of all (None): the message."""


class OldStream:
    """A member of the room that remembers nothing but that there is news."""

    def __init__(self, websocket: WebSocket, tell: Callable[[], bytes]) -> None:
        self._websocket = websocket
        self._tell = tell
        self._news = asyncio.Event()
        self._sending_since: float | None = None

    def changed(self, what: What, key: str, changes: Changes) -> None:
        if what == "printers":
            self._news.set()

    def resync(self) -> None:
        self._news.set()

    @property
    def stalled_for(self) -> float:
        """Seconds since the send in hand began; 0 when none is."""
        return 0.0 if self._sending_since is None else time.monotonic() - self._sending_since

    async def run(self) -> None:
        """Send for ever. Ends by cancellation, or by what the socket raises when the client is gone."""
        while True:
            self._news.clear()
            self._sending_since = time.monotonic()
            await self._websocket.send({"type": "websocket.send", "text": self._tell().decode()})
            self._sending_since = None
            await asyncio.sleep(LEAST_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MOST_S - LEAST_S):
                    await self._news.wait()
