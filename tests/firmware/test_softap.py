"""hub/softap.py: who is not in the hub's own access point has no say on its page."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from tests.firmware.micropython import run_code
from tools.farm.cloud import free_port
from tools.hub import HubProcess

STRANGER = "127.0.1.1"  # an address of this machine, but not of the network that the hub's page is in
GUEST = "127.0.0.2"
LIMIT_S = 20.0

PLAIN = {"ssid": "Elsewhere", "psk": "secret123", "url": "https://127.0.0.1:1", "t": "token"}


@contextlib.asynccontextmanager
async def page(tmp_path: Path) -> AsyncIterator[int]:
    """The port of the page of a hub that waits to be set up; no network is in range."""
    radio = tmp_path / "radio.json"
    radio.write_text("[]")
    port = free_port()
    (tmp_path / "hub").mkdir()
    async with HubProcess.unpaired(tmp_path / "hub", extra={"PF_RADIO": str(radio), "PF_PAGE": str(port)}) as hub:
        await hub.wait_for("page on")
        yield port


async def ask(port: int, source: str, method: str, path: str, document: object = None) -> bytes:
    """Everything that is answered to who comes from an address; b"" when that is nothing."""
    body = b"" if document is None else json.dumps(document).encode()
    async with asyncio.timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def told(port: int) -> str:
    answer = await ask(port, GUEST, "GET", "/state")
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["state"])


async def test_only_who_is_in_its_own_network_may_set_it_up(tmp_path: Path) -> None:
    async with page(tmp_path) as port:
        for method, path, document in (("POST", "/setup", PLAIN), ("GET", "/info", None), ("GET", "/networks", None)):
            assert await ask(port, STRANGER, method, path, document) == b"", path
        assert await told(port) == "ready", "what a stranger sent was not even looked at"
        assert (await ask(port, GUEST, "POST", "/setup", PLAIN)).startswith(b"HTTP/1.1 202 ")


async def test_strangers_take_no_place_from_those_within(tmp_path: Path) -> None:
    async with page(tmp_path) as port, contextlib.AsyncExitStack() as open_ones:
        for _ in range(8):
            _reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(STRANGER, 0))
            open_ones.callback(writer.close)
        assert await told(port) == "ready"


async def test_who_asks_for_names_without_end_leaves_the_loop_to_others() -> None:
    """And so does who announces printers without end: each is heard in its turn."""
    await run_code(
        """
import asyncio
from hub import discovery, names

class Flood:
    def __init__(self, packet):
        self.packet, self.left = packet, 1000
    def recvfrom(self, size):
        self.left -= 1
        assert self.left, "nobody else had a turn"
        return self.packet, ("10.0.0.9", 5353)
    def sendto(self, data, peer):
        pass
    bind = setblocking = lambda self, value: None

class Sockets:
    AF_INET = SOCK_DGRAM = 0
    socket = lambda *kind: Flood(bytes([0, 0, 0, 0, 0, 1] + [0] * 6 + [1, 97, 0, 0, 1, 0, 1]))
    getaddrinfo = lambda *where: [(None,)]

class Cloud:
    links, found = {}, {}
    notice = lambda self, kind: None

async def main():
    names.socket = Sockets
    server = names.Names("192.168.4.1")
    task = asyncio.create_task(server.run())
    for _ in range(3):
        await asyncio.sleep_ms(0)
    task.cancel()
    discovery.Discovery(None, Cloud(), None)._receive(Flood(b"NOTIFY * HTTP/1.1"))

asyncio.run(main())
"""
    )
