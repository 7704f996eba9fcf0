"""Improv over Bluetooth: five characteristics, a frame in, a frame out, and an advertisement that tells the state."""

import asyncio
import struct
import time

from hub.improv import CAPABILITIES, INVALID, NO_ERROR, Improv, checksum, packed

UUID = "00467768-6228-2272-4663-277478268000"
STATE = "00467768-6228-2272-4663-277478268001"
ERROR = "00467768-6228-2272-4663-277478268002"
COMMAND = "00467768-6228-2272-4663-277478268003"
RESULT = "00467768-6228-2272-4663-277478268004"
CAPABLE = "00467768-6228-2272-4663-277478268005"

_SERVICE_DATA = 0x4677

_PIECE_MS = 5_000
"""A frame whose rest does not come by then was of somebody who has gone."""


class ImprovBle:
    """The service around an `Improv`. `changed(uuid)` is set by whoever carries it."""

    uuid = UUID
    characteristics = {STATE: "rn", ERROR: "rn", COMMAND: "w", RESULT: "rn", CAPABLE: "r"}

    def __init__(self, improv: Improv) -> None:
        self.changed = lambda uuid: None
        self._improv = improv
        self._result = b""
        self._incoming = bytearray()
        self._came = 0
        self._turn = asyncio.Lock()
        improv.changed = self._news

    def _news(self) -> None:
        self.changed(STATE)
        self.changed(ERROR)

    def read(self, uuid: str) -> bytes:
        """The value of a characteristic."""
        if uuid == STATE:
            return bytes([self._improv.state])
        if uuid == ERROR:
            return bytes([self._improv.error])
        if uuid == CAPABLE:
            return bytes([CAPABILITIES])
        return self._result if uuid == RESULT else b""

    def write(self, uuid: str, data: bytes) -> None:
        """A frame, or a piece of one: command, length, data, checksum."""
        if uuid != COMMAND or not data:
            return
        now = time.ticks_ms()
        if time.ticks_diff(now, self._came) > _PIECE_MS:
            self._incoming = bytearray()
        self._came = now
        self._incoming.extend(data)
        frame = self._incoming
        if len(frame) < 2 or len(frame) < frame[1] + 3:
            return  # the rest comes with the next write
        self._incoming = bytearray()
        if len(frame) > frame[1] + 3 or checksum(frame[:-1]) != frame[-1]:
            self._improv.fail(INVALID)
            return
        asyncio.create_task(self._run(frame[0], bytes(frame[2:-1])))

    async def _run(self, command: int, data: bytes) -> None:
        async with self._turn:
            result = await self._improv.handle(command, data)
            if self._improv.error == NO_ERROR:
                self.changed(ERROR)
            if result is not None:
                frame = packed(command, result)
                self._result = frame + bytes([checksum(frame)])
                self.changed(RESULT)

    def advertisement(self) -> bytes:
        """Flags, the service and its data: exactly the 31 bytes there are."""
        value = bytes([int(UUID.replace("-", "")[at : at + 2], 16) for at in range(30, -1, -2)])
        data = struct.pack("<BBHBBBBBB", 9, 0x16, _SERVICE_DATA, self._improv.state, CAPABILITIES, 0, 0, 0, 0)
        return b"\x02\x01\x06" + b"\x11\x07" + value + data
