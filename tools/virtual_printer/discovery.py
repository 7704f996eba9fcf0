"""SSDP-like announcements: a NOTIFY datagram every few seconds, as printers broadcast on UDP 2021."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.virtual_printer.printer import Printer

INTERVAL = 5.0


def notify(printer: Printer) -> bytes:
    """The datagram of one printer."""
    lines = (
        "NOTIFY * HTTP/1.1",
        "Host: 239.255.255.250:1990",
        "Server: UPnP/1.0",
        f"Location: {printer.address}",
        "NT: urn:bambulab-com:device:3dprinter:1",
        "NTS: ssdp:alive",
        f"USN: {printer.spec.serial}",
        "Cache-Control: max-age=1800",
        f"DevModel.bambu.com: {printer.model.code}",
        f"DevName.bambu.com: {printer.spec.name}",
        f"DevSignal.bambu.com: {printer.machine.wifi_dbm}",
        "DevConnect.bambu.com: lan",
        "DevBind.bambu.com: free",
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
