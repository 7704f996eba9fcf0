"""SSDP-like discovery: a NOTIFY every few seconds, as printers broadcast it on UDP 2021, and answers to M-SEARCH."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tools.virtual_printer.printer import Printer

INTERVAL = 5.0


DEVICE = "urn:bambulab-com:device:3dprinter:1"


def notify(printer: Printer) -> bytes:
    """The announcement of one printer."""
    head = ("NOTIFY * HTTP/1.1", "Host: 239.255.255.250:1990", "Server: UPnP/1.0")
    return _datagram(printer, head, (f"NT: {DEVICE}", "NTS: ssdp:alive"))


def answer(printer: Printer) -> bytes:
    """What one printer says when it is searched for."""
    return _datagram(printer, ("HTTP/1.1 200 OK", "Server: UPnP/1.0"), (f"ST: {DEVICE}",))


def _datagram(printer: Printer, head: tuple[str, ...], kind: tuple[str, ...]) -> bytes:
    lines = (
        *head,
        f"Location: {printer.address}",
        *kind,
        f"USN: {printer.spec.serial}",
        "Cache-Control: max-age=1800",
        f"DevModel.bambu.com: {printer.model.code}",
        f"DevName.bambu.com: {printer.spec.name}",
        f"DevSignal.bambu.com: {printer.machine.wifi_dbm}",
        f"DevConnect.bambu.com: {'lan' if printer.faults.lan_only else 'cloud'}",
        f"DevBind.bambu.com: {'free' if printer.faults.lan_only else 'occupied'}",
        "Devseclink.bambu.com: secure",
        "DevInf.bambu.com: wlan0",
        f"DevVersion.bambu.com: {printer.spec.firmware}",
        "DevCap.bambu.com: 1",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


async def announce(printers: Callable[[], list[Printer]], host: str, port: int, interval: float = INTERVAL) -> None:
    """Send every switched-on printer's NOTIFY to host:port each `interval` seconds, until cancelled."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        while True:
            for printer in printers():
                if printer.powered:
                    try:
                        sock.sendto(notify(printer), (host, port))
                    except OSError:
                        # Nobody listens (ICMP refused) or no network: printers keep calling.
                        printer.journal.counters["notify_failed"] += 1
            await asyncio.sleep(interval)


class Searches(asyncio.DatagramProtocol):
    """Answers whoever searches for printers; a datagram that is no such search gets no answer."""

    def __init__(self, printers: Callable[[], list[Printer]]) -> None:
        self._printers = printers
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is None or not data.startswith(b"M-SEARCH * HTTP/1.1\r\n") or DEVICE.encode() not in data:
            return
        for printer in self._printers():
            if printer.powered:
                self._transport.sendto(answer(printer), addr)


async def answer_searches(
    printers: Callable[[], list[Printer]], host: str, port: int
) -> tuple[asyncio.DatagramTransport, int]:
    """Listen on host:port (0: any) until the transport is closed; it, and the port. OSError when that is taken."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Searches(printers), local_addr=(host, port))
    return transport, transport.get_extra_info("sockname")[1]
