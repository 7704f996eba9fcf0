"""The application's first step, called by main.py of the board: load every module in order, then run."""

import gc
import sys
import time

# Leaves first.
_PARTS = (
    "asyncio",
    "shared_protocol.schema",
    "shared_protocol.status",
    "shared_protocol.messages",
    "shared_protocol.codec",
    "lib.wire",
    "lib.websocket",
    "lib.mqtt",
    "hub.config",
    "hub.outbox",
    "hub.commands",
    "hub.tunnel",
    "hub.session",
    "hub.cloud_link",
    "hub.requests",
    "hub.bambu",
    "hub.printer_session",
    "hub.printer_link",
    "hub.app",
)

# Each character becomes a name the first time text is taken apart, and the table of names doubles in one piece:
# better now, while there is one.
_CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def _board():  # type: ignore[no-untyped-def]
    if sys.platform == "esp32":
        from hub.board.esp32 import Board
    else:
        from hub.board.unix import Board
    return Board()


def _import() -> None:
    # What compiling and loading leave behind lies beside the code and would cut the heap into small pieces, unless
    # it is collected before the next module is put there.
    for name in _PARTS:
        __import__(name)
        gc.collect()
    for _ in _CHARACTERS:
        pass


def main(slots) -> None:  # type: ignore[no-untyped-def]
    """Run the hub from the slot that `slots` (main.Slots) chose. Raises what the import of a module raises."""
    board = _board()
    board.arm()
    _import()
    from hub.app import start
    from hub.log import log_crash

    if slots.pointer["state"] != "testing":
        # It could be loaded, so the slot is whole; only a release under test has more to show.
        slots.confirm()
    try:
        start(board, slots)
    except (KeyboardInterrupt, SystemExit):
        raise  # somebody sits at the console, or the board was reset on purpose
    except BaseException as error:
        log_crash("hub", error)
        slots.blame("%s %s" % (type(error).__name__, error))
    time.sleep(2)  # so that a fault at every start does not become a storm, and its text can be read
    board.reset()
