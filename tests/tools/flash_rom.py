"""The ROM loader of an Espressif chip, as far as esptool without its stub speaks with it: SLIP frames over a socket."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
from collections.abc import Iterator

MEGABYTE = 1 << 20

SYNC, WRITE_REG, READ_REG, FLASH_BEGIN, FLASH_DATA, FLASH_END = 0x08, 0x09, 0x0A, 0x02, 0x03, 0x04
READ, BLOCK = 0x0E, 64
MD5, SECURITY = 0x13, 0x14

IDS = {"esp32": None, "esp32s3": 9, "esp32c3": 5, "esp32c6": 13, "esp32s2": 2}
"""What security information says; the first chip has none and is known by a register."""

MAGIC_REGISTER, ESP32_MAGIC = 0x40001000, 0x00F01D83

SPI = {"esp32": (0x3FF42000, 0x80), "esp32s3": (0x60002000, 0x58), "esp32c3": (0x60002000, 0x58)}
FLASH_ID = 0x0040EF  # the third byte is the size's logarithm


class Rom:
    """A chip with an empty flash. `flash` is its content, `writes` where esptool began to write.

    Faults: `silent` (never answers a frame), `lies` (a hash that is not the content's), `drop_at` (the cable is pulled
    at that block of data, until it is 0).
    """

    def __init__(
        self, chip: str = "esp32s3", *, silent: bool = False, lies: bool = False, drop_at: int = 0, megabytes: int = 4
    ) -> None:
        self.chip, self.silent, self.lies, self.drop_at = chip, silent, lies, drop_at
        self.flash = bytearray(b"\xff" * (megabytes * MEGABYTE))
        self.writes: list[int] = []
        self.programmed = False
        self._registers: dict[int, int] = {}
        self._at = self._blocks = 0

    def serve(self, line: socket.socket, first: bytes) -> None:
        """Answer frames until the other side goes, or the cable is pulled."""
        for frame in _frames(line, first):
            if self.silent:
                continue
            operation, size = struct.unpack_from("<xBH", frame)
            body = frame[8 : 8 + size]
            self._blocks += operation == FLASH_DATA
            if 0 < self.drop_at <= self._blocks:
                return
            value, data = self._answer(operation, body)
            for _ in range(8 if operation == SYNC else 1):
                head = struct.pack("<BBHI", 1, operation, len(data), value)
                line.sendall(
                    b"\xc0" + (head + data).replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"
                )

    def _answer(self, operation: int, body: bytes) -> tuple[int, bytes]:
        good, bad = bytes(4), b"\x01\x05\x00\x00"
        if operation == READ_REG:
            return self._register(struct.unpack("<I", body)[0]), good
        if operation == WRITE_REG:
            address, value = struct.unpack_from("<II", body)
            self._registers[address] = value
        elif operation == SECURITY:
            number = IDS[self.chip]
            return (0, bad) if number is None else (0, struct.pack("<IB7sII", 0, 0, bytes(7), number, 0) + good)
        elif operation == FLASH_BEGIN:
            size, _, _, self._at = struct.unpack_from("<IIII", body)
            if size:
                self.writes.append(self._at)
        elif operation == FLASH_DATA:
            length = struct.unpack_from("<I", body)[0]
            self.flash[self._at : self._at + length] = body[16 : 16 + length]
            self._at += length
        elif operation == READ:
            address, size = struct.unpack_from("<II", body)
            return 0, bytes(self.flash[address : address + size]).ljust(BLOCK, b"\0") + good
        elif operation == MD5:
            address, size = struct.unpack_from("<II", body)
            self.programmed = not self.lies
            digest = hashlib.md5(self.flash[address : address + size] + b"x" * self.lies).hexdigest()  # noqa: S324
            return 0, digest.encode() + good
        return 0, good

    def _register(self, address: int) -> int:
        if address == MAGIC_REGISTER and self.chip == "esp32":
            return ESP32_MAGIC
        base, word = SPI.get(self.chip, SPI["esp32s3"])
        if address == base:
            return 0  # the command is done
        if address == base + word:
            return FLASH_ID | (len(self.flash).bit_length() - 1) << 16
        return self._registers.get(address, 0)


def _frames(line: socket.socket, pending: bytes) -> Iterator[bytes]:
    with contextlib.suppress(ConnectionError):
        while True:
            start = pending.find(b"\xc0")
            end = pending.find(b"\xc0", start + 1) if start >= 0 else -1
            if end < 0:
                data = line.recv(65536)
                if not data:
                    return
                pending += data
                continue
            frame, pending = pending[start + 1 : end], pending[end + 1 :]
            if len(frame) >= 8:
                yield frame.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
            elif frame or not pending.startswith(b"\xc0"):
                pending = b"\xc0" + pending  # an end that was a beginning
