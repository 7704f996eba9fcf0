"""ByteStreams straight over TCP: what a tunnel is, without a hub."""

import asyncio
from collections.abc import Awaitable, Callable

from cloud.printing.streams import ByteStream, StreamError


class TcpStream:
    """A TCP connection as a ByteStream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        try:
            return await self._reader.read(8192)
        except OSError as error:
            raise StreamError("reset", "broke") from error

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise StreamError("reset", "broke") from error

    def close(self) -> None:
        self._writer.close()


class Tunnels:
    """Opens streams to one host and remembers them."""

    def __init__(self, host: str) -> None:
        self._host = host
        self.opened: list[TcpStream] = []

    async def __call__(self, port: int) -> ByteStream:
        try:
            reader, writer = await asyncio.open_connection(self._host, port)
        except OSError as error:
            raise StreamError("refused", "The printer refuses connections.") from error
        stream = TcpStream(reader, writer)
        self.opened.append(stream)
        return stream


Opener = Callable[[int], Awaitable[ByteStream]]
