"""The right MicroPython on a board: seen, or written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tools.flash import chip_image, firmware_file, images, layout, partitions, rom
from tools.flash.device import PROMPT_S, Device, DeviceError
from tools.flash.failures import FlashError, Stage
from tools.flash.layout import Wish
from tools.flash.screen import Screen

OLDEST = (1, 28, 0)

START_S = 20.0
"""A fresh board makes its file system first."""

_ABOUT = """
import sys
slots = 0
if sys.platform == "esp32":
    from esp32 import Partition
    slots = len([1 for p in Partition.find(Partition.TYPE_APP) if p.info()[1] & 0xF0 == 0x10])
print(repr((sys.platform, tuple(sys.implementation.version[:3]), sys.implementation._machine, slots)))
"""

# As after the factory reset of the button: who holds the board may pair it, though the cloud knows its former owner.
_FORGOTTEN = """
import sys
if sys.platform == "esp32":
    from esp32 import NVS
    kept = NVS("printfarm")
    try:
        epoch = kept.get_i32("epoch")
    except OSError:
        epoch = 0
    kept.set_i32("epoch", epoch + 1)
    kept.commit()
"""


@dataclass(frozen=True)
class About:
    """What a board says of itself."""

    platform: str
    version: tuple[int, ...]
    machine: str
    slots: int
    """For images that come over the air."""

    def right(self, wish: Wish) -> bool:
        """Whether the application can run on it, laid out as wished. Nothing is written to what is no chip."""
        laid_out = wish is Wish.KEEP or (wish is Wish.SLOTS) == (self.slots > 1)
        return self.platform != "esp32" or (self.version >= OLDEST and laid_out)


@dataclass(frozen=True)
class Wanted:
    """Which image, how laid out, and when it is written. `keep`: never; `rewrite`: always; `erase`: always, after the
    whole flash.
    """

    cache: Path
    file: Path | None = None
    variant: str | None = None
    keep: bool = False
    rewrite: bool = False
    erase: bool = False
    layout: Wish = Wish.KEEP
    patience_s: float = PROMPT_S


def ensure(port: str, wanted: Wanted, screen: Screen) -> None:
    """Leave the board at `port` with a MicroPython that answers. FlashError says what to do."""
    about = seen(port, wanted.patience_s)
    always = wanted.rewrite or wanted.erase
    if about is not None and (about.right(wanted.layout) or wanted.keep) and not (always and about.platform == "esp32"):
        screen.say(f"MicroPython {'.'.join(map(str, about.version))} on {about.machine}")
        return
    if wanted.keep:
        raise FlashError(
            Stage.NO_MICROPYTHON, "no MicroPython answers on this board; run again without --keep, and one is written"
        )
    moved = _write(port, wanted, screen)
    about = _await(port)
    if moved:
        _forget(port)
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


def _write(port: str, wanted: Wanted, screen: Screen) -> bool:
    """Whether the file system moved."""
    chip = rom.chip(port)
    screen.say(f"chip {chip.name}")
    try:
        image = images.choose(chip.name, wanted.variant)
        if wanted.file is None:
            file, content = image.name, images.fetch(image, wanted.cache).read_bytes()
        else:
            taken = firmware_file.take(wanted.file, wanted.cache)
            file, content = wanted.file.name, taken.content
            screen.say(f"{file}: SHA-256 {taken.sha256}, {taken.trust}")
    except images.ImageError as error:
        stage = Stage.WRONG_CHIP if "there is no image" in str(error) else Stage.IMAGE
        raise FlashError(stage, str(error)) from error
    chip_image.check(content, chip.name, file)
    present = rom.read(port, chip.name, partitions.TABLE, partitions.TABLE_SIZE)
    plan = layout.plan(content, image.offset, present, wanted.layout, chip.flash, erase=wanted.erase)
    if plan.slots:
        screen.say("layout: two slots, so that MicroPython can be updated over the air")
    if plan.moves:
        screen.say(
            "the file system moves: application, Wi-Fi, farm and printers on this board are forgotten and the "
            "application is installed anew; its identity stays, so pair it again with the same label"
        )
    rom.write(port, chip.name, plan.pieces, lambda done: screen.bar(f"writing {file}", done, 100), erase=wanted.erase)
    screen.say(f"wrote {file}")
    return plan.moves


def _forget(port: str) -> None:
    try:
        with Device(port) as board:
            board.run(_FORGOTTEN)
    except DeviceError as error:
        raise FlashError(
            Stage.NO_MICROPYTHON,
            f"the board stopped answering ({error}); check the cable and run the same command again",
        ) from error


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
