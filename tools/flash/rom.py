"""The chip's ROM loader, spoken to by esptool, which runs as a program of its own (its licence is the GPL)."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.flash.failures import FlashError, Stage
from tools.flash.partitions import Piece
from tools.programs import tool

BAUD = 460800
SLOW_BAUD = 115200
"""When a cable or an adapter is not up to the fast one."""

LONGEST_S = 600

CHIP = re.compile(r"(?:Connected to|Chip type:)\s+(ESP32(?:-[A-Z]\d+)?)")
FLASH = re.compile(r"Detected flash size:\s+(\d+)MB")
PERCENT = re.compile(rb"(\d+(?:\.\d+)?)%")

_BY_HAND = "hold BOOT, press and let go RESET, let go BOOT, and run the same command again"

# esptool's words, and what they mean here. The first that is found counts.
_FAULTS = (
    (
        r"hash of data|MD5 of file does not match|verification failed",
        Stage.VERIFY,
        "the flash does not hold what was written; try another cable, then another board",
    ),
    (
        r"Wrong chip argument|This chip is",
        Stage.WRONG_CHIP,
        "this is not the chip it seemed to be; run the same command again",
    ),
    (
        r"autodetect chip type",
        Stage.WRONG_CHIP,
        "this is a chip without an image here; a hub needs an ESP32, S3, C3 or C6",
    ),
    (
        r"Could not open|could not open port|port is busy|doesn't exist",
        Stage.NO_BOARD,
        "the port cannot be opened; close other programs that use it and check the cable",
    ),
    (
        r"No serial data received|Failed to connect|Wrong boot mode|Invalid head of packet",
        Stage.NO_SYNC,
        f"the chip does not answer; {_BY_HAND}",
    ),
)


def is_socket(port: str) -> bool:
    """Whether a port is a network address, which has no lines to reset a chip with."""
    return "://" in port


@dataclass(frozen=True)
class Chip:
    """`name` as the table of images has it: `esp32s3`. `flash` is its size in bytes, 0 when it does not say."""

    name: str
    flash: int


def chip(port: str) -> Chip:
    """What is at the port. FlashError when it does not answer."""
    said = _run(port, ["--chip", "auto", "--no-stub", *_resets(port, "no-reset")], ["flash-id"], Stage.NO_SYNC)
    found = CHIP.search(said)
    if not found:
        raise FlashError(Stage.NO_SYNC, f"the chip did not say what it is; {_BY_HAND}")
    size = FLASH.search(said)
    return Chip(found[1].lower().replace("-", ""), int(size[1]) << 20 if size else 0)


def read(port: str, chip_name: str, address: int, size: int) -> bytes:
    """Some bytes of the flash. FlashError says what to do."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "read.bin"
        options = ["--chip", chip_name, *_resets(port, "no-reset"), *(["--no-stub"] if is_socket(port) else [])]
        _run(port, options, ["read-flash", hex(address), hex(size), str(path)], Stage.NO_SYNC)
        return path.read_bytes()


def write(
    port: str, chip_name: str, pieces: Sequence[Piece], progress: Callable[[float], None], *, erase: bool
) -> None:
    """Write and verify; `progress` gets 0 to 100. Falls back to a slow line. FlashError says what to do."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["write-flash", *(["--erase-all"] if erase else [])]
        for number, piece in enumerate(pieces):
            path = Path(folder) / f"{number}.bin"
            path.write_bytes(piece.content)
            arguments += [hex(piece.address), str(path)]
        options = ["--chip", chip_name, *_resets(port, "hard-reset"), *(["--no-stub"] if is_socket(port) else [])]
        if is_socket(port):
            _run(port, options, arguments, Stage.WRITE, progress)
            return
        try:
            _run(port, [*options, "--baud", str(BAUD)], arguments, Stage.WRITE, progress)
        except FlashError as error:
            if error.stage not in (Stage.WRITE, Stage.NO_SYNC):
                raise
            _run(port, [*options, "--baud", str(SLOW_BAUD)], arguments, Stage.WRITE, progress)


def _resets(port: str, after: str) -> list[str]:
    return (
        ["--before", "no-reset", "--after", "no-reset", "--connect-attempts", "3"]
        if is_socket(port)
        else ["--after", after]
    )


def _run(
    port: str,
    options: list[str],
    arguments: list[str],
    stage: Stage,
    progress: Callable[[float], None] | None = None,
) -> str:
    """Run esptool; everything it said. A failure nobody foresaw is one of `stage`."""
    command = [tool("esptool"), "--port", port, *options, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        said = b""
        try:
            while data := process.stdout.read1(4096):  # type: ignore[attr-defined]
                said += data
                if progress and (found := PERCENT.findall(data)):
                    progress(float(found[-1]))
            status = process.wait(LONGEST_S)
        except BaseException:
            process.kill()
            raise
    text = said.decode(errors="replace")
    if status:
        raise _failure(text, stage)
    return text


def _failure(text: str, stage: Stage) -> FlashError:
    for words, kind, sentence in _FAULTS:
        if re.search(words, text, re.IGNORECASE):
            return FlashError(kind, sentence)
    last = [line.strip() for line in text.splitlines() if line.strip()]
    why = next((line for line in reversed(last) if "error" in line.lower()), last[-1] if last else "no word")
    return FlashError(stage, f"esptool stopped ({why[:200]}); run the same command again")
