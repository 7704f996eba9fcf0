"""Bytes that a cancelled request left behind are swept away, and no others."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.catalog.sweeping import Sweeper
from cloud.storage.files import HOLDERS
from cloud.storage.files_folder import Blob
from cloud.storage.tables import metadata
from cloud.storage.tenant import TenantTx
from tests.cloud.api_kit import Cloud, running_cloud
from tools.sample_file import PRESETS, build_sample

DAY = 24 * 3600.0


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


def sweeper(cloud: Cloud, grace: float = DAY) -> Sweeper:
    return Sweeper(cloud.services.store, cloud.services.blobs, cloud.services.keeping, grace=grace)


def age(cloud: Cloud, sha256: str, seconds: float = 2 * DAY) -> None:
    then = time.time() - seconds
    os.utime(cloud.services.blobs.path(sha256), (then, then))


async def cancelled_keeping(cloud: Cloud, data: bytes) -> str:
    """Bytes kept by somebody who was cancelled while they were noted, and whose note came to nothing."""
    reached = asyncio.Event()

    async def note(_tx: TenantTx, _blob: Blob) -> tuple[None, str]:
        reached.set()
        await asyncio.sleep(0.05)  # the unit goes on although its caller is gone
        raise RuntimeError("the database is away")

    async with cloud.services.blobs.incoming(1000) as incoming:
        await incoming.write(data)
        blob = await incoming.finish()
        task = asyncio.create_task(cloud.services.keeping.keep(await cloud.tenant(), incoming, note))
        await reached.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    return blob.sha256


async def test_what_a_cancelled_request_left_is_deleted_after_a_while(cloud: Cloud) -> None:
    blobs = cloud.services.blobs
    orphan = await cancelled_keeping(cloud, b"nobody wants me")
    assert blobs.exists(orphan)
    assert await sweeper(cloud).sweep() == 0, "it may still be noted"
    age(cloud, orphan)
    assert await sweeper(cloud).sweep() == 1
    assert not blobs.exists(orphan)
    assert await sweeper(cloud).sweep() == 0


async def test_what_any_farm_still_names_stays(cloud: Cloud) -> None:
    blobs = cloud.services.blobs
    stranger = await cloud.stranger()
    hashes = set()
    for client, preset in ((cloud.owner, "bracket_p1s"), (stranger, "bracket_p1s")):
        _, file = await client.upload(build_sample(PRESETS[preset]))
        hashes.add(file["sha256"])
    assert len(hashes) == 1
    sha256 = hashes.pop()
    age(cloud, sha256)
    assert await sweeper(cloud).sweep() == 0
    files = (await cloud.owner.ok("GET", "/api/files/"))["items"]
    await cloud.owner.ok("DELETE", f"/api/files/{files[0]['id']}")
    age(cloud, sha256)
    assert await sweeper(cloud).sweep() == 0
    assert blobs.exists(sha256)


async def test_bytes_that_are_kept_again_are_young_again(cloud: Cloud) -> None:
    orphan = await cancelled_keeping(cloud, b"wanted again")
    age(cloud, orphan)
    assert await cancelled_keeping(cloud, b"wanted again") == orphan
    assert await sweeper(cloud).sweep() == 0
    assert cloud.services.blobs.exists(orphan)


async def test_it_sweeps_by_itself_and_ends_when_told(cloud: Cloud) -> None:
    orphan = await cancelled_keeping(cloud, b"by itself")
    age(cloud, orphan)
    running = Sweeper(cloud.services.store, cloud.services.blobs, cloud.services.keeping, first=0, every=0.01)
    running.start()
    async with asyncio.timeout(10):
        while cloud.services.blobs.exists(orphan):
            await asyncio.sleep(0.01)
    await running.close()


async def test_bytes_that_cannot_be_deleted_now_do_not_make_a_deletion_look_undone(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_sha256: str) -> None:
        raise OSError(5, "Input/output error")

    _, file = await cloud.owner.upload(build_sample(PRESETS["bracket_p1s"]))
    with monkeypatch.context() as patched:
        patched.setattr(cloud.services.blobs, "delete", failing)
        await cloud.owner.ok("DELETE", f"/api/files/{file['id']}")
    assert (await cloud.owner.ok("GET", "/api/files/"))["total"] == 0
    age(cloud, file["sha256"])
    assert await sweeper(cloud).sweep() == 1


async def test_whatever_goes_wrong_once_it_sweeps_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    services, faults = cloud.services, [ValueError("a fault of ours")]
    stuck, orphan = sorted([await cancelled_keeping(cloud, b"one"), await cancelled_keeping(cloud, b"other")])
    for sha256 in (stuck, orphan):
        age(cloud, sha256)
    older_than, delete_old = services.blobs.older_than, services.blobs.delete_old

    def listed(before: float) -> list[str]:
        if faults:
            raise faults.pop()
        return older_than(before)

    def deleted(sha256: str, before: float) -> bool:
        if sha256 == stuck:
            raise PermissionError(1, "Operation not permitted")
        return delete_old(sha256, before)

    monkeypatch.setattr(services.blobs, "older_than", listed)
    monkeypatch.setattr(services.blobs, "delete_old", deleted)
    running = Sweeper(services.store, services.blobs, services.keeping, first=0, every=0.01)
    running.start()
    async with asyncio.timeout(10):
        while services.blobs.exists(orphan):
            await asyncio.sleep(0.01)
    await running.close()
    assert services.blobs.exists(stuck)


def test_every_column_that_names_bytes_is_asked() -> None:
    """A new table whose bytes nobody asks about would lose them to the sweep."""
    named = {column for table in metadata.tables.values() for column in table.c if column.name.endswith("sha256")}
    elsewhere = {metadata.tables["printers"].c.cert_sha256}
    assert named - elsewhere == {column for column, _ in HOLDERS}
