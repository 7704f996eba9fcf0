"""The chip's console as a line for setting up: USB or UART, shared with what the hub logs.

Frames hold the byte that interrupts a program, so while the hub is set up that is off; a lone Ctrl-C still ends the
hub, for whoever wants the console or flashes anew.
"""

import asyncio
import select
import sys

import micropython

_PAUSE_MS = 10  # the receive buffer holds 260 bytes, some 22 ms of a line at 115200
_CTRL_C = 3
_OFF = -1


class Console:
    """Calls `take(bytes)` with what comes."""

    def __init__(self) -> None:
        self.take = lambda data: None
        self._poll = select.poll()

    def send(self, data: bytes) -> None:
        """Put bytes on the line as they are."""
        sys.stdout.buffer.write(data)

    def interrupted(self) -> None:
        """Somebody wants the console."""
        raise KeyboardInterrupt

    async def run(self) -> None:
        """Listen for ever."""
        micropython.kbd_intr(_OFF)
        self._poll.register(sys.stdin, select.POLLIN)
        while True:
            while self._poll.poll(0):
                self.take(sys.stdin.buffer.read(1))
            await asyncio.sleep_ms(_PAUSE_MS)

    def stop(self) -> None:
        """Give the console back."""
        micropython.kbd_intr(_CTRL_C)
