"""Implicit FTPS as the printers speak it: the control connection and its commands."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tools.virtual_printer.ftps_data import DataChannel, Pace, TransferEnd
from tools.virtual_printer.storage import Entry, StorageError
from tools.virtual_printer.wire import Wire

if TYPE_CHECKING:
    from tools.virtual_printer.printer import Printer

USER = "bblp"
_IDLE_LIMIT = 300.0
"""Idle control connections are dropped after about five minutes, without notice."""
_LINGER_LIMIT = 60.0
_FEATURES = ("EPRT", "EPSV", "MDTM", "PASV", "PBSZ", "PROT", "REST STREAM", "SIZE", "TVFS", "UTF8")


class FtpsServer:
    """Accepts control connections of one printer."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._running = asyncio.Event()
        self._running.set()
        self._pace = Pace()
        self._lingering: set[asyncio.Task[None]] = set()
        self.transferring = 0

    async def serve(self, wire: Wire) -> None:
        if self._printer.faults.tls_hang:
            await wire.wait_for_tcp_end()
            return
        await wire.start_tls(self._printer.context)
        await _Control(self._printer, wire).run()

    def faults_changed(self) -> None:
        if self._printer.faults.stall_upload_at:
            self._running.clear()
        else:
            self._running.set()

    async def unstalled(self) -> None:
        """Return when the stall fault is not (or no longer) on."""
        await self._running.wait()

    async def pace(self, seconds: float) -> None:
        await self._pace.take(seconds)

    def linger(self, wire: Wire) -> None:
        """Keep a data socket open, answering nothing, until the client closes it."""
        task = asyncio.create_task(_linger(wire))
        self._lingering.add(task)
        task.add_done_callback(self._lingering.discard)

    async def close(self) -> None:
        for task in list(self._lingering):
            task.cancel()
        await asyncio.gather(*self._lingering, return_exceptions=True)


async def _linger(wire: Wire) -> None:
    try:
        async with asyncio.timeout(_LINGER_LIMIT):
            await wire.wait_for_tcp_end()
    except TimeoutError:
        pass  # a client that forgets its socket does not keep ours
    finally:
        wire.abort()


class _Control:
    """One control connection."""

    def __init__(self, printer: Printer, wire: Wire) -> None:
        self._printer = printer
        self._wire = wire
        self._cwd = "/"
        self._user = ""
        self._logged_in = False
        self._protected = False
        self._data: DataChannel | None = None
        self._rename_from = ""
        self._open = True

    async def run(self) -> None:
        await self._reply(220, self._printer.model.banner)
        try:
            while self._open:
                async with asyncio.timeout(_IDLE_LIMIT):
                    line = await self._wire.read_line()
                await self._command(line.decode("utf-8", "replace"))
        except ValueError:
            await self._reply(500, "Input line too long.")
        finally:
            if self._data is not None:
                self._data.abort()

    async def _command(self, line: str) -> None:
        verb, _, argument = line.partition(" ")
        verb, argument = verb.upper(), argument.strip()
        self._printer.journal.counters[f"ftps_{verb.lower()}"] += 1
        if verb not in _BEFORE_LOGIN and not self._logged_in:
            await self._reply(530, "Please login with USER and PASS.")
            return
        method = _COMMANDS.get(verb)
        if method is None:
            await self._reply(500, "Unknown command.")
            return
        try:
            await method(self, argument)
        except (StorageError, TransferEnd) as ending:
            await self._reply(ending.code, ending.message)

    async def _reply(self, code: int, text: str) -> None:
        await self._wire.write(f"{code} {text}\r\n".encode())

    # Session

    async def _do_user(self, argument: str) -> None:
        self._user = argument
        await self._reply(331, "Please specify the password.")

    async def _do_pass(self, argument: str) -> None:
        code = self._printer.access_code.encode()
        if self._user == USER and hmac.compare_digest(argument.encode(), code):
            self._logged_in = True
            await self._reply(230, "Login successful.")
        else:
            self._printer.journal.event("ftps_refused", reason="login", peer=self._wire.peer)
            await self._reply(530, "Login incorrect.")

    async def _do_quit(self, argument: str) -> None:
        await self._reply(221, "Goodbye.")
        self._open = False
        await self._wire.close()

    async def _do_pbsz(self, argument: str) -> None:
        await self._reply(200, "PBSZ set to 0.")

    async def _do_prot(self, argument: str) -> None:
        if argument.upper() not in ("P", "C"):
            await self._reply(504, "PROT not supported.")
            return
        self._protected = argument.upper() == "P"
        await self._reply(200, f"PROT now {'Private' if self._protected else 'Clear'}.")

    async def _do_type(self, argument: str) -> None:
        await self._reply(200, "Switching to Binary mode.")

    async def _do_noop(self, argument: str) -> None:
        await self._reply(200, "NOOP ok.")

    async def _do_syst(self, argument: str) -> None:
        await self._reply(215, "UNIX Type: L8")

    async def _do_feat(self, argument: str) -> None:
        lines = "".join(f" {feature}\r\n" for feature in _FEATURES)
        await self._wire.write(f"211-Features:\r\n{lines}211 End\r\n".encode())

    async def _do_opts(self, argument: str) -> None:
        await self._reply(200, "Always in UTF8 mode.")

    async def _do_rest(self, argument: str) -> None:
        # Resuming an upload is not available on printers; REST 0 is harmless.
        if argument == "0":
            await self._reply(350, "Restart position accepted (0).")
        else:
            await self._reply(502, "REST not implemented.")

    async def _do_not_here(self, argument: str) -> None:
        await self._reply(502, "Command not implemented.")

    # Data connections

    def _new_channel(self) -> DataChannel:
        if self._data is not None:
            self._data.abort()
        self._data = DataChannel(self._printer, self._wire.local_address[0])
        return self._data

    async def _do_pasv(self, argument: str) -> None:
        channel = self._new_channel()
        zero = self._printer.faults.pasv_zero_address
        host = "0.0.0.0" if zero else channel.host  # noqa: S104 - a text, nothing is bound
        numbers = [*host.split("."), str(channel.port >> 8), str(channel.port & 255)]
        await self._reply(227, f"Entering Passive Mode ({','.join(numbers)}).")

    async def _do_epsv(self, argument: str) -> None:
        if not self._printer.faults.epsv:
            await self._reply(502, "Command not implemented.")
            return
        await self._reply(229, f"Entering Extended Passive Mode (|||{self._new_channel().port}|)")

    async def _transfer(self, work: Callable[[DataChannel], Awaitable[None]], opening: str) -> None:
        """150, TLS on the data socket, the bytes, the final reply."""
        channel, self._data = self._data, None
        if channel is None:
            raise StorageError(425, "Use PORT or PASV first.")
        server = self._printer.ftps
        try:
            if server.transferring:
                raise StorageError(425, "Another transfer is in progress.")
            server.transferring += 1
            try:
                await self._reply(150, opening)
                await channel.open(protected=self._protected)
                await work(channel)
                raise TransferEnd(226, "Transfer complete.")
            except OSError:
                raise TransferEnd(426, "Failure reading network stream.") from None
            finally:
                server.transferring -= 1
        finally:
            channel.abort()

    async def _do_stor(self, argument: str) -> None:
        path = self._path(argument)
        self._check_storage(writing=True)
        storage = self._printer.storage
        storage.check_name(path)
        plan = self._printer.engine.plan
        in_use = plan is not None and plan.path == path
        if in_use or storage.is_directory(path) or not storage.is_directory(path.rsplit("/", 1)[0] or "/"):
            raise StorageError(553, "Could not create file.")
        if self._printer.faults.storage == "full":
            raise StorageError(552, "Storage full.")
        await self._transfer(lambda channel: channel.receive(path), "Ok to send data.")

    async def _do_retr(self, argument: str) -> None:
        path = self._path(argument)
        self._check_storage()
        if not self._printer.storage.is_file(path):
            raise StorageError(550, "Failed to open file.")
        content = self._printer.storage.local(path).read_bytes()
        opening = f"Opening BINARY mode data connection for {path} ({len(content)} bytes)."
        await self._transfer(lambda channel: channel.send(content), opening)

    async def _do_list(self, argument: str) -> None:
        words = [word for word in argument.split() if not word.startswith("-")]
        entries = self._listing(" ".join(words))
        text = "".join(_unix_line(entry) for entry in entries)
        await self._transfer(lambda channel: channel.send(text.encode()), "Here comes the directory listing.")

    async def _do_nlst(self, argument: str) -> None:
        full = self._printer.model.nlst_full_paths
        names = [entry.path if full else entry.path.rsplit("/", 1)[-1] for entry in self._listing(argument)]
        text = "".join(f"{name}\r\n" for name in names)
        await self._transfer(lambda channel: channel.send(text.encode()), "Here comes the directory listing.")

    def _listing(self, argument: str) -> list[Entry]:
        hidden = self._printer.machine.locked and self._printer.model.locks_storage
        if hidden or self._printer.faults.storage == "missing":
            return []
        return self._printer.storage.list(self._path(argument))

    # Files

    def _path(self, argument: str) -> str:
        return self._printer.storage.absolute(argument, self._cwd)

    def _check_storage(self, *, writing: bool = False) -> None:
        locked = self._printer.machine.locked and self._printer.model.locks_storage
        if self._printer.faults.storage == "missing" or (writing and locked):
            raise StorageError(553, "Could not create file.") if writing else StorageError(550, "Failed to open file.")

    async def _do_size(self, argument: str) -> None:
        self._check_storage()
        await self._reply(213, str(self._printer.storage.size(self._path(argument))))

    async def _do_mdtm(self, argument: str) -> None:
        self._check_storage()
        path = self._path(argument)
        self._printer.storage.size(path)
        modified = time.gmtime(self._printer.storage.local(path).stat().st_mtime)
        await self._reply(213, time.strftime("%Y%m%d%H%M%S", modified))

    async def _do_dele(self, argument: str) -> None:
        self._check_storage()
        self._printer.storage.delete(self._path(argument))
        self._printer.storage_changed()
        self._printer.journal.event("file_deleted", path=self._path(argument))
        await self._reply(250, "Delete operation successful.")

    async def _do_mkd(self, argument: str) -> None:
        self._check_storage(writing=True)
        self._printer.storage.make_directory(self._path(argument))
        await self._reply(257, f'"{self._path(argument)}" created')

    async def _do_rmd(self, argument: str) -> None:
        self._check_storage()
        self._printer.storage.remove_directory(self._path(argument))
        await self._reply(250, "Remove directory operation successful.")

    async def _do_cwd(self, argument: str) -> None:
        if not self._printer.storage.is_directory(self._path(argument)):
            raise StorageError(550, "Failed to change directory.")
        self._cwd = self._path(argument)
        await self._reply(250, "Directory successfully changed.")

    async def _do_cdup(self, argument: str) -> None:
        await self._do_cwd("..")

    async def _do_pwd(self, argument: str) -> None:
        await self._reply(257, f'"{self._cwd}" is the current directory')

    async def _do_rnfr(self, argument: str) -> None:
        self._check_storage()
        path = self._path(argument)
        if not (self._printer.storage.is_file(path) or self._printer.storage.is_directory(path)):
            raise StorageError(550, "RNFR command failed.")
        self._rename_from = path
        await self._reply(350, "Ready for RNTO.")

    async def _do_rnto(self, argument: str) -> None:
        source, self._rename_from = self._rename_from, ""
        if not source:
            raise StorageError(503, "RNFR required first.")
        self._printer.storage.rename(source, self._path(argument))
        await self._reply(250, "Rename successful.")


def _unix_line(entry: Entry) -> str:
    when = time.strftime("%b %d %H:%M", time.gmtime(entry.modified))
    kind = "drwxr-xr-x" if entry.is_directory else "-rw-r--r--"
    return f"{kind}    1 0        0        {entry.size:>12} {when} {entry.path.rsplit('/', 1)[-1]}\r\n"


_BEFORE_LOGIN = {"USER", "PASS", "PBSZ", "PROT", "QUIT", "FEAT", "SYST", "NOOP", "OPTS"}
_COMMANDS: dict[str, Callable[[_Control, str], Awaitable[None]]] = {
    "USER": _Control._do_user,
    "PASS": _Control._do_pass,
    "QUIT": _Control._do_quit,
    "PBSZ": _Control._do_pbsz,
    "PROT": _Control._do_prot,
    "TYPE": _Control._do_type,
    "MODE": _Control._do_noop,
    "STRU": _Control._do_noop,
    "NOOP": _Control._do_noop,
    "SYST": _Control._do_syst,
    "FEAT": _Control._do_feat,
    "OPTS": _Control._do_opts,
    "REST": _Control._do_rest,
    "APPE": _Control._do_not_here,
    "MLSD": _Control._do_not_here,
    "MLST": _Control._do_not_here,
    "PORT": _Control._do_not_here,
    "EPRT": _Control._do_not_here,
    "PASV": _Control._do_pasv,
    "EPSV": _Control._do_epsv,
    "STOR": _Control._do_stor,
    "RETR": _Control._do_retr,
    "LIST": _Control._do_list,
    "NLST": _Control._do_nlst,
    "SIZE": _Control._do_size,
    "MDTM": _Control._do_mdtm,
    "DELE": _Control._do_dele,
    "MKD": _Control._do_mkd,
    "RMD": _Control._do_rmd,
    "CWD": _Control._do_cwd,
    "CDUP": _Control._do_cdup,
    "PWD": _Control._do_pwd,
    "RNFR": _Control._do_rnfr,
    "RNTO": _Control._do_rnto,
}
