"""Events that must not be lost: numbered per boot, kept on flash until the cloud says that it has them.

Events are lines in small numbered files. A file goes when the cloud has acknowledged all of it, or when there are
too many events: then the oldest go, and are counted. The heap holds a few numbers a file, never the events.
"""

import os

from hub.flash import append, discard, line, make_folder, parse_line, read_line, read_lines, write_whole
from hub.log import log

_PER_FILE = 32
_FILES = 12  # beyond this the oldest file goes: 352 to 384 events, about 100 KB of flash at most
_IN_MEMORY = 8  # events kept in the heap when the flash takes nothing

_LOST = "lost"
_SUFFIX = ".log"


class _File:
    """One file of events, oldest first. `last` is the highest number in it for each boot."""

    def __init__(self, number: int, path: str) -> None:
        self.number = number
        self.path = path
        self.count = 0
        self.last: "dict[str, int]" = {}
        self.open = True  # takes more events
        # Lines that the flash did not take; then there is no file.
        self.memory: "list" = None  # type: ignore[assignment, type-arg]
        self.forgotten = 0  # of those, how many had to go

    def note(self, event: "dict") -> None:  # type: ignore[type-arg]
        self.count += 1
        self.last[event["boot"]] = max(event["n"], self.last.get(event["boot"], 0))

    def load(self) -> None:
        whole = True
        for event in read_lines(self.path):
            whole = event is not None
            if whole:
                self.note(event)
        # Behind a torn line nothing more is written: the next line would be glued to it.
        self.open = whole

    def read(self, position: int):  # type: ignore[no-untyped-def]
        """The next event from `position` on, and the position behind it; None at the end."""
        if self.memory is not None:
            position = max(position, self.forgotten)
            if position < self.forgotten + len(self.memory):
                return parse_line(self.memory[position - self.forgotten]), position + 1
            return None, position
        try:
            return read_line(self.path, position)
        except OSError as error:
            log("outbox", "%s cannot be read: %r" % (self.path, error))
            return None, position


class Outbox:
    """The events of this boot and what earlier boots left. `last` is the highest number given in this boot."""

    def __init__(self, folder: str, boot: str) -> None:
        make_folder(folder)
        self._folder = folder
        self.boot = boot
        self.last = 0
        self._acked: "dict[str, int]" = {}
        self._files: "list[_File]" = []
        for name in sorted(os.listdir(folder)):
            if name.endswith(_SUFFIX) and name[: -len(_SUFFIX)].isdigit():
                file = _File(int(name[: -len(_SUFFIX)]), folder + "/" + name)
                file.load()
                self._files.append(file)
        for file in list(self._files):
            if not file.count and not file.open:
                self._remove(file)
        # Counts on even when every file has gone, so that a reader's place never comes again.
        self._number = self._files[-1].number if self._files else 0
        self.lost = self._load_lost()

    def _load_lost(self) -> int:
        try:
            record, _ = read_line(self._folder + "/" + _LOST, 0)
        except OSError:
            return 0  # no such file: nothing was lost
        return record[0] if record else 0

    def lost_reported(self) -> None:
        """The count of lost events now stands in an event of its own."""
        discard(self._folder + "/" + _LOST)
        self.lost = 0

    def add(self, name: str, printer: "str | None", at_ms: int, data: "dict") -> int:  # type: ignore[type-arg]
        """Store an event and return its number. When the flash takes nothing it stays in the heap until sent."""
        self.last += 1
        event = {"boot": self.boot, "n": self.last, "name": name, "at_ms": at_ms, "data": data}
        if printer is not None:
            event["printer"] = printer
        self._store(event, line(event))
        return self.last

    def _store(self, event: "dict", data: bytes) -> None:  # type: ignore[type-arg]
        file = self._files[-1] if self._files else None
        if file is None or not file.open or file.count >= _PER_FILE:
            file = self._new_file()
        try:
            append(file.path, data)
        except OSError as error:
            log("outbox", "event %d is only in memory: %r" % (event["n"], error))
            self._close(file)
            file = self._memory_file()
            file.memory.append(data)
        file.note(event)

    def _close(self, file: _File) -> None:
        """Write nothing more to a file that may end in half a line."""
        file.open = False
        if not file.count:
            try:
                self._remove(file)
            except OSError as error:
                log("outbox", "%s stays: %r" % (file.path, error))

    def _new_file(self) -> _File:
        while len(self._files) >= _FILES:
            self._drop(self._files[0])
        self._number += 1
        file = _File(self._number, "%s/%08d%s" % (self._folder, self._number, _SUFFIX))
        self._files.append(file)
        return file

    def _memory_file(self) -> _File:
        if self._files and self._files[-1].memory is not None:
            file = self._files[-1]
            if len(file.memory) >= _IN_MEMORY:
                file.memory.pop(0)
                file.forgotten += 1
                file.count -= 1
                self._count_lost(1)
            return file
        file = self._new_file()
        file.open = False
        file.memory = []
        return file

    def _drop(self, file: _File) -> None:
        # Counted before it goes: a cut in between counts too many, never too few.
        self._count_lost(file.count)
        self._remove(file)

    def _count_lost(self, count: int) -> None:
        self.lost += count
        log("outbox", "full: %d events lost so far" % self.lost)
        try:
            write_whole(self._folder + "/" + _LOST, line([self.lost]))
        except OSError as error:
            log("outbox", "the count of lost events is not stored: %r" % error)

    def _remove(self, file: _File) -> None:
        self._files.remove(file)
        if file.memory is None:
            discard(file.path)

    def ack(self, boot: str, n: int) -> None:
        """The cloud has every event of `boot` up to number `n`. Acknowledging less than before changes nothing."""
        if n <= self._acked.get(boot, 0):
            return
        self._acked[boot] = n
        for file in list(self._files):
            if file.count and self._done(file):
                self._remove(file)
        self._forget_acks()

    def _done(self, file: _File) -> bool:
        return all(last <= self._acked.get(boot, 0) for boot, last in file.last.items())

    def _forget_acks(self) -> None:
        alive = {self.boot}
        for file in self._files:
            alive.update(file.last)
        for boot in list(self._acked):
            if boot not in alive:
                del self._acked[boot]

    def acked(self, event: "dict") -> bool:  # type: ignore[type-arg]
        """Whether the cloud has this event."""
        return event["n"] <= self._acked.get(event["boot"], 0)

    def from_number(self, number: int) -> "_File | None":
        """The first file whose number is at least `number`."""
        for file in self._files:
            if file.number >= number:
                return file
        return None

    def reader(self) -> "Reader":
        """A new walk over everything unacknowledged, oldest first."""
        return Reader(self)


class Reader:
    """A place in the outbox. `next()` goes on as events are added, acknowledged or dropped meanwhile."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._number = 0
        self._position = 0

    def next(self) -> "dict | None":  # type: ignore[type-arg]
        """The next event as fields of the message `event`; None when there is none now."""
        while True:
            file = self._outbox.from_number(self._number)
            if file is None:
                return None
            if file.number != self._number:
                self._number, self._position = file.number, 0
            event, self._position = file.read(self._position)
            if event is None:
                if self._outbox.from_number(file.number + 1) is None:
                    return None
                self._number, self._position = file.number + 1, 0
            elif not self._outbox.acked(event):
                return event
