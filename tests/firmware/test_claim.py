"""hub/claim.py: what each answer of a cloud becomes, and whom the hub tells its proof."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.firmware.micropython import run_code
from tests.firmware.tls_servers import certificate, server_context, serving

GOOD = {"hub": "hub_1", "key": "pfh_hub_1_secret", "name": "Shelf", "cloud": "wss://farm.example/hub/v1/link"}

PROGRAM = """
import asyncio, json, sys
from hub import claim
from hub.config import Config

class Board:
    name, target, asked = "unix", "unix", 0
    def recall(self, name, default):
        return default
    def doubt_time(self):
        self.asked += 1

class Setup:
    board, firmware, secret = Board(), "0.1.0", bytes(range(16))
    config = Config(sys.argv[2])

async def main():
    said = []
    content = {"ssid": "Farm", "psk": "", "url": sys.argv[1], "t": "token"}
    try:
        answer = await claim.claim(Setup, content, said.append)
        claim.store(sys.argv[2], {"ssid": "Farm", "password": ""}, answer)
        config = Config(sys.argv[2])
        print(config.identity.hub, config.networks, said)
    except claim.ClaimError as error:
        print(error.code, "|", error.message, "|", Setup.board.asked)

asyncio.run(main())
"""


class Server:
    """Answers each claim in the same way, and keeps what was asked."""

    def __init__(self, status: int, body: Any) -> None:
        self._status = status
        self._body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (self._status, len(self._body)) + self._body)
        await writer.drain()
        writer.close()


async def outcome(url: str, folder: Path) -> str:
    return (await run_code(PROGRAM, url, str(folder), heap="1M")).out.strip().splitlines()[-1]


def refusal(code: str, message: str = "why") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "details": {}}}


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (403, refusal("token_invalid"), "token_invalid | why | 0"),
        (409, refusal("already_owned"), "already_owned | why | 0"),
        (429, refusal("too_many_attempts", "Wait."), "cloud_refused | Wait. | 0"),
        (500, b"<html>", "cloud_unreachable | the answer is not JSON | 0"),
        (404, {"detail": "nothing here"}, "cloud_refused | HTTP 404 | 0"),
        (200, {"hub": "hub_1"}, "cloud_refused | identity: key is missing or not plain text | 0"),
        (200, GOOD | {"cloud": "ws://farm.example/link"}, None),
        (200, b"x" * 9000, "cloud_unreachable | the answer is too long | 0"),
    ],
)
async def test_what_the_cloud_answers(tmp_path: Path, status: int, body: Any, wanted: str | None) -> None:
    server = Server(status, body)
    async with serving(server.handle) as port:
        found = await outcome(f"http://127.0.0.1:{port}/", tmp_path)
    if wanted is None:
        assert found.startswith("cloud_refused | identity: the cloud must be wss://")
    else:
        assert found == wanted
    assert server.heads[0].startswith(b"POST /hub/v1/claim HTTP/1.1\r\n")
    asked = json.loads(server.bodies[0])
    assert set(asked) == {"proof", "token", "firmware", "board", "target", "reset_epoch"}
    assert bytes(range(16)).hex() not in server.bodies[0].decode()
    assert not (tmp_path / "identity.json").exists()


async def test_a_good_answer_makes_it_a_hub(tmp_path: Path) -> None:
    server = Server(200, GOOD)
    async with serving(server.handle) as port:
        found = await outcome(f"http://127.0.0.1:{port}/farm", tmp_path)
    assert found == "hub_1 [{'ssid': 'Farm', 'password': ''}] ['reaching', 'claiming']"
    assert server.heads[0].startswith(b"POST /farm/hub/v1/claim ")


async def test_over_tls_only_a_cloud_that_is_trusted_hears_the_proof(tmp_path: Path) -> None:
    server = Server(200, GOOD)
    async with serving(server.handle, server_context()) as port:
        without = await outcome(f"https://localhost:{port}", tmp_path)
        assert without.startswith("cloud_refused | The cloud's certificate is from no authority this hub trusts.")
        assert without.endswith("again with --ca. | 0"), "the time is not asked for: it is not the reason"
        (tmp_path / "other.der").write_bytes(b"not a certificate")
        assert "other.der in the data folder is no certificate" in await outcome(f"https://localhost:{port}", tmp_path)
        (tmp_path / "other.der").write_bytes(certificate("localhost", serial=7)[2])
        assert await outcome(f"https://localhost:{port}", tmp_path) == without, "the name alone is not enough"
        assert server.bodies == []
        (tmp_path / "cloud.der").write_bytes(certificate("localhost")[2])
        assert (await outcome(f"https://localhost:{port}", tmp_path)).startswith("hub_1 ")


@pytest.mark.parametrize("url", ["http://farm.example", "ftp://127.0.0.1", "http://", "https://farm.example:99999"])
async def test_addresses_that_are_not_used(tmp_path: Path, url: str) -> None:
    assert (await outcome(url, tmp_path)).startswith("cloud_refused | The cloud's address")


async def test_a_name_that_cannot_be_found_is_a_network_without_internet(tmp_path: Path) -> None:
    assert (await outcome("https://no-such-name.invalid", tmp_path)).startswith("no_internet")
