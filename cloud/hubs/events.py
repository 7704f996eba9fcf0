"""Events of one hub connection, applied in order by one task; each is acknowledged only once it is in the database."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from cloud.storage.errors import StoreClosedError, UnavailableError

log = structlog.get_logger(__name__)

MAX_BACKLOG: Final = 1000
"""More than a hub's whole outbox."""
RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
TRIES: Final = 4
"""Of an event that the database answers and cannot take; while it is away, there is no end to them."""


class EventLine:
    """`apply(event)` commits an event; it may be given one twice. `ack(boot, n)` tells the hub, cumulatively.

    `set_aside(event, problem)` commits that there was one which can never be applied.
    """

    def __init__(
        self,
        hub_id: str,
        apply: Callable[[dict[str, Any]], Awaitable[None]],
        set_aside: Callable[[dict[str, Any], str], Awaitable[None]],
        ack: Callable[[str, int], None],
    ) -> None:
        self._hub_id = hub_id
        self._apply = apply
        self._set_aside = set_aside
        self._ack = ack
        self._backlog: deque[dict[str, Any]] = deque()
        self._wake = asyncio.Event()
        self._acked: dict[str, int] = {}

    def known(self, boot: str, acked: int) -> None:
        """Everything of this boot up to this number is stored already."""
        self._acked[boot] = acked

    def put(self, event: dict[str, Any]) -> bool:
        """False when there is no room. Then the connection must end: a later event may not overtake a lost one."""
        if len(self._backlog) >= MAX_BACKLOG:
            return False
        self._backlog.append(event)
        self._wake.set()
        return True

    async def run(self) -> None:
        """Apply for ever; ends by cancellation. What is not applied by then is sent again by the hub."""
        while True:
            while not self._backlog:
                self._wake.clear()
                await self._wake.wait()
            event = self._backlog.popleft()
            boot, n = event["boot"], event["n"]
            if n > self._acked.get(boot, 0):
                await self._apply_until_done(event)
                self._acked[boot] = n
            self._ack(boot, self._acked[boot])

    async def _apply_until_done(self, event: dict[str, Any]) -> None:
        """The order is kept: nothing behind this event moves before it is stored, however long the database is away.

        One that can never be applied, by a fault of ours, is kept for people and holds up nothing: behind it may wait
        the end of a print.
        """
        attempt = faults = 0
        problem = ""
        while True:
            try:
                if faults < TRIES:
                    await self._apply(event)
                else:
                    await self._set_aside(event, problem)
            except Exception as error:
                pause = RETRY_S[min(attempt, len(RETRY_S) - 1)]
                log.exception("hub.event_not_stored", hub=self._hub_id, boot=event["boot"], n=event["n"], again_s=pause)
                if not isinstance(error, UnavailableError | StoreClosedError):
                    faults, problem = faults + 1, type(error).__name__
                attempt += 1
                await asyncio.sleep(pause)
            else:
                return
