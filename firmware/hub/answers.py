"""What a printer's answers mean, and the two questions that every connection asks. Pure: no input or output.

The reference of the printers' protocol, section 3.
"""

from hub.lenient import integer, text

_UNAUTHORISED = (84033543, 84033548)
_NOT_VERIFIED = "mqtt message verify failed"
LOCKED = "The printer refuses commands: enable Developer Mode on its screen."


def get_version(sequence: str) -> dict:  # type: ignore[type-arg]
    """Ask for model, firmware and modules."""
    return {"info": {"sequence_id": sequence, "command": "get_version"}}


def push_all(sequence: str) -> dict:  # type: ignore[type-arg]
    """Ask for a full report. There is no answer but the report."""
    return {"pushing": {"sequence_id": sequence, "command": "pushall", "version": 1, "push_target": 1}}


def answers(report: dict) -> list:  # type: ignore[type-arg]
    """The answers to commands in a report: [(section, command, sequence, code, message)].

    *code* is None for success, else `locked` (the printer wants signed commands: Developer Mode is off) or
    `rejected`, with the printer's reason as *message*.
    """
    found = []
    for section in ("print", "system", "info", "camera", "xcam"):
        body = report.get(section)
        if not isinstance(body, dict):
            continue
        command = text(body.get("command"), 40)
        if command and command != "push_status":
            code, message = _verdict(body)
            found.append((section, command, text(body.get("sequence_id"), 16) or "", code, message))
    return found


def _verdict(body: dict) -> tuple:  # type: ignore[type-arg]
    reason = text(body.get("reason"), 200) or ""
    error = integer(body.get("err_code"), -(1 << 31), 0xFFFFFFFF) or 0
    if _UNAUTHORISED[0] <= error <= _UNAUTHORISED[1] or reason.lower() == _NOT_VERIFIED:
        return "locked", LOCKED
    result = (text(body.get("result"), 16) or "").lower()
    failure = integer(body.get("errno"), -(1 << 31), 0x7FFFFFFF) or 0
    if result.startswith("fail") or error or failure < 0:
        return "rejected", reason or "The printer refused the command (%s)." % (_code(error) or failure or result)
    return None, ""


def _code(error: int) -> str:
    if not error:
        return ""
    digits = "%08X" % (error & 0xFFFFFFFF)
    return digits[:4] + "_" + digits[4:]
