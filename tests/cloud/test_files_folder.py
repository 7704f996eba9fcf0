"""The folder of files: complete or not there."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.storage.files_folder import BlobStore, NoSpaceError, TooLargeError


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    store = BlobStore(tmp_path / "blobs")
    store.prepare()
    return store


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def everything(blobs: BlobStore) -> list[Path]:
    return [path for path in blobs._root.rglob("*") if path.is_file()]


async def test_bytes_are_kept_under_their_hash(blobs: BlobStore) -> None:
    blob = await blobs.put(stream(b"ab", b"", b"c"), 3)
    assert (blob.sha256, blob.size) == (hashlib.sha256(b"abc").hexdigest(), 3)
    assert everything(blobs) == [blobs.path(blob.sha256)]
    with blobs.open(blob.sha256) as file:
        assert file.read() == b"abc"
    assert await blobs.put(stream(b"abc"), 10) == blob
    assert len(everything(blobs)) == 1
    blobs.delete(blob.sha256)
    blobs.delete(blob.sha256)
    assert not blobs.exists(blob.sha256)


async def test_too_much_leaves_nothing(blobs: BlobStore) -> None:
    with pytest.raises(TooLargeError):
        await blobs.put(stream(b"ab", b"cd"), 3)
    assert everything(blobs) == []


async def test_a_full_disk_leaves_nothing(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpaceError):
        await blobs.put(stream(b"abc"), 10)
    assert everything(blobs) == []


async def test_cancelling_at_any_moment_leaves_all_or_nothing(blobs: BlobStore) -> None:
    content = os.urandom(300_000)

    async def slow() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 50_000):
            yield content[start : start + 50_000]
            await asyncio.sleep(0)

    digest = hashlib.sha256(content).hexdigest()
    for turns in range(0, 60, 3):
        task = asyncio.create_task(blobs.put(slow(), 10**6))
        for _ in range(turns):
            await asyncio.sleep(0.0002)
        task.cancel()
        await asyncio.wait([task])
        for path in everything(blobs):
            assert path == blobs.path(digest)
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_a_hash_is_a_name(blobs: BlobStore, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        blobs.path(name)
