"""What a printer reports about a print, and what that means for the job that holds it. Pure.

Rules: reference/bambu.md §3.6 and §10. A print is ours when it carries the number or the name that was given to this
very start; both are new for every start, so that yesterday's print of the same file is never taken for today's.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from cloud.catalog.models import UrlForm
from cloud.printing.jobs import Status
from cloud.printing.words import CANCELLED_CODES, POWER_LOSS, error_sentence
from shared_protocol.status import BUSY

GRACE: Final = 5.0
"""Seconds for events under way, and for the error that tells a stopped print from a failed one."""
ON_PRINTER: Final = ("starting", "printing", "paused")

_UNSAFE: Final = "".join(chr(code) if chr(code).isalnum() or chr(code) in "._-" else "-" for code in range(128))
_POWER_LOST: Final = "The printer lost power during the print. It may offer to resume it: answer at its screen."
_SUFFIXES: Final = (".3mf", ".gcode")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a printer."""

    state: str
    task: str
    task_id: str
    error: int
    percent: int


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What must be known of a job to judge it."""

    status: str
    task: str
    task_id: str
    cancel_requested: bool


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The printer's reports move the job to `to`."""

    to: Status
    code: str = ""
    reason: str = ""
    error: int = 0


class Later(msgspec.Struct, frozen=True):
    """Not clear yet: look again in so many seconds."""

    seconds: float


def seen(data: Mapping[str, Any]) -> Seen:
    """From a live status, or from the data of a `state` event (whose state is in `to`)."""
    return Seen(
        state=data.get("to") or data.get("state") or "unknown",
        task=data.get("task") or "",
        task_id=data.get("task_id") or "",
        error=data.get("error") or 0,
        percent=data.get("percent") or 0,
    )


def held(job: Mapping[str, Any]) -> Held:
    """From a row or a view of a job."""
    wished = job["cancel_requested"] if "cancel_requested" in job else job["cancel_requested_at"] is not None
    return Held(
        status=job["status"],
        task=task_name(job["file_name"], job["task_id"]),
        task_id=job["task_id"],
        cancel_requested=wished,
    )


def ours(job: Held, look: Seen) -> bool:
    """Whether the printer speaks of this start of this job."""
    return bool(job.task_id) and (look.task_id == job.task_id or look.task == job.task)


def judge(job: Held, look: Seen, *, stopped_lately: bool, waited: bool) -> Verdict | Later | None:
    """What one look means. `stopped_lately`: a stop code was seen moments ago; `waited`: GRACE is over."""
    if job.status not in ON_PRINTER or look.state in ("unknown", "init"):
        return None
    mine = ours(job, look)
    if mine and look.state == "finish":
        return Verdict(to="completed")
    if mine and look.state == "running":
        return None if job.status == "printing" else Verdict(to="printing")
    if mine and look.state == "pause":
        return None if job.status == "paused" else Verdict(to="paused", reason=_why_paused(look), error=look.error)
    if job.status == "starting" or (mine and look.state in BUSY):
        return None  # a start is watched by its attempt
    return _ended(job, look, mine=mine, stopped_lately=stopped_lately, waited=waited)


def _ended(job: Held, look: Seen, *, mine: bool, stopped_lately: bool, waited: bool) -> Verdict | Later:
    if mine and (stopped_lately or look.error in CANCELLED_CODES or (job.cancel_requested and look.state == "failed")):
        return Verdict(to="cancelled", reason="the printer stopped the print")
    if mine and look.state == "failed" and look.error:
        return Verdict(to="failed", code="printer", reason=error_sentence(look.error), error=look.error)
    if look.error == POWER_LOSS:
        return Verdict(to="failed", code="power_loss", reason=_POWER_LOST, error=look.error)
    return _vanished(job, look, mine=mine) if waited else Later(GRACE)


def _vanished(job: Held, look: Seen, *, mine: bool) -> Verdict:
    if mine and look.state == "idle" and look.percent == 100:
        return Verdict(to="completed", reason="seen idle after 100 %")
    if job.cancel_requested and look.state not in BUSY:
        return Verdict(to="cancelled", reason="the printer no longer prints it")
    return Verdict(to="failed", code="lost", reason=_how_lost(look, mine=mine))


def _how_lost(look: Seen, *, mine: bool) -> str:
    if look.state in BUSY:
        return "The printer is printing something else: nobody saw how this print ended."
    if mine:
        return "The printer ended the print without naming an error: it was stopped, or an error was dismissed, there."
    return "The printer is idle and no longer knows the print: it was restarted, or used by hand."


def _why_paused(look: Seen) -> str:
    return error_sentence(look.error) if look.error else ""


# ---- names a start carries


def safe_base(file_name: str, longest: int = 48) -> str:
    """A file's name without its endings, in the characters every printer and url takes; never empty."""
    base = file_name
    while base.lower().endswith(_SUFFIXES):
        base = base[: base.rindex(".")]
    base = base.encode("ascii", "replace").decode().replace("?", "-").translate(_UNSAFE).strip("-.")
    return base[:longest].strip("-.") or "print"


def task_name(file_name: str, task_id: str) -> str:
    """What the printer's screen shows: the file's name and the number that is new for each start."""
    return f"{safe_base(file_name)}_{task_id}"


def remote_name(job_id: str, attempt: int, file_name: str) -> str:
    """A name on the printer's storage that no other upload ever has; at most 100 characters."""
    return f"{job_id[-20:].strip('-_')}-{attempt}-{safe_base(file_name)}.gcode.3mf"


def print_url(form: UrlForm, path: str) -> str:
    """How `project_file` addresses an uploaded file (reference/bambu.md §3.5); `path` is absolute on the volume."""
    return f"file:///sdcard{path}" if form == "file_sdcard" else f"ftp://{path}"


def other_form(form: UrlForm) -> UrlForm:
    """The fallback."""
    return "ftp" if form == "file_sdcard" else "file_sdcard"
