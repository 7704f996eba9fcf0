"""The Unix port: what tests, demo and benchmarks run. Environment:

PF_DATA      the data folder (required)
PF_SOCKETS   sockets of the board, 10 like the chip's stock image
PF_PRINTERS  the most printers it takes, 6 like the chip
PF_HEALTHY_MS, PF_TRIAL_MS   how long a new release must be healthy, and within which time
"""

import gc
import os
import sys
import time


def _number(name: str, default: int) -> int:
    value = os.getenv(name)
    return int(value) if value else default


class Board:
    """The machine under the hub."""

    name = "unix"
    target = "unix"
    """Which releases fit."""

    gc_threshold = 24 * 1024
    """Bytes allocated until a collection that nobody asked for: it takes 1 ms here, and often means little scatter."""

    tunnel_window = 12 * 1024
    tunnel_pieces = 3
    """Pieces of 4 KiB kept for tunnels: a full window."""

    def __init__(self) -> None:
        folder = os.getenv("PF_DATA")
        if not folder:
            raise ValueError("PF_DATA must name the data folder")
        self.data_dir = folder
        self.sockets = _number("PF_SOCKETS", 10)
        self.max_printers = _number("PF_PRINTERS", 6)
        self.healthy_ms = _number("PF_HEALTHY_MS", 20_000)
        self.trial_ms = _number("PF_TRIAL_MS", 600_000)
        self.stats = os.getenv("PF_STATS") == "1"
        self.boot_reason = "start"
        self._started = time.ticks_ms()

    def random_id(self) -> str:
        """Sixteen hexadecimal digits."""
        return "".join(["%02x" % b for b in os.urandom(8)])

    def uptime_ms(self) -> int:
        """Milliseconds since the start; does not wrap."""
        return time.ticks_diff(time.ticks_ms(), self._started)

    def heap_free(self) -> int:
        """Free bytes of the Python heap."""
        return gc.mem_free()

    async def network(self, wifi: "dict | None") -> None:  # type: ignore[type-arg]
        """Return when there is a network: here there always is."""

    def set_time(self, seconds: int) -> None:
        """The cloud's clock: this machine has one of its own."""

    def doubt_time(self) -> None:
        """A certificate was refused; here the clock is not the reason."""

    def arm(self) -> None:
        """Nobody watches this process but who started it."""

    def feed(self) -> None:
        """No watchdog here."""

    def reset(self) -> None:
        """Die, so that whoever started the process sees it."""
        sys.exit(1)
