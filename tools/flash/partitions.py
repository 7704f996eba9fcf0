"""The partition table: what lies where on the flash of a board."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from tools.flash.failures import FlashError, Stage

TABLE = 0x8000
TABLE_SIZE = 0xC00
SECTOR = 0x1000

APP, DATA = 0, 1
FACTORY, OTA = 0x00, 0x10
"""Kinds of application partitions; OTA is the first of sixteen slots."""
OTADATA, NVS = 0, 2

_MAGIC, _MD5 = b"\xaa\x50", b"\xeb\xeb"
_ENTRY = struct.Struct("<2sBBII16sI")


@dataclass(frozen=True)
class Entry:
    """One partition."""

    label: str
    kind: int
    subkind: int
    address: int
    size: int

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + self.size

    @property
    def is_slot(self) -> bool:
        """Whether an application image can be put there over the air."""
        return self.kind == APP and self.subkind & 0xF0 == OTA


@dataclass(frozen=True)
class Piece:
    """Bytes for one address of the flash."""

    address: int
    content: bytes


def parse(table: bytes) -> list[Entry]:
    """The partitions of a table; none when there is no table, or one that does not have its MD5."""
    found: list[Entry] = []
    for at in range(0, min(len(table), TABLE_SIZE) - _ENTRY.size + 1, _ENTRY.size):
        magic, kind, subkind, address, size, label, _ = _ENTRY.unpack_from(table, at)
        if magic == _MD5:
            good = hashlib.md5(table[:at], usedforsecurity=False).digest() == table[at + 16 : at + 32]
            return found if good else []
        if magic != _MAGIC:
            return []
        found.append(Entry(label.rstrip(b"\0").decode("ascii", "replace"), kind, subkind, address, size))
    return []


def build(entries: list[Entry]) -> bytes:
    """The table of these partitions, as long as the chip reads it."""
    rows = b"".join(
        _ENTRY.pack(_MAGIC, one.kind, one.subkind, one.address, one.size, one.label.encode(), 0) for one in entries
    )
    digest = hashlib.md5(rows, usedforsecurity=False).digest()
    return (rows + _MD5 + b"\xff" * 14 + digest).ljust(TABLE_SIZE, b"\xff")


def table_of(image: bytes, offset: int) -> bytes:
    """The table within a published image, which is one piece from the boot loader to the application."""
    return image[TABLE - offset : TABLE - offset + TABLE_SIZE]


def nvs_of(entries: list[Entry]) -> Entry:
    """The partition where the label's secret lives. FlashError when there is none, or one that shares a sector."""
    for one in entries:
        if (one.kind, one.subkind) == (DATA, NVS) and one.size:
            if one.address % SECTOR or one.size % SECTOR:
                raise FlashError(
                    Stage.IMAGE, "the image's NVS partition does not begin and end with a sector; take another image"
                )
            return one
    raise FlashError(
        Stage.IMAGE,
        "the image has no partition table with NVS, where the label secret lives; take an image of MicroPython",
    )


def around_nvs(image: bytes, offset: int) -> list[Piece]:
    """The pieces of an image that lie outside of NVS; the gap where that lies is filled with 0xFF. FlashError when its
    partition table cannot be read.
    """
    nvs = nvs_of(parse(table_of(image, offset)))
    pieces = [
        Piece(offset, image[: max(0, nvs.address - offset)]),
        Piece(nvs.end, image[max(0, nvs.end - offset) :]),
    ]
    return [piece for piece in pieces if piece.content]
