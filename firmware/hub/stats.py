"""Figures for benchmarks: with PF_STATS=1 a JSON line every two seconds on the console."""

import asyncio
import gc
import json
import time

_TICK_MS = 10
_TICKS = 100


class Stats:
    """Watches how late the loop is, and how much of the heap lives."""

    def __init__(self, app) -> None:  # type: ignore[no-untyped-def]
        self._app = app

    async def run(self) -> None:
        """Print a line after every 100 naps of 10 ms, for ever."""
        lags = [0] * _TICKS
        while True:
            for i in range(_TICKS):
                before = time.ticks_us()
                await asyncio.sleep_ms(_TICK_MS)
                lags[i] = max(0, time.ticks_diff(time.ticks_us(), before) - _TICK_MS * 1000)
            ordered = sorted(lags)
            self._print(ordered)

    def _print(self, ordered: "list[int]") -> None:
        used = gc.mem_alloc()
        gc.collect()
        app = self._app
        figures = {
            "stats": 1,
            "uptime_ms": app.board.uptime_ms(),
            "heap_before_gc": used,
            "heap_live": gc.mem_alloc(),
            "heap_free": gc.mem_free(),
            "lag_us_p50": ordered[_TICKS // 2],
            "lag_us_p99": ordered[_TICKS * 99 // 100],
            "lag_us_max": ordered[-1],
            "printers": len(app.fleet.links),
            "tunnels": app.cloud.tunnels_open,
            "online": app.cloud.online,
        }
        print(json.dumps(figures))
