"""What the end of a job says of its printer: hours printed, failures in a row, and when there are too many of them.

A failure counts when the printer reported it, or did not do what it was told. One that people, the file or the mains
caused says nothing of the machine; neither does a print whose end nobody saw.
"""

from typing import Final

from cloud.accounts import tenant_settings
from cloud.printing.views import Row, View
from cloud.storage import clock, upkeep
from cloud.storage.tenant import TenantTx

_NOT_ITS_FAULT: Final = frozenset({"missing", "printer_removed", "lost", "power_loss"})
_WRONG_FILES: Final = frozenset({0x05004002, 0x0500400A, 0x05004037, 0x05004038})
"""Errors by which a printer refuses a file as such: its name, another model's, another nozzle's."""


async def count(tx: TenantTx, job: Row) -> View:
    """In the transaction that ends `job`, with the job's new row. What changed of the printer, for the live view."""
    printer_id = str(job["printer_id"])
    says = _says(job)
    failures = await upkeep.count_end(tx, printer_id, seconds=_seconds(job), says=says)
    changes: View = {"consecutive_failures": failures}
    limit = (await tenant_settings.read(tx)).settings.failures_before_disable
    if says == "bad" and limit and failures >= limit:
        times = "A print" if failures == 1 else f"{failures} prints in a row"
        reason = f"{times} failed, the last one: {job['failure_reason'] or job['failure_code']}"
        changes |= await upkeep.disable_once(tx, printer_id, reason) or {}
    return changes


def _says(job: Row) -> upkeep.Says:
    if job["status"] == "completed":
        return "good"
    if job["status"] != "failed" or job["failure_code"] in _NOT_ITS_FAULT or job["error_code"] in _WRONG_FILES:
        return "nothing"
    return "bad"


def _seconds(job: Row) -> int:
    """From the first layer's beginning to the end, pauses included."""
    if job["time_started"] is None or job["time_completed"] is None:
        return 0
    spent = clock.parse(job["time_completed"]) - clock.parse(job["time_started"])
    return max(0, round(spent.total_seconds()))
