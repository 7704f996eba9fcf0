"""Safe mode: the hub fell again and again at its start, so it does only what lets somebody mend it from afar.

Wi-Fi, the cloud's connection, commands to the hub itself and updates run; printers do not. Starts that came after a
fall are counted on flash before anything is imported; five good minutes set the count back.
"""

import asyncio

from hub.boots import forgive
from hub.log import log

RETRY_MS = 3_600_000
"""So long without anybody's help, and the hub tries a full start again."""

_TURN_MS = 10_000


class SafeFleet:
    """Stands in for the fleet: takes the cloud's document and stores it, but runs no printer."""

    def __init__(self, board, config, outbox, life) -> None:  # type: ignore[no-untyped-def]
        self._board = board
        self._config = config
        self.links: "dict" = {}  # type: ignore[type-arg]
        self.cloud = None

    def start(self) -> None:
        """Say what is not done."""
        log("hub", "SAFE MODE: fell too often at the start; printers are left alone")
        asyncio.create_task(self._try_again())

    async def _try_again(self) -> None:
        while self._board.uptime_ms() < RETRY_MS:
            await asyncio.sleep_ms(_TURN_MS)
        forgive(self._board)
        self._board.reset("safe over")

    def apply(self, document: "dict") -> None:  # type: ignore[type-arg]
        """Store the cloud's document for better times."""
        try:
            self._config.store_printers(document)
        except OSError as error:
            log("config", "revision %d is not stored: %r" % (document["revision"], error))
