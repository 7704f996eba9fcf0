"""How the hub is: the message `telemetry`."""

import gc


class Telemetry:
    """Figures of the hub since its start."""

    def __init__(self, board, life, cloud) -> None:  # type: ignore[no-untyped-def]
        self._board = board
        self._life = life
        self._cloud = cloud
        self._low: "int | None" = None

    def fields(self) -> "dict":  # type: ignore[type-arg]
        """The fields of the message; what this board cannot tell is absent."""
        board = self._board
        found = board.vitals()
        found["uptime_ms"] = board.uptime_ms()
        found["stall_ms"] = self._life.take_stall()
        found["cloud_drops"] = self._cloud.drops
        gc.collect()  # what is free shows only then
        free = board.heap_free()
        if free is not None:
            self._low = free if self._low is None else min(self._low, free)
            found["heap_free"] = free
            found["heap_low"] = self._low
        return found  # type: ignore[no-any-return]
