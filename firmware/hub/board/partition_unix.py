"""A flash with two slots for MicroPython, where there is no chip: the class `esp32.Partition`, and the boot loader.

What holds for a chip holds here: blocks are erased before they are written, otadata is two sectors of which the valid
one with the higher number counts, an image that was not confirmed is started once, and only a whole one can be chosen.
"""

import hashlib
import struct
from binascii import crc32

_BLOCK = 4096
_ROOM = 16 * _BLOCK
_NEW, _PENDING, _VALID, _INVALID, _ABORTED = range(5)
_EMPTY = 0xFFFFFFFF
_BANNER = b"MicroPython v"
_LABELS = ("ota_0", "ota_1")
_WRONG = -0x1503  # ESP_ERR_OTA_VALIDATE_FAILED


class Files:
    """Where the bytes are: a folder with a file for each partition."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def read(self, label: str, at: int, size: int) -> bytes:
        """What was never written is empty."""
        try:
            with open(self._folder + "/" + label, "rb") as file:
                file.seek(at)
                found = file.read(size)
        except OSError:
            found = b""
        return found + b"\xff" * (size - len(found))

    def erase(self, label: str, at: int) -> None:
        """One block."""
        self.write(label, at, b"\xff" * _BLOCK)

    def write(self, label: str, at: int, data: bytes) -> None:
        """Within a block that was erased."""
        path = self._folder + "/" + label
        try:
            file = open(path, "r+b")  # noqa: SIM115 - closed below
        except OSError:
            file = open(path, "w+b")  # noqa: SIM115
        with file:
            size = file.seek(0, 2)
            if size < at:
                file.write(b"\xff" * (at - size))
            file.seek(at)
            file.write(data)


def start(flash):  # type: ignore[no-untyped-def]
    """What the boot loader does: choose the image. The class Partition, the MicroPython that runs, and the room for
    another. On this port it is the same interpreter whatever the image says.
    """
    entries = _otadata(flash)
    for number, (sequence, state) in enumerate(entries):
        if state == _PENDING:
            _rewrite(flash, number, sequence, _ABORTED)
    active = _active(_otadata(flash))
    running = 0
    if active is not None:
        sequence, state = _otadata(flash)[active]
        running = (sequence - 1) % 2
        if state == _NEW:
            _rewrite(flash, active, sequence, _PENDING)
    if not _whole(flash, _LABELS[running]):
        running = 1 - running
    if not _whole(flash, _LABELS[running]):
        raise ValueError("neither slot holds an image")
    image = flash.read(_LABELS[running], 0, _BLOCK)
    at = image.find(_BANNER) + len(_BANNER)
    version = image[at : image.find(b" ", at)].decode()
    return _partition(flash, running), version, _ROOM


def _partition(flash, running: int):  # type: ignore[no-untyped-def]
    class Partition:
        """As `esp32.Partition`, of this flash."""

        BOOT, RUNNING, TYPE_APP, TYPE_DATA = 0, 1, 0, 1

        def __init__(self, which: "int | str") -> None:
            self._number = running if which == self.RUNNING else _LABELS.index(which)  # type: ignore[arg-type]
            self._label = _LABELS[self._number]

        def info(self) -> "tuple":  # type: ignore[type-arg]
            return (0, 0x10 + self._number, 0x10000 + self._number * _ROOM, _ROOM, self._label, False)

        def get_next_update(self) -> "Partition":
            return Partition(_LABELS[1 - running])

        def readblocks(self, number: int, block: bytearray) -> None:
            block[:] = flash.read(self._label, number * _BLOCK, len(block))

        def writeblocks(self, number: int, block: "bytes | bytearray") -> None:
            flash.erase(self._label, number * _BLOCK)
            flash.write(self._label, number * _BLOCK, block)

        def set_boot(self) -> None:
            if not _whole(flash, self._label):
                raise OSError(_WRONG, "ESP_ERR_OTA_VALIDATE_FAILED")
            entries = _otadata(flash)
            active = _active(entries)
            sequence = self._number + 1
            if active is None:
                _rewrite(flash, 0, sequence, _NEW)
                return
            while sequence < entries[active][0]:
                sequence += 2
            _rewrite(flash, 1 - active, sequence, _NEW)

        @staticmethod
        def mark_app_valid_cancel_rollback() -> None:
            entries = _otadata(flash)
            active = _active(entries)
            if active is not None and entries[active][1] != _VALID:
                _rewrite(flash, active, entries[active][0], _VALID)

    return Partition


def _otadata(flash) -> "list[tuple[int, int]]":  # type: ignore[no-untyped-def]
    """Number and state of both entries; a damaged one is empty."""
    found = []
    for number in range(2):
        sequence, _, state, check = struct.unpack("<I20sII", flash.read("otadata", number * _BLOCK, 32))
        good = check == crc32(struct.pack("<I", sequence), _EMPTY)
        found.append((sequence, state) if good else (_EMPTY, _EMPTY))
    return found


def _active(entries: "list[tuple[int, int]]") -> "int | None":
    good = [
        number for number in range(2) if entries[number][0] != _EMPTY and entries[number][1] not in (_INVALID, _ABORTED)
    ]
    return max(good, key=lambda number: entries[number][0]) if good else None


def _rewrite(flash, number: int, sequence: int, state: int) -> None:  # type: ignore[no-untyped-def]
    head = struct.pack("<I", sequence)
    flash.erase("otadata", number * _BLOCK)
    flash.write("otadata", number * _BLOCK, head + b"\xff" * 20 + struct.pack("<II", state, crc32(head, _EMPTY)))


def _whole(flash, label: str) -> bool:  # type: ignore[no-untyped-def]
    """Whether a slot holds an image with the hash that it ends with."""
    head = flash.read(label, 0, 24)
    if head[0] != 0xE9:
        return False
    end = 24
    for _ in range(head[1]):
        if end + 8 > _ROOM:
            return False
        end += 8 + struct.unpack("<I", flash.read(label, end + 4, 4))[0]
    end = (end // 16 + 1) * 16
    if end + 32 > _ROOM:
        return False
    digest = hashlib.sha256()
    for at in range(0, end, _BLOCK):
        digest.update(flash.read(label, at, min(_BLOCK, end - at)))
    return digest.digest() == flash.read(label, end, 32)  # type: ignore[no-any-return]
