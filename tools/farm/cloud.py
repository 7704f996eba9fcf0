"""The cloud as a process that can be stopped, killed and started again on the same port and data."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from pathlib import Path

READY = "PRINTFARM READY "
START_LIMIT = 60.0
STOP_LIMIT = 30.0


def free_port() -> int:
    """A TCP port of the loopback interface nobody listens on now, and that stays ours while the cloud is down.

    It lies below the range from which the system deals ports to outgoing connections (32768 and up on Linux): one of
    those would take the place of a cloud that was killed and is about to come back.
    """
    for _ in range(100):
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port between 20000 and 32000")


class CloudProcess:
    """`python -m cloud` on a data folder. The owner `email` / `password` exists from the first start."""

    def __init__(self, data: Path, email: str, password: str, *, port: int = 0, settings: dict[str, str] | None = None):
        self.data = data
        self.email = email
        self.password = password
        # Fixed from the start, so that hubs and browsers find a restarted cloud where it was.
        self.port = port or free_port()
        self.settings = settings or {}
        self.log = data.parent / f"{data.name}.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The base address, `http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def hub_url(self) -> str:
        """Where hubs connect to."""
        return f"ws://127.0.0.1:{self.port}/hub/v1/link"

    @property
    def pid(self) -> int:
        """Process id of the running cloud."""
        assert self._process is not None, "the cloud is not running"
        return self._process.pid

    async def start(self) -> None:
        """Start and wait until it serves. Raises RuntimeError with the end of its log when it does not."""
        environment = os.environ | {
            "PRINTFARM_DATA_DIR": str(self.data),
            "PRINTFARM_HOST": "127.0.0.1",
            "PRINTFARM_PORT": str(self.port),
            "PRINTFARM_DEMO_EMAIL": self.email,
            "PRINTFARM_DEMO_PASSWORD": self.password,
            **self.settings,
        }
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "cloud", env=environment, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        self._process = process
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_LIMIT):
                async for line in process.stdout:
                    if line.decode().startswith(READY):
                        return
        except TimeoutError:
            await self.kill()
        raise RuntimeError(f"the cloud did not start:\n{self.tail()}")

    def tail(self, count: int = 30) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    async def stop(self) -> None:
        """Ask it to drain and end."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(how)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await process.stdout.read()
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise RuntimeError(f"the cloud did not stop within {STOP_LIMIT:.0f} s:\n{self.tail()}") from None
