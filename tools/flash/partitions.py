"""What an image would overwrite: it is written around the NVS partition, which holds the label's secret.

A published image is one piece from the boot loader to the application; the gap where NVS lies is filled with 0xFF.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tools.flash.failures import FlashError, Stage

TABLE = 0x8000
TABLE_SIZE = 0xC00
MAGIC = b"\xaa\x50"
DATA, NVS = 1, 2
SECTOR = 0x1000

IMAGE_MAGIC = 0xE9
CHIP_IDS = {"esp32": 0, "esp32s3": 9, "esp32c3": 5, "esp32c6": 13}
"""The chip an image is for, in its header."""


@dataclass(frozen=True)
class Piece:
    """Bytes for one address of the flash."""

    address: int
    content: bytes


def check(image: bytes, chip: str, file: str) -> None:
    """FlashError unless this is an image for that chip."""
    if len(image) < 24 or image[0] != IMAGE_MAGIC:
        raise FlashError(Stage.IMAGE, f"{file} is not an image for a chip of Espressif; take the .bin of MicroPython")
    number = struct.unpack_from("<H", image, 12)[0]
    if number != CHIP_IDS[chip]:
        meant = {value: name for name, value in CHIP_IDS.items()}.get(number, f"chip number {number}")
        raise FlashError(Stage.WRONG_CHIP, f"{file} is for {meant}, but this board has an {chip}; take its own image")


def around_nvs(image: bytes, offset: int) -> list[Piece]:
    """The pieces of an image that lie outside of NVS. FlashError when its partition table cannot be read."""
    begin, size = _nvs(image, offset)
    if begin % SECTOR or size % SECTOR:
        raise FlashError(
            Stage.IMAGE, "the image's NVS partition does not begin and end with a sector; take another image"
        )
    end = begin + size
    pieces = [Piece(offset, image[: max(0, begin - offset)]), Piece(end, image[max(0, end - offset) :])]
    return [piece for piece in pieces if piece.content]


def _nvs(image: bytes, offset: int) -> tuple[int, int]:
    table = image[TABLE - offset : TABLE - offset + TABLE_SIZE]
    for at in range(0, len(table) - 31, 32):
        entry = table[at : at + 32]
        if entry[:2] != MAGIC:
            break
        kind, subkind, begin, size = struct.unpack_from("<2xBBII", entry)
        if (kind, subkind) == (DATA, NVS) and size:
            return begin, size
    raise FlashError(
        Stage.IMAGE,
        "the image has no partition table with NVS, where the label secret lives; take an image of MicroPython",
    )
