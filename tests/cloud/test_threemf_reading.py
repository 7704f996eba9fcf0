"""The reader in its process: limits, crashes, cancellation, and nothing left behind."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from cloud.catalog.archive import Limits, ThreeMFError
from cloud.catalog.reading import ThreeMFReader
from cloud.catalog.threemf import read_threemf
from tests.cloud.zipcraft import Entry, craft, pack, sample_members
from tools.sample_file import SampleSpec, build_sample


@pytest.fixture
async def reader() -> AsyncIterator[ThreeMFReader]:
    made = ThreeMFReader()
    yield made
    await made.close()
    assert made.pids == []


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.gcode.3mf"
    path.write_bytes(build_sample(SampleSpec(layers=3)))
    return path


def hang(reader: ThreeMFReader) -> int:
    """Stop the one worker where it stands, as an endless loop in a parser would; returns its process id."""
    (pid,) = reader.pids
    os.kill(pid, signal.SIGSTOP)
    return pid


def long_file(tmp_path: Path) -> Path:
    """900 MB of stored gcode in a sparse file: seconds of work, within all limits of size and ratio."""
    size = 900 << 20
    name = "Metadata/plate_1.gcode"
    entry = Entry(name, b"", stored=True, claimed_size=size, claimed_packed=size)
    data = craft([entry])
    start = data.index(b"PK\x01\x02")
    path = tmp_path / "long.gcode.3mf"
    with path.open("wb") as file:
        file.write(data[:start])
        file.seek(start + size)
        file.write(data[start:-6] + (start + size).to_bytes(4, "little") + bytes(2))
    return path


async def test_reads_as_the_plain_reader_does(reader: ThreeMFReader, sample: Path) -> None:
    assert await reader.read(sample) == read_threemf(sample)
    picture = await reader.thumbnail(sample, 1, "small")
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert await reader.thumbnail(sample, 7) is None
    (pid,) = reader.pids  # one process did all three
    assert psutil.pid_exists(pid)


async def test_refusals_come_through_and_the_worker_lives_on(
    reader: ThreeMFReader, sample: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.3mf"
    bad.write_bytes(b"no zip")
    await reader.read(sample)
    before = reader.pids
    with pytest.raises(ThreeMFError, match="not a 3MF") as caught:
        await reader.read(bad)
    assert caught.value.code == "not_a_zip"
    with pytest.raises(FileNotFoundError):
        await reader.read(tmp_path / "nowhere.3mf")
    assert reader.pids == before


async def test_the_limits_reach_the_worker(sample: Path) -> None:
    reader = ThreeMFReader(limits=Limits(file_bytes=100))
    try:
        with pytest.raises(ThreeMFError) as caught:
            await reader.read(sample)
    finally:
        await reader.close()
    assert caught.value.code == "too_large"


async def test_the_worker_inherits_no_secrets(
    reader: ThreeMFReader, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRINTFARM_SECRET_KEY", "hunter2")
    await reader.read(sample)
    environment = psutil.Process(reader.pids[0]).environ()
    assert "PRINTFARM_SECRET_KEY" not in environment
    assert "hunter2" not in environment.values()


async def test_a_worker_that_dies_is_replaced(reader: ThreeMFReader, sample: Path) -> None:
    await reader.read(sample)
    (first,) = reader.pids
    process = psutil.Process(first)
    os.kill(first, signal.SIGKILL)
    await asyncio.to_thread(process.wait, 10)
    for _ in range(2):
        try:
            assert (await reader.read(sample)).model_id == "C12"
            break
        except ThreeMFError as error:  # the death was not known yet: refused once, never twice
            assert error.code == "unreadable"
    (second,) = reader.pids
    assert second != first


async def test_a_worker_that_hangs_is_killed_in_time(sample: Path) -> None:
    reader = ThreeMFReader(wall_seconds=0.3)
    try:
        await reader.read(sample)
        stopped = hang(reader)
        with pytest.raises(ThreeMFError, match="too long") as caught:
            await reader.read(sample)
        assert caught.value.code == "unreadable"
        assert (await reader.read(sample)).model_id == "C12"
        assert stopped not in reader.pids
    finally:
        await reader.close()
    assert not psutil.pid_exists(stopped)


async def test_processor_time_is_limited(sample: Path, tmp_path: Path) -> None:
    reader = ThreeMFReader(cpu_seconds=0)  # what is left of the second that has begun
    try:
        with pytest.raises(ThreeMFError) as caught:
            await reader.read(long_file(tmp_path))
        assert caught.value.code == "unreadable"
    finally:
        await reader.close()


async def test_a_cancelled_reading_takes_its_worker_along(reader: ThreeMFReader, sample: Path) -> None:
    await reader.read(sample)
    stopped = hang(reader)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.read(sample)
    assert (await reader.read(sample)).model_id == "C12"
    assert stopped not in reader.pids


async def test_a_reading_cancelled_during_the_start_leaves_no_process(sample: Path) -> None:
    reader = ThreeMFReader()
    before = {child.pid for child in psutil.Process().children()}
    reading = asyncio.create_task(reader.read(sample))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await reader.close()
    assert {child.pid for child in psutil.Process().children()} == before


async def test_memory_is_limited(sample: Path, tmp_path: Path) -> None:
    """Plain XML that grows to a large tree; the limit is twice what the interpreter itself needs."""
    fat = tmp_path / "fat.gcode.3mf"
    info = (
        b"<config>"
        + b"".join(b'<plate a="%d" b="%d" c="%d"/>' % (n, n + 1, n + 2) for n in range(99_000))
        + b"</config>"
    )
    fat.write_bytes(pack(sample_members() | {"Metadata/slice_info.config": info}))
    reader = ThreeMFReader(memory_bytes=64 << 20)
    try:
        assert (await reader.read(sample)).model_id == "C12"
        with pytest.raises(ThreeMFError) as caught:
            await reader.read(fat)
        assert caught.value.code == "unreadable"
        assert (await reader.read(sample)).model_id == "C12"
    finally:
        await reader.close()


async def test_readings_at_once_share_the_workers(sample: Path) -> None:
    reader = ThreeMFReader(workers=2)
    try:
        files = await asyncio.gather(*(reader.read(sample) for _ in range(8)))
        assert {file.model_id for file in files} == {"C12"}
        assert 1 <= len(reader.pids) <= 2
    finally:
        await reader.close()


async def test_closing_ends_what_is_under_way(sample: Path) -> None:
    reader = ThreeMFReader()
    await reader.read(sample)
    stopped = hang(reader)
    reading = asyncio.create_task(reader.read(sample))
    waiting = asyncio.create_task(reader.read(sample))
    await asyncio.sleep(0)
    await asyncio.wait_for(reader.close(), 10)
    for task in (reading, waiting):
        with pytest.raises(ThreeMFError) as caught:
            await task
        assert caught.value.code == "unreadable"
    assert not psutil.pid_exists(stopped)
    with pytest.raises(ThreeMFError, match="shutting down"):
        await reader.read(sample)
