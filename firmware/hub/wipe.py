"""Forget the owner: who the hub is in the cloud, its printers, its Wi-Fi, everything that was on its way.

A mark is written first and removed last, so that a cut in between is made good at the next start. What belongs to the
device and not to its owner stays: the label's secret, the cloud's authorities, the pins' wiring, installed updates.
"""

import json
import os

from hub.flash import discard, exists, write_whole

_MARK = "wipe"
# What is removed, by the name before its first dot.
_OWNERS = ("identity", "wifi", "networks", "printers", "pins", "commands", "outbox", "crash", "pairing")


def wipe(board) -> None:  # type: ignore[no-untyped-def]
    """Forget all. Raises OSError when not even the mark can be written; nothing is forgotten then."""
    write_whole(board.data_dir + "/" + _MARK, json.dumps(board.recall("epoch", 0) + 1).encode())
    _finish(board)


def resume(board) -> None:  # type: ignore[no-untyped-def]
    """At the start: go on with what a power cut interrupted."""
    if exists(board.data_dir + "/" + _MARK):
        _finish(board)


def _finish(board) -> None:  # type: ignore[no-untyped-def]
    folder = board.data_dir
    with open(folder + "/" + _MARK) as file:
        epoch = json.loads(file.read())
    for name in os.listdir(folder):
        if name.split(".", 1)[0] in _OWNERS:
            _remove(folder + "/" + name)
    # Raised once however often this is begun anew: the mark knows the number.
    board.remember("epoch", epoch)
    board.remember("hostname", "")
    discard(folder + "/" + _MARK)


def _remove(path: str) -> None:
    if os.stat(path)[0] & 0x4000:
        for name in os.listdir(path):
            os.remove(path + "/" + name)
        os.rmdir(path)
    else:
        os.remove(path)
