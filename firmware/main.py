"""Entry point of the hub: prepare the paths, arm the watchdog, run the application, start over when it falls."""

import sys
import time


def _board():  # type: ignore[no-untyped-def]
    if sys.platform == "esp32":
        from hub.board.esp32 import Board
    else:
        from hub.board.unix import Board
    return Board()


def main() -> None:
    """Never returns on a board; on Unix a fault ends the process with status 1."""
    board = _board()
    # Before the import of everything else: code that hangs there is reset too.
    board.arm()
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
