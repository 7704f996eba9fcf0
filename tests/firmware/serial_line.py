"""A cable to a hub process that waits to be set up (PF_SERIAL, firmware/hub/board/serial_unix.py).

async with SerialCable.open() as cable:
    hub = HubProcess.unpaired(folder, extra={"PF_SERIAL": cable.hub_end})
    await hub.start()
    await cable.connected()
    ...  # a client of Improv connects to cable.port, as to a serial port
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self

LIMIT_S = 20.0

JUNK = b"mqtt: one printer is silent\r\nwaiting for IMPROV, the standard\r\n\x00\xff half a li"
"""What a console shows besides: whole lines, noise, and a line that is not finished when a frame begins."""


class SerialCable:
    """Both ends are TCP ports of this machine; everything is passed on, with junk before what the hub says."""

    def __init__(self, junk: bytes) -> None:
        self.hub_end = ""
        self.port = 0
        self._junk = junk
        self._hub: asyncio.StreamWriter | None = None
        self._client: asyncio.StreamWriter | None = None
        self._here = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, junk: bytes = JUNK) -> AsyncIterator[Self]:
        """Lay a cable."""
        cable = cls(junk)
        hub_end = await asyncio.start_server(cable._serve_hub, "127.0.0.1", 0)
        client_end = await asyncio.start_server(cable._serve_client, "127.0.0.1", 0)
        cable.hub_end = f"127.0.0.1:{hub_end.sockets[0].getsockname()[1]}"
        cable.port = client_end.sockets[0].getsockname()[1]
        try:
            yield cable
        finally:
            for server in (hub_end, client_end):
                server.close()
            for writer in (cable._hub, cable._client):
                if writer is not None:
                    writer.close()

    async def connected(self) -> None:
        """A hub is at the other end."""
        async with asyncio.timeout(LIMIT_S):
            await self._here.wait()

    async def _serve_hub(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hub = writer
        self._here.set()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                if self._client is not None:
                    self._client.write(self._junk + data)
        writer.close()

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._client = writer
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                assert self._hub is not None
                self._hub.write(data)
        self._client = None
        writer.close()
