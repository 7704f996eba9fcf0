"""Requests on the MQTT topic: decode leniently, record, refuse or do, answer as real printers do.

The effects live in effects.py (everything but starting) and here (starting a print).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tools.virtual_printer import effects
from tools.virtual_printer import state as st
from tools.virtual_printer.printfile import first_plate
from tools.virtual_printer.starting import DOWNLOAD_FAILED, JobPlan, inspect, job_name, plan_job, storage_path
from tools.virtual_printer.versions import modules

if TYPE_CHECKING:
    from tools.virtual_printer.printer import Printer

Request = dict[str, Any]
SUCCESS = {"result": "success", "reason": "success"}
_REFUSED = {
    "result": "failed",
    "reason": "mqtt message verify failed",
    "err_code": st.ERROR_UNAUTHORISED,
}


class Commands:
    """What one printer does with what it is told."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def receive(self, client: str, payload: bytes) -> None:
        """One message. Some slicers append a NUL; one message may hold several sections."""
        for section, request in _sections(payload):
            self._printer.journal.command(client, section, request)
            if self._printer.faults.ignore_commands or not isinstance(request, dict):
                continue
            # Real printers answer first and show the effect in the next report.
            with self._printer.reporter.held_back():
                answer = self._safely(section, request)
            if answer is not None:
                self._printer.reporter.publish({section: {**request, **answer}})
            self._printer.reporter.let_go()

    def print_newest_file(self) -> None:
        """The ghost print: after a power cycle a file left on the storage is started by nobody."""
        files = [entry for entry in self._printer.storage.files() if entry.path.endswith(".3mf")]
        if files:
            newest = max(files, key=lambda entry: entry.modified)
            plate = first_plate(self._printer.storage.local(newest.path))
            self.start_file(newest.path, {"param": plate}, origin="ghost")

    def start_file(self, path: str, request: Request, *, origin: str) -> None:
        """Start a file that is on the storage; what is wrong with it shows when it has been read."""
        printer = self._printer
        name = job_name(request, path)
        printer.journal.start(path, "started", origin=origin, name=name, task_id=request.get("task_id"))

        async def make_plan() -> JobPlan:
            # A big file takes a while to read; the other printers of this process must not wait for it.
            inspected = await asyncio.to_thread(inspect, printer.storage.local(path), request)
            return plan_job(printer.machine, request, path, inspected)

        printer.engine.start(make_plan, delay=printer.faults.start_delay)

    def _safely(self, section: str, request: Request) -> Request | None:
        try:
            return self._do(section, request)
        except (TypeError, ValueError, OverflowError) as error:
            # Parameters of a kind no sane client sends: a printer refuses them and lives on.
            self._printer.journal.event("bad_request", section=section, reason=repr(error))
            return {"result": "fail", "reason": "invalid parameters"}

    def _do(self, section: str, request: Request) -> Request | None:
        if section == "print":
            return self._print(request)
        if section == "pushing":
            self._printer.reporter.push_all()
            return None
        if section == "info":
            return self._version(request)
        if section == "system" and request.get("command") == "get_access_code":
            return {"result": "success", "access_code": self._printer.access_code}
        return effects.other(self._printer, section, request)

    def _print(self, request: Request) -> Request:
        machine = self._printer.machine
        if machine.locked:
            machine.add_hms(st.HMS_UNAUTHORISED)
            self._printer.reporter.changed()
            return _REFUSED
        if request.get("command") == "project_file":
            return self._project_file(request)
        return effects.printing(self._printer, request)

    def _version(self, request: Request) -> Request | None:
        if request.get("command") != "get_version":
            return None
        answer: Request = {"module": modules(self._printer.machine)}
        if self._printer.model.reporting == "diff":
            answer |= {"result": "success", "reason": ""}
        return answer

    def _project_file(self, request: Request) -> Request:
        printer, faults = self._printer, self._printer.faults
        url = str(request.get("url") or "")
        form, path = storage_path(url)
        about = {"name": request.get("subtask_name"), "task_id": request.get("task_id"), "url": url}
        occupied = printer.machine.busy or printer.engine.active
        if faults.busy or (occupied and not faults.start_kills_running_job):
            printer.journal.start(path, "refused", reason="busy", **about)
            self._raise(st.ERROR_BUSY)
            return {"result": "fail", "reason": "printer is busy", "err_code": st.ERROR_BUSY}
        if faults.ack_without_start or self._looks_like_failed_job(request):
            printer.journal.start(path, "ignored", reason="acknowledged only", **about)
            return SUCCESS
        error = self._unreachable(form, path)
        if error:
            printer.journal.start(path, "failed", reason=f"{error:08X}", **about)
            self._raise(error)
            return SUCCESS
        if occupied:
            printer.journal.event("running_job_killed", name=printer.machine.job.subtask_name)
        self.start_file(path, request, origin="command")
        return SUCCESS

    def _unreachable(self, form: str, path: str) -> int:
        """Why the printer cannot open the file, as a `print_error`; 0 when it can."""
        faults = self._printer.faults
        if not form:
            return DOWNLOAD_FAILED
        if form in faults.refused_url_forms or faults.storage == "missing":
            return st.ERROR_STORAGE
        return 0 if self._printer.storage.is_file(path) else st.ERROR_STORAGE

    def _looks_like_failed_job(self, request: Request) -> bool:
        """Ids above 2^31-1 are clamped on a P1S; after a failed job with the same clamped id nothing starts."""
        machine = self._printer.machine
        identity = str(request.get("task_id") or "0")
        too_large = identity.isdigit() and int(identity) > 2147483647
        return too_large and machine.gcode_state == "FAILED" and machine.job.task_id == "2147483647"

    def _raise(self, error: int) -> None:
        self._printer.machine.print_error = error
        self._printer.reporter.changed()


def _sections(payload: bytes) -> Iterator[tuple[str, Any]]:
    text = payload.decode("utf-8", "replace").rstrip("\x00 \r\n\t")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        yield "unreadable", text[:200]
        return
    if isinstance(message, dict):
        yield from message.items()
