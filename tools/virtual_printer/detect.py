"""The "detect" service: says who the printer is, without a code. TCP 3000 plain, 3002 with TLS."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

from tools.virtual_printer.wire import Wire

if TYPE_CHECKING:
    from tools.virtual_printer.printer import Printer

_HEAD, _TAIL = b"\xa5\xa5", b"\xa7\xa7"
_LARGEST = 4096


def frame(message: object) -> bytes:
    """Start mark, length of the whole frame (uint16 LE), JSON, end mark."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return _HEAD + struct.pack("<H", len(body) + 6) + body + _TAIL


class Detector:
    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._sequence = 3000

    async def serve_plain(self, wire: Wire) -> None:
        await self._serve(wire)

    async def serve_tls(self, wire: Wire) -> None:
        if self._printer.faults.tls_hang:
            await wire.wait_for_tcp_end()
            return
        await wire.start_tls(self._printer.context)
        await self._serve(wire)

    async def _serve(self, wire: Wire) -> None:
        while True:
            head, length = struct.unpack("<2sH", await wire.read_exactly(4))
            if head != _HEAD or not 6 <= length <= _LARGEST:
                return
            body = (await wire.read_exactly(length - 4))[:-2]
            try:
                login = json.loads(body)["login"]
            except (ValueError, KeyError, TypeError):
                return
            if isinstance(login, dict) and login.get("command") == "detect":
                await wire.write(frame({"login": self._answer()}))

    def _answer(self) -> dict[str, object]:
        printer = self._printer
        self._sequence += 1
        return {
            "command": "detect",
            "sequence_id": self._sequence,
            "bind": "free" if printer.faults.lan_only else "occupied",
            "connect": "lan" if printer.faults.lan_only else "cloud",
            "dev_cap": 1,
            "id": printer.spec.serial,
            "model": printer.model.code,
            "name": printer.spec.name,
            "version": printer.spec.firmware,
        }
