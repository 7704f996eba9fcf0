"""Images as MicroPython publishes them, small: boot loader, partition table, gap where NVS lies, application."""

from __future__ import annotations

import hashlib
import struct

from tools.flash import chip_image, partitions
from tools.flash.partitions import APP, DATA, FACTORY, NVS, Entry

PHY = 1
STOCK = [
    Entry("nvs", DATA, NVS, 0x9000, 0x6000),
    Entry("phy_init", DATA, PHY, 0xF000, 0x1000),
    Entry("factory", APP, FACTORY, 0x10000, 0x1F0000),
]


def program(chip: str, content: bytes, *, flash: int = 2, hashed: bool = True) -> bytes:
    """What a chip can start: header, one segment, checksum, hash. `flash` is the code of the flash's size."""
    head = bytearray(struct.pack("<BBBBI", 0xE9, 1, 2, flash << 4 | 0x0F, 0x40380000) + bytes(16))
    struct.pack_into("<H", head, 12, chip_image.CHIP_IDS[chip])
    head[23] = hashed
    content = content.ljust(-len(content) % 4 + len(content), b"\0")
    checksum = 0xEF
    for byte in content:
        checksum ^= byte
    body = bytes(head) + struct.pack("<II", 0x3FC80000, len(content)) + content
    body = body.ljust(len(body) // 16 * 16 + 15, b"\0") + bytes([checksum])
    return body + (hashlib.sha256(body).digest() if hashed else b"")


MACHINE = "Test board with ESP32S3"


def application(
    version: str = "1.28.0", chip: str = "esp32s3", size: int = 9000, machine: str = MACHINE
) -> bytes:  # fmt: skip
    banner = f"MicroPython v{version} on 2026-04-06\0; {machine}\0".encode()
    return program(chip, (banner + b"interpreter " * (size // 12)))


def published(
    version: str = "1.28.0", chip: str = "esp32s3", *, offset: int = 0, size: int = 9000,
    table: list[Entry] | None = None,
) -> bytes:  # fmt: skip
    table = STOCK if table is None else table
    content = program(chip, b"boot loader " * 400).ljust(partitions.TABLE - offset, b"\xff")
    content += partitions.build(table)
    return content.ljust(table[-1].address - offset, b"\xff") + application(version, chip, size)
