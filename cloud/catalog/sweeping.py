"""Bytes that no row names: left by a request that was cancelled between keeping them and noting them.

Slow on purpose. It looks at a few files at a time, deletes nothing that is young, and takes its turn with whoever
keeps or lets go.
"""

import asyncio
import time
from typing import Final

import structlog

from cloud.catalog.keeping import BlobKeeping
from cloud.storage.errors import StoreError
from cloud.storage.files import blobs_in_use
from cloud.storage.files_folder import BlobStore
from cloud.storage.store import Store

log = structlog.get_logger(__name__)

GRACE_SECONDS: Final = 24 * 3600.0
"""Longer than any request or migration takes from its bytes to their row."""
FIRST_SECONDS: Final = 600.0
EVERY_SECONDS: Final = 6 * 3600.0
BATCH: Final = 200
PAUSE_SECONDS: Final = 0.05


class Sweeper:
    """Of one process, beside its BlobKeeping."""

    def __init__(
        self, store: Store, blobs: BlobStore, keeping: BlobKeeping, *, grace: float = GRACE_SECONDS,
        first: float = FIRST_SECONDS, every: float = EVERY_SECONDS,
    ) -> None:  # fmt: skip
        self._store = store
        self._blobs = blobs
        self._keeping = keeping
        self._grace = grace
        self._first = first
        self._every = every
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="sweep blobs")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> int:
        """Go through all files once; how many were deleted."""
        before, deleted = time.time() - self._grace, 0
        names = await asyncio.to_thread(self._blobs.older_than, before)
        for start in range(0, len(names), BATCH):
            for sha256 in await self._unused(names[start : start + BATCH]):
                deleted += await self._deleted(sha256, before)
            await asyncio.sleep(PAUSE_SECONDS)
        if deleted:
            log.info("bytes that nobody needs were deleted", files=deleted)
        return deleted

    async def _deleted(self, sha256: str, before: float) -> bool:
        try:
            return await self._keeping.delete_orphan(sha256, before)
        except OSError as error:
            # The others are not to wait behind it for ever.
            log.warning("bytes that nobody needs cannot be deleted", sha256=sha256, problem=error.strerror)
            return False

    async def _unused(self, names: list[str]) -> list[str]:
        used = await self._store.read(lambda tx: blobs_in_use(tx, names))
        return [sha256 for sha256 in names if sha256 not in used]

    async def _run(self) -> None:
        await asyncio.sleep(self._first)
        while True:
            try:
                await self.sweep()
            except (StoreError, OSError) as error:
                log.warning("the sweep was broken off, and is tried again", problem=type(error).__name__)
            except Exception:
                log.exception("the sweep failed, and is tried again")
            await asyncio.sleep(self._every)
