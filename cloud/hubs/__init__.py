"""Hubs: their WebSockets, the commands and tunnels in them, and what the other rooms ask of them over the bus."""

import asyncio
import contextlib
from typing import Final

from starlette.routing import WebSocketRoute

from cloud.bus import Bus
from cloud.hubs.ask import HubAsks
from cloud.hubs.desired import DesiredConfig
from cloud.hubs.gateway import HubGateway
from cloud.hubs.records import HubRecords
from cloud.hubs.rollout import Rollout
from cloud.hubs.session import Observer, Rooms
from cloud.hubs.switchboard import Switchboard
from cloud.hubs.timing import Timing
from cloud.printing.hub_client import HubClient
from cloud.storage.files_folder import BlobStore
from cloud.storage.secrets import Vault
from cloud.storage.store import Store

__all__ = ["Hubs", "Observer", "Timing"]

CLOSE_S: Final = 5.0


class Hubs:
    """The room put together; one per node. `drain` before the server closes its sockets, `close` afterwards."""

    def __init__(
        self, *, store: Store, bus: Bus, vault: Vault, blobs: BlobStore, observer: Observer,
        timing: Timing | None = None, uploads: int = 8, rollout_failures: int = 1,
    ) -> None:  # fmt: skip
        timing = timing or Timing()
        records = HubRecords(store)
        desired = DesiredConfig(store, vault)
        self._asks = HubAsks(store, bus, blobs, desired, uploads=uploads)
        self.switchboard = Switchboard(bus, desired, observer, self._asks, timing)
        self._gateway = HubGateway(records, desired, self.switchboard, Rooms(observer, records, timing))

        self.rollout = Rollout(store, HubClient(bus), bus, self.switchboard.connected, tolerated=rollout_failures)

    def start(self) -> None:
        """Begin to offer releases to the hubs that come."""
        self.rollout.start()

    def route(self) -> WebSocketRoute:
        return self._gateway.route()

    @property
    def count(self) -> int:
        """Hubs connected to this node."""
        return self.switchboard.count

    async def drain(self, seconds: float) -> None:
        """Tell every hub to come back later, spread over `seconds`; returns when they are gone."""
        await self.switchboard.drain(seconds)

    async def close(self) -> None:
        """End what still runs."""
        await self.rollout.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.switchboard.drain(0)
        await self._asks.close()
