"""The process: it says when it is ready, shares its directory with nobody, and leaves politely."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest

from cloud.data_dir import DataDirError, locked
from tests.cloud.api_kit import OWNER, PASSWORD

LIMIT = 40.0


class Process:
    """`python -m cloud` with its own directory."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log
        self.url = ""

    async def ready(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT):
            line = (await self.process.stdout.readline()).decode()
        assert line.startswith("PRINTFARM READY http://127.0.0.1:"), f"{line!r}\n{self.log.read_text()}"
        self.url = line.split()[-1]
        return self.url

    async def ended(self) -> int:
        async with asyncio.timeout(LIMIT):
            return await self.process.wait()

    def lines(self) -> list[dict[str, object]]:
        """The log, which is JSON to the last line."""
        return [msgspec.json.decode(line) for line in self.log.read_text().splitlines()]


@asynccontextmanager
async def started(folder: Path, *, name: str = "log", **settings: str) -> AsyncIterator[Process]:
    defaults = {"DATA_DIR": str(folder / "data"), "PORT": "0", "DRAIN_SECONDS": "0.5"}
    environment = {f"PRINTFARM_{key}": value for key, value in {**defaults, **settings}.items()}
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PRINTFARM_")}
    log = folder / name
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-m", "cloud",
            env=clean | environment, stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    try:
        yield Process(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        transport = getattr(process, "_transport", None)
        if transport is not None:
            transport.close()


async def test_it_starts_answers_and_ends_with_status_0(tmp_path: Path) -> None:
    async with started(tmp_path) as cloud:
        url = await cloud.ready()
        async with aiohttp.ClientSession(url) as http:
            for path in ("/healthz", "/readyz"):
                async with http.get(path) as answer:
                    assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        cloud.process.send_signal(signal.SIGTERM)
        assert await cloud.ended() == 0
        lines = cloud.lines()
    (setup,) = [line for line in lines if "/setup#" in str(line.get("url"))]
    assert str(setup["url"]).startswith(f"{url}/setup#")
    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o777 == 0o600
    assert not [line for line in lines if line.get("level") in ("error", "critical")]


async def test_a_second_process_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with started(tmp_path) as first:
        await first.ready()
        async with started(tmp_path, name="second") as second:
            assert await second.ended() == 1
            sentence = second.log.read_text()
        assert f"process {first.process.pid}" in sentence
        assert sentence.count("\n") == 1
        first.process.kill()
        await first.ended()
    async with started(tmp_path, name="third") as third:  # a killed process holds nothing
        await third.ready()


async def test_a_taken_port_is_told_in_a_sentence(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with started(tmp_path, PORT=str(port)) as cloud:
        assert await cloud.ended() == 1
        assert f"Cannot listen on 127.0.0.1:{port}" in cloud.log.read_text()
    server.close()
    await server.wait_closed()


async def test_a_bad_setting_is_told_in_a_sentence(tmp_path: Path) -> None:
    async with started(tmp_path, BEAT_MS="soon") as cloud:
        assert await cloud.ended() == 1
        assert cloud.log.read_text().startswith("printfarm: PRINTFARM_BEAT_MS")


async def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "secret.key").write_text("AAAA\n")
    (data / "secret.key").chmod(0o644)
    async with started(tmp_path) as cloud:
        assert await cloud.ended() == 1
        assert cloud.log.read_text().splitlines()[-1].startswith("printfarm: ")
        assert "chmod 600" in cloud.log.read_text()
        assert "Traceback" not in cloud.log.read_text()


async def test_a_database_that_is_none_is_told_in_a_sentence(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "printfarm.db").write_bytes(b"this is no database, but it is long enough to be looked at" * 10)
    async with started(tmp_path) as cloud:
        assert await cloud.ended() == 1
        assert "The database cannot be used" in cloud.log.read_text().splitlines()[-1]


async def test_it_says_goodbye_to_its_sockets_before_it_ends(tmp_path: Path) -> None:
    async with started(tmp_path, DEMO_EMAIL=OWNER, DEMO_PASSWORD=PASSWORD, DRAIN_SECONDS="1") as cloud:
        url = await cloud.ready()
        async with aiohttp.ClientSession(url) as http:
            async with http.post("/api/auth/login", json={"email": OWNER, "password": PASSWORD}) as answer:
                token = (await answer.json())["access_token"]
            sockets = [
                await http.ws_connect("/api/v1/ws", headers={"authorization": f"Bearer {token}"}) for _ in range(10)
            ]
            for socket in sockets:
                await socket.send_json({"type": "watch"})
                assert (await socket.receive_json(timeout=LIMIT))["type"] == "snapshot"
            loop = asyncio.get_running_loop()
            began = loop.time()
            cloud.process.send_signal(signal.SIGTERM)

            async def closed_after(socket: aiohttp.ClientWebSocketResponse) -> float:
                while (await socket.receive(timeout=LIMIT)).type not in (
                    aiohttp.WSMsgType.CLOSE,
                    aiohttp.WSMsgType.CLOSED,
                ):
                    pass
                assert socket.close_code == 1012
                return loop.time() - began

            first_closed = asyncio.create_task(_until_not_ready(http))
            times = sorted(await asyncio.gather(*(closed_after(socket) for socket in sockets)))
            assert await first_closed == 503
        assert await cloud.ended() == 0
        assert times[-1] - times[0] > 0.4  # spread, not all at once
        assert PASSWORD not in cloud.log.read_text()
        assert token not in cloud.log.read_text()


async def _until_not_ready(http: aiohttp.ClientSession) -> int:
    async with asyncio.timeout(LIMIT):
        while True:
            async with http.get("/readyz") as answer:
                if answer.status != 200:
                    return answer.status
            await asyncio.sleep(0.02)


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with started(tmp_path, DRAIN_SECONDS="30", DEMO_EMAIL=OWNER, DEMO_PASSWORD=PASSWORD) as cloud:
        url = await cloud.ready()
        async with aiohttp.ClientSession(url) as http:
            async with http.post("/api/auth/login", json={"email": OWNER, "password": PASSWORD}) as answer:
                token = (await answer.json())["access_token"]
            headers = {"authorization": f"Bearer {token}"}
            async with http.ws_connect("/api/v1/ws", headers=headers), http.ws_connect("/api/v1/ws", headers=headers):
                cloud.process.send_signal(signal.SIGTERM)
                assert await _until_not_ready(http) == 503
                cloud.process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(15):
                    assert await cloud.process.wait() == 0


def test_the_lock_is_let_go_of(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            locked(tmp_path / "data"),
            pytest.raises(DataDirError, match="Another PrintFarm"),
            locked(tmp_path / "data"),
        ):
            pytest.fail("two held the same directory")


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirError, match="cannot be used"), locked(tmp_path / "file" / "data"):
        pytest.fail("held what cannot be")
