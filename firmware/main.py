"""Entry point of the hub: prepare the paths, arm the watchdog, run the application, start over when it falls."""

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


def main() -> None:
    """Never returns on a board; on Unix a fault ends the process with status 1."""
    board = _board()
    # Before the import of everything else: code that hangs there is reset too.
    board.arm()
    _import()
    from hub.app import start
    from hub.log import log_crash

    try:
        start(board)
    except KeyboardInterrupt:
        raise  # somebody sits at the console
    except BaseException as error:
        log_crash("hub", error)
    time.sleep(2)  # so that a fault at every start does not become a storm, and its text can be read
    board.reset()


if __name__ == "__main__":
    main()
