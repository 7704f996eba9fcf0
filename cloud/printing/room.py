"""What the parts of this room share."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cloud.bus import Bus
from cloud.printing.controls import Controls
from cloud.printing.hub_client import HubClient
from cloud.printing.jobs import JobMoves
from cloud.printing.live import LivePrinters
from cloud.printing.settling import Settler
from cloud.storage.store import Store
from cloud.storage.tenant import TenantStore


class Room:
    """The shared services, and what tells waiting attempts that a printer said something."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self.store = store
        self.bus = bus
        self.live = LivePrinters(bus)
        self.moves = JobMoves(self.live, bus)
        self.hubs = HubClient(bus)
        self.controls = Controls(self.live, self.hubs)
        self.settler = Settler(store, self.live, self.moves)
        self.with_files: set[str] = set()
        """Printers that hold files of ours."""
        self.look_again: Callable[[str], None] = _nobody
        """Set by the observer: a printer deserves a look, though it said nothing."""
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._ftps: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def tenant(self, tenant_id: str) -> TenantStore:
        """The store of one tenant."""
        return TenantStore(self.store, tenant_id)

    def ftps(self, printer_id: str) -> asyncio.Lock:
        """One file operation a printer at a time: two at once truncate each other on real machines."""
        return self._ftps[printer_id]

    def said(self, printer_id: str) -> None:
        """A printer's live state changed: wake whoever waits for that."""
        for event in self._waiting.get(printer_id, ()):
            event.set()

    @asynccontextmanager
    async def listening(self, printer_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the printer's live state changes."""
        event = asyncio.Event()
        self._waiting[printer_id].add(event)
        try:
            yield event
        finally:
            self._waiting[printer_id].discard(event)


async def next_change(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after so many seconds; clears it."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
    finally:
        event.clear()


def _nobody(_printer_id: str) -> None:
    """Before the observer is there, nobody looks."""
