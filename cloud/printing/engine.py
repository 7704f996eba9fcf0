"""The room put together: what app.py makes, starts and ends."""

from cloud.bus import Bus
from cloud.printing.attempts import Attempts
from cloud.printing.cleaning import Cleaner
from cloud.printing.dispatcher import SWEEP, Dispatcher
from cloud.printing.following import Follower
from cloud.printing.handling import Handling
from cloud.printing.hub_care import HubCare
from cloud.printing.live import RECENT
from cloud.printing.observer import Observer
from cloud.printing.progress import ProgressWriter
from cloud.printing.remote_files import RemoteFiles
from cloud.printing.room import Room
from cloud.printing.service import JobService
from cloud.printing.starting import Patience
from cloud.printing.upkeep import Upkeep
from cloud.storage import hubs as hub_queries
from cloud.storage import jobs as job_queries
from cloud.storage import printers as printer_queries
from cloud.storage.store import Store


class Printing:
    """Start it when bus and store are open and before hubs are let in; end it when they are gone."""

    def __init__(self, store: Store, bus: Bus, *, patience: Patience | None = None, sweep: float = SWEEP) -> None:
        self._room = Room(store, bus)
        self._store = store
        self.live = self._room.live
        self.moves = self._room.moves
        self.controls = self._room.controls
        self.attempts = Attempts(self._room, patience)
        self._cleaner = Cleaner(self._room)
        self._progress = ProgressWriter(self._room)
        self._follower = Follower(self._room)
        self.observer = Observer(self._room, self.attempts, self._cleaner, self._follower)
        self.dispatcher = Dispatcher(self._room, self.attempts, self._cleaner, sweep=sweep)
        self.jobs = JobService(self.live, self.moves, self.attempts, self.controls)
        self.handling = Handling(self.controls, self.live)
        self.files_on_printers = RemoteFiles(self._room)
        self.upkeep = Upkeep(self.live, self.moves)
        self.hub_care = HubCare(self._room)

    async def start(self) -> None:
        """Fill the live views from the database, take up what was under way, begin to dispatch."""
        for hub in await self._store.read(hub_queries.everyone):
            self.live.hubs.put(hub)
        for printer in await self._store.read(printer_queries.everyone):
            self.live.put_printer(printer)
        for row in await self._store.read(lambda tx: job_queries.recent(tx, RECENT)):
            self.live.put_job(row)
        await self._cleaner.start()
        self._progress.start()
        await self.attempts.resume()
        self.dispatcher.start()

    async def stop(self) -> None:
        """Stop dispatching and working; jobs stay where they are and are taken up by the next start."""
        await self.dispatcher.close()
        await self.attempts.close()
        await self.observer.close()
        await self._follower.close()
        await self._cleaner.close()
        await self._progress.close()
