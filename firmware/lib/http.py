"""A small HTTP/1.1 client over a `Wire`: one request a connection, bodies in pieces, everything bounded.

    answer = await request(address, "GET", "cloud.example", "/file", context=tls_context, limit_ms=20_000)
    try:
        count = await answer.read_into(view)      # 0 at the end of the body
    finally:
        answer.close()

Errors: OSError and EOFError of the wire (EOFError also when a body ends early), HttpError for an answer that is none.
"""

import json as _json

from lib.wire import Wire, within

HEADER_LIMIT = 4096
"""Bytes of an answer's header; whoever sends more is not a server of ours."""

_SIZE_LINE = 32  # of a chunk: hexadecimal digits, perhaps an extension, CR LF


class HttpError(Exception):
    """The peer does not speak HTTP, or more of it than is asked for here."""


class Answer:
    """Status, headers (names in lower case) and a body that is read in pieces. `close` it."""

    def __init__(self, wire: Wire, limit_ms: int) -> None:
        self.status = 0
        self.headers: "dict[str, str]" = {}
        self._wire = wire
        self._limit_ms = limit_ms
        self._one = memoryview(bytearray(1))
        self._left = 0
        self._chunked = False
        self._over = False

    def close(self) -> None:
        """Let go of the connection."""
        self._wire.close()

    async def read_into(self, view: memoryview) -> int:
        """Some bytes of the body, at least one; 0 at its end. Each call may take the request's time limit."""
        return await within(self._wire, self._limit_ms, self._read_into(view))

    async def body(self, limit: int) -> bytes:
        """All of the body within the request's time limit; HttpError when it has more than *limit* bytes."""
        return await within(self._wire, self._limit_ms, self._body(limit))  # type: ignore[no-any-return]

    async def _body(self, limit: int) -> bytes:
        data = bytearray()
        piece = memoryview(bytearray(min(limit, 512)))
        while True:
            got = await self._read_into(piece)
            if not got:
                return bytes(data)
            if len(data) + got > limit:
                raise HttpError("the answer is too long")
            data.extend(piece[:got])

    async def json(self, limit: int = 4096) -> object:
        """The body as JSON; HttpError when it is none."""
        try:
            return _json.loads(await self.body(limit))
        except (ValueError, RuntimeError):  # RuntimeError: nested without end
            raise HttpError("the answer is not JSON")

    # ---- inside ----------------------------------------------------------------------------------------------

    async def _line(self, limit: int) -> bytes:
        """Up to and without CR LF. A byte at a time, so that nothing of the body is taken."""
        line = bytearray()
        while not line.endswith(b"\r\n"):
            if len(line) >= limit:
                raise HttpError("a line is too long")
            await self._wire.fill(self._one)
            line.extend(self._one)
        return bytes(line[:-2])

    async def _head(self) -> None:
        room = HEADER_LIMIT
        first = await self._line(room)
        parts = first.split(b" ", 2)
        if len(parts) < 2 or parts[0] not in (b"HTTP/1.1", b"HTTP/1.0") or len(parts[1]) != 3:
            raise HttpError("not an HTTP answer")
        self.status = _number(parts[1], 10)
        room -= len(first)
        while True:
            line = await self._line(room)
            if not line:
                break
            room -= len(line) + 2
            name, colon, value = line.partition(b":")
            if not colon:
                raise HttpError("not an HTTP header")
            try:
                self.headers[name.decode().strip().lower()] = value.decode().strip()
            except UnicodeError:
                raise HttpError("a header is not text")
        self._plan_body()

    def _plan_body(self) -> None:
        if self.status in (204, 304) or self.status < 200:
            self._over = True
        elif "transfer-encoding" in self.headers:
            if self.headers["transfer-encoding"].lower() != "chunked":
                raise HttpError("an encoding that is not known here")
            self._chunked = True
        elif "content-length" in self.headers:
            self._left = _number(self.headers["content-length"].encode(), 10)
            self._over = self._left == 0
        else:
            # A body that ends with the connection cannot be told from one that was cut off.
            raise HttpError("the answer does not say how long it is")

    async def _read_into(self, view: memoryview) -> int:
        if self._chunked and not self._left and not self._over:
            await self._next_chunk()
        if self._over:
            return 0
        got = await self._wire.read_some(view[: min(len(view), self._left)])
        if not got:
            raise EOFError("the answer ended early")
        self._left -= got
        if not self._left:
            if self._chunked:
                if await self._line(2):
                    raise HttpError("a chunk is longer than it says")
            else:
                self._over = True
        return got

    async def _next_chunk(self) -> None:
        line = await self._line(_SIZE_LINE)
        self._left = _number(line.split(b";", 1)[0].strip(), 16)
        if not self._left:
            self._over = True  # trailers, should there be any, go with the connection


def _number(text: bytes, base: int) -> int:
    """A number without sign, of at most nine digits."""
    if not 0 < len(text) < 10 or b"-" in text or b"+" in text:
        raise HttpError("not a number")
    try:
        return int(text, base)
    except ValueError:
        raise HttpError("not a number")


async def request(
    address: object,
    method: str,
    host: str,
    path: str,
    *,
    context: "object | None" = None,
    headers: "tuple[tuple[str, str], ...]" = (),
    json: "object | None" = None,
    limit_ms: int = 20_000,
) -> Answer:
    """Ask the server at a resolved *address*. *host* is for the Host header and, with *context*, for TLS.

    *limit_ms* bounds connecting, then asking until the header is there, and later each piece of the body.
    """
    wire = await Wire.open(address, context, host.partition(":")[0] if context else None, limit_ms)  # type: ignore[arg-type]
    answer = Answer(wire, limit_ms)
    try:
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + host, "Connection: close", "Accept-Encoding: identity"]
        body = b""
        if json is not None:
            body = _json.dumps(json).encode()
            lines.append("Content-Type: application/json")
        if body or method != "GET":
            lines.append("Content-Length: %d" % len(body))
        lines.extend(["%s: %s" % header for header in headers])
        for line in lines:
            if "\r" in line or "\n" in line:
                raise ValueError("line break in a header")
        await within(wire, limit_ms, _ask(answer, wire, ("\r\n".join(lines) + "\r\n\r\n").encode(), body))
        return answer
    except BaseException:
        wire.close()
        raise


async def _ask(answer: Answer, wire: Wire, head: bytes, body: bytes) -> None:
    await wire.send(head, body)
    await answer._head()
    while 100 <= answer.status < 200:
        answer.headers = {}
        answer._over = False
        await answer._head()
