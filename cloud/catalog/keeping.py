"""The bytes behind rows: there before a row names them, gone once no row does.

Keeping bytes and noting them are two steps, and so is letting go: they must not interleave, or an upload finds its
bytes deleted by somebody who let go of the same ones. One BlobKeeping serves everything that keeps bytes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from cloud.storage.errors import StoreError
from cloud.storage.files import blob_in_use
from cloud.storage.files_folder import Blob, BlobStore, Incoming
from cloud.storage.store import Store
from cloud.storage.tenant import TenantStore, TenantTx

log = structlog.get_logger(__name__)

T = TypeVar("T")

Noting = Callable[[TenantTx, Blob], Awaitable[tuple[T, str]]]
"""Writes down where the bytes belong; its result, and the SHA-256 that was there before, "" for none."""
LettingGo = Callable[[TenantTx], Awaitable[tuple[T, str]]]
"""Lets go of bytes; its result, and their SHA-256, "" for none."""


class BlobKeeping:
    """Of one process."""

    def __init__(self, store: Store, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs
        self._turn = asyncio.Lock()

    async def keep(self, tenant: TenantStore, incoming: Incoming, note: Noting[T]) -> T:
        """Keep what came in and note it in one transaction. Raises NoSpaceError, and what `note` raises."""
        async with self._turn:
            blob = await incoming.keep()
            try:
                result, former = await tenant.write(lambda tx: note(tx, blob))
            except Exception:
                await self._delete_unused(blob.sha256)
                raise
            await self._delete_unused(former)
            return result

    async def release(self, tenant: TenantStore, let_go: LettingGo[T]) -> T:
        """Let go in one transaction, and delete the bytes unless somebody else's row names them too."""
        async with self._turn:
            result, former = await tenant.write(let_go)
            await self._delete_unused(former)
            return result

    async def delete_orphan(self, sha256: str, before: float) -> bool:
        """Delete bytes that no row names and nobody has kept since `before`, in seconds of the clock."""
        async with self._turn:
            if await self._store.read(lambda tx: blob_in_use(tx, sha256)):
                return False
            return await asyncio.to_thread(self._blobs.delete_old, sha256, before)

    async def _delete_unused(self, sha256: str) -> None:
        """Never raises for the database or the disk: what was asked for is done, and the sweep comes for the bytes."""
        try:
            # Asked by the service itself: a tenant's transaction does not see who else has the same bytes.
            if sha256 and not await self._store.read(lambda tx: blob_in_use(tx, sha256)):
                await asyncio.to_thread(self._blobs.delete, sha256)
        except (StoreError, OSError) as error:
            log.warning("bytes that nobody needs are left to the sweep", sha256=sha256, problem=type(error).__name__)
