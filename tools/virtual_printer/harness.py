"""Starting virtual printers from Python: a real process, ready when the block begins, gone when it ends.

async with VirtualFarm.start([PrinterSpec(model="P1S", speed=120)]) as farm:
    printer = farm.printers[0]
    await printer.control.fault(storage="full")
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import aiohttp

from tools.virtual_printer.client import PrinterControl
from tools.virtual_printer.spec import PrinterSpec, to_json

READY_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
_ROOT = Path(__file__).resolve().parents[2]


def certificate_cache() -> Path:
    """Where test runs keep printer keys, so that they are made once: `.cache/virtual-printer` of the repository."""
    return _ROOT / ".cache" / "virtual-printer"


def may_use_standard_ports() -> bool:
    """May this user bind port 990? (root, CAP_NET_BIND_SERVICE, or a system that lets everybody)"""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        try:
            sock.bind(("127.0.77.254", 989))
        except PermissionError:
            return False
        except OSError:
            return True  # taken, so it may be bound
    return True


@dataclass(frozen=True)
class RunningPrinter:
    """Where a printer is and how to get in. `ports`: mqtt, ftps, detect, detect_tls and (P1, A1) camera."""

    serial: str
    model: str
    code: str
    name: str
    address: str
    ports: dict[str, int]
    access_code: str
    fingerprint: str
    control: PrinterControl

    def __repr__(self) -> str:
        return f"RunningPrinter({self.model} {self.serial} at {self.address})"


class VirtualFarm:
    """A running process with virtual printers."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        session: aiohttp.ClientSession,
        ready: dict[str, object],
    ) -> None:
        self._process = process
        self.control_url = str(ready["control"])
        self.search_port = int(str(ready.get("search", 0)))
        entries = ready["printers"]
        assert isinstance(entries, list)
        self.printers = [
            RunningPrinter(control=PrinterControl(session, self.control_url, entry["serial"]), **entry)
            for entry in entries
        ]

    @property
    def pid(self) -> int:
        return self._process.pid

    def printer(self, serial: str) -> RunningPrinter:
        """The printer with that serial; KeyError when there is none."""
        for printer in self.printers:
            if printer.serial == serial:
                return printer
        raise KeyError(serial)

    def kill(self) -> None:
        """End the process without any goodbye (for tests of exactly that)."""
        self._process.kill()

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls,
        specs: Sequence[PrinterSpec],
        *,
        standard_ports: bool = False,
        address: str = "127.0.0.1",
        certificates: Path | None = None,
        folder: Path | None = None,
        announce: str = "",
        announce_interval: float = 5.0,
        search: str = "",
    ) -> AsyncIterator[VirtualFarm]:
        """Run the printers in a process of their own for as long as the block lasts.

        `standard_ports` gives every printer its own 127.0.77.x address with 8883, 990, 6000, 3000 and 3002;
        otherwise all sit on `address` with ports of their own. `folder` keeps the storages over restarts.
        `announce` is HOST:PORT for NOTIFY datagrams, `search` HOST:PORT (0: any) on which M-SEARCH is
        answered (`search_port`). Raises RuntimeError when the process does not become ready.
        """
        command = [sys.executable, "-m", "tools.virtual_printer", "run", "--lifeline", "--config", "-"]
        command += ["--address", address, "--certificates", str(certificates or certificate_cache())]
        command += ["--standard-ports"] if standard_ports else []
        command += ["--folder", str(folder)] if folder else []
        if announce:
            command += ["--announce", announce, "--announce-interval", str(announce_interval)]
        command += ["--search", search] if search else []
        # A nameless file for its errors never fills up, as a pipe nobody reads does, and vanishes with us.
        with tempfile.TemporaryFile() as errors:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=_ROOT,
                limit=1 << 20,
            )
            try:
                await _tell(process, {"printers": [to_json(spec) for spec in specs]})
                ready = await _ready(process, errors)
                async with aiohttp.ClientSession() as session:
                    yield cls(process, session, ready)
            finally:
                await _stop(process, errors)


async def _tell(process: asyncio.subprocess.Process, config: dict[str, object]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(config).encode() + b"\n")
    with contextlib.suppress(ConnectionError):  # it died already; `_ready` says why
        await process.stdin.drain()


async def _ready(process: asyncio.subprocess.Process, errors: IO[bytes]) -> dict[str, object]:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_TIMEOUT):
            line = await process.stdout.readline()
    except TimeoutError:
        raise RuntimeError("the virtual printers did not become ready") from None
    if not line:
        await process.wait()
        raise RuntimeError(f"the virtual printers did not start: {_text(errors)}")
    ready = json.loads(line)
    assert isinstance(ready, dict)
    return ready


async def _stop(process: asyncio.subprocess.Process, errors: IO[bytes]) -> None:
    """Close the lifeline and make sure that the process is gone and had nothing to complain about."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise RuntimeError("the virtual printers did not end when their lifeline was cut") from None
    said = _text(errors)
    if "Traceback" in said:
        raise RuntimeError(f"something went wrong inside the virtual printers: {said}")


def _text(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read().decode("utf-8", "replace").strip()
