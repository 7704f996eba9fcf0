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
        self._drains: list[tuple[str, Drain]] = []
        self.begun = False

    def register(self, name: str, drain: Drain) -> None:
        self._drains.append((name, drain))

    async def run(self, seconds: float) -> None:
        """Tell everybody at once and wait for them, a little longer than they were given. Once only."""
        if self.begun:
            return
        self.begun = True
        log.info("draining", seconds=seconds)
        try:
            async with asyncio.timeout(seconds + 5):
                await asyncio.gather(*(self._one(name, drain, seconds) for name, drain in self._drains))
        except TimeoutError:
            log.warning("draining took too long; leaving now")

    async def _one(self, name: str, drain: Drain, seconds: float) -> None:
        try:
            await drain(seconds)
        except Exception:
            log.exception("drain failed", part=name)
