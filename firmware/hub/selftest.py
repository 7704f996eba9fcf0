"""Does this board work? Run by `make flash` right after installing, and never imported otherwise.

`run()` prints a line a check and returns the names of those that failed.
"""

import gc
import os
import sys

_FREE = 60_000
"""With less heap than this nothing of the application could be loaded."""

_FILE = "selftest.tmp"
_PIECE = 1024
_PIECES = 16


def _imports() -> None:
    # Not the application as a whole: it is large, and what was uploaded was hashed. These are what it stands on.
    for name in (
        "asyncio",
        "hashlib",
        "json",
        "ssl",
        "cryptolib",
        "shared_protocol.pairing",
        "lib.wire",
        "lib.websocket",
    ):
        __import__(name)
    for name in ("hub.config", "hub.flash", "hub.boots", "hub.slots", "hub.start"):
        __import__(name)
        gc.collect()
    from hub.start import _board

    _board  # noqa: B018 - that it is there is the check


def _flash() -> None:
    pattern = os.urandom(_PIECE)
    try:
        with open(_FILE, "wb") as file:
            for _ in range(_PIECES):
                file.write(pattern)
        with open(_FILE, "rb") as file:
            for _ in range(_PIECES):
                if file.read(_PIECE) != pattern:
                    raise OSError("what was written reads differently")
    finally:
        try:
            os.remove(_FILE)
        except OSError:
            pass


def _memory() -> None:
    gc.collect()
    free = gc.mem_free()
    if free < _FREE:
        raise OSError("only %d bytes are free" % free)


def _radio() -> None:
    if sys.platform != "esp32":
        return
    import network

    wlan = network.WLAN(network.STA_IF)
    was = wlan.active()
    try:
        wlan.active(True)
        if not any(wlan.config("mac")):
            raise OSError("it has no address")
        if not wlan.scan():
            raise OSError("it hears no network at all")
    finally:
        wlan.active(was)


_CHECKS = (("memory", _memory), ("imports", _imports), ("flash", _flash), ("radio", _radio))


def run() -> "list[str]":
    """Check everything; the names of what failed."""
    failed = []
    for name, check in _CHECKS:
        try:
            check()
            print("selftest: %s good" % name)
        except Exception as error:
            print("selftest: %s failed: %s %s" % (name, type(error).__name__, error))
            failed.append(name)
    return failed
