"""MicroPython itself, over the air: an image into the slot that does not run. Loaded when a release brings one, and to
tell after the restart whether it runs.

A release brings an application and the image it is compiled for, and both are started by one restart. The pointer
names the image's partition, and is written before the boot loader is told: whatever the two say after a power cut, the
release runs as a whole, is given one more start, or is rolled back as a whole. An image that was not confirmed the
boot loader starts only once.
"""

import asyncio
import hashlib
import sys
from binascii import hexlify

from hub.log import log
from hub.release import UpdateError, version_of

_BLOCK = 4096
_MAGIC = 0xE9
_CHIP_AT = 12
_MPY = 6  # of releases that do not say
_CHIPS = {"esp32": 0, "esp32s3": 9, "esp32c3": 5, "esp32c6": 13}


def wanted(manifest: "dict", board) -> bool:  # type: ignore[type-arg, no-untyped-def]
    """Whether the release's image is to be installed on this board: it is newer than the one that runs, or signed as a
    step back, built for such a board, and there is a slot for it. Raises UpdateError when the application cannot be
    without it.
    """
    version, _, size, machine = manifest.get("image") or ("0", "", 0, "")
    here, brought = version_of(board.image), version_of(version)
    back = manifest.get("downgrade") is True and size > 0 and brought != here
    if (brought > here or back) and size <= board.image_room and _plain(machine) == _plain(board.machine):
        return True
    if manifest.get("mpy", _MPY) != sys.implementation._mpy & 0xFF:  # type: ignore[attr-defined]
        why = "its flash has no slot for it" if not board.image_room else "the release brings none that fits"
        raise UpdateError("needs_cable", "the release needs another MicroPython than %s, and %s" % (board.image, why))
    return False


def _plain(machine: str) -> str:
    """One version writes ESP32S3, another ESP32-S3."""
    return machine.replace("-", "").lower()


class ImageSlot:
    """The partition that does not run, made equal to an image. A context manager, as release.Sink."""

    def __init__(self, board, sha: str, size: int) -> None:  # type: ignore[no-untyped-def]
        kind = board.partition
        self._slot = kind(kind.RUNNING).get_next_update()
        self._chip = _CHIPS.get(board.target)
        self.sha = sha
        self.size = size
        self._block = bytearray(_BLOCK)
        self._begin()

    @property
    def label(self) -> str:
        """The name of the partition."""
        return self._slot.info()[4]  # type: ignore[no-any-return]

    def _begin(self) -> None:
        self._number = self._filled = self._came = 0

    def __enter__(self) -> "ImageSlot":
        self._begin()
        return self

    def __exit__(self, kind, error, trace) -> None:  # type: ignore[no-untyped-def]
        pass

    async def is_there(self) -> bool:
        """Whether the partition holds the image that was signed: all of it is read."""
        digest = hashlib.sha256()
        left, number = self.size, 0
        while left:
            self._slot.readblocks(number, self._block)
            digest.update(memoryview(self._block)[: min(left, _BLOCK)])
            left -= min(left, _BLOCK)
            number += 1
            await asyncio.sleep_ms(0)
        return hexlify(digest.digest()).decode() == self.sha

    def write(self, piece: "bytes | memoryview") -> None:
        """Raises UpdateError for what is no image for this chip or too long, OSError when the flash takes nothing."""
        self._came += len(piece)
        if self._came > self.size:
            raise UpdateError("corrupt", "the image is longer than it should be")
        at = 0
        while at < len(piece):
            step = min(len(piece) - at, _BLOCK - self._filled)
            self._block[self._filled : self._filled + step] = piece[at : at + step]
            at += step
            self._filled += step
            if self._filled == _BLOCK:
                self._flush()

    def _flush(self) -> None:
        if not self._number:
            chip = self._block[_CHIP_AT] | self._block[_CHIP_AT + 1] << 8
            if self._block[0] != _MAGIC or self._chip not in (None, chip):
                raise UpdateError("wrong_image", "the release's image is for another chip, or none at all")
        self._slot.writeblocks(self._number, self._block)
        self._number += 1
        self._filled = 0

    def finish(self) -> None:
        """All bytes came. Raises UpdateError when some are missing."""
        if self._filled:
            for at in range(self._filled, _BLOCK):
                self._block[at] = 0xFF
            self._flush()
        if self._came != self.size:
            raise UpdateError("corrupt", "the image arrived cut short")

    def start_next(self) -> None:
        """The boot loader starts this image next, once unless it is confirmed. Raises OSError when it is none."""
        self._slot.set_boot()


def settle_which(hub, slots) -> bool:  # type: ignore[no-untyped-def]
    """Whether the image runs that the release under test is for. If not, this start ends here: the image is given one
    more chance, for it may have been the power that was cut, and then the release is rolled back.
    """
    pointer, kind = slots.pointer, hub.board.partition
    if kind is not None and kind(kind.RUNNING).info()[4] == pointer["image"]:
        return True
    # Nobody but this function gives the release up: main.py, running out of tries, would leave its image under test.
    slots.memory.count(0)
    if kind is not None and not pointer.get("again"):
        again = dict(pointer)
        again["again"] = True
        slots.write(again)
        try:
            kind(kind.RUNNING).get_next_update().set_boot()
        except OSError as error:
            log("update", "the release's MicroPython cannot be started: %r" % error)
        else:
            log("update", "the release's MicroPython does not run: once more")
            hub.board.reset("update")
            return False
    slots.write(
        {
            "slot": pointer.get("before", ""),
            "version": pointer.get("before_version", ""),
            "state": "rolled_back",
            "failed": pointer["version"],
            "why": _blamed(slots) or "its MicroPython did not start",
        }
    )
    hub.board.reset("update")
    return False


def _blamed(slots) -> str:  # type: ignore[no-untyped-def]
    try:
        with open(slots.root + "/fault.txt") as file:
            return file.read(200)
    except OSError:
        return ""
