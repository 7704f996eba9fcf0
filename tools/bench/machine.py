"""Where the figures come from: the machine, how busy it was, and what processes cost."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil


def describe() -> dict[str, Any]:
    """The machine and its load before the run."""
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - no path of ours
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def resident(pid: int) -> int:
    """Bytes of memory a process holds."""
    return int(psutil.Process(pid).memory_info().rss)


@dataclass(frozen=True)
class Cost:
    """What a process used: `cpu` in percent of one core, `rss` in bytes at the end."""

    cpu: float
    rss: int


class Meter:
    """CPU time of processes between two moments."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._began = time.monotonic()
        self._used = {name: _cpu_seconds(process) for name, process in self._processes.items()}

    def read(self) -> dict[str, Cost]:
        """What each process used since the meter was made."""
        elapsed = time.monotonic() - self._began
        return {
            name: Cost(
                100 * (_cpu_seconds(process) - self._used[name]) / elapsed,
                int(process.memory_info().rss),
            )
            for name, process in self._processes.items()
        }


def _cpu_seconds(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)
