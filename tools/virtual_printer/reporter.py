"""When reports go out: on a beat, at once on a change, in full on request."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tools.virtual_printer.reports import Report, difference, full_report

if TYPE_CHECKING:
    from tools.virtual_printer.mqtt import Session
    from tools.virtual_printer.printer import Printer

_FULL, _DIFFERENCE = 0, 1


class Reporter:
    """The voice of one printer."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._last: Report = {}
        self._sequence = 2000
        self._beats = 0
        self._holding = False
        self._held: list[tuple[bytes, Session | None]] = []

    def greet(self, session: Session) -> None:
        """The first report for a client that has just subscribed: always full, to it alone."""
        report = self._build()
        if not self._last:
            self._last = report
        self._send(report, _FULL, only=session)

    def push_all(self) -> None:
        """The answer to `pushall`: everything, to everybody."""
        self._last = self._build()
        self._send(self._last, _FULL)

    def changed(self) -> None:
        """Something a client must learn at once. Sent synchronously, so that no state is ever skipped."""
        machine = self._printer.machine
        self._printer.journal.state(machine.gcode_state, machine.print_error, machine.job.subtask_name)
        self._printer.wake_waiters()
        if not self._printer.broker.has_audience:
            return
        model = self._printer.model
        if model.reporting == "full" and not model.partial_reports:
            self.push_all()
        else:
            self._push_difference()

    async def run(self) -> None:
        """The regular beat, until cancelled."""
        await asyncio.sleep(self._printer.spec.report_phase)
        while True:
            flood = self._printer.faults.flood
            await asyncio.sleep(1.0 / flood if flood else self._printer.spec.report_interval)
            self._beats += 1
            # Radio strength moves all the time on a real printer; it keeps difference reports alive while idle.
            self._printer.machine.wifi_dbm = -51 - self._beats % 3
            if self._printer.spec.probe:
                self._printer.machine.job.layer = self._beats
            if not self._printer.broker.has_audience:
                self._last = {}
                continue
            if flood or self._printer.model.reporting == "full" or not self._last:
                self.push_all()
            else:
                self._push_difference()
            if self._printer.spec.probe:
                # Queued and not yet written: each session has a writer of its own.
                self._printer.journal.event("probe", layer=self._beats)

    def _push_difference(self) -> None:
        report = self._build()
        part = difference(self._last, report, whole_ams=self._printer.spec.ams_diffs == "whole")
        self._last = report
        if part:
            self._send(part, _DIFFERENCE)

    def _build(self) -> Report:
        printer = self._printer
        report = full_report(printer.machine, printer.address, printer.free_bytes)
        # The machine goes on changing; what was reported must not change with it.
        return copy.deepcopy(report)

    def _send(self, report: Report, kind: int, only: Session | None = None) -> None:
        self._sequence += 1
        body: dict[str, Any] = {
            **report,
            "command": "push_status",
            "msg": kind,
            "sequence_id": str(self._sequence),
        }
        self.publish({"print": body}, only)

    def publish(self, message: dict[str, Any], only: Session | None = None) -> None:
        """Encode as the family does and hand it to the broker."""
        if self._printer.model.reporting == "full":
            text = json.dumps(message, indent=4)
        else:
            text = json.dumps(message, separators=(",", ":"))
        if self._holding:
            self._held.append((text.encode(), only))
        else:
            self._printer.broker.publish(text.encode(), only)

    @contextlib.contextmanager
    def held_back(self) -> Iterator[None]:
        """Inside, messages are kept; `let_go` sends them."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False

    def let_go(self) -> None:
        """Send what was held back, in order."""
        held, self._held = self._held, []
        for payload, only in held:
            self._printer.broker.publish(payload, only)
