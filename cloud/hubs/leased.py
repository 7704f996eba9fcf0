"""A tunnel that gives its socket back to the hub's budget when it is closed."""

from cloud.hubs.budget import SocketBudget
from cloud.hubs.session import HubSession
from cloud.hubs.tunnel import Tunnel


class LeasedTunnel:
    """A `printing.streams.ByteStream` with one socket of its own."""

    def __init__(self, tunnel: Tunnel, budget: SocketBudget) -> None:
        self._tunnel = tunnel
        self._budget = budget
        self._closed = False

    @classmethod
    async def open(cls, session: HubSession, printer_id: str, port: int, seconds: float) -> "LeasedTunnel":
        """Wait at most `seconds` for a free socket. Raises StreamError."""
        await session.budget.acquire(1, seconds)
        try:
            tunnel = await session.tunnels.open(printer_id, port)
        except BaseException:
            session.budget.release(1)
            raise
        return cls(tunnel, session.budget)

    async def read(self) -> bytes:
        return await self._tunnel.read()

    async def write(self, data: bytes) -> None:
        await self._tunnel.write(data)

    def close(self) -> None:
        self._tunnel.close()
        if not self._closed:
            self._closed = True
            self._budget.release(1)
