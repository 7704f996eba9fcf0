"""Start the hub's firmware on this machine: MicroPython's Unix port with a heap limit, for demo, tests and benchmarks.

    async with HubProcess(folder, "hub_1", "pfh_hub_1_secret", "ws://127.0.0.1:8000/hub/v1/link") as hub:
        await hub.wait_for("hub: online")

or, from a shell: `python -m tools.hub FOLDER [--heap 416k]`, where FOLDER holds `identity.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shared_protocol import pairing
from tools import build_firmware
from tools.programs import tool

ROOT = Path(__file__).resolve().parents[1]

HEAP = "416k"
"""The target: six printers in this heap. Its 64-bit words make it worth about 190 KB on the chip."""

START = "import main; main.main()"

RESTART = 75
"""Exit status of a hub that was told to start over."""

LINES = 2000
"""How much of what the hub said is kept."""


class HubExitedError(RuntimeError):
    """The hub's process ended while something was expected of it."""


def micropython_lib() -> Path:
    """The folder with `umqtt` for the Unix port; installed once, into the repository's cache.

    `PRINTFARM_MICROPYTHON_LIB` names another folder. Two processes may ask at the same time.
    """
    named = os.environ.get("PRINTFARM_MICROPYTHON_LIB")
    folder = Path(named) if named else ROOT / ".cache" / "micropython-lib"
    if (folder / "umqtt" / "robust.py").exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch) / "lib"
        made.mkdir()
        command = [tool("pipkin"), "-d", str(made), "install", "--no-mp-org", "pycopy-umqtt.robust"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode or not (made / "umqtt" / "robust.py").exists():
            raise RuntimeError(f"pipkin could not install umqtt:\n{done.stdout}\n{done.stderr}")
        try:
            made.rename(folder)
        except OSError:
            # Somebody else was faster, or an earlier attempt left an incomplete folder: complete it.
            shutil.copytree(made, folder, dirs_exist_ok=True)
    return folder


def environment(data_dir: Path, firmware: Path | None = None, **more: str) -> dict[str, str]:
    """The process environment in which the firmware finds its modules and its data folder.

    The modules are compiled as they are for a board: from source they would leave the heap in fragments.
    """
    path = [firmware or build_firmware.compiled(), micropython_lib()]
    return (
        os.environ | {"MICROPYPATH": ":".join([*map(str, path), ".frozen"]), "PF_DATA": str(data_dir.resolve())} | more
    )


def command(*arguments: str, heap: str = HEAP) -> list[str]:
    """The interpreter's command line."""
    if importlib.util.find_spec("micropython_unix") is None:
        raise FileNotFoundError("MicroPython's Unix port is missing: pip install -e '.[farm]'")
    return [tool("micropython"), "-X", f"heapsize={heap}", *arguments]


def write_identity(data_dir: Path, hub_id: str, key: str, cloud_url: str, *, insecure: bool = False) -> None:
    """Provision a data folder, as flashing and pairing do on a board. `insecure` permits ws:// to another machine."""
    data_dir.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {"hub": hub_id, "key": key, "cloud": cloud_url}
    if insecure:
        document["insecure"] = True
    path = data_dir / "identity.json"
    temporary = path.with_suffix(".tmp")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(document))
    temporary.replace(path)


class HubProcess:
    """One hub. It can be killed and started again on the same data folder, like a board whose power is cut.

    `lines` holds what it printed last, `stats` the newest figures when `stats=True`. `sockets` and `printers` are the
    limits the board states (10 and 6 like the chip when None); `discovery` is the UDP port on which it listens for
    printers (0: it does not). `extra` is more of the environment, as `firmware/hub/board/unix.py` lists it,
    `firmware` a folder with another build than that of this repository.
    """

    def __init__(
        self,
        data_dir: Path,
        hub_id: str,
        key: str,
        cloud_url: str,
        *,
        heap: str = HEAP,
        sockets: int | None = None,
        printers: int | None = None,
        stats: bool = False,
        discovery: int = 0,
        extra: Mapping[str, str] | None = None,
        program: Sequence[str] | None = None,
        firmware: Path | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.heap = heap
        self.restarts = False
        """Whether it is started again when it wishes to be, as a board is that resets itself."""
        self._firmware = firmware
        self.lines: collections.deque[str] = collections.deque(maxlen=LINES)
        self.stats: Mapping[str, Any] = {}
        self._program = list(program) if program else ["-c", START]
        self._extra: dict[str, str] = {"PF_DISCOVERY": str(discovery), **(extra or {})}
        if sockets is not None:
            self._extra["PF_SOCKETS"] = str(sockets)
        if printers is not None:
            self._extra["PF_PRINTERS"] = str(printers)
        if stats:
            self._extra["PF_STATS"] = "1"
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._seen = 0
        self._news = asyncio.Condition()
        if key:
            write_identity(data_dir, hub_id, key, cloud_url)

    @classmethod
    def unpaired(
        cls,
        data_dir: Path,
        *,
        heap: str = HEAP,
        extra: Mapping[str, str] | None = None,
        firmware: Path | None = None,
    ) -> Self:
        """A hub as it comes out of its box: it belongs to nobody and waits to be set up. `device_secret` is its label.

        `extra` may hold PF_RADIO, PF_BLE and PF_PAGE, see firmware/hub/board/unix.py.
        """
        data_dir.mkdir(parents=True, exist_ok=True)
        label = data_dir / "device.json"
        if not label.exists():
            label.write_text(json.dumps({"secret": pairing.base32(secrets.token_bytes(pairing.SECRET_BYTES))}))
        return cls(data_dir, "", "", "", heap=heap, extra=extra, firmware=firmware)

    @property
    def device_secret(self) -> bytes:
        """What stands on the label."""
        return pairing.secret_of(json.loads((self.data_dir / "device.json").read_text())["secret"])

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    @property
    def pid(self) -> int:
        """The process id; RuntimeError when it does not run."""
        if self._process is None:
            raise RuntimeError("the hub is not started")
        return self._process.pid

    async def ended(self, timeout: float = 20.0) -> int:  # noqa: ASYNC109 - a test's limit
        """Wait until the process ends by itself; its exit status (`RESTART` when it wishes to be started again)."""
        assert self._process is not None
        async with asyncio.timeout(timeout):
            status = await self._process.wait()
            if self._reader is not None:
                await self._reader
        return status

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Switch it on."""
        if self.running:
            raise RuntimeError("the hub runs already")
        self._process = await asyncio.create_subprocess_exec(
            *command(*self._program, heap=self.heap),
            env=environment(self.data_dir, self._firmware, **self._extra),
            # The interpreter looks in the current folder first; it must not find sources there.
            cwd=self._firmware or build_firmware.compiled(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        self._reader = asyncio.create_task(self._read(self._process.stdout))

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            text = line.decode(errors="replace").rstrip("\n")
            async with self._news:
                if text.startswith("{") and '"stats"' in text:
                    self.stats = json.loads(text)
                else:
                    self.lines.append(text)
                    self._seen += 1
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()
        if self.restarts and self._process is not None and await self._process.wait() == RESTART:
            await self.start()

    @property
    def mark(self) -> int:
        """A place in the log: pass it to `wait_for` to look only at what comes after."""
        return self._seen

    def since(self, mark: int) -> list[str]:
        """The lines printed after `mark`, as far as they are kept."""
        count = self._seen - mark
        return list(self.lines)[-count:] if count > 0 else []

    async def wait_for(self, text: str, timeout: float = 20.0, mark: int = 0) -> str:  # noqa: ASYNC109 - a test's limit
        """The first line after `mark` that contains `text`; HubExitedError or TimeoutError with the log otherwise."""
        try:
            async with asyncio.timeout(timeout), self._news:
                while True:
                    for line in self.since(mark):
                        if text in line:
                            return line
                    if self._reader is None or self._reader.done():
                        raise HubExitedError(f"the hub ended before it said {text!r}:\n" + "\n".join(self.lines))
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"the hub did not say {text!r}:\n" + "\n".join(self.lines)) from None

    async def wait_for_stats(self, timeout: float = 20.0) -> Mapping[str, Any]:  # noqa: ASYNC109
        """The next figures (needs `stats=True`)."""
        old = self.stats
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(lambda: self.stats is not old)
        return self.stats

    async def kill(self) -> None:
        """Cut the power: SIGKILL, no chance to tidy up."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end (SIGTERM)."""
        await self._end(signal.SIGTERM)

    async def _end(self, sign: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(sign)
        await self._process.wait()
        if self._reader is not None:
            await self._reader

    @contextlib.asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """Stop the process in its tracks (SIGSTOP) for a while: a hub that hangs."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            if self.running:
                os.kill(self.pid, signal.SIGCONT)


def main() -> int:
    """Run a hub in the foreground until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="data folder with identity.json")
    parser.add_argument("--heap", default=HEAP, help="heap size, such as 416k or 2M")
    options = parser.parse_args()
    arguments = command("-c", START, heap=options.heap)
    environ = environment(options.folder)
    while True:
        try:
            status = subprocess.run(arguments, env=environ, cwd=build_firmware.compiled(), check=False).returncode
        except KeyboardInterrupt:
            return 130
        if status != RESTART:
            return status


if __name__ == "__main__":
    sys.exit(main())
