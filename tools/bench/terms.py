"""Under which terms a benchmark runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.hub import HEAP


@dataclass(frozen=True)
class Terms:
    """`folder` is empty and gone afterwards; `quick` asks for seconds instead of minutes; `heap` is the hubs'."""

    folder: Path
    quick: bool = False
    heap: str = HEAP
