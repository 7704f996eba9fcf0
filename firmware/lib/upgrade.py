"""The HTTP upgrade that begins a WebSocket (RFC 6455, section 4). Needed once a connection."""

import hashlib
import os
from binascii import b2a_base64

from lib.frames import HandshakeError, ViolationError
from lib.wire import Wire

HEADER_LIMIT = 4096
"""Bytes of an answer's header; a proxy that sends more is not one we understand."""

BODY_LIMIT = 1024
"""Bytes of a refusal that are kept: enough for an error in JSON."""

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def upgrade(
    wire: Wire, host: str, path: str, subprotocols: "tuple[str, ...]", headers: "tuple[tuple[str, str], ...]"
) -> "str | None":
    """Ask for the upgrade; the subprotocol that the server chose. Raises HandshakeError, ViolationError, OSError."""
    key = b2a_base64(os.urandom(16)).strip()
    lines = [
        "GET %s HTTP/1.1" % path,
        "Host: %s" % host,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: %s" % key.decode(),
    ]
    if subprotocols:
        lines.append("Sec-WebSocket-Protocol: %s" % ", ".join(subprotocols))
    for name, value in headers:
        if "\r" in value or "\n" in value:
            raise ValueError("line break in header " + name)
        lines.append("%s: %s" % (name, value))
    await wire.send(("\r\n".join(lines) + "\r\n\r\n").encode())
    status, answer = parse_header(await _read_header(wire))
    if status != 101:
        raise HandshakeError(status, answer, await _read_body(wire, answer))
    return check_upgrade(answer, key, subprotocols)


async def _read_header(wire: Wire) -> bytes:
    # A byte at a time, so that no byte of the first frame is taken; it is once a connection.
    header = bytearray()
    one = memoryview(bytearray(1))
    while not header.endswith(b"\r\n\r\n"):
        if len(header) >= HEADER_LIMIT:
            raise ViolationError("header too long")
        await wire.fill(one)
        header.extend(one)
    return bytes(header)


async def _read_body(wire: Wire, headers: "dict[str, str]") -> bytes:
    length = headers.get("content-length", "")
    left = BODY_LIMIT
    if length.isdigit() and len(length) < 10:
        left = min(left, int(length))
    body = bytearray()
    view = memoryview(bytearray(256))
    try:
        while left:
            got = await wire.read_some(view[: min(left, 256)])
            if not got:
                break
            body.extend(view[:got])
            left -= got
    except OSError:
        pass  # the status is what matters: a refusal whose body broke off is still a refusal
    return bytes(body)


def parse_header(header: bytes) -> "tuple[int, dict[str, str]]":
    """Status and headers (lower-case names) of an HTTP answer; ViolationError when it is none."""
    try:
        lines = header.decode().split("\r\n")
    except UnicodeError:
        raise ViolationError("header is not text")
    first = lines[0].split(" ", 2)
    if len(first) < 2 or first[0] != "HTTP/1.1" or len(first[1]) != 3 or not first[1].isdigit():
        raise ViolationError("not an HTTP answer")
    headers = {}
    for line in lines[1:]:
        if line:
            name, colon, value = line.partition(":")
            if not colon:
                raise ViolationError("not an HTTP header")
            headers[name.strip().lower()] = value.strip()
    return int(first[1]), headers


def check_upgrade(headers: "dict[str, str]", key: bytes, subprotocols: "tuple[str, ...]") -> "str | None":
    """Check a 101 answer and return the subprotocol it chose; ViolationError when it proves nothing."""
    if headers.get("upgrade", "").lower() != "websocket":
        raise ViolationError("no upgrade to websocket")
    if "upgrade" not in headers.get("connection", "").lower():
        raise ViolationError("no upgrade of the connection")
    proof = b2a_base64(hashlib.sha1(key + _MAGIC).digest()).strip().decode()
    if headers.get("sec-websocket-accept") != proof:
        raise ViolationError("wrong accept key")
    if "sec-websocket-extensions" in headers:
        raise ViolationError("extension that was not offered")
    chosen = headers.get("sec-websocket-protocol")
    if chosen is None and not subprotocols:
        return None
    if chosen not in subprotocols:
        raise ViolationError("subprotocol that was not offered")
    return chosen
