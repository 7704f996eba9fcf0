"""One transport for TLS and plain TCP: try first, wait after.

The interpreter's own asyncio streams lose written data over TLS, hang when one of two waiters is
cancelled, dead-lock when the server speaks first and leak sockets. A `Wire` has none of that:

* every operation is tried at once and waits only when the socket would block;
* one lock keeps a message together, so any number of tasks may send, while one task reads;
* closing is how anything is stopped: whoever waits wakes at once with OSError;
* the raw socket is kept beside the TLS object, because the latter forgets it when a handshake fails.

Errors are OSError (closed, refused, reset, timed out, TLS trouble), its subclass `UntrustedError` (the
peer's certificate was refused) and EOFError (the peer ended the stream).
"""

import asyncio
import errno
import socket
import time
from asyncio import core  # type: ignore[attr-defined]

import tls

_IPPROTO_TCP = 6
_TCP_NODELAY = 1

# So many operations in a row may succeed without waiting; then the other tasks get their turn.
_BURST = 8

# What Mbed TLS says when a certificate, or our verify callback, ends a handshake.
_REFUSED = -0x3000
_UNTRUSTED = (_REFUSED, -0x2700, -0x7680)

_READ = 0
_WRITE = 1

_pinning: "tls.SSLContext | None" = None
_judge = None  # asked about the certificate of the handshake that is being driven at this moment

_last_good: "dict[tuple[str, int], object]" = {}


class UntrustedError(OSError):
    """The peer's certificate was refused during the handshake."""


def resolve(host: str, port: int) -> object:
    """The socket address of *host*; a name that no longer resolves keeps its last good address.

    A numeric address costs microseconds. A name BLOCKS the whole loop until the resolver answers:
    call this at most once for each connection attempt. Raises OSError when nothing is known.
    """
    key = (host, port)
    try:
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
        if not found:
            raise OSError(errno.EHOSTUNREACH)
    except OSError:
        if key in _last_good:
            return _last_good[key]
        raise
    address = found[0][-1]
    if not host.replace(".", "").isdigit():
        _last_good[key] = address  # a number needs nobody to remember it, and a sweep asks hundreds
    return address


def pinned_context() -> "tls.SSLContext":
    """The TLS client context of all wires whose peers are judged by `Wire.verified`: no authority, no clock.

    One for all, as a context takes 3 KB. A handshake on it that is not driven by `verified` is refused.
    """
    global _pinning
    if _pinning is None:
        _pinning = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        # CERT_NONE would not ask, CERT_REQUIRED wants an authority.
        _pinning.verify_mode = tls.CERT_OPTIONAL  # type: ignore[attr-defined]
        _pinning.verify_callback = _verify  # type: ignore[attr-defined]
    return _pinning


def _verify(der: memoryview, depth: int) -> int:
    if depth:
        return 0  # the issuers' certificates prove nothing here
    # Any positive answer would come out of a write as a number of bytes written.
    return 0 if _judge is not None and _judge(der) else _REFUSED


def _block(stream, writing):  # type: ignore[no-untyped-def]
    # The only private names of asyncio used here: its poll set, and the run queue in close().
    if writing:
        yield core._io_queue.queue_write(stream)
    else:
        yield core._io_queue.queue_read(stream)


class Wire:
    """One connection. Make it with `Wire.open`; when it is closed, it stays closed.

    `last_rx` and `last_tx` are `time.ticks_ms()` of the last byte received and taken for sending.
    """

    def __init__(self, raw: "socket.socket") -> None:
        self._raw = raw
        self._stream = raw
        self._pollable = raw
        self._lock = asyncio.Lock()
        self._waiting = [None, None]  # the tasks that wait for reading and for writing
        self._burst = 0
        self._ended = False
        self._cause = errno.ECONNABORTED
        self.closed = False
        self.last_rx = self.last_tx = time.ticks_ms()

    @classmethod
    async def open(
        cls,
        address,
        context: "tls.SSLContext | None" = None,
        name: "str | None" = None,
        limit_ms: int = 10_000,
    ) -> "Wire":
        """Connect to a resolved *address* within *limit_ms*; with *context* prepare TLS on it.

        *name* is the server name sent and, where the context verifies, checked. The TLS handshake
        happens inside the first send or fill. On a board a refused connection may show only there.
        """
        raw = socket.socket()
        wire = cls(raw)
        try:
            raw.setblocking(False)
            # Without it Nagle and delayed acknowledgements add 40 ms to every handshake.
            raw.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
            try:
                raw.connect(address)
            except OSError as error:
                if error.errno != errno.EINPROGRESS:
                    raise
            await within(wire, limit_ms, wire._wait(_WRITE))
            raw.send(b"")  # nothing is sent, but a refusal is reported where the port can tell
            if context is not None:
                # Whole steps of a handshake that blocks would stop every other task.
                wire._stream = context.wrap_socket(raw, server_hostname=name, do_handshake_on_connect=False)
                # In a handshake a write may have to wait for something to read, and only the TLS object knows.
                wire._pollable = wire._stream
            return wire
        except BaseException:
            wire.close()
            raise

    async def send(self, *parts: "bytes | bytearray | memoryview") -> None:
        """Send all *parts* in one piece; returns when the network stack has taken them.

        A failure or cancellation half-way closes the wire: a half-sent record cannot be taken back.
        """
        async with self._lock:
            try:
                for part in parts:
                    await self._send(memoryview(part))
            except BaseException:
                self.close()
                raise

    async def _send(self, rest: memoryview) -> None:
        while rest:
            # Mbed TLS wants a refused write repeated with the same bytes: `rest` stays untouched.
            taken = self._try(self._stream.write, rest)
            if taken:
                self.last_tx = time.ticks_ms()
                rest = rest[taken:]
                await self._breathe()
            else:
                await self._wait(_WRITE)

    async def verified(self, judge) -> None:  # type: ignore[no-untyped-def]
        """Drive the handshake on `pinned_context()`, sending no data, until *judge(der)* has said yes.

        *der* is a view of the peer's certificate that lives during the call. For a client that speaks first and must
        not even queue a secret for a peer it does not know. Raises UntrustedError when *judge* says no.
        """
        global _judge
        asked = []

        def ask(der: memoryview) -> bool:
            asked.append(True)
            return judge(der)

        one = memoryview(bytearray(1))
        while not asked:
            _judge = ask  # nothing else runs before it is taken away again
            try:
                got = self._try(self._read_once, one)
            finally:
                _judge = None
            if got is not None:
                self._received(got)
                raise OSError(errno.EINVAL)  # data before we spoke, or no certificate: not our peer
            if not asked:
                await self._wait(_READ)

    async def fill(self, view: memoryview) -> None:
        """Fill *view* to its last byte; EOFError when the peer ends before that.

        A peer that ends its TLS stream in the middle of a message without closing the connection
        cannot be told from one that is slow: whoever reads needs a watchdog on `last_rx`.
        """
        while view:
            got = self._try(self._stream.readinto, view)
            if got is None:
                await self._wait(_READ)
            else:
                self._received(got)
                view = view[got:]
                await self._breathe()

    async def read_some(self, view: memoryview) -> int:
        """Wait for at least one byte and return how many were put into *view*; 0 is the end."""
        if self._ended:
            return 0
        while True:
            got = self._try(self._read_once, view)
            if got is not None:
                await self._breathe()
                try:
                    self._received(got)
                except EOFError:
                    return 0
                return got
            await self._wait(_READ)

    def _read_once(self, view: memoryview) -> "int | None":
        # readinto() over TLS repeats until the buffer is full and so swallows the end of the
        # stream behind the last bytes; the recv family reads once.
        if self._stream is self._raw:
            return self._stream.readinto(view)
        if hasattr(self._stream, "recv_into"):
            return self._stream.recv_into(view)
        data = self._stream.recv(len(view))
        if data is None:
            return None
        view[: len(data)] = data
        return len(data)

    def _received(self, count: int) -> None:
        if not count:
            self._ended = True
            raise EOFError("connection ended by the peer")
        self.last_rx = time.ticks_ms()

    def _try(self, operation, view):  # type: ignore[no-untyped-def]
        if self.closed:
            raise OSError(self._cause)
        if self._ended and operation is not self._stream.write:
            raise EOFError("connection ended by the peer")
        try:
            done = operation(view)
            if done:
                # The handshake is over, and what TLS holds back was tried first: from now on only the socket can
                # have news. On Unix one TLS object in the poll set makes every turn of the loop last 1 ms.
                self._pollable = self._raw
            return done
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None  # recv_into() raises where the other calls return None
            self.close(error.errno)
            if error.errno in _UNTRUSTED:
                raise UntrustedError(error.errno)
            raise
        except ValueError as error:
            # A context that verifies names and authorities reports a refusal as ValueError.
            self.close()
            raise UntrustedError(str(error))

    async def _breathe(self) -> None:
        self._burst += 1
        if self._burst >= _BURST:
            self._burst = 0
            await asyncio.sleep_ms(0)

    async def _wait(self, direction: int) -> None:
        if self.closed:
            raise OSError(self._cause)
        self._burst = 0
        self._waiting[direction] = core.cur_task
        try:
            # A read that waits in a handshake waits for the peer: what we say in one always fits into the socket.
            await _block(self._raw if direction == _READ else self._pollable, direction)
        except BaseException:
            # asyncio keeps one entry a socket and has just removed it, with the other waiter's
            # place in it: that one must learn of it, or it would never wake again.
            self._waiting[direction] = None
            self.close()
            raise
        self._waiting[direction] = None
        if self.closed:
            raise OSError(self._cause)

    def close(self, cause: "int | None" = None) -> None:
        """Close both sockets; every task that waits here gets OSError(*cause*)."""
        if self.closed:
            return
        self.closed = True
        if cause is not None:
            self._cause = cause
        for task in self._waiting:
            # Woken by hand: the poll set would notice late when the descriptor is soon used again.
            if task is not None and task.data is core._io_queue:
                core._io_queue.remove(task)
                core._task_queue.push(task)
        try:
            if self._stream is not self._raw:
                self._stream.close()
        finally:
            self._raw.close()


async def within(wire: Wire, limit_ms: int, work):  # type: ignore[no-untyped-def]
    """Await *work*, which uses *wire*; when it takes longer than *limit_ms* close the wire.

    The work then ends with OSError(ETIMEDOUT). Nothing is cancelled, so nothing leaks.
    """
    watchdog = asyncio.create_task(_close_after(wire, limit_ms))
    try:
        return await work
    finally:
        watchdog.cancel()


async def _close_after(wire: Wire, limit_ms: int) -> None:
    await asyncio.sleep_ms(limit_ms)
    wire.close(errno.ETIMEDOUT)
