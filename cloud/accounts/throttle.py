"""Slowing down whoever guesses: after some failures each further one doubles the wait."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

MAX_KEYS: Final = 20_000
"""Memory is bounded: beyond this the key unused for longest is forgotten."""


class _Record(msgspec.Struct):
    failures: int = 0
    blocked_until: float = 0.0
    last: float = 0.0


class Throttle:
    """Counts attempts per key. `attempt` counts before the outcome is known, so that parallel guesses count too."""

    def __init__(
        self,
        *,
        free: int,
        longest: float = 300.0,
        forget: float = 900.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`free` attempts cost nothing, then 1, 2, 4 … at most `longest` seconds; quiet for `forget` seconds resets."""
        self._free = free
        self._longest = longest
        self._forget = forget
        self._now = now
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, key: str) -> float:
        """Seconds until this key may try again, 0 = now."""
        record = self._records.get(key)
        return 0.0 if record is None else max(0.0, record.blocked_until - self._now())

    def attempt(self, key: str) -> None:
        """An attempt begins. Count it as failed until `succeeded`."""
        moment = self._now()
        record = self._records.setdefault(key, _Record())
        self._records.move_to_end(key)
        if moment - max(record.last, record.blocked_until) > self._forget:
            record.failures = 0
        record.failures += 1
        record.last = moment
        over = record.failures - self._free
        if over >= 0:
            record.blocked_until = moment + min(self._longest, 2.0 ** min(over, 30))
        while len(self._records) > MAX_KEYS:
            self._records.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """The key proved itself: forget its failures."""
        self._records.pop(key, None)

    def excuse(self, key: str) -> None:
        """One attempt turned out well, which does not clear the others of this key (one of many behind an address)."""
        record = self._records.get(key)
        if record is not None:
            record.failures = max(0, record.failures - 1)
            record.blocked_until = 0.0 if record.failures < self._free else record.blocked_until
