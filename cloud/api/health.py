"""/healthz and /readyz: for whoever watches the process and whoever sends it traffic."""

import asyncio
from typing import Final, Literal

from msgspec import Struct

from cloud.api.errors import ApiError
from cloud.api.kit import PUBLIC, Call, Endpoint
from cloud.draining import Draining
from cloud.storage.errors import StoreError
from cloud.storage.migrations import applied
from cloud.storage.store import Store

DATABASE_SECONDS: Final = 1.0


class Health(Struct, frozen=True):
    status: Literal["ok"] = "ok"


class HealthApi:
    """Two endpoints; neither tells anything about the inside."""

    def __init__(self, store: Store, draining: Draining, revision: str) -> None:
        self._store = store
        self._draining = draining
        self._revision = revision

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", "/healthz", self.healthz, role=PUBLIC),
            Endpoint("GET", "/readyz", self.readyz, role=PUBLIC),
        ]

    async def healthz(self, call: Call) -> Health:
        """The process is alive and its loop turns."""
        return Health()

    async def readyz(self, call: Call) -> Health:
        """The process takes traffic: not on its way out, database answering and up to date."""
        if self._draining.begun:
            raise ApiError(503, "draining", "This process is shutting down.", headers={"retry-after": "1"})
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                found = await self._store.read(applied)
        except (StoreError, TimeoutError):
            raise ApiError(503, "database", "The database does not answer.", headers={"retry-after": "2"}) from None
        if found != self._revision:
            raise ApiError(503, "migration", "The database is of another version.", headers={"retry-after": "5"})
        return Health()
