"""The radio's other side for a hub process that waits to be set up: its Bluetooth, as firmware/hub/board/ble_unix.py.

async with BleBridge.open() as bridge:
    hub = HubProcess.unpaired(folder, extra={"PF_BLE": bridge.address})
    await hub.start()
    await bridge.connected()
    info = json.loads(await bridge.read(pairing.INFO_UUID))
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any, Self

LIMIT_S = 20.0


class BleBridge:
    """One hub's GATT server. `shape` is what it said of itself, `advertisement` what it advertises now."""

    def __init__(self) -> None:
        self.shape: dict[str, Any] = {}
        self.advertisement = b""
        self.hints: asyncio.Queue[str] = asyncio.Queue()
        self._writer: asyncio.StreamWriter | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._here = asyncio.Event()
        self.address = ""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Listen for a hub on a port of this machine."""
        bridge = cls()
        server = await asyncio.start_server(bridge._serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        bridge.address = f"{host}:{port}"
        try:
            yield bridge
        finally:
            server.close()
            if bridge._writer is not None:
                bridge._writer.close()

    async def connected(self) -> None:
        """A hub has switched its radio on."""
        async with asyncio.timeout(LIMIT_S):
            await self._here.wait()

    async def read(self, uuid: str) -> bytes:
        """A characteristic's value."""
        return bytes.fromhex((await self._ask({"op": "read", "uuid": uuid}))["value"])

    async def write(self, uuid: str, data: bytes) -> None:
        """Write one."""
        await self._ask({"op": "write", "uuid": uuid, "value": data.hex()})

    async def write_long(self, uuid: str, data: bytes, piece: int = 180) -> None:
        """A box, in pieces as the pairing service takes them."""
        for offset in range(0, len(data), piece):
            head = offset.to_bytes(2, "big") + len(data).to_bytes(2, "big")
            await self.write(uuid, head + data[offset : offset + piece])

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        if self._writer is None:
            raise ConnectionError("no hub is here")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._writer.write(json.dumps(message | {"id": number}).encode() + b"\n")
        async with asyncio.timeout(LIMIT_S):
            return await answer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        try:
            while line := await reader.readline():
                self._take(json.loads(line))
        except ConnectionError:
            pass
        finally:
            self._writer = None
            self._here.clear()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the hub switched its radio off"))
            writer.close()

    def _take(self, message: dict[str, Any]) -> None:
        if "advertisement" in message:
            self.advertisement = bytes.fromhex(message["advertisement"])
        if "services" in message:
            self.shape = message
            self._here.set()
        elif "changed" in message:
            self.hints.put_nowait(message["changed"])
        else:
            self._answers.pop(message["id"]).set_result(message)
