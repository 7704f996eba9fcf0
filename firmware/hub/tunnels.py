"""All tunnels of one connection to the cloud: which may be opened, and which frame is whose.

A tunnel itself is in `tunnel`, which is imported while there is one.
"""

import asyncio

from hub.address import is_numeric
from hub.life import rare
from hub.log import log_crash

from shared_protocol import codec

MYPY = False  # true to the type checker alone
if MYPY:
    from hub.tunnel import Tunnel

PIECE = 4096
"""Bytes moved at once: small enough that the cloud is credited while the printer is still taking the rest."""


class Buffers:
    """Memory for tunnels in pieces of 4 KiB, which even a heap in fragments can give; used again and again.

    `window` is what one tunnel may need at once; `kept` pieces stay here when no tunnel needs them.
    """

    def __init__(self, window: int, kept: int) -> None:
        self.window = window
        self._kept = kept
        self._free = [memoryview(bytearray(PIECE)) for _ in range(kept)]

    def take(self) -> memoryview:
        """A piece; MemoryError when neither the store nor the heap has one."""
        return self._free.pop() if self._free else memoryview(bytearray(PIECE))

    def give(self, piece: memoryview) -> None:
        """This one is no longer used."""
        if len(self._free) < self._kept:
            self._free.append(piece)


class Tunnels:
    """All tunnels of one connection to the cloud.

    `hosts(printer)` gives the address of a configured printer or None; `budget()` how many tunnels there may be.
    `send_text` and `send_binary` are the WebSocket's; `buffers` outlives the connection.
    """

    def __init__(self, send_text, send_binary, hosts, budget, buffers: Buffers) -> None:  # type: ignore[no-untyped-def]
        self.send_text = send_text
        self.send_binary = send_binary
        self._hosts = hosts
        self._budget = budget
        self.buffers = buffers
        self._open: "dict[int, Tunnel]" = {}
        self._over = False

    @property
    def count(self) -> int:
        """How many sockets tunnels hold now."""
        return len(self._open)

    async def open(self, message: "dict") -> None:  # type: ignore[type-arg]
        """`tunnel_open`: answered by `tunnel_opened` or `tunnel_close` when the printer has answered."""
        number = message["tunnel"]
        host = self._hosts(message["printer"])
        if number in self._open:
            # Two sides that disagree about a number: neither stream can be trusted any more.
            self._open[number].abort()
            return
        if host is None:
            await self._refuse(number, "unknown_printer", "this hub has no such printer")
        elif not is_numeric(host):
            await self._refuse(number, "unreachable", "the printer's address is not numeric")
        elif len(self._open) >= self._budget():
            await self._refuse(number, "no_socket", "the hub has no socket left")
        else:
            await self._begin(number, host, message)

    async def _begin(self, number: int, host: str, message: "dict") -> None:  # type: ignore[type-arg]
        code = rare("tunnel")
        try:
            module = code.__enter__()
            try:
                tunnel = module.Tunnel(self, number, message["window"])
            except MemoryError:
                code.__exit__(None, None, None)
                raise
        except MemoryError:
            await self._refuse(number, "no_socket", "no memory for a tunnel")
            return
        self._open[number] = tunnel
        asyncio.create_task(self._guard(tunnel, host, message["port"], code))

    async def _refuse(self, number: int, code: str, sentence: str) -> None:
        await self.send_text(codec.encode("tunnel_close", tunnel=number, code=code, message=sentence))

    async def _guard(self, tunnel: "Tunnel", host: str, port: int, code: rare) -> None:
        try:
            await tunnel.run(host, port)
        except OSError:
            pass  # the cloud's connection ended while its tunnel was being closed
        except Exception as error:
            log_crash("tunnel", error)
        finally:
            code.__exit__(None, None, None)

    def binary(self, frame: memoryview) -> None:
        """A binary frame; ProtocolError when it is malformed. Frames of unknown tunnels cross with their closing."""
        kind, number, rest = codec.split_binary(frame)
        tunnel = self._open.get(number)
        if tunnel is None:
            return
        if not (tunnel.data(rest) if kind == codec.DATA else tunnel.credited(rest)):
            tunnel.abort()

    def close(self, message: "dict") -> None:  # type: ignore[type-arg]
        """`tunnel_close` of the cloud."""
        tunnel = self._open.get(message["tunnel"])
        if tunnel is not None:
            tunnel.end()

    def remove(self, tunnel: "Tunnel") -> bool:
        """A tunnel has ended; whether the cloud is still there to be told."""
        if self._open.get(tunnel.number) is tunnel:
            del self._open[tunnel.number]
        return not self._over

    def abort(self) -> None:
        """The connection to the cloud is gone: every tunnel goes with it."""
        self._over = True
        for tunnel in list(self._open.values()):
            tunnel.abort()
