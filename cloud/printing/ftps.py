"""Putting files on printers and taking them off, over tunnels: the standard library's FTP and TLS, in threads."""

import asyncio
import ftplib
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeVar

import msgspec
import structlog

from cloud.printing.asks import FilesFound, RemoteFile
from cloud.printing.ftp_listing import parse_listing
from cloud.printing.ftp_session import OpenSocket, PrinterFTP
from cloud.printing.printer_tls import CertificateError, Target
from cloud.printing.streams import Bridge, StreamError, TunnelOpener
from cloud.printing.transfer import deadline

log = structlog.get_logger(__name__)

T = TypeVar("T")
Progress = Callable[[int], None]

USER: Final = "bblp"
_OPEN_SECONDS: Final = 40.0
_REMOVE_SECONDS: Final = 90.0
_LIST_SECONDS: Final = 90.0
MAX_FILES: Final = 4096
_MAX_LISTING: Final = 1024 * 1024
"""Bytes of one folder's listing; more are not read."""
_TOLD_EVERY: Final = 0.25
_REPLIES: Final = {
    "530": ("auth_failed", "The printer refuses the access code."),
    "550": ("storage", "The printer has no such folder, or no card in it."),
    "552": ("storage", "The printer's storage is full."),
    "553": (
        "storage",
        "The printer does not take the file: card missing, full or not formatted, or Developer Mode off.",
    ),
    "452": ("storage", "The printer's storage is full."),
    "421": ("busy", "The printer has no connection free."),
    "425": ("busy", "The printer is busy with another transfer."),
    "450": ("busy", "The printer is using the file."),
}


class FtpsError(Exception):
    """A transfer that failed; `code` is one of asks.FAILURES."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence


class Uploaded(msgspec.Struct, frozen=True, kw_only=True):
    """What the answer to an upload tells."""

    bytes: int
    seconds: float
    kbps: float
    """Thousand bytes a second."""


class FtpsClient:
    """At most `threads` transfers at once; more wait their turn. One file operation a printer is the caller's duty."""

    def __init__(self, threads: int = 8) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ftps")
        self._turns = asyncio.Semaphore(threads)
        self._clear: set[str] = set()
        """Certificates of printers whose encrypted data connections failed where clear ones worked."""

    def close(self) -> None:
        """Call when no transfer runs any more."""
        self._pool.shutdown(wait=False)

    async def upload(
        self,
        open_tunnel: TunnelOpener,
        target: Target,
        source: Path,
        size: int,
        remote_path: str,
        *,
        own: bool = False,
        progress: Progress = lambda _sent: None,
    ) -> Uploaded:
        """Carry a file; its size on the printer is verified. Cancelling closes the connections at once.

        `own`: a file of this name may be overwritten, because it is a rest of this transfer. `progress` is called in
        the event loop. Raises FtpsError, with code `missing` when the source is not there or of another size.
        """
        began = time.monotonic()
        teller = _Teller(asyncio.get_running_loop(), progress)

        def put(ftp: PrinterFTP, *, overwrite: bool) -> bool:
            ftp.enter(remote_path.rpartition("/")[0] or "/")
            if not overwrite and ftp.holds(remote_path) is not None:
                raise FtpsError("exists", "Another file has this name on the printer.")
            with _opened(source, size) as file:
                certain = _sent_for_certain(ftp, remote_path, file, size, teller)
            if certain:
                _verify(ftp, remote_path, size)
            return certain

        async with self._turn(deadline(size)):
            if not await self._put(open_tunnel, target, put, own=own):
                # The printer fell silent after the last byte: another connection sees what it has.
                await self._session(open_tunnel, target, lambda ftp: _verify(ftp, remote_path, size))
        seconds = max(time.monotonic() - began, 1e-6)
        return Uploaded(bytes=size, seconds=round(seconds, 3), kbps=round(size / seconds / 1000, 1))

    async def remove(self, open_tunnel: TunnelOpener, target: Target, remote_path: str) -> None:
        """Delete a file; not an error when it is not there. Raises FtpsError."""

        def work(ftp: PrinterFTP) -> None:
            if ftp.holds(remote_path) is not None:
                ftp.delete(remote_path)

        async with self._turn(_REMOVE_SECONDS):
            await self._session(open_tunnel, target, work)

    async def list(self, open_tunnel: TunnelOpener, target: Target, folders: Sequence[str]) -> FilesFound:
        """The files of these folders, at most MAX_FILES. Raises FtpsError."""
        async with self._turn(_LIST_SECONDS):
            return await self._with_data(open_tunnel, target, partial(_listed, folders), partial(_listed, folders))

    @asynccontextmanager
    async def _turn(self, seconds: float) -> AsyncIterator[None]:
        """Wait for a turn, then allow so many seconds."""
        async with self._turns:
            try:
                async with asyncio.timeout(seconds):
                    yield
            except TimeoutError:
                raise FtpsError("timeout", "The printer took too long.") from None

    async def _put(self, open_tunnel: TunnelOpener, target: Target, put: "_Put", *, own: bool) -> bool:
        return await self._with_data(open_tunnel, target, partial(put, overwrite=own), partial(put, overwrite=True))

    async def _with_data(
        self,
        open_tunnel: TunnelOpener,
        target: Target,
        work: Callable[[PrinterFTP], T],
        again: Callable[[PrinterFTP], T],
    ) -> T:
        """Work that opens data connections; `again` is done in the clear where encrypted ones are known to hang."""
        clear = target.clear_data and target.certificate in self._clear
        try:
            return await self._session(open_tunnel, target, work, encrypted=not clear)
        except FtpsError as error:
            if clear or not target.clear_data or error.code not in ("broken", "timeout"):
                raise
            log.warning("ftps.clear_data", error=error.code)
        done = await self._session(open_tunnel, target, again, encrypted=False)
        self._clear.add(target.certificate)
        return done

    async def _session(
        self, open_tunnel: TunnelOpener, target: Target, work: Callable[[PrinterFTP], T], *, encrypted: bool = True
    ) -> T:
        """Run `work` with a logged-in connection, in a thread; cancelling breaks it off and waits for the thread."""
        connections = _Connections(open_tunnel)
        thread = asyncio.get_running_loop().run_in_executor(
            self._pool, _logged_in, connections.open, target, encrypted, work
        )
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            connections.abort()
            await asyncio.gather(thread, return_exceptions=True)
            raise
        finally:
            await connections.close()


class _Put(Protocol):
    def __call__(self, ftp: PrinterFTP, *, overwrite: bool) -> bool: ...


class _Connections:
    """The tunnels of one session, opened from its thread."""

    def __init__(self, open_tunnel: TunnelOpener) -> None:
        self._loop = asyncio.get_running_loop()
        self._open_tunnel = open_tunnel
        self._bridges: list[Bridge] = []
        self._opening: Future[socket.socket] | None = None
        self._aborted = False

    def open(self, port: int) -> socket.socket:
        """In the session's thread."""
        self._opening = asyncio.run_coroutine_threadsafe(self._open(port), self._loop)
        try:
            return self._opening.result(_OPEN_SECONDS)
        except (FutureTimeout, FutureCancelled):
            self._opening.cancel()
            raise StreamError("timeout", "The connection to the printer could not be opened in time.") from None

    async def _open(self, port: int) -> socket.socket:
        if self._is_aborted():
            raise StreamError("cancelled", "The transfer was broken off.")
        bridge = Bridge(await self._open_tunnel(port))
        self._bridges.append(bridge)
        if self._is_aborted():
            bridge.abort()
        return bridge.socket

    def _is_aborted(self) -> bool:
        return self._aborted  # changes while a tunnel is being opened

    def abort(self) -> None:
        self._aborted = True
        if self._opening is not None:
            self._opening.cancel()
        for bridge in self._bridges:
            bridge.abort()

    async def close(self) -> None:
        for bridge in self._bridges:
            await bridge.close()


class _Teller:
    """Takes progress from the thread to the event loop, a few times a second."""

    def __init__(self, loop: asyncio.AbstractEventLoop, progress: Progress) -> None:
        self._loop = loop
        self._progress = progress
        self._last = 0.0

    def __call__(self, sent: int, *, now: bool = False) -> None:
        moment = time.monotonic()
        if now or moment - self._last >= _TOLD_EVERY:
            self._last = moment
            self._loop.call_soon_threadsafe(self._progress, sent)


# ---- in the thread


def _logged_in(open_socket: OpenSocket, target: Target, encrypted: bool, work: Callable[[PrinterFTP], T]) -> T:
    ftp = PrinterFTP(open_socket, target.certificate, encrypted=encrypted)
    try:
        with _translated():
            ftp.reach(target.port, USER, target.access_code)
            result = work(ftp)
        ftp.leave()
        return result
    finally:
        ftp.close()


@contextmanager
def _opened(source: Path, size: int) -> Iterator[BinaryIO]:
    try:
        file = source.open("rb")
    except OSError:
        raise FtpsError("missing", "The file is no longer in the store.") from None
    with file:
        if os.fstat(file.fileno()).st_size != size:
            raise FtpsError("missing", "The file in the store is damaged.")
        yield file


def _sent_for_certain(ftp: PrinterFTP, path: str, file: BinaryIO, size: int, teller: _Teller) -> bool:
    """Send; False when all bytes went out and then the printer said nothing."""
    try:
        ftp.send(path, file, teller)
    except ftplib.error_temp as error:
        # "Failure reading network stream" after the last byte is how some printers close: SIZE tells.
        if not str(error).startswith("426") or file.tell() < size:
            raise
    except TimeoutError:
        if file.tell() < size or size == 0:
            raise
        return False
    teller(size, now=True)
    return True


def _listed(folders: Sequence[str], ftp: PrinterFTP) -> FilesFound:
    found: dict[str, RemoteFile] = {}
    complete = True
    for folder in folders:
        if not ftp.visit(folder):
            continue
        listing, whole = ftp.listing(_MAX_LISTING)
        for line in parse_listing(listing, datetime.now(UTC)):
            path = f"{folder.rstrip('/')}/{line.name}"
            found[path] = RemoteFile(path=path, size=line.size, modified=line.modified)
        complete = complete and whole
    files = sorted(found.values(), key=lambda file: file.path)
    return FilesFound(files=files[:MAX_FILES], complete=complete and len(files) <= MAX_FILES)


def _verify(ftp: PrinterFTP, path: str, size: int) -> None:
    there = ftp.holds(path)
    if there != size:
        sentence = f"The printer holds {there or 0} of {size} bytes."
        raise FtpsError("incomplete", sentence)


@contextmanager
def _translated() -> Iterator[None]:
    """The library's and the network's errors as ours. Replies are quoted nowhere: they may repeat what was sent."""
    try:
        yield
    except CertificateError:
        raise FtpsError("cert_changed", "The printer shows another certificate than the known one.") from None
    except StreamError as error:
        raise FtpsError(error.code, error.sentence) from None
    except ftplib.Error as error:
        code, sentence = _REPLIES.get(str(error)[:3], ("broken", f"The printer answered {str(error)[:3]}."))
        raise FtpsError(code, sentence) from None
    except ValueError:  # a reply that is no text, or a size that is no number: the library takes both for granted
        raise FtpsError("broken", "The printer's answer makes no sense.") from None
    except TimeoutError:
        raise FtpsError("timeout", "The printer fell silent.") from None
    except (OSError, EOFError) as error:
        kind = error.reason if isinstance(error, ssl.SSLError) and error.reason else type(error).__name__
        raise FtpsError("broken", f"The connection to the printer broke ({kind}).") from None
