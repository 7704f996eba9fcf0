"""The right MicroPython on a board: seen, or written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tools.flash import firmware_file, images, partitions, rom
from tools.flash.device import PROMPT_S, Device, DeviceError
from tools.flash.failures import FlashError, Stage
from tools.flash.screen import Screen

OLDEST = (1, 28, 0)

START_S = 20.0
"""A fresh board makes its file system first."""

_ABOUT = """
import sys
print(repr((sys.platform, tuple(sys.implementation.version[:3]), sys.implementation._machine)))
"""


@dataclass(frozen=True)
class About:
    """What a board says of itself."""

    platform: str
    version: tuple[int, ...]
    machine: str

    @property
    def right(self) -> bool:
        """Whether the application can run on it. Nothing is written to what is not a chip."""
        return self.platform != "esp32" or self.version >= OLDEST


@dataclass(frozen=True)
class Wanted:
    """Which image, and when it is written. `keep`: never; `rewrite`: always; `erase`: always, after the whole flash."""

    cache: Path
    file: Path | None = None
    variant: str | None = None
    keep: bool = False
    rewrite: bool = False
    erase: bool = False
    patience_s: float = PROMPT_S


def ensure(port: str, wanted: Wanted, screen: Screen) -> None:
    """Leave the board at `port` with a MicroPython that answers. FlashError says what to do."""
    about = seen(port, wanted.patience_s)
    always = wanted.rewrite or wanted.erase
    if about is not None and (about.right or wanted.keep) and not (always and about.platform == "esp32"):
        screen.say(f"MicroPython {'.'.join(map(str, about.version))} on {about.machine}")
        return
    if wanted.keep:
        raise FlashError(
            Stage.NO_MICROPYTHON, "no MicroPython answers on this board; run again without --keep, and one is written"
        )
    _write(port, wanted, screen)
    about = _await(port)
    screen.say(f"MicroPython {'.'.join(map(str, about.version))} on {about.machine}")


def seen(port: str, patience_s: float = PROMPT_S) -> About | None:
    """What the board says of itself; None when no MicroPython answers. FlashError when there is no such port."""
    try:
        with Device(port, patience_s) as board:
            return About(*board.value(_ABOUT))
    except DeviceError as error:
        if "failed to access" in str(error):
            raise FlashError(
                Stage.NO_BOARD, f"{port} cannot be opened; close other programs that use it and check the cable"
            ) from error
        return None


def _write(port: str, wanted: Wanted, screen: Screen) -> None:
    chip = rom.chip(port)
    screen.say(f"chip {chip}")
    try:
        image = images.choose(chip, wanted.variant)
        if wanted.file is None:
            file, content = image.name, images.fetch(image, wanted.cache).read_bytes()
        else:
            taken = firmware_file.take(wanted.file, wanted.cache)
            file, content = wanted.file.name, taken.content
            screen.say(f"{file}: SHA-256 {taken.sha256}, {taken.trust}")
    except images.ImageError as error:
        stage = Stage.WRONG_CHIP if "there is no image" in str(error) else Stage.IMAGE
        raise FlashError(stage, str(error)) from error
    partitions.check(content, chip, file)
    whole = [partitions.Piece(image.offset, content)]
    pieces = whole if wanted.erase else partitions.around_nvs(content, image.offset)
    rom.write(port, chip, pieces, lambda percent: screen.bar(f"writing {file}", percent, 100), erase=wanted.erase)
    screen.say(f"wrote {file}")


def _await(port: str) -> About:
    """The board after its restart; on native USB its port goes away for a moment."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            about = seen(port)
        except FlashError:
            about = None
        if about is not None:
            return about
        if time.monotonic() > deadline:
            raise FlashError(
                Stage.NO_MICROPYTHON,
                "the board does not start MicroPython; press RESET and run the same command again, and if that does "
                "not help check that the image is for this board (--variant)",
            )
        time.sleep(0.5)
