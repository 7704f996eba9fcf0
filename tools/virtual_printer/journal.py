"""What happened to a printer, for tests to prove invariants with: commands, starts, uploads, state changes."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

Entry = dict[str, Any]
_KEEP = 20_000


class Journal:
    """Bounded lists of JSON-able entries; every entry has `time` (Unix seconds) and a `number` that only grows."""

    def __init__(self) -> None:
        self.commands: deque[Entry] = deque(maxlen=_KEEP)
        self.starts: deque[Entry] = deque(maxlen=_KEEP)
        self.uploads: deque[Entry] = deque(maxlen=_KEEP)
        self.states: deque[Entry] = deque(maxlen=_KEEP)
        self.events: deque[Entry] = deque(maxlen=_KEEP)
        self.counters: Counter[str] = Counter()
        self._number = 0

    def command(self, client: str, section: str, payload: Any) -> None:
        """A command that arrived on the request topic, whatever became of it."""
        name = payload.get("command") if isinstance(payload, dict) else None
        self._add(self.commands, section=section, command=name, client=client, payload=payload)

    def start(self, path: str, outcome: str, **details: Any) -> None:
        """A `project_file`: `outcome` is started, refused, ignored, or failed."""
        self._add(self.starts, path=path, outcome=outcome, **details)

    def upload(self, path: str, size: int, outcome: str, seconds: float) -> None:
        """An upload that ended; `seconds` is how long its data connection was read."""
        self.counters["upload_bytes"] += size
        self._add(self.uploads, path=path, bytes=size, outcome=outcome, seconds=seconds)

    def state(self, gcode_state: str, print_error: int, subtask_name: str) -> None:
        """A state change; the same state twice in a row is not one."""
        last = self.states[-1] if self.states else None
        if last is not None and (last["gcode_state"], last["print_error"]) == (gcode_state, print_error):
            return
        self._add(self.states, gcode_state=gcode_state, print_error=print_error, subtask_name=subtask_name)

    def event(self, what: str, **details: Any) -> None:
        """Anything else worth knowing: connections, power, refusals."""
        self.counters[what] += 1
        self._add(self.events, what=what, **details)

    def starts_per_file(self) -> dict[str, int]:
        """How often each file was really started (refused and ignored starts do not count)."""
        return dict(Counter(entry["path"] for entry in self.starts if entry["outcome"] == "started"))

    def as_json(self) -> dict[str, Any]:
        return {
            "commands": list(self.commands),
            "starts": list(self.starts),
            "starts_per_file": self.starts_per_file(),
            "uploads": list(self.uploads),
            "states": list(self.states),
            "events": list(self.events),
            "counters": dict(self.counters),
        }

    def clear(self) -> None:
        for entries in (self.commands, self.starts, self.uploads, self.states, self.events):
            entries.clear()
        self.counters.clear()

    def _add(self, entries: deque[Entry], **details: Any) -> None:
        self._number += 1
        entries.append({"time": time.time(), "number": self._number, **details})
