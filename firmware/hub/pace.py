"""When a printer's status goes to the cloud, and what of it: newest wins, nothing queues.

A changed status leaves at once when it is urgent or when fewer have left than there was time for; otherwise when its
turn comes. So a printer that reports every second is never late: had it once to wait, because something urgent had
left just before, it would otherwise wait with every report from then on. However slow the connection, there is one
remembered state and one due time a printer.
"""

import time

from shared_protocol.status import delta


class Pace:
    """The printers in `links` (id -> object with `.status`) as the cloud knows them in this connection."""

    def __init__(self, links: "dict", status_ms: int) -> None:  # type: ignore[type-arg]
        self._links = links
        self.status_ms = status_ms
        self._sent: "dict[str, dict]" = {}  # type: ignore[type-arg]
        self._paid: "dict" = {}  # type: ignore[type-arg]
        self._due: "dict" = {}  # type: ignore[type-arg]

    def changed(self, printer: str, urgent: bool) -> None:
        """A status is different now."""
        now = time.ticks_ms()
        due = now
        spacing = self._spacing()
        ahead = self._ahead(printer, now)
        if not urgent and spacing < ahead <= 2 * spacing:
            due = time.ticks_add(now, ahead - spacing)
        known = self._due.get(printer)
        if known is None or time.ticks_diff(due, known) < 0:
            self._due[printer] = due

    def _spacing(self) -> int:
        # Reports come every second, give or take: one that comes a little early is not made to wait.
        return self.status_ms * 4 // 5

    def _ahead(self, printer: str, now: int) -> int:
        """How far the time paid for by what was sent reaches beyond now: one message more than is due may leave.

        More than two spacings, or less than none, are the rest of another pace or of days of silence.
        """
        paid = self._paid.get(printer)
        return 0 if paid is None else time.ticks_diff(paid, now)

    def next(self) -> "tuple[str, bool, dict] | None":  # type: ignore[type-arg]
        """(printer, full, data) of the message to send now, or None. It counts as sent."""
        for printer, link in self._links.items():
            if printer not in self._sent:
                return self._full(printer, link.status)
        while True:
            printer = self._most_overdue()
            if printer is None:
                return None
            del self._due[printer]
            link = self._links.get(printer)
            if link is not None:
                changes = delta(self._sent[printer], link.status)
                if changes:
                    self._note(printer, link.status)
                    return printer, False, changes

    def _full(self, printer: str, status: "dict") -> "tuple[str, bool, dict]":  # type: ignore[type-arg]
        self._due.pop(printer, None)
        self._note(printer, status)
        return printer, True, self._sent[printer]

    def _note(self, printer: str, status: "dict") -> None:  # type: ignore[type-arg]
        # Kept, not copied: a link replaces its status with every change and never alters one it has shown.
        self._sent[printer] = status
        now = time.ticks_ms()
        spacing = self._spacing()
        ahead = self._ahead(printer, now)
        self._paid[printer] = time.ticks_add(now, min(ahead if ahead > 0 else 0, spacing) + spacing)

    def _most_overdue(self) -> "str | None":
        now = time.ticks_ms()
        found, most = None, -1
        for printer, due in self._due.items():
            late = time.ticks_diff(now, due)
            if late > most:
                found, most = printer, late
        return found

    def wait_ms(self) -> int:
        """How long until something is due; a minute when nothing is."""
        now = time.ticks_ms()
        wait = 60_000
        for due in self._due.values():
            wait = min(wait, max(0, time.ticks_diff(due, now)))
        return wait

    def replaced(self, printer: str) -> None:
        """The printer was added, removed or replaced: what the cloud knows of it is void."""
        for table in (self._sent, self._paid, self._due):
            table.pop(printer, None)
