"""The pure half of the WebSocket client: frames, masks, the upgrade's header and the errors. No I/O."""

_STEP = 256

# Close codes a peer may put on the wire (RFC 6455, 7.4).
_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)


class WebSocketError(Exception):
    """Base of what ends a WebSocket beside OSError and EOFError."""


class HandshakeError(WebSocketError):
    """The server answered the upgrade with an HTTP error: `status`, `headers` and `body`.

    `headers` has lower-case names, `body` the first BODY_LIMIT bytes, `retry_after` seconds or None.
    """

    def __init__(self, status: int, headers: "dict[str, str]", body: bytes) -> None:
        super().__init__("HTTP %d instead of an upgrade" % status)
        self.status = status
        self.headers = headers
        self.body = body
        wait = headers.get("retry-after", "")
        self.retry_after = int(wait) if wait.isdigit() and len(wait) < 6 else None


class ViolationError(WebSocketError):
    """The peer does not speak the protocol; the wire is closed. `code` was sent as close code."""

    def __init__(self, text: str, code: int = 1002) -> None:
        super().__init__(text)
        self.code = code


class ClosedError(WebSocketError):
    """The peer closed the connection with `code` (1005 when it named none) and `reason`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__("closed by the peer: %d %s" % (code, reason))
        self.code = code
        self.reason = reason


def frame_header(into: bytearray, opcode: int, length: int, mask: bytes) -> int:
    """Write the header of a final, masked frame at the start of *into*; return its size."""
    into[0] = 0x80 | opcode
    if length < 126:
        into[1] = 0x80 | length
        at = 2
    elif length < 65536:
        into[1] = 0x80 | 126
        into[2:4] = length.to_bytes(2, "big")
        at = 4
    else:
        into[1] = 0x80 | 127
        into[2:10] = length.to_bytes(8, "big")
        at = 10
    into[at : at + 4] = mask
    return at + 4


def apply_mask(buffer: bytearray, start: int, end: int, mask: bytes) -> None:
    """XOR *buffer* from *start* to *end* with the repeated *mask*, in place."""
    # Exclusive-or of two long integers: the loop runs in C, 50 times as fast as ours. In steps so small that a
    # heap in fragments has room for them.
    view = memoryview(buffer)
    key = int.from_bytes(mask * (_STEP // 4), "little")
    while start < end:
        stop = min(end, start + _STEP)
        size = stop - start
        if size < _STEP:
            key &= (1 << (8 * size)) - 1
        view[start:stop] = (int.from_bytes(view[start:stop], "little") ^ key).to_bytes(size, "little")
        start = stop


def parse_close(data: memoryview) -> "tuple[int, str]":
    """Code and reason of a close frame; ViolationError when they are not valid."""
    if not data:
        return 1005, ""
    if len(data) == 1:
        raise ViolationError("half a close code")
    code = data[0] << 8 | data[1]
    if code not in _CODES and not 3000 <= code < 5000:
        raise ViolationError("close code that must not be sent")
    return code, check_text(data[2:])


def check_text(data: memoryview) -> str:
    """*data* as text; ViolationError with code 1007 when it is not UTF-8."""
    try:
        return str(data, "utf-8")
    except UnicodeError:
        raise ViolationError("text is not UTF-8", 1007)
