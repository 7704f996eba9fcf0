"""What one browser has still to hear, and the one task that tells it.

Nothing is queued but the latest: changes wait merged, one entry a printer or job, until the socket takes them. However
slow the browser, this holds at most one copy of what it watches, and the newest is what it hears next.
"""

import asyncio
import contextlib
import time
from collections import deque
from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket

from cloud.live.room import Changes, TenantRoom, What

LEAST_S: Final = 0.1
"""Between two messages about the same thing: ten a second are more than anybody reads."""
AT_ONCE: Final[dict[What, frozenset[str]]] = {
    "printers": frozenset({"state", "link", "hub", "error", "cleared"}),
    "jobs": frozenset({"status"}),
    "hubs": frozenset({"online"}),
}
"""A change of one of these waits for nothing, so that a browser that listens sees every state, in order."""
SNAPSHOT_S: Final = 0.5
"""Between two snapshots, however often they are asked for."""
MAX_REPLIES: Final = 100

_encoder = msgspec.json.Encoder()


class TooManyReplies(Exception):  # noqa: N818 - reads as what happened
    """The browser asks and does not listen."""


class BrowserOutbox:
    """A member's memory of what was not yet sent. Both forms may be used at once."""

    def __init__(self, websocket: WebSocket, room: TenantRoom) -> None:
        self._websocket = websocket
        self._room = room
        self._replies: deque[dict[str, Any]] = deque()
        self._watching = False
        self._seq = 0
        self._snapshot_due = False
        self._snapshot_at = float("-inf")
        self._pending: dict[What, dict[str, Changes]] = {"printers": {}, "jobs": {}, "hubs": {}}
        self._sent_at: dict[tuple[str, str], float] = {}
        self.listed: set[str] = set()
        """Printers subscribed to in the old form, one by one."""
        self.all_listed = False
        self._dirty: dict[str, None] = {}
        self._interval = LEAST_S
        self._flushed_at = float("-inf")
        self._wake = asyncio.Event()
        self._wakes_at = float("inf")
        self._sending_since: float | None = None

    # ---- what the browser wishes

    def reply(self, message: dict[str, Any]) -> None:
        """Answer a message of the browser's. Raises TooManyReplies."""
        if len(self._replies) >= MAX_REPLIES:
            raise TooManyReplies
        self._replies.append(message)
        self._wake.set()

    def watch(self) -> None:
        """The rich form: a snapshot, then deltas."""
        self._watching = True
        self.resync()

    def pace(self, seconds: float) -> None:
        """Not more often than this about the same thing."""
        self._interval = max(LEAST_S, seconds)
        self._wake.set()

    def show(self, printer_ids: list[str]) -> None:
        """The old form: the whole status of these now."""
        self._dirty.update(dict.fromkeys(printer_ids))
        self._wake.set()

    # ---- what the room tells

    def changed(self, what: What, key: str, changes: Changes) -> None:
        if what == "printers" and changes is not None and (self.all_listed or key in self.listed):
            self._dirty[key] = None
            self._wake.set()
        if not self._watching or self._snapshot_due:
            return
        pending = self._pending[what]
        known = pending.get(key)
        pending[key] = {**known, **changes} if known and changes is not None else changes
        if self._due_at(what, key) < self._wakes_at:
            self._wake.set()

    def resync(self) -> None:
        """What was sent so far may have a gap: the next message is everything."""
        self._snapshot_due = self._watching
        self._pending = {"printers": {}, "jobs": {}, "hubs": {}}
        self._dirty.update(dict.fromkeys(self._room.printers if self.all_listed else self.listed))
        self._wake.set()

    # ---- the writer

    @property
    def stalled_for(self) -> float:
        """Seconds since the send in hand began; 0 when none is."""
        return 0.0 if self._sending_since is None else time.monotonic() - self._sending_since

    async def run(self) -> None:
        """Send for ever. Ends by cancellation, or by what the socket raises when the browser is gone."""
        while True:
            self._wake.clear()
            self._wakes_at = float("inf")
            now = time.monotonic()
            message, wait = self._next(now)
            if message is not None:
                self._sending_since = now
                await self._websocket.send({"type": "websocket.send", "text": _encoder.encode(message).decode()})
                self._sending_since = None
                continue
            if wait is not None:
                self._wakes_at = now + wait
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    def _next(self, now: float) -> tuple[dict[str, Any] | None, float | None]:
        """The next message, or None and the seconds until one is due (None = until something changes)."""
        if self._replies:
            return self._replies.popleft(), None
        if self._snapshot_due:
            wait = self._snapshot_at + SNAPSHOT_S - now
            return (self._snapshot(now), None) if wait <= 0 else (None, wait)
        delta, until = self._delta(now)
        if delta is not None:
            return delta, None
        status, until_status = self._status(now)
        if status is not None:
            return status, None
        times = [moment for moment in (until, until_status) if moment is not None]
        return None, max(0.0, min(times) - now) if times else None

    def _snapshot(self, now: float) -> dict[str, Any]:
        self._snapshot_due = False
        self._snapshot_at = now
        self._pending = {"printers": {}, "jobs": {}, "hubs": {}}
        self._sent_at = {key: moment for key, moment in self._sent_at.items() if moment > now - self._interval}
        self._seq += 1
        room = self._room
        views = {"printers": room.printers, "jobs": room.jobs, "hubs": room.hubs}
        return {"type": "snapshot", "seq": self._seq, **views}

    def _delta(self, now: float) -> tuple[dict[str, Any] | None, float | None]:
        """All that is due in one message, else the time when the first will be."""
        message: dict[str, Any] = {}
        until: float | None = None
        for what, pending in self._pending.items():
            due = {key: changes for key, changes in pending.items() if self._due_at(what, key) <= now}
            for key, changes in due.items():
                del pending[key]
                self._note(what, key, now, gone=changes is None)
            if due:
                message[what] = due
            elif pending:
                first = min(self._due_at(what, key) for key in pending)
                until = first if until is None else min(until, first)
        if not message:
            return None, until
        self._seq += 1
        self._flushed_at = now
        return {"type": "delta", "seq": self._seq, **message}, None

    def _status(self, now: float) -> tuple[dict[str, Any] | None, float | None]:
        until: float | None = None
        for key in list(self._dirty):
            view = self._room.printers.get(key)
            if view is None:
                del self._dirty[key]
                continue
            due = self._sent_at.get(("status", key), float("-inf")) + self._interval
            if due <= now:
                del self._dirty[key]
                self._note("status", key, now)
                return {"type": "printer_status", "printer_id": key, "status": view}, None
            until = due if until is None else min(until, due)
        return None, until

    def _due_at(self, what: What, key: str) -> float:
        if self._interval > LEAST_S:  # paced: everything at once, seldom
            return self._flushed_at + self._interval
        changes = self._pending[what].get(key, {})
        if changes is None or not AT_ONCE[what].isdisjoint(changes):
            return float("-inf")
        return self._sent_at.get((what, key), float("-inf")) + self._interval

    def _note(self, what: str, key: str, now: float, *, gone: bool = False) -> None:
        if gone:
            self._sent_at.pop((what, key), None)
        else:
            self._sent_at[what, key] = now
