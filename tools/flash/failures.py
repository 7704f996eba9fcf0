"""How flashing fails: one exit code and one sentence per stage (README.md has the table)."""

from __future__ import annotations

from enum import IntEnum


class Stage(IntEnum):
    """Where it stopped; the value is the exit code."""

    NO_BOARD = 10
    SEVERAL_BOARDS = 11
    IMAGE = 20
    NO_SYNC = 30
    WRONG_CHIP = 31
    WRITE = 32
    VERIFY = 33
    NO_MICROPYTHON = 40
    ABI = 41
    INSTALL = 50
    IDENTITY = 60
    SELF_TEST = 70
    LABEL = 80
    INTERRUPTED = 130


class FlashError(Exception):
    """Flashing stopped at `stage`; the text is one sentence that says what to do. It never holds the label's secret."""

    def __init__(self, stage: Stage, sentence: str) -> None:
        super().__init__(sentence)
        self.stage = stage
