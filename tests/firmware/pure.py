"""The firmware's pure modules, which run under CPython too: for tests that need speed or hypothesis."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from tests.firmware.micropython import ROOT


def firmware_module(name: str) -> Any:
    """Import `hub.x` or `lib.x` as the hub would."""
    path = str(ROOT / "firmware")
    if path not in sys.path:
        sys.path.append(path)
    return importlib.import_module(name)
