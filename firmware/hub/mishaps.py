"""Faults, for who is far away: the traceback as text, without a secret, kept over a reset and told to the cloud."""

import gc
import io
import json
import os
import sys

from hub.flash import discard, line, read_line, write_whole
from hub.log import log

_FILE = "crash.txt"
_MOST = 1500
_SECRETS = ("key", "old_key", "password", "psk", "code", "secret")
_TOLD_UP_TO = 24  # events of this start
_SHORTEST = 4  # a shorter secret is none, and would tear words apart


def text_of(error: BaseException, folder: str) -> str:
    """The traceback, its last 1500 characters; whatever is a secret in the data folder's files is blacked out."""
    gc.collect()
    try:
        out = io.StringIO()
        sys.print_exception(error, out)
        text = out.getvalue()
        for secret in _secrets(folder):
            text = text.replace(secret, "***")
        return text[-_MOST:].strip()
    except MemoryError:
        return type(error).__name__ + ", and no memory left to say where"


def _secrets(folder: str) -> "list[str]":
    found: "list[str]" = []
    for name in os.listdir(folder):
        if name.endswith((".json", ".old")) and os.stat(folder + "/" + name)[6] <= 16 * 1024:
            try:
                with open(folder + "/" + name, "rb") as file:
                    _collect(json.loads(file.read()), found)
            except ValueError:
                pass  # damaged: told elsewhere
    return found


def _collect(value: object, found: "list[str]") -> None:
    if isinstance(value, list):
        for entry in value:
            _collect(entry, found)
    elif isinstance(value, dict):
        for name, entry in value.items():
            if name in _SECRETS and isinstance(entry, str) and len(entry) >= _SHORTEST:
                found.append(entry)
            else:
                _collect(entry, found)


def keep(folder: str, part: str, text: str) -> None:
    """Store a fault for the next start; one that waits there already stays, as the first says most. Never raises."""
    try:
        if take(folder) is None:
            write_whole(folder + "/" + _FILE, line({"part": part[:32], "text": text[:_MOST]}))
    except (OSError, MemoryError) as error:
        log("crash", "not kept: %r" % error)


def report(board, outbox) -> None:  # type: ignore[no-untyped-def]
    """Make an event of what the last start left behind when it fell."""
    data = take(board.data_dir)
    if data is not None:
        outbox.add("crash", None, board.uptime_ms(), data)
        discard(board.data_dir + "/" + _FILE)


def tell(board, outbox, part: str, error: BaseException) -> bool:  # type: ignore[no-untyped-def]
    """Make an event of a fault that the hub survived; False when this start has told enough of them."""
    if outbox.last > _TOLD_UP_TO:
        return False  # a part that falls again and again must not push other events out
    outbox.add("crash", None, board.uptime_ms(), {"part": part[:32], "text": text_of(error, board.data_dir)})
    return True


def give_up(board, hung: str) -> None:  # type: ignore[no-untyped-def]
    """A part makes no progress: start over, as a watchdog would, but say why."""
    log("hub", "%s hangs: starting over" % hung)
    keep(board.data_dir, hung, "gave no sign of life in time")
    board.reset("watchdog")


def take(folder: str) -> "dict | None":  # type: ignore[type-arg]
    """What `keep` stored, as data of the event `crash`; None when there is nothing whole."""
    try:
        record, _ = read_line(folder + "/" + _FILE, 0)
    except OSError:
        return None
    return record if isinstance(record, dict) else None
