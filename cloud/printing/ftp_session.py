"""FTPS as Bambu printers speak it, by the standard library, in a thread. Facts: reference/bambu.md §4.

Implicit TLS; the data connection's TLS begins after the 150 and resumes the control connection's session; the address
in a 227 is ignored; printers mostly do not answer a close-notify, so nobody waits for one; a 426 after the last byte
may be harmless, which only SIZE can tell.
"""

import contextlib
import ftplib
import select
import socket
import ssl
from collections.abc import Callable
from typing import BinaryIO, Final

from cloud.printing.printer_tls import check_pin, client_context

REPLY_SECONDS: Final = 60.0
"""For one reply or one block; a 226 takes 30 s on an H2D."""
HANDSHAKE_SECONDS: Final = 20.0
_QUIT_SECONDS: Final = 3.0
_BLOCK: Final = 32 * 1024
_BUFFER: Final = 64 * 1024

OpenSocket = Callable[[int], socket.socket]
"""Opens a connected socket to a port of the printer; called from the session's thread. Raises StreamError."""


class PrinterFTP(ftplib.FTP_TLS):
    """One control connection. `encrypted` says whether data connections are."""

    def __init__(self, open_socket: OpenSocket, certificate: str, *, encrypted: bool) -> None:
        super().__init__(context=client_context(), timeout=REPLY_SECONDS)
        self._open_socket = open_socket
        self._certificate = certificate
        self._encrypted = encrypted

    def reach(self, port: int, user: str, password: str) -> None:
        """Connect, compare the certificate, and only then log in."""
        raw = self._open_socket(port)
        raw.settimeout(HANDSHAKE_SECONDS)
        self.sock = sock = self.context.wrap_socket(raw)
        check_pin(sock.getpeercert(binary_form=True), self._certificate)
        sock.settimeout(REPLY_SECONDS)
        self.af = socket.AF_INET  # PASV, never EPSV
        self.file = sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        if not self.welcome.startswith("2"):
            raise ftplib.error_temp(self.welcome)  # noqa: S321 - printers speak FTPS, and this is its error
        self.login(user, password, secure=False)
        self.voidcmd("PBSZ 0")
        self.voidcmd("PROT P" if self._encrypted else "PROT C")
        self.voidcmd("TYPE I")

    def holds(self, path: str) -> int | None:
        """The size of a file in bytes, None when there is none."""
        try:
            return self.size(path)
        except ftplib.error_perm as error:
            if str(error).startswith("550"):
                return None
            raise

    def enter(self, folder: str) -> None:
        """Make sure that a folder exists."""
        try:
            self.cwd(folder)
        except ftplib.error_perm:
            self.mkd(folder)

    def visit(self, folder: str) -> bool:
        """Go into a folder; False when there is none."""
        try:
            self.cwd(folder)
        except ftplib.error_perm as error:
            if str(error).startswith("550"):
                return False
            raise
        return True

    def listing(self, limit: int) -> tuple[bytes, bool]:
        """LIST of the folder it is in, at most so many bytes; False when there was more."""
        data = self._data_connection("LIST")
        text = bytearray()
        with contextlib.closing(data):
            while len(text) <= limit and (block := data.recv(_BLOCK)):
                text += block
        whole = len(text) <= limit
        try:
            self.voidresp()
        except ftplib.Error:
            if whole:
                raise  # else: of course it complains about the connection that was closed under it
        return bytes(text[:limit]), whole

    def send(self, path: str, source: BinaryIO, sent: Callable[[int], None]) -> None:
        """STOR. Returns when the printer said that it has everything; `sent` hears the bytes gone so far."""
        data = self._data_connection(f"STOR {path}")
        count = 0
        with contextlib.closing(data):
            while block := source.read(_BLOCK):
                data.sendall(block)
                count += len(block)
                sent(count)
            if isinstance(data, ssl.SSLSocket):
                _say_goodbye(data)
        self.voidresp()

    def leave(self) -> None:
        """QUIT, politely but without patience; then close."""
        if isinstance(self.sock, socket.socket):
            with contextlib.suppress(OSError, EOFError, ftplib.Error):
                self.sock.settimeout(_QUIT_SECONDS)
                self.voidcmd("QUIT")
        self.close()

    def _data_connection(self, command: str) -> socket.socket:
        _, port = ftplib.parse227(self.sendcmd("PASV"))  # noqa: S321 - FTP inside TLS
        raw = self._open_socket(port)
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            return self._begin_data(raw, command)
        except BaseException:
            raw.close()
            raise

    def _begin_data(self, raw: socket.socket, command: str) -> socket.socket:
        reply = self.sendcmd(command)
        if not reply.startswith("1"):
            raise ftplib.error_reply(reply)  # noqa: S321 - printers speak FTPS, and this is its error
        if not self._encrypted:
            raw.settimeout(REPLY_SECONDS)
            return raw
        raw.settimeout(HANDSHAKE_SECONDS)
        control = self.sock
        session = control.session if isinstance(control, ssl.SSLSocket) else None
        wrapped = self.context.wrap_socket(raw, session=session)
        wrapped.settimeout(REPLY_SECONDS)
        return wrapped


def _say_goodbye(sock: ssl.SSLSocket) -> None:
    """Send close-notify without waiting for the printer's, which mostly never comes."""
    sock.settimeout(0.0)
    while True:
        try:
            sock.unwrap()
        except ssl.SSLWantWriteError:
            _, writable, _ = select.select([], [sock], [], REPLY_SECONDS)
            if not writable:
                return
        except (ssl.SSLError, OSError, ValueError):
            return  # SSLWantReadError: it is out, and the answer is not waited for
        else:
            return
