"""Many virtual printers in one process, each with an address of its own or all on one."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from pathlib import Path

from tools.virtual_printer.discovery import announce, answer_searches
from tools.virtual_printer.printer import STANDARD_PORTS, Printer
from tools.virtual_printer.spec import PrinterSpec

NETWORK = "127.0.77"
"""With standard ports every printer needs an address of its own; these are all loopback on Linux."""


class Farm:
    """The printers, their folder (temporary unless given) and their announcements."""

    def __init__(self, folder: Path | None = None, certificates: Path | None = None) -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="virtual-printers-")
            folder = Path(self._temporary.name)
        self._folder = folder
        self._certificates = certificates or folder / "certificates"
        self._locks: list[socket.socket] = []
        self._announcing: asyncio.Task[None] | None = None
        self._searched: asyncio.DatagramTransport | None = None
        self.printers: dict[str, Printer] = {}

    def add(self, spec: PrinterSpec, *, address: str, standard_ports: bool) -> Printer:
        """Make a printer, bind it and switch it on.

        Raises ValueError for a serial that is already there, OSError when no address or port is to be had
        (PermissionError: standard ports need root or CAP_NET_BIND_SERVICE).
        """
        if spec.serial in self.printers:
            raise ValueError(f"two printers with serial {spec.serial}")
        printer = Printer(spec, self._folder / spec.serial, self._certificates)
        if standard_ports:
            self._bind_standard(printer, spec.address)
        else:
            printer.bind(spec.address or address, {})
        self.printers[spec.serial] = printer
        printer.power_on()
        return printer

    def announce(self, host: str, port: int, interval: float) -> None:
        """Begin to send NOTIFY datagrams for all printers."""
        self._announcing = asyncio.create_task(announce(lambda: list(self.printers.values()), host, port, interval))

    async def answer_searches(self, host: str, port: int) -> int:
        """Begin to answer M-SEARCH for all printers; the port. OSError when it is taken."""
        self._searched, port = await answer_searches(lambda: list(self.printers.values()), host, port)
        return port

    async def close(self) -> None:
        if self._searched is not None:
            self._searched.close()
        if self._announcing is not None:
            self._announcing.cancel()
            await asyncio.gather(self._announcing, return_exceptions=True)
        for printer in self.printers.values():
            await printer.close()
        for lock in self._locks:
            lock.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _bind_standard(self, printer: Printer, address: str) -> None:
        wanted = [address] if address else [f"{NETWORK}.{number}" for number in range(1, 255)]
        for candidate in wanted:
            lock = _lock(candidate)
            if lock is None:
                continue
            try:
                printer.bind(candidate, STANDARD_PORTS)
            except PermissionError:
                lock.close()
                raise
            except OSError:
                lock.close()
                continue
            self._locks.append(lock)
            return
        raise OSError(f"no free loopback address among {wanted[0]} ... {wanted[-1]}")


def _lock(address: str) -> socket.socket | None:
    """Reserve an address among all virtual printers of this machine, also while its printer is switched off.

    An abstract Unix socket (Linux) vanishes with its process, so nothing is ever left behind.
    """
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(f"\0virtual-printer-{address}")
    except OSError:
        lock.close()
        return None
    return lock
