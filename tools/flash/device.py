"""The board's MicroPython, spoken to through mpremote; nothing else in PrintFarm knows mpremote's library."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport
from serial import SerialException

CHUNK = 4096
"""Also fits where the heap is small: three times this while it is written."""

PROMPT_S = 4.0
"""A running MicroPython shows its prompt at once; an empty chip never."""

LONGEST_S = 60.0
"""The slowest single step, hashing all files of a full flash."""

_PATIENCE = """
import sys
if sys.platform == "esp32":
    import machine, os
    machine.WDT(timeout=900000)
    os.chdir("/")
"""
# The application's watchdog outlives it, and cannot be switched off: only given more time.

# 75 is how the hub itself asks for a restart where there is no chip (firmware/README.md).
_RESET = """
import sys
if sys.platform == "esp32":
    import machine
    machine.reset()
sys.exit(75)
"""


class DeviceError(Exception):
    """The board does not answer, or what it was told to do failed. The text may quote the board."""


class Refused(DeviceError):  # noqa: N818 - it is an answer
    """The board answered with an exception of its own; `kind` is its last line."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.kind = text.strip().rpartition("\n")[2][:200]


class Device:
    """One board at its raw prompt, freshly restarted, its own program not running. Use as a context.

    Paths are relative to the root of its flash.
    """

    def __init__(self, port: str, prompt_s: float = PROMPT_S) -> None:
        with _translated():
            self._transport = SerialTransport(port, timeout=LONGEST_S)
            try:
                # A first interrupt for a program that is busy cleaning up after another one.
                self._transport.serial.write(b"\r\x03")
                time.sleep(0.05)
                self._transport.enter_raw_repl(timeout_overall=prompt_s)
            except BaseException:
                self._transport.serial.close()
                raise
        self.run(_PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError, SerialException):
            self._transport.close()

    def run(self, program: str) -> str:
        """Execute a program; what it printed. Refused when it raises."""
        with _translated():
            done, error = self._transport.exec_raw(program, timeout=LONGEST_S)
        if error:
            raise Refused(error.decode(errors="replace"))
        return str(done.decode(errors="replace"))

    def value(self, program: str) -> Any:
        """Execute a program whose last printed line is the repr of a plain value; that value."""
        line = self.run(program).strip().rpartition("\n")[2]
        try:
            return ast.literal_eval(line.strip())
        except (ValueError, SyntaxError) as error:
            raise DeviceError("the board answered with something unexpected") from error

    def write(self, path: str, content: bytes) -> None:
        """Replace a file: the old one stays until the new one is whole."""
        pieces = [content[start : start + CHUNK] for start in range(0, len(content), CHUNK)] or [b""]
        for number, piece in enumerate(pieces):
            # Base 64 and whole pieces in one step each: a step costs more time than its bytes.
            text = base64.b64encode(piece).decode()
            program = (
                f"with open({path + '.new'!r}, {'ab' if number else 'wb'!r}) as f:\n f.write(a2b_base64({text!r}))\n"
            )
            if number == len(pieces) - 1:
                program += f"os.rename({path + '.new'!r}, {path!r})"
            self.run("import os\nfrom binascii import a2b_base64\n" + program)

    def reset(self) -> None:
        """Start over as after power-on; the connection is of no use afterwards."""
        with _translated():
            self._transport.exec_raw_no_follow(_RESET)
            time.sleep(0.1)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    # What mpremote prints when it fails would stand in the middle of ours.
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except TransportExecError as error:
        raise Refused(error.error_output) from error
    except (TransportError, SerialException, OSError, IndexError, ValueError) as error:
        raise DeviceError(str(error) or type(error).__name__) from error
    except Exception as error:
        if type(error).__name__ != "error":  # struct.error: the answer ended in the middle
            raise
        raise DeviceError("the connection ended") from error
