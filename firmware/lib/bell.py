"""An event with a time limit, for one task that waits.

`asyncio.wait_for` runs what it waits for in two more tasks and, when its time is over, waits for their end: a
cancellation that comes in that moment is forgotten, and the cancelled task lives on with all it holds (measured: two
of three that come in the same millisecond). Here the waiting task itself sleeps, and `set` ends its sleep.
"""

import asyncio
from asyncio import core  # type: ignore[attr-defined]

_LONG_MS = 3_600_000


class Bell:
    """Like `asyncio.Event`, but at most one task may wait."""

    def __init__(self) -> None:
        self._is_set = False
        self._sleeper = None

    def is_set(self) -> bool:
        """Whether it was set and not cleared since."""
        return self._is_set

    def clear(self) -> None:
        """The next wait waits again."""
        self._is_set = False

    def set(self) -> None:
        """Wake who waits; not to be called from an interrupt."""
        self._is_set = True
        task, self._sleeper = self._sleeper, None
        # A task with `data` has been cancelled: it wakes anyway, and pushing it would take the cancellation away.
        if task is not None and task.data is None:
            core._task_queue.remove(task)
            core._task_queue.push(task)

    async def wait_ms(self, limit_ms: int) -> bool:
        """Wait until it is set, at most *limit_ms*; whether it is set."""
        if not self._is_set:
            self._sleeper = core.cur_task
            try:
                await asyncio.sleep_ms(limit_ms)
            finally:
                self._sleeper = None
        return self._is_set

    async def wait(self) -> None:
        """Wait until it is set."""
        while not await self.wait_ms(_LONG_MS):
            pass
