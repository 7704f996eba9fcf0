"""The JPEG camera of P1 and A1: TLS on port 6000, an 80-byte login, then frames for one viewer."""

from __future__ import annotations

import asyncio
import hmac
import struct
from typing import TYPE_CHECKING

from tools.virtual_printer.picture import draw
from tools.virtual_printer.wire import Wire

if TYPE_CHECKING:
    from tools.virtual_printer.printer import Printer

USER = b"bblp"
_LOGIN = struct.Struct("<II8x32s32s")
_FIRST_FRAMES = 7
_FAST, _SLOW = 0.05, 1.0
"""Some clients skip the first five frames as stale: these come quickly, the others once a second."""


class Camera:
    """One viewer at a time; a second one is sent away."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self.viewers = 0

    async def serve(self, wire: Wire) -> None:
        if self._printer.faults.tls_hang:
            await wire.wait_for_tcp_end()
            return
        await wire.start_tls(self._printer.context)
        size, kind, user, code = _LOGIN.unpack(await wire.read_exactly(_LOGIN.size))
        expected = self._printer.access_code.encode()
        good = hmac.compare_digest(code.rstrip(b"\0"), expected) and user.rstrip(b"\0") == USER
        if size != 0x40 or kind != 0x3000 or not good:
            self._printer.journal.event("camera_refused", reason="login")
            await wire.close()
            return
        if self.viewers:
            self._printer.journal.event("camera_refused", reason="second viewer")
            return
        self.viewers = 1
        try:
            await self._show(wire)
        finally:
            self.viewers = 0

    async def _show(self, wire: Wire) -> None:
        self._printer.journal.event("camera_viewer")
        ending = asyncio.create_task(wire.read_some())
        number = 0
        try:
            while not ending.done():
                job = self._printer.machine.job
                frame = draw(number, job.percent, self._printer.machine.busy)
                # The header goes alone: clients expect it in a read of its own.
                await wire.write(struct.pack("<IIII", len(frame), 0, 1, 0))
                await asyncio.sleep(0.01)
                await wire.write(frame)
                number += 1
                await asyncio.wait([ending], timeout=_FAST if number < _FIRST_FRAMES else _SLOW)
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
