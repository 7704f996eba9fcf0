"""A byte stream to one port of one printer, whatever carries it, and the bridge from it to a blocking socket.

The room that holds the hubs gives tunnels in this shape; FTPS and the camera work on any of them.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

_CHUNK: Final = 32 * 1024


class StreamError(ConnectionError):
    """The stream could not be opened or broke. `code` is a word of `tunnel_close`, or "offline"."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class ByteStream(Protocol):
    """One open connection. One reader and one writer at a time; no half-close."""

    async def read(self) -> bytes:
        """The next bytes, at least one; b"" when the peer has closed. Raises StreamError when it broke."""
        ...

    async def write(self, data: bytes) -> None:
        """Returns when the stream has taken the bytes, so that a slow peer slows the writer. Raises StreamError."""
        ...

    def close(self) -> None:
        """For both directions; may be called twice. What was written before is still delivered; nothing more is read.

        Wakes a waiting read or write.
        """
        ...


TunnelOpener = Callable[[int], Awaitable[ByteStream]]
"""Opens a stream to a TCP port of one printer. Raises StreamError."""


class Bridge:
    """A connected, blocking socket whose other end is pumped into a stream.

    TLS of the standard library wants a real socket, and FTPS must resume one session on two of them. The socket
    may be used in another thread; everything else belongs to the event loop. Closing the socket closes the stream
    behind the bytes written to it.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._ours, self.socket = socket.socketpair()
        self._ours.setblocking(False)
        self._pumps = (
            asyncio.create_task(_to_stream(self._ours, stream)),
            asyncio.create_task(_from_stream(stream, self._ours)),
        )

    def abort(self) -> None:
        """Break the connection at once, whoever waits on it."""
        _hang_up(self._ours)
        self._stream.close()

    async def close(self) -> None:
        """End the pumps; whoever has the socket closes that."""
        self._stream.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        self._ours.close()


async def _to_stream(ours: socket.socket, stream: ByteStream) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await loop.sock_recv(ours, _CHUNK):
            await stream.write(data)
    except OSError:
        # The stream broke: what reads from the socket must learn it.
        _hang_up(ours)
    else:
        # The local side is finished; a tunnel cannot be half closed.
        stream.close()


async def _from_stream(stream: ByteStream, ours: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while data := await stream.read():
            await loop.sock_sendall(ours, data)
    _hang_up(ours)


def _hang_up(ours: socket.socket) -> None:
    with contextlib.suppress(OSError):
        ours.shutdown(socket.SHUT_RDWR)
