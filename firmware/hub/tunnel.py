"""Raw TCP to a configured printer, carried in the cloud's WebSocket.

The hub moves bytes that it cannot read. Both directions are held by credits: the cloud may send what the hub granted
(its bytes wait in a ring of that size for a printer that is slower), the hub reads from the printer only what the
cloud granted. So a tunnel's memory is fixed when it opens, and nobody ever waits for it but its own two tasks.
"""

import asyncio
import errno

from hub.log import log_crash
from hub.tunnels import PIECE, Buffers, Tunnels
from lib.wire import Wire, resolve

from shared_protocol import codec

CONNECT_MS = 10_000

_MAX_CREDIT = 2**24
"""No honest cloud grants more at once; it keeps a hostile one from making the number grow for ever."""

# How long a printer may take for what was under way when the cloud closed; its storage may pause for seconds.
DRAIN_MS = 30_000

_REFUSED = (errno.ECONNREFUSED, errno.ECONNRESET)
_NO_SOCKET = (12, 23, 24)  # ENOMEM, ENFILE, EMFILE: the board has no socket left; not all have names here


_READ = 2048  # bytes from the printer at once: answers and pictures come up, files go down


class Ring:
    """Bytes on their way to a printer: `put` at one end, `head` and `drop` at the other; at most `buffers.window`.

    Takes pieces as it fills and gives them back as it drains, so that a quiet connection holds none.
    """

    def __init__(self, buffers: Buffers) -> None:
        self._buffers = buffers
        self._pieces: "list[memoryview]" = []
        self._start = 0  # of the oldest byte, in the first piece
        self.used = 0

    def put(self, data: memoryview) -> bool:
        """Copy `data` in; False (and nothing copied) when it is more than the window holds, or the heap."""
        left, done = len(data), 0
        if self.used + left > self._buffers.window or not self._room(left):
            return False
        while done < left:
            at = self._start + self.used
            within = at % PIECE
            count = min(left - done, PIECE - within)
            self._pieces[at // PIECE][within : within + count] = data[done : done + count]
            self.used += count
            done += count
        return True

    def _room(self, count: int) -> bool:
        try:
            while self._start + self.used + count > len(self._pieces) * PIECE:
                self._pieces.append(self._buffers.take())
        except MemoryError:
            return False
        return True

    def head(self) -> memoryview:
        """The oldest bytes, as many as lie in one piece; valid until dropped."""
        return self._pieces[0][self._start : self._start + min(self.used, PIECE - self._start)]

    def drop(self, count: int) -> None:
        """Free the oldest `count` bytes."""
        self._start += count
        self.used -= count
        if self._start == PIECE or not self.used:
            self._buffers.give(self._pieces.pop(0))
            self._start = 0

    def clear(self) -> None:
        """Drop everything."""
        while self._pieces:
            self._buffers.give(self._pieces.pop())
        self._start = self.used = 0


class Tunnel:
    """One connection to a printer. `grant` is what the cloud may send, `credit` what the hub may."""

    def __init__(self, owner: Tunnels, number: int, window: int) -> None:
        self.owner = owner
        self.number = number
        self.credit = window
        self.grant = owner.buffers.window
        self.wire: "Wire" = None  # type: ignore[assignment]
        self.closed = False
        self._ring: "Ring" = None  # type: ignore[assignment]
        self._consumed = 0
        self._drain_limit: "asyncio.Task | None" = None  # type: ignore[type-arg]
        self._ending = False  # the cloud has closed: what is in the ring still goes out
        self._wake_writer = asyncio.Event()
        self._wake_reader = asyncio.Event()

    async def run(self, host: str, port: int) -> None:
        """From connecting to the end; reports it to the cloud, unless the connection to the cloud is gone."""
        code, message = "reset", ""
        try:
            code = await self._run(host, port)
        except MemoryError:
            code, message = "no_socket", "no memory for another tunnel"
        except OSError as error:
            code, message = self._code(error), "connection to the printer failed (%s)" % error.errno
        finally:
            self._stop()
            await self._finish(code, message)

    async def _run(self, host: str, port: int) -> str:
        buffer = memoryview(bytearray(_READ))
        wire = await Wire.open(resolve(host, port), limit_ms=CONNECT_MS)
        if self.closed:
            wire.close()
            return "done"
        self.wire, self._ring = wire, Ring(self.owner.buffers)
        await self.owner.send_text(codec.encode("tunnel_opened", tunnel=self.number, window=self.grant))
        writer = asyncio.create_task(self._write())
        try:
            return await self._read(buffer)
        finally:
            # The writer must be done with the ring's pieces before another tunnel gets them.
            self._stop()
            await writer
            self._ring.clear()

    def _code(self, error: OSError) -> str:
        if self.wire is not None:
            return "done" if self._ending else "reset"
        if error.errno == errno.ETIMEDOUT:
            return "timeout"
        if error.errno in _NO_SOCKET:
            return "no_socket"
        return "refused" if error.errno in _REFUSED else "unreachable"

    async def _finish(self, code: str, message: str) -> None:
        if self._drain_limit is not None:
            self._drain_limit.cancel()
        if self.owner.remove(self):
            fields = {"tunnel": self.number, "code": code}
            if message:
                fields["message"] = message
            await self.owner.send_text(codec.encode("tunnel_close", **fields))

    def _stop(self) -> None:
        self.closed = True
        if self.wire is not None:
            self.wire.close()
        self._wake_writer.set()
        self._wake_reader.set()

    async def _read(self, buffer: memoryview) -> str:
        header = codec.data_header(self.number)
        while not self.closed:
            if not self.credit:
                self._wake_reader.clear()
                await self._wake_reader.wait()
                continue
            count = await self.wire.read_some(buffer[: min(self.credit, len(buffer))])
            if not count:
                return "done"
            self.credit -= count
            await self.owner.send_binary(header, buffer[:count])
        return "done" if self._ending else "reset"

    async def _write(self) -> None:
        """Ring -> printer, until closed. An error here closes the wire, by which the reader learns of it."""
        try:
            while not self.closed:
                if self._ring.used:
                    await self._write_piece()
                elif self._ending:
                    break
                else:
                    self._wake_writer.clear()
                    await self._wake_writer.wait()
        except OSError:
            pass  # the printer's side or the cloud's is gone; both end in _stop
        except Exception as error:
            log_crash("tunnel", error)
        self._stop()

    async def _write_piece(self) -> None:
        piece = self._ring.head()
        count = len(piece)
        await self.wire.send(piece)
        self._ring.drop(count)
        self._consumed += count
        # Credit in quarters of the window: few frames, and never a cloud that waits with the ring empty.
        if self._consumed * 4 >= self.grant and not self._ending:
            credit, self._consumed = self._consumed, 0
            await self.owner.send_binary(codec.credit(self.number, credit))

    def data(self, payload: memoryview) -> bool:
        """Bytes from the cloud; False when it sent more than it was granted, or before the tunnel was open."""
        if self.closed:
            return True  # crossed with the end
        if self._ring is None or self._ending or not self._ring.put(payload):
            return False
        self._wake_writer.set()
        return True

    def credited(self, count: int) -> bool:
        """The cloud takes `count` more bytes; False when the sum is absurd."""
        if self.credit + count > _MAX_CREDIT:
            return False
        self.credit += count
        self._wake_reader.set()
        return True

    def end(self) -> None:
        """The cloud is done: deliver what waits, then close."""
        self._ending = True
        if self.wire is None:
            self._stop()
        elif self._drain_limit is None:
            self._drain_limit = asyncio.create_task(self._stop_later())
        self._wake_writer.set()

    async def _stop_later(self) -> None:
        await asyncio.sleep_ms(DRAIN_MS)
        self._stop()

    def abort(self) -> None:
        """Close at once."""
        self._stop()
