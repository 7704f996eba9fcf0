"""The way in for phones without Web Bluetooth: the hub's own access point, and its page on it.

The access point's passphrase stands on the label, so who is in this network has the label in his hands, and what he
types is encrypted by the network itself. Here, and only here, name and password come as plain JSON (`POST /setup`).
The hub may be in another network too, where anybody may be: who comes from there is let go without a word.
The sealed box of the pairing service is taken too (`GET /info`, `POST /box`, `GET /reply`).
"""

import asyncio
import json
import socket

from hub.log import log, log_crash
from lib.wire import Wire, within

PORT = 80
MAX_HEAD = 2048
MAX_BODY = 1024
AT_ONCE = 4
LIMIT_MS = 8_000

_ACCEPT_MS = 50

# What phones ask to see whether a network leads anywhere. Told that it does, they stay in it and show no sheet.
_PROBES = {
    "/generate_204": b"",
    "/gen_204": b"",
    "/hotspot-detect.html": b"<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>",
    "/library/test/success.html": b"<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>",
    "/connecttest.txt": b"Microsoft Connect Test",
    "/ncsi.txt": b"Microsoft NCSI",
    "/success.txt": b"success\n",
}

_JSON = "application/json"
_BYTES = "application/octet-stream"
_TOO_MUCH = "413 Content Too Large"
_REFUSED = {"busy": "409 Conflict", "too_many": "429 Too Many Requests", "bad_box": "403 Forbidden"}


class SoftAp:
    """Serves the page of a `setup` (provisioning.Setup) on the access point of its board."""

    def __init__(self, setup, ssid: str, passphrase: str, page: "bytes", port: int = PORT) -> None:  # type: ignore[no-untyped-def]
        self._setup = setup
        self._ssid = ssid
        self._passphrase = passphrase
        self._page = page
        self._port = port
        self._address = ""
        self._listener: "socket.socket | None" = None
        self._serving = 0

    async def run(self) -> None:
        """Open the access point and serve for ever."""
        self._address = self._setup.board.radio.open_access_point(self._ssid, self._passphrase)
        listener = self._listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(socket.getaddrinfo("0.0.0.0", self._port)[0][-1])  # noqa: S104 - `is_guest` checks who comes
        listener.listen(AT_ONCE)
        listener.setblocking(False)
        log("setup", "page on http://%s:%d" % (self._address, self._port))
        while True:
            try:
                raw, peer = listener.accept()
            except OSError:
                await asyncio.sleep_ms(_ACCEPT_MS)
                continue
            if self._serving >= AT_ONCE or not self._setup.board.radio.is_guest(peer):
                raw.close()
                continue
            raw.setblocking(False)
            self._serving += 1
            asyncio.create_task(self._serve(Wire(raw)))

    def stop(self) -> None:
        """Close page and access point."""
        if self._listener is not None:
            self._listener.close()
        self._setup.board.radio.close_access_point()

    async def _serve(self, wire: Wire) -> None:
        try:
            await within(wire, LIMIT_MS, self._exchange(wire))
        except (OSError, EOFError):
            pass  # a phone that went away
        except Exception as error:
            log_crash("setup", error)
        finally:
            self._serving -= 1
            wire.close()

    async def _exchange(self, wire: Wire) -> None:
        status, kind, body = "400 Bad Request", _JSON, b"{}"
        asked = await _read_request(wire)
        if asked == _TOO_MUCH:
            status = _TOO_MUCH
        elif asked is not None:
            status, kind, body = await self._answer(*asked)  # type: ignore[misc]
        # The page may be shown by nothing else and loads nothing from elsewhere.
        head = (
            "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\nCache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\r\n" % (status, kind, len(body))
        )
        await wire.send(head.encode(), body)

    async def _answer(self, method: str, path: str, body: bytes) -> "tuple[str, str, bytes]":
        service = self._setup.service
        if method == "POST":
            if path == "/setup":
                return self._take_plain(body)
            if path == "/box":
                refusal = service.take(body)
                return (_REFUSED[refusal], _JSON, b"{}") if refusal else ("200 OK", _BYTES, service.reply)
        elif method == "GET":
            kind, text = await self._shown(path)
            if text is not None:
                return ("200 OK" if text else "204 No Content"), kind, text
        return "404 Not Found", _JSON, b"{}"

    async def _shown(self, path: str) -> "tuple[str, bytes | None]":
        """Kind and content of what can be read; None when there is no such thing."""
        service = self._setup.service
        if path == "/":
            return "text/html; charset=utf-8", self._page
        if path == "/networks":
            found = await self._setup.board.radio.scan()
            return _JSON, json.dumps([[ssid, rssi, secured] for ssid, rssi, secured in found]).encode()
        if path in _PROBES:
            return "text/html", _PROBES[path]
        known = {"/info": service.info(), "/state": json.dumps(service.told).encode()}
        return (_BYTES, service.reply) if path == "/reply" else (_JSON, known.get(path))

    def _take_plain(self, body: bytes) -> "tuple[str, str, bytes]":
        try:
            content = json.loads(body)
        except (ValueError, RuntimeError):
            return "400 Bad Request", _JSON, b"{}"
        refusal = self._setup.service.take_plain(content)
        if refusal:
            return _REFUSED.get(refusal, "400 Bad Request"), _JSON, b"{}"
        return "202 Accepted", _JSON, b"{}"


async def _read_request(wire: Wire) -> "tuple[str, str, bytes] | str | None":
    """Method, path without its query, and body; None when it is not HTTP."""
    head = bytearray()
    view = memoryview(bytearray(256))
    while True:
        end = bytes(head).find(b"\r\n\r\n")
        if end >= 0:
            break
        if len(head) > MAX_HEAD:
            return _TOO_MUCH
        got = await wire.read_some(view)
        if not got:
            raise EOFError
        head.extend(view[:got])
    try:
        lines = bytes(head[:end]).decode().split("\r\n")
    except UnicodeError:
        return None
    first = lines[0].split(" ")
    if len(first) != 3 or not first[2].startswith("HTTP/1."):
        return None
    length = 0
    for line in lines[1:]:
        name, _colon, value = line.partition(":")
        if name.lower() == "content-length":
            value = value.strip()
            if not value.isdigit() or len(value) > 6:
                return None
            length = int(value)
    if length > MAX_BODY:
        return _TOO_MUCH
    body = head[end + 4 :]
    while len(body) < length:
        got = await wire.read_some(view)
        if not got:
            raise EOFError
        body.extend(view[:got])
    return first[0], first[1].split("?")[0], bytes(body[:length])
