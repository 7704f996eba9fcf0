"""An image for a chip of Espressif: for which one, where it ends, what it says of the flash, its MicroPython."""

from __future__ import annotations

import hashlib
import re
import struct

from tools.flash.failures import FlashError, Stage

MAGIC = 0xE9
HEADER = 24
CHIP_IDS = {"esp32": 0, "esp32s3": 9, "esp32c3": 5, "esp32c6": 13}
"""The chip an image is for, in its header."""

_CHIP, _FLASH, _HASHED = 12, 3, 23
_SHA = 32
_MEGABYTE = 1 << 20

_MACHINE = re.compile(rb"; ([\x20-\x7e]{3,90} with ESP32[A-Z0-9-]*)\0")  # the second half of the prompt's banner
_BANNER = re.compile(rb"MicroPython v(\d+\.\d+\.\d+)")


def check(image: bytes, chip: str, file: str) -> None:
    """FlashError unless this is an image for that chip."""
    if len(image) < HEADER or image[0] != MAGIC:
        raise FlashError(Stage.IMAGE, f"{file} is not an image for a chip of Espressif; take the .bin of MicroPython")
    number = struct.unpack_from("<H", image, _CHIP)[0]
    if number != CHIP_IDS[chip]:
        meant = {value: name for name, value in CHIP_IDS.items()}.get(number, f"chip number {number}")
        raise FlashError(Stage.WRONG_CHIP, f"{file} is for {meant}, but this board has an {chip}; take its own image")


def end_of(image: bytes) -> int:
    """Where the image at the beginning of these bytes ends, its hash included. FlashError when it is cut short."""
    at = HEADER
    if len(image) >= HEADER and image[0] == MAGIC:
        for _ in range(image[1]):
            if at + 8 > len(image):
                break
            at += 8 + int(struct.unpack_from("<I", image, at + 4)[0])
        end = (at // 16 + 1) * 16 + (_SHA if image[_HASHED] else 0)  # one byte of checksum closes the last 16
        if end <= len(image):
            return end
    raise FlashError(Stage.IMAGE, "the image is not whole; download it again")


def for_flash_of(loader: bytes, size: int) -> bytes:
    """The boot loader as it is for a flash of that size: it refuses partitions beyond the size in its header. 0: the
    size is not known, and what is there stays.
    """
    end = end_of(loader)
    if not size:
        return loader
    made = bytearray(loader)
    made[_FLASH] = (size // _MEGABYTE).bit_length() - 1 << 4 | made[_FLASH] & 0x0F
    if made[_HASHED]:
        made[end - _SHA : end] = hashlib.sha256(made[: end - _SHA]).digest()
    return bytes(made)


def version_of(image: bytes) -> str:
    """The MicroPython in it, such as 1.28.0; "" when it does not say."""
    found = _BANNER.search(image)
    return found[1].decode() if found else ""


def machine_of(image: bytes) -> str:
    """The kind of board it was built for, in its own words (`sys.implementation._machine`); "" when it does not say.

    Two builds for one chip differ here: one for octal memory runs without any on a board that has quad memory.
    """
    found = _MACHINE.search(image)
    return found[1].decode() if found else ""
