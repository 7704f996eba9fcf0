"""Is the hub alive? Who does something that matters says when it will be heard of next; who stays away is hung.

The watchdog is fed only while nobody is overdue. A loop that turns around a dead task is as useless as one that
stands still.
"""

import asyncio
import gc
import sys
import time

from hub.log import log, log_crash

MARGIN_MS = 60_000
"""Added to every promise: a busy minute is no reason for a reset, which costs more."""

RESTART_MS = 1000

TIGHT = gc.mem_alloc() + gc.mem_free() < 1_000_000
"""Without external memory, and in tests."""


class Life:
    """The promises, and how long the loop stood still at most. All times are of `time.ticks_ms()`."""

    def __init__(self) -> None:
        self._due: "dict[str, int]" = {}
        self._stall = 0

    def promise(self, name: str, within_ms: int) -> None:
        """`name` will promise anew within so many milliseconds, or be done."""
        self._due[name] = time.ticks_add(time.ticks_ms(), within_ms + MARGIN_MS)

    def done(self, name: str) -> None:
        """`name` does nothing more that could hang."""
        self._due.pop(name, None)

    def overdue(self) -> "str | None":
        """Who broke a promise; None when all is well."""
        now = time.ticks_ms()
        for name, due in self._due.items():
            if time.ticks_diff(now, due) > 0:
                return name
        return None

    def late(self, ms: int) -> None:
        """A nap of the heartbeat took so much longer than it should have."""
        self._stall = max(self._stall, ms)

    def take_stall(self) -> int:
        """The longest standstill since the last call, in milliseconds."""
        stall, self._stall = self._stall, 0
        return stall


async def supervise(name: str, work) -> None:  # type: ignore[no-untyped-def]
    """Run a part for ever: when it falls, say so and start it again. Its fall leaves the other parts alone."""
    while True:
        started = time.ticks_ms()
        try:
            await work()
            log(name, "ended")
        except Exception as error:
            log_crash(name, error)
        lived = time.ticks_diff(time.ticks_ms(), started)
        await asyncio.sleep_ms(RESTART_MS if lived > RESTART_MS else 10 * RESTART_MS)


class rare:  # noqa: N801 - reads as a statement: with rare("probe") as probe
    """A module of `hub`, or of `lib`, that is needed now and then. Where memory is scarce it is let go of afterwards;
    its names stay in the interpreter, so that it costs nothing more to import it anew. Uses may overlap."""

    _users: "dict[str, int]" = {}

    def __init__(self, name: str, package: str = "hub") -> None:
        self._name = package + "." + name

    def __enter__(self):  # type: ignore[no-untyped-def]
        if self._name not in sys.modules:
            gc.collect()
            __import__(self._name)
        self._users[self._name] = self._users.get(self._name, 0) + 1
        return sys.modules[self._name]

    def __exit__(self, kind, error, trace) -> None:  # type: ignore[no-untyped-def]
        name = self._name
        self._users[name] -= 1
        if TIGHT and not self._users[name]:
            package, name = name.split(".")
            del sys.modules[self._name]
            delattr(sys.modules[package], name)
            gc.collect()
