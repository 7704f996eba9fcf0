"""Printers on the hub's network: they call out every few seconds by UDP, and some answer when they are asked.

Listening takes the board's one spare socket. It is open all the time while the hub has no printer, and otherwise for
a moment every few minutes, so that a new printer or a new address is noticed; and whenever the cloud asks.
"""

import asyncio
import errno
import socket
import time

from hub.address import plausible
from hub.life import TIGHT, rare
from hub.log import log

WINDOW_MS = 12_000  # printers call every 5 s
KEPT_MS = 1_800_000  # as long as an announcement says it is valid

_MOST = 16 if TIGHT else 32
_NAP_MS = 100
_LARGEST = 1024
_SEARCH_AT_MS = (0, 2_000, 4_000)

_DEVICE = b"urn:bambulab-com:device:3dprinter"
_SEARCH = (
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1990\r\n"
    b'MAN: "ssdp:discover"\r\nMX: 2\r\nST: urn:bambulab-com:device:3dprinter:1\r\n\r\n'
)
_FIELDS = {
    b"location": ("host", 64),
    b"usn": ("serial", 32),
    b"devmodel.bambu.com": ("model", 32),
    b"devname.bambu.com": ("name", 64),
    b"devversion.bambu.com": ("firmware", 32),
}


def announced(data: bytes) -> "dict | None":  # type: ignore[type-arg]
    """The printer (fields of FOUND) that an announcement, or an answer to a search, speaks of; None for the rest."""
    if not data.startswith((b"NOTIFY ", b"HTTP/1.1 200")) or _DEVICE not in data or b"ssdp:byebye" in data:
        return None
    printer = {"serial": "", "host": "", "model": "", "name": "", "firmware": ""}
    for line in data.split(b"\n"):
        name, _, value = line.partition(b":")
        field = _FIELDS.get(bytes(name.strip().lower()))
        if field is not None:
            printer[field[0]] = text(value.strip())[: field[1]]
    # Not seen from real printers, but from programs that pose as one.
    serial = printer["serial"].replace("uuid:", "").split("::")[0].upper()
    printer["serial"] = serial
    return printer if plausible(printer) else None


def text(value: bytes) -> str:
    """Foreign bytes as text without control characters; what is not UTF-8 is left out."""
    value = bytes([byte for byte in value if byte >= 32])
    try:
        return value.decode()
    except UnicodeError:
        return bytes([byte for byte in value if byte < 127]).decode()


class Discovery:
    """One while of listening. What printers told stays on `cloud.found` (serial -> tuple, see `note`) between them,
    and is told to the cloud when it changes (message `found`). `look` set while listening begins a new search.
    """

    def __init__(self, board, cloud, look) -> None:  # type: ignore[no-untyped-def]
        self._board = board
        self._cloud = cloud
        self._look = look

    async def listen(self, asked: bool) -> bool:
        """Listen until all who are there have called; *asked* means search, and tell also what is not new.

        False when this board cannot listen now.
        """
        try:
            sock = self._open()
        except OSError as error:
            log("discovery", "cannot listen: %r" % error)
            return False
        try:
            await self._hear(sock, list(_SEARCH_AT_MS) if asked else [])
        finally:
            sock.close()
        if asked and not self._cloud.found:
            await self._sweep()
        self._forget_old()
        if asked:
            self._cloud.notice("found")
        return True

    async def _hear(self, sock: "socket.socket", searches: "list[int]") -> None:
        began = time.ticks_ms()
        links = len(self._cloud.links)
        while not self._look.is_set():
            if len(self._cloud.links) > links:
                break  # a printer came, and wants the memory now
            past = time.ticks_diff(time.ticks_ms(), began)
            if past >= WINDOW_MS:
                break
            if searches and past >= searches[0]:
                searches.pop(0)
                self._search(sock)
            self._receive(sock)
            await asyncio.sleep_ms(_NAP_MS)

    def _open(self) -> "socket.socket":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            # Beside another program of this machine that listens too.
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_REUSEADDR", 2), 1)
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_BROADCAST", 32), 1)
            sock.bind(socket.getaddrinfo("0.0.0.0", self._board.discovery_port)[0][-1])  # noqa: S104 - who calls is unknown
        except BaseException:
            sock.close()
            raise
        return sock

    def _search(self, sock: "socket.socket") -> None:
        for host, port in self._board.search_to:
            try:
                sock.sendto(_SEARCH, socket.getaddrinfo(host, port)[0][-1])
            except OSError:
                pass  # this network does not carry it; printers call by themselves

    def _receive(self, sock: "socket.socket") -> None:
        changed = False
        for _ in range(_MOST):  # who calls without end must not keep the others waiting
            try:
                data = sock.recvfrom(_LARGEST)[0]
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    log("discovery", "cannot hear: %r" % error)
                break
            printer = announced(data)
            if printer is not None:
                changed = self.note(printer) or changed
        if changed:
            self._cloud.notice("found")

    def note(self, printer: "dict") -> bool:  # type: ignore[type-arg]
        """A printer made itself known; whether that is news. Kept as a tuple: fields of FOUND behind the serial number,
        and when it was last heard of."""
        found = self._cloud.found
        serial = printer["serial"]
        known = found.get(serial)
        if known is None and len(found) >= _MOST:
            del found[max(found, key=self._age)]
        fields = tuple([printer[name] for name in ("host", "model", "name", "firmware")])
        found[serial] = fields + (time.ticks_ms(),)
        if known is not None and known[:4] == fields:
            return False
        log("discovery", "printer %s at %s" % (serial, printer["host"]))
        return True

    def _age(self, serial: str) -> int:
        return time.ticks_diff(time.ticks_ms(), self._cloud.found[serial][4])  # type: ignore[no-any-return]

    def _forget_old(self) -> None:
        for serial in list(self._cloud.found):
            if self._age(serial) > KEPT_MS:
                del self._cloud.found[serial]

    async def _sweep(self) -> None:
        """Nobody called, as on networks that keep broadcasts back: ask each address of ours for the detect service."""
        address = self._board.vitals().get("ip")
        if address is None:
            return
        with rare("detect") as detect:
            for printer in await detect.sweep(address, self._look.is_set):
                self.note(printer)
