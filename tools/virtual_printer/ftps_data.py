"""The FTPS data channel: passive ports, TLS only after the 150, session reuse, and every way an upload can go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from typing import TYPE_CHECKING

from tools.virtual_printer.storage import StorageError
from tools.virtual_printer.wire import Wire

if TYPE_CHECKING:
    from tools.virtual_printer.printer import Printer

_CONNECT_TIMEOUT = 30.0
_TLS_TIMEOUT = 30.0
_BLOCK = 65536


class TransferEnd(Exception):  # noqa: N818 - a success is no error
    """A transfer ended with this reply (which may be a success)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class DataChannel:
    """One passive port, good for one connection."""

    def __init__(self, printer: Printer, host: str) -> None:
        self._printer = printer
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        self._listener.bind((host, 0))
        self._listener.listen(1)
        self.host = host
        self.port = int(self._listener.getsockname()[1])
        self._wire: Wire | None = None

    async def open(self, *, protected: bool) -> Wire:
        """Wait for the client's connection and, with `protected`, do TLS on it. Call it after the 150.

        Raises TransferEnd with 425, 426 or 522.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                sock, _ = await loop.sock_accept(self._listener)
        except TimeoutError:
            raise TransferEnd(425, "Failed to establish connection.") from None
        finally:
            self._listener.close()
        self._wire = Wire(sock)
        self._wire.gate = self._printer.gate
        if not protected:
            return self._wire
        if not (self._printer.model.data_tls_works and self._printer.faults.prot_p_works):
            await self._wire.wait_for_tcp_end()
            raise TransferEnd(425, "Failed to establish connection.")
        try:
            await self._wire.start_tls(self._printer.context, _TLS_TIMEOUT)
        except (ssl.SSLError, EOFError, OSError, TimeoutError):
            raise TransferEnd(522, "SSL connection failed: handshake failed") from None
        if self._needs_reuse() and not self._wire.session_reused:
            self._wire.abort()
            raise TransferEnd(522, "SSL connection failed: session reuse required")
        return self._wire

    def abort(self) -> None:
        """Give up the port and whatever is connected to it."""
        self._listener.close()
        if self._wire is not None:
            self._wire.abort()

    async def receive(self, path: str) -> None:
        """Take an upload into `path`; always ends by raising TransferEnd."""
        wire = self._connected()
        printer = self._printer
        local = printer.storage.local(path)
        done = 0
        outcome = "cut"
        began = time.monotonic()
        try:
            with local.open("wb") as file:
                limit = printer.faults.truncate_upload_at
                while block := await wire.read_some(_BLOCK):
                    await self._throttle(len(block), done)
                    if printer.faults.storage == "full" or done + len(block) > printer.free_bytes:
                        raise TransferEnd(552, "Requested file action aborted: storage full.")
                    keep = block[: limit - done] if limit else block
                    file.write(keep)
                    done += len(keep)
                    if limit and done >= limit:
                        await self._truncated()
            outcome = "complete"
        finally:
            printer.storage_changed()
            printer.journal.upload(path, done, outcome, time.monotonic() - began)
        await self._finish_upload()

    async def send(self, content: bytes) -> None:
        """Send a listing or a file's content and close with a close-notify."""
        wire = self._connected()
        for start in range(0, len(content), _BLOCK):
            block = content[start : start + _BLOCK]
            await wire.write(block)
            await self._throttle(len(block), start)
        await wire.close()

    async def _finish_upload(self) -> None:
        faults = self._printer.faults
        if faults.reply_delay:
            await asyncio.sleep(faults.reply_delay)
        raise_code = 426 if faults.abort_after_complete else 226
        answers = faults.answer_close_notify
        if answers is None:
            answers = self._printer.model.answers_close_notify
        wire = self._connected()
        if answers:
            await wire.close()
        else:
            # The client's close-notify stays unanswered; the socket ends when the client closes it.
            self._printer.ftps.linger(wire)
            self._wire = None
        if raise_code == 426:
            raise TransferEnd(426, "Failure reading network stream.")
        raise TransferEnd(226, "Transfer complete.")

    async def _truncated(self) -> None:
        if self._printer.faults.lie_about_upload:
            # Swallow the rest so that the client notices nothing but the size.
            wire = self._connected()
            while await wire.read_some(_BLOCK):
                pass
            await wire.close()
            raise TransferEnd(226, "Transfer complete.")
        self._connected().abort()
        raise TransferEnd(426, "Failure reading network stream.")

    async def _throttle(self, count: int, done: int) -> None:
        faults = self._printer.faults
        if faults.stall_upload_at and done >= faults.stall_upload_at:
            await self._printer.ftps.unstalled()
        if faults.throttle_kbps:
            # One storage for all: the next block may begin when this one is written.
            await self._printer.ftps.pace(count / (faults.throttle_kbps * 1000))

    def _needs_reuse(self) -> bool:
        wanted = self._printer.faults.require_session_reuse
        return self._printer.model.requires_session_reuse if wanted is None else wanted

    def _connected(self) -> Wire:
        if self._wire is None:
            raise StorageError(425, "Use PASV first.")
        return self._wire


class Pace:
    """Spreads work over time so that a rate holds on average, whatever the size of the blocks."""

    def __init__(self) -> None:
        self._free_at = 0.0

    async def take(self, seconds: float) -> None:
        """Wait until the storage has got through `seconds` more of work."""
        now = time.monotonic()
        self._free_at = max(now, self._free_at) + seconds
        if self._free_at > now:
            with contextlib.suppress(TimeoutError):
                await asyncio.sleep(self._free_at - now)
