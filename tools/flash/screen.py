"""What a person sees while boards are flashed: a line a step, bars where there is a terminal."""

from __future__ import annotations

import sys
from typing import TextIO

BAR = 30


class Screen:
    """Writes to `out`. Bars are drawn only on a terminal; elsewhere a finished step is one line."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._terminal = self._out.isatty()
        self._drawn = False

    @property
    def person(self) -> bool:
        """Whether there is somebody who can answer a question."""
        return self._terminal and sys.stdin.isatty()

    def say(self, line: str) -> None:
        """One line, in the place of a bar if there is one."""
        if self._drawn:
            self._out.write("\r\x1b[K")
            self._drawn = False
        print(line, file=self._out, flush=True)

    def bar(self, what: str, done: float, total: float) -> None:
        """How far a step is."""
        if not self._terminal:
            return
        share = done / total if total else 1.0
        full = round(share * BAR)
        self._out.write(f"\r\x1b[K{'█' * full}{'░' * (BAR - full)} {share:4.0%} {what[:40]}")
        self._out.flush()
        self._drawn = True
