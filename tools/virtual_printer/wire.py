"""Sockets with exact manners: plain or TLS connections whose every byte and every close is ours to decide.

asyncio's own TLS streams answer a close-notify, flush on close and start the handshake by themselves; a faithful
(or deliberately broken) printer must be able not to. So TLS runs here over `ssl.MemoryBIO` and `loop.sock_*`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable

CHUNK = 65536


class Wire:
    """One TCP connection, plain until `start_tls`. Reading and writing may go on in two tasks at once."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._write_lock = asyncio.Lock()
        self._buffer = bytearray()
        self._closed = False
        self.owner: asyncio.Task[None] | None = None
        """The task that serves this connection; it is cancelled when somebody else ends the connection."""
        self.gate: asyncio.Event | None = None
        """While it is clear, nothing more is taken from the socket or put into it."""
        self.drip: tuple[int, float] | None = None
        """When set: send this many bytes at a time, with this pause in seconds between them."""

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def session_reused(self) -> bool:
        """Did the client resume an earlier TLS session?"""
        return self._tls is not None and bool(self._tls.session_reused)

    @property
    def local_address(self) -> tuple[str, int]:
        host, port = self._sock.getsockname()[:2]
        return str(host), int(port)

    @property
    def peer(self) -> str:
        try:
            host, port = self._sock.getpeername()[:2]
        except OSError:
            return "gone"
        return f"{host}:{port}"

    async def start_tls(self, context: ssl.SSLContext, within: float = 30.0) -> None:
        """Do the server's side of the handshake. Raises ssl.SSLError, OSError, EOFError or TimeoutError."""
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        async with asyncio.timeout(within):
            while True:
                try:
                    self._tls.do_handshake()
                except ssl.SSLWantReadError:
                    await self._flush()
                    await self._fill()
                except ssl.SSLError:
                    await self._flush()  # the alert tells the client why
                    raise
                else:
                    await self._flush()
                    return

    async def read_some(self, limit: int = CHUNK) -> bytes:
        """At least one byte, or b"" at the end (EOF or the peer's close-notify)."""
        if self._buffer:
            return self._take(min(limit, len(self._buffer)))
        return await self._receive(limit)

    async def read_exactly(self, count: int) -> bytes:
        """Exactly `count` bytes; EOFError when the peer ends before."""
        while len(self._buffer) < count:
            await self._buffer_more()
        return self._take(count)

    async def read_line(self, limit: int = 4096) -> bytes:
        """One line without its end. EOFError at the end, ValueError when it grows beyond `limit`."""
        while (at := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > limit:
                raise ValueError("line too long")
            await self._buffer_more()
        return self._take(at + 1).rstrip(b"\r\n")

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def _buffer_more(self) -> None:
        more = await self._receive(CHUNK)
        if not more:
            raise EOFError("connection ended")
        self._buffer += more

    async def _receive(self, limit: int) -> bytes:
        if self._tls is None:
            data = await self._loop.sock_recv(self._sock, limit)
            await self._pass_gate()
            return data
        while True:
            try:
                return self._tls.read(limit)
            except ssl.SSLWantReadError:
                await self._flush()
                try:
                    await self._fill()
                except EOFError:
                    return b""
            except ssl.SSLZeroReturnError:
                return b""

    async def write(self, data: bytes) -> None:
        if self._tls is None:
            async with self._write_lock:
                await self._send(data)
            return
        view = memoryview(data)
        for start in range(0, len(view), 16384):
            self._tls.write(view[start : start + 16384])
        await self._flush()

    async def wait_for_tcp_end(self) -> None:
        """Swallow whatever still comes, answer nothing, return when the peer has closed TCP."""
        with contextlib.suppress(OSError):
            while await self._loop.sock_recv(self._sock, CHUNK):
                pass

    async def close(self, *, notify: bool = True) -> None:
        """End politely; with `notify` a TLS close-notify goes first (its answer is not awaited)."""
        if self._closed:
            return
        if self._tls is not None and notify:
            with contextlib.suppress(ssl.SSLError, OSError):
                with contextlib.suppress(ssl.SSLWantReadError):
                    self._tls.unwrap()
                async with asyncio.timeout(1.0):
                    await self._flush()
        if not self._closed:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            self._end()

    def abort(self) -> None:
        """End as a power loss does: at once, unsent bytes thrown away (the peer sees a reset)."""
        if self._closed:
            return
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._end()

    def _end(self) -> None:
        self._closed = True
        # The loop must forget the descriptor before it is reused; whoever waits on it would wait for ever.
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        if self.owner is not None and self.owner is not asyncio.current_task():
            self.owner.cancel()

    async def _fill(self) -> None:
        data = await self._loop.sock_recv(self._sock, CHUNK)
        await self._pass_gate()
        if not data:
            self._incoming.write_eof()
            raise EOFError("connection ended")
        self._incoming.write(data)

    async def _pass_gate(self) -> None:
        if self.gate is not None:
            await self.gate.wait()

    async def _flush(self) -> None:
        async with self._write_lock:
            while self._outgoing.pending:
                await self._send(self._outgoing.read())

    async def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            await self._pass_gate()
            step, pause = self.drip or (len(view), 0.0)
            await self._loop.sock_sendall(self._sock, view[:step])
            view = view[step:]
            if pause:
                await asyncio.sleep(pause)


Handler = Callable[[Wire], Awaitable[None]]


class Port:
    """A listening TCP port that can be switched off and on again without losing its number.

    A second socket stays bound to the number (never listening), so that while the printer is "off" clients are
    refused and nobody else gets the port.
    """

    def __init__(self, host: str, port: int, handler: Handler, gate: asyncio.Event) -> None:
        self._handler = handler
        self._gate = gate
        self._listener: socket.socket | None = self._bind(host, port)
        self.host = host
        self.port = int(self._listener.getsockname()[1])
        try:
            self._holder = self._bind(host, self.port)
        except OSError:
            self._listener.close()
            raise
        self._accepting: asyncio.Task[None] | None = None
        self._wires: dict[Wire, asyncio.Task[None]] = {}

    @staticmethod
    def _bind(host: str, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
            sock.bind((host, port))
        except OSError:
            sock.close()
            raise
        return sock

    def claim(self) -> None:
        """Listen without accepting yet; OSError when somebody else listens on the same address."""
        assert self._listener is not None
        self._listener.listen(64)

    def open(self) -> None:
        """Start accepting connections."""
        if self._accepting is not None:
            return
        if self._listener is None:
            self._listener = self._bind(self.host, self.port)
        self._listener.listen(64)
        self._accepting = asyncio.get_running_loop().create_task(self._accept(self._listener))

    async def shut(self) -> None:
        """Refuse new connections and cut the existing ones."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self.cut()

    async def cut(self) -> int:
        """Drop every open connection abruptly; returns how many there were."""
        tasks = list(self._wires.items())
        for wire, _ in tasks:
            wire.abort()
        await asyncio.gather(*(task for _, task in tasks), return_exceptions=True)
        return len(tasks)

    async def close(self) -> None:
        await self.shut()
        self._holder.close()

    def release(self) -> None:
        """Give a port back that was never opened."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._holder.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(listener)
            wire = Wire(sock)
            wire.gate = self._gate
            wire.owner = loop.create_task(self._serve(wire))
            self._wires[wire] = wire.owner

    async def _serve(self, wire: Wire) -> None:
        try:
            await self._handler(wire)
        except (OSError, EOFError, ssl.SSLError, TimeoutError):
            # The peer went away or talked nonsense; a printer shrugs.
            wire.abort()
        finally:
            wire.abort()
            self._wires.pop(wire, None)
