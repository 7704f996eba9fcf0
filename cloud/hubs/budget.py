"""How many sockets of a hub tunnels may use. A chip has ten in all: what is over for tunnels is often a single pair."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cloud.printing.streams import StreamError

PAIR = 2
"""An upload: FTPS control and data connection."""


class SocketBudget:
    """Sockets for tunnels, lent in the order of asking, so that a big wish is not starved by small ones."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._total = total
        self._over: StreamError | None = None
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @staticmethod
    def of(sockets: int, printers: int) -> int:
        """What a hub has for tunnels: all its sockets but one for the cloud, one per printer and one to spare."""
        return max(0, sockets - 1 - printers - 1)

    def resize(self, total: int) -> None:
        """The hub has more or fewer printers now. Sockets already lent stay lent; who can never be served is told."""
        self._free += total - self._total
        self._total = total
        for count, turn in self._waiting:
            if count > total and not turn.done():
                turn.set_exception(_too_many_printers())
        self._waiting = deque(entry for entry in self._waiting if not entry[1].done())
        self._serve()

    @asynccontextmanager
    async def lease(self, count: int, seconds: float) -> AsyncIterator[None]:
        """Hold `count` sockets for as long as the block lasts; see `acquire`."""
        await self.acquire(count, seconds)
        try:
            yield
        finally:
            self.release(count)

    async def acquire(self, count: int, seconds: float) -> None:
        """Take `count` sockets. Raises StreamError: no_socket, at once when there can never be so many; offline."""
        if self._over is not None:
            raise self._over
        if count > self._total:
            raise _too_many_printers()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, turn))
        self._serve()
        try:
            async with asyncio.timeout(seconds):
                await turn
        except TimeoutError:
            self._give_up(count, turn)
            raise StreamError("no_socket", "All sockets of the hub are in use.") from None
        except BaseException:
            self._give_up(count, turn)
            raise

    def release(self, count: int) -> None:
        """Give back what `acquire` took."""
        self._free += count
        self._serve()

    def close(self) -> None:
        """The hub is gone: whoever waits is told, and whoever comes."""
        self._over = StreamError("offline", "The hub is not connected.")
        while self._waiting:
            _, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(self._over)

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            count, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= count
                turn.set_result(None)

    def _give_up(self, count: int, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            if turn.exception() is None:
                self.release(count)  # served in the very moment of giving up
        else:
            turn.cancel()
            self._waiting = deque(entry for entry in self._waiting if entry[1] is not turn)
            self._serve()


def _too_many_printers() -> StreamError:
    return StreamError("no_socket", "This hub has too many printers to have sockets left for this.")
