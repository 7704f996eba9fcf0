"""A serial line for a process: a TCP connection to PF_SERIAL (host:port), where a test is the other end."""

import asyncio
import os

from hub.log import log
from lib.wire import Wire, resolve

_MOST = 256


class Console:
    """Calls `take(bytes)` with what comes."""

    def __init__(self) -> None:
        self.take = lambda data: None
        self._wire: "Wire | None" = None
        self._waiting = bytearray()
        self._wake = asyncio.Event()

    def send(self, data: bytes) -> None:
        """Put bytes on the line as they are."""
        self._waiting.extend(data)
        self._wake.set()

    def interrupted(self) -> None:
        """Somebody wants the console; there is none."""
        log("serial", "Ctrl-C")

    async def run(self) -> None:
        """Listen until the line ends; without PF_SERIAL there is none."""
        where = os.getenv("PF_SERIAL")
        if not where:
            return
        host, _colon, port = where.rpartition(":")
        wire = self._wire = await Wire.open(resolve(host, int(port)))
        sender = asyncio.create_task(self._send(wire))
        view = memoryview(bytearray(_MOST))
        try:
            while True:
                count = await wire.read_some(view)
                if not count:
                    break
                self.take(bytes(view[:count]))
        except OSError:
            pass
        finally:
            log("serial", "the line is gone")
            sender.cancel()

    async def _send(self, wire: Wire) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                data, self._waiting = self._waiting, bytearray()
                await wire.send(bytes(data))
        except OSError:
            pass  # whoever listens notices

    def stop(self) -> None:
        """Hang up."""
        if self._wire is not None:
            self._wire.close()
