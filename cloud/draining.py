"""Leaving politely: what holds sockets or takes work is told before the process goes."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

Drain = Callable[[float], Awaitable[None]]
"""Close what you hold, spread over so many seconds, and take nothing new."""


class Draining:
    """Whether the process is on its way out, and who must be told first."""

    def __init__(self) -> None:
        self._work: list[tuple[str, Drain]] = []
        self._sockets: list[tuple[str, Drain]] = []
        self.begun = False

    def work(self, name: str, drain: Drain) -> None:
        """Register what takes on work: it stops first, before sockets close under it."""
        self._work.append((name, drain))

    def sockets(self, name: str, drain: Drain) -> None:
        """Register what holds sockets."""
        self._sockets.append((name, drain))

    async def run(self, seconds: float) -> None:
        """Tell everybody at once and wait for them, a little longer than they were given. Once only."""
        if self.begun:
            return
        self.begun = True
        log.info("draining", seconds=seconds)
        try:
            async with asyncio.timeout(seconds + 5):
                for drains in (self._work, self._sockets):
                    await asyncio.gather(*(self._one(name, drain, seconds) for name, drain in drains))
        except TimeoutError:
            log.warning("draining took too long; leaving now")

    async def _one(self, name: str, drain: Drain, seconds: float) -> None:
        try:
            await drain(seconds)
        except Exception:
            log.exception("drain failed", part=name)
