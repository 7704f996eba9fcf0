"""How the flash of a board is laid out: with one application, or with two slots for images that come over the air.

    nvs       0x9000   as in the published image: the label's secret neither moves nor shrinks
    phy_init  0xf000
    ota_0     0x10000  where the published image has its only application
    ota_1              as large
    otadata            which of the two runs
    (vfs)              not in the table: MicroPython gives the file system all that is left, whatever the flash's size

What is written is in such an order that a pulled cable leaves a board which the same command completes: the partition
table, by which a board is known to have a layout, comes last, and is not touched when it is right already.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import StrEnum

from tools.flash import chip_image, partitions
from tools.flash.failures import FlashError, Stage
from tools.flash.partitions import APP, DATA, FACTORY, OTA, OTADATA, SECTOR, TABLE, Entry, Piece

MEGABYTE = 1 << 20

SLOTS = ((8 * MEGABYTE, 0x270000), (4 * MEGABYTE, 0x170000))
"""From a flash of that size on, the size of a slot; of 8 MB 3 are left to the file system, of 4 MB 1.1."""

GROWTH = 8
"""Of a slot an image may fill all but this fraction: images grow."""

_VALID = 2
_OURS = {"nvs", "otadata", "phy_init", "vfs"}
"""Data partitions of MicroPython. Others belong to a maker's demonstration, whose layout is not kept."""


class Wish(StrEnum):
    """`KEEP`: what the board has, and what the image brings on a board that has nothing."""

    KEEP = "keep"
    SLOTS = "slots"
    SINGLE = "single"


@dataclass(frozen=True)
class Plan:
    """What is written, in this order. `moves`: the file system will lie elsewhere, so what the board has is lost."""

    pieces: list[Piece]
    slots: bool
    moves: bool


def plan(image: bytes, offset: int, present: bytes, wish: Wish, flash: int, *, erase: bool = False) -> Plan:
    """How a published image, which begins at `offset`, comes onto a board with a flash of so many bytes, the `present`
    bytes where its table is. FlashError when it cannot be as wished.
    """
    brought = partitions.parse(partitions.table_of(image, offset))
    partitions.nvs_of(brought)
    now = partitions.parse(present)
    if wish is not Wish.SINGLE and _has_slots(now):
        return _in_slots(image, offset, now, now, flash, erase=erase)
    if wish is Wish.SLOTS:
        return _in_slots(
            image, offset, now, _with_slots(brought, _application(image, offset), flash), flash, erase=erase
        )
    if erase:
        return Plan([Piece(offset, image)], slots=False, moves=False)
    if _has_slots(now) and partitions.nvs_of(now) != partitions.nvs_of(brought):
        raise FlashError(
            Stage.IMAGE,
            "the board's layout was not made by this tool and its identity would be lost; run again with --erase, "
            "and stick the new label on it",
        )
    moves = bool(now) and _files_at(now) != _files_at(brought)
    blank = _blank(brought) if moves else []
    return Plan([*blank, *partitions.around_nvs(image, offset)], slots=False, moves=moves)


def _in_slots(image: bytes, offset: int, now: list[Entry], target: list[Entry], flash: int, *, erase: bool) -> Plan:
    application = _application(image, offset)
    slot = _slots(target)[0]
    _check_fits(application, slot.size, "the slots of this board; lay it out anew with --layout single")
    pieces = [
        Piece(slot.address, application),
        Piece(_otadata(target).address, _running(0)),
        Piece(offset, chip_image.for_flash_of(image[: TABLE - offset], flash)),
    ]
    if erase or target != now:
        pieces.append(Piece(TABLE, partitions.build(target)))
    if not erase and target != now:
        pieces[:0] = _blank(target)
    return Plan(pieces, slots=True, moves=bool(now) and target != now and not erase)


def otadata_entry(sequence: int, state: int) -> bytes:
    """How the boot loader finds its slot: sequence number minus one, modulo the number of slots; the higher one counts.

    Its checksum is that of the number alone, as the chip's ROM computes it.
    """
    number = struct.pack("<I", sequence)
    return number + b"\xff" * 20 + struct.pack("<II", state, zlib.crc32(number, 0xFFFFFFFF))


def _running(slot: int) -> bytes:
    """The content of otadata for a slot that needs no trial: one entry in each of two sectors, the second empty."""
    return otadata_entry(slot + 1, _VALID).ljust(2 * SECTOR, b"\xff")


def _application(image: bytes, offset: int) -> bytes:
    for one in partitions.parse(partitions.table_of(image, offset)):
        if one.kind == APP and one.subkind in (FACTORY, OTA):
            content = image[one.address - offset :]
            return content[: chip_image.end_of(content)]
    raise FlashError(Stage.IMAGE, "the image's partition table has no application; take an image of MicroPython")


def _with_slots(brought: list[Entry], application: bytes, flash: int) -> list[Entry]:
    if not flash:
        raise FlashError(Stage.IMAGE, "the board does not say how large its flash is; run the same command again")
    size = next((slot for least, slot in SLOTS if flash >= least), 0)
    _check_fits(application, size, f"one of two slots on a flash of {flash // MEGABYTE} MB; take a board with 8 MB")
    data = [one for one in brought if one.kind == DATA and one.label in ("nvs", "phy_init")]
    first = next(one for one in brought if one.kind == APP).address
    last = first + 2 * size
    slots = [Entry(f"ota_{n}", APP, OTA + n, first + n * size, size) for n in range(2)]
    return [*data, *slots, Entry("otadata", DATA, OTADATA, last, 2 * SECTOR)]


def _check_fits(application: bytes, slot: int, where: str) -> None:
    if len(application) > slot - slot // GROWTH:
        raise FlashError(
            Stage.IMAGE, f"this MicroPython ({len(application) / MEGABYTE:.1f} MB) has no room to grow in {where}"
        )


def _has_slots(entries: list[Entry]) -> bool:
    labels = {one.label for one in entries if one.kind == DATA}
    return len(_slots(entries)) > 1 and {"nvs", "otadata"} <= labels <= _OURS


def _slots(entries: list[Entry]) -> list[Entry]:
    return sorted((one for one in entries if one.is_slot), key=lambda one: one.subkind)


def _otadata(entries: list[Entry]) -> Entry:
    return next(one for one in entries if (one.kind, one.subkind) == (DATA, OTADATA))


def _files_at(entries: list[Entry]) -> int:
    """Where the file system begins: in the partition `vfs`, or after all of them."""
    named = [one.address for one in entries if one.label == "vfs"]
    return named[0] if named else max((one.end for one in entries), default=0)


def _blank(entries: list[Entry]) -> list[Piece]:
    """MicroPython makes a file system only where its first blocks are empty; what lay there would stop it for ever."""
    return [Piece(_files_at(entries), b"\xff" * (2 * SECTOR))]
