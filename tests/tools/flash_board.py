"""A board on a TCP port, as the two real programs see one: its chip's ROM loader for esptool, and for mpremote
MicroPython's Unix port at a terminal that lives on through soft resets. A hard reset starts
`main.py`, and Ctrl-C ends it.

`PORT=socket://127.0.0.1:N` serves both: what the first byte of a connection is tells who is there.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import subprocess
import threading
import tty
from pathlib import Path

from tests.tools.flash_rom import Rom
from tools import hub

RAW = b"raw REPL; CTRL-B to exit\r\n>"

AT_TERMINAL = 'exec "$@" <"$0" >"$0" 2>&1'
"""The first terminal that the leader of a session opens hangs up on it when we are gone, however we went."""

RUN = "import main; main.main()"


class FlashBoard:
    """Use as a context. `flash` is the folder that plays the file system, `data` the hub's data folder (PF_DATA).

    `rom` is the chip; None: a board that has no chip to flash and runs MicroPython. `limit`: the cable is pulled
    after so many bytes went to MicroPython. `uploaded` counts those bytes, `starts` those of the installed program.
    """

    def __init__(self, folder: Path, rom: Rom | None = None) -> None:
        self.flash, self.data = folder / "flash", folder / "flash" / "data"
        self.flash.mkdir(parents=True, exist_ok=True)
        self.rom = rom
        self.limit: int | None = None
        self.uploaded = 0
        self.starts = 0
        self._program = False
        self._raw = False
        self._interrupted = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._terminal = -1
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> str:
        return f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> FlashBoard:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._stopped, b"x")
        self._thread.join(20)
        self._end()
        self._listener.close()
        os.close(self._stop)
        os.close(self._stopped)

    def _serve(self) -> None:
        while True:
            if not self._ready(self._listener.fileno()):
                return
            line, _ = self._listener.accept()
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with line, contextlib.suppress(OSError):
                self._talk(line)

    def _ready(self, *files: int) -> list[int]:
        """Which of them can be read; none when the board is switched off."""
        ready = select.select([*files, self._stop], [], [])[0]
        return [] if self._stop in ready else ready

    def _talk(self, line: socket.socket) -> None:
        blank = self.rom is not None and not self.rom.programmed
        first = b""
        while not first:
            if not self._ready(line.fileno()):
                return
            data = line.recv(4096)
            if not data:
                return
            if data[:1] == b"\xc0" or not blank:
                first = data  # an empty chip's ROM ignores whatever is not a frame
        if first[:1] == b"\xc0":
            if self.rom is not None:
                self.rom.serve(line, first)
        else:
            self._bridge(line, first)

    def _bridge(self, line: socket.socket, data: bytes) -> None:
        self._raw = False
        if self._process is None:
            self._begin()
        self._to_board(data)
        while True:
            ready = self._ready(line.fileno(), self._terminal)
            if not ready:
                return
            if self._terminal in ready and not self._from_board(line):
                continue
            if line.fileno() in ready:
                data = line.recv(4096)
                if not data:
                    return
                self.uploaded += len(data)
                if self.limit is not None and self.uploaded > self.limit:
                    self._end()  # the plug was pulled, power and all
                    return
                self._to_board(data)

    def _to_board(self, data: bytes) -> None:
        # What decides how the interpreter comes back after it ended: the prompt it was at.
        if b"\x01" in data and b"\x05A" not in data:
            self._raw = True
        if self._program and b"\x03" in data:
            # A terminal of its own would make it a signal.
            assert self._process is not None
            self._process.send_signal(signal.SIGINT)
            self._program = False
            data = data.replace(b"\x03", b"")
        while data:
            data = data[os.write(self._terminal, data) :]

    def _from_board(self, line: socket.socket) -> bool:
        try:
            data = os.read(self._terminal, 4096)
        except OSError:
            data = b""
        if data:
            line.sendall(data)
            return True
        assert self._process is not None
        status = self._process.wait()
        self._end()
        if status == hub.RESTART:
            self._raw = False
            self._begin(program=True)
            return False
        self._begin()
        if self._raw:
            line.sendall(b"MPY: soft reboot\r\n")
            self._read_until(b">>> ")
            os.write(self._terminal, b"\x01")
            self._read_until(RAW)
            line.sendall(RAW)
        return False

    def _read_until(self, end: bytes) -> None:
        seen = b""
        while not seen.endswith(end):
            ready, _, _ = select.select([self._terminal], [], [], 20)
            if not ready:
                raise OSError(f"MicroPython did not say {end!r} but {seen!r}")
            seen += os.read(self._terminal, 4096)

    def _begin(self, *, program: bool = False) -> None:
        self._program = program
        self.starts += program
        outer, inner = pty.openpty()
        tty.setraw(inner)
        self._process = subprocess.Popen(
            ["sh", "-c", AT_TERMINAL, os.ttyname(inner), *hub.command(*(["-i", "-c", RUN] if program else []))],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=self.flash,
            env=os.environ
            | {"MICROPYPATH": f".frozen:{hub.micropython_lib()}", "PF_DATA": "data", "PF_DISCOVERY": "0"},
            start_new_session=True,
        )
        os.close(inner)
        self._terminal = outer

    def _end(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None
        os.close(self._terminal)
