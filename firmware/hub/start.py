"""The application's first step, called by main.py of the board: load every module in order, then run."""

import gc
import sys
import time

from hub.boots import count

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
    "hub.tunnels",
    "hub.session",
    "hub.cloud_link",
    "hub.app",
)

# Not in safe mode: it may be one of these that falls.
_PRINTERS = ("hub.answers", "hub.bambu", "hub.printer_session", "hub.printer_link")

# Each character becomes a name the first time text is taken apart, and the table of names doubles in one piece:
# better now, while there is one.
_CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def _board():  # type: ignore[no-untyped-def]
    if sys.platform == "esp32":
        from hub.board.esp32 import Board
    else:
        from hub.board.unix import Board
    return Board()


def _import(safe: bool) -> None:
    # What compiling and loading leave behind lies beside the code and would cut the heap into small pieces, unless
    # it is collected before the next module is put there.
    for name in _PARTS[:-1] + (() if safe else _PRINTERS) + _PARTS[-1:]:
        __import__(name)
        gc.collect()
    for _ in _CHARACTERS:
        pass


def main(slots) -> None:  # type: ignore[no-untyped-def]
    """Run the hub from the slot that `slots` (main.Slots) chose. Never returns on a board."""
    board = _board()
    # Before the import of everything else: code that hangs there is reset too, and code that falls is counted.
    board.arm()
    board.safe = count(board)
    try:
        _import(board.safe)
        from hub.app import start

        if slots.pointer["state"] != "testing":
            # It could be loaded, so the slot is whole; only a release under test has more to show.
            slots.confirm()
            board.keep_image()
        start(board, slots)
    except (KeyboardInterrupt, SystemExit):
        raise  # somebody sits at the console, or the board is reset on purpose
    except BaseException as error:
        _keep(board, slots, error)
    time.sleep(2)  # so that a fault at every start does not become a storm, and its text can be read
    board.reset("crash")


def _keep(board, slots, error: BaseException) -> None:  # type: ignore[no-untyped-def]
    """Tell of the fault now and, after the next start, to the cloud."""
    from hub import log, mishaps

    log.on_fault = None
    log.log_crash("hub", error)
    text = mishaps.text_of(error, board.data_dir)
    # Its last line, without a secret, goes with the roll-back that may follow.
    slots.blame(text.rsplit("\n", 1)[-1])
    mishaps.keep(board.data_dir, "hub", text)
