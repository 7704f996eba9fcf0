"""Under which terms a benchmark runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.hub import HEAP

CLOUD_SETTINGS: Final = {"PYTHONDONTWRITEBYTECODE": "", "PRINTFARM_DRAIN_SECONDS": "0"}
"""The cloud's environment: compiled modules are kept for the next start, as on any installation, whatever this shell
says; and at the end nobody waits for sockets to be closed one after the other."""


@dataclass(frozen=True)
class Terms:
    """`folder` is empty and gone afterwards; `quick` asks for seconds instead of minutes; `heap` is the hubs'.
    `minutes` is for benchmarks that go on as long as they are let."""

    folder: Path
    quick: bool = False
    heap: str = HEAP
    minutes: float = 30.0
