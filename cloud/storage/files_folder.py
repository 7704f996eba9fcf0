"""Files in a folder, named by their SHA-256: `blobs/ab/abcdef…`. The same bytes are kept once.

A file appears under its name only when it is complete and on the disk: bytes go to `blobs/tmp`, are flushed, and are
renamed. What lies in `tmp` when a process starts was left by a crash and is removed.
"""

import asyncio
import hashlib
import math
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import msgspec

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
FREE_BYTES: Final = 200 * 2**20
"""Space that stays free whatever is uploaded: the database needs it."""


class Blob(msgspec.Struct, frozen=True):
    sha256: str
    size: int


class BlobError(Exception):
    """Base of what the file store raises."""


class TooLargeError(BlobError):
    """The bytes exceed the limit; nothing was kept."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes")
        self.limit = limit


class NoSpaceError(BlobError):
    """The disk is full, or would be; nothing was kept."""


class BlobStore:
    """Content-addressed files below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "tmp"

    def prepare(self) -> None:
        """Make the folders; remove what a crash left half-written. Call once, before anything is put."""
        self.make_folders()
        for leftover in self._incoming.iterdir():
            leftover.unlink()

    def make_folders(self) -> None:
        """Enough for a second process beside the one that serves, whose bytes on their way in are no leftovers."""
        self._incoming.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where these bytes lie, or would lie. Raises ValueError on anything but a hash."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError("not a SHA-256")
        return self._root / sha256[:2] / sha256

    def exists(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def open(self, sha256: str) -> BinaryIO:
        """For reading. Raises FileNotFoundError."""
        return self.path(sha256).open("rb")

    def delete(self, sha256: str) -> None:
        """Remove the bytes; harmless when they are gone."""
        self.path(sha256).unlink(missing_ok=True)

    def older_than(self, before: float) -> list[str]:
        """The hashes of all bytes that were last kept before this time, in seconds of the clock."""
        paths = (path for path in self._root.glob("??/*") if _SHA256.fullmatch(path.name))
        return sorted(path.name for path in paths if _kept_at(path) < before)

    def delete_old(self, sha256: str, before: float) -> bool:
        """Delete bytes unless they were kept, or kept again, since `before`; whether they were deleted."""
        path = self.path(sha256)
        if _kept_at(path) >= before:
            return False
        path.unlink(missing_ok=True)
        return True

    def incoming(self, limit: int) -> "Incoming":
        """Begin to receive bytes; see Incoming."""
        return Incoming(self, self._incoming, limit)

    async def put(self, stream: AsyncIterator[bytes], limit: int) -> Blob:
        """Keep a stream. Raises TooLargeError, NoSpaceError; whatever is raised, nothing is left behind."""
        async with self.incoming(limit) as incoming:
            async for chunk in stream:
                await incoming.write(chunk)
            await incoming.finish()
            return await incoming.keep()

    def free_bytes(self) -> int:
        """What may still be written."""
        return max(0, shutil.disk_usage(self._root).free - FREE_BYTES)


class Incoming:
    """Bytes on their way in: `write` … `finish`, then look at `path`, then `keep`. Left unkept, they vanish.

    Disk work is done in threads, one call at a time.
    """

    def __init__(self, store: BlobStore, folder: Path, limit: int) -> None:
        self._store = store
        self._folder = folder
        self._limit = limit
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._size = 0
        self.path = folder
        self.blob: Blob | None = None

    async def __aenter__(self) -> Self:
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        self.path = Path(name)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        self.path.unlink(missing_ok=True)

    async def write(self, chunk: bytes) -> None:
        """Raises TooLargeError as soon as the limit is passed, NoSpaceError when the disk is full."""
        self._size += len(chunk)
        if self._size > self._limit:
            raise TooLargeError(self._limit)
        await _in_thread(self._write, chunk)

    async def finish(self) -> Blob:
        """All bytes are there: flush them to the disk and close the file."""
        await _in_thread(self._finish)
        self.blob = Blob(self._hash.hexdigest(), self._size)
        return self.blob

    async def keep(self) -> Blob:
        """Give the finished file its name; the same bytes kept before stay as they are."""
        if self.blob is None:
            raise RuntimeError("finish() comes before keep()")
        await _in_thread(self._rename, self._store.path(self.blob.sha256))
        return self.blob

    def _write(self, chunk: bytes) -> None:
        if self._file is None:
            raise RuntimeError("not open")
        self._hash.update(chunk)
        view = memoryview(chunk)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise NoSpaceError(os.strerror(error.errno or 0)) from error

    def _finish(self) -> None:
        if self._file is None:
            raise RuntimeError("not open")
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise NoSpaceError(os.strerror(error.errno or 0)) from error

    def _rename(self, target: Path) -> None:
        if target.exists():
            os.utime(target)  # they are wanted again: their row may not be there yet, and nobody may sweep them away
            return
        target.parent.mkdir(exist_ok=True)
        self.path.chmod(0o640)
        self.path.replace(target)
        for folder in (target.parent, self._folder):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # the name must survive a power cut as the bytes do
            finally:
                os.close(descriptor)


def _kept_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # deleted meanwhile
        return math.inf


async def _in_thread(function: Callable[..., None], *args: object) -> None:
    """Run to its end even when the caller is cancelled, so that nobody closes the file under a running write."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *args))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
