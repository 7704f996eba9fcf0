"""A direct upload to a printer, without hub or cloud: the standard library's FTP over implicit TLS."""

from __future__ import annotations

import ftplib
import io
import socket
import ssl
import time
from typing import Any

from tools.bench.bare import printer_context
from tools.virtual_printer.harness import RunningPrinter

_PATIENCE = 120.0


class _Ftps(ftplib.FTP_TLS):
    """TLS from the first byte, and one TLS session for the control and the data connection."""

    def connect(self, host: str = "", port: int = 0, *_: Any, **__: Any) -> str:
        plain = socket.create_connection((host, port), timeout=_PATIENCE)
        self.host, self.port, self.af = host, port, plain.family
        self.sock = self.context.wrap_socket(plain)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - TLS follows
        assert isinstance(self.sock, ssl.SSLSocket)
        return self.context.wrap_socket(conn, session=self.sock.session), size


def upload(printer: RunningPrinter, path: str, content: bytes) -> float:
    """Seconds from connecting to the printer's "transfer complete". Blocks. Raises what ftplib raises."""
    began = time.monotonic()
    ftp = _Ftps(context=printer_context(), timeout=_PATIENCE)
    try:
        ftp.connect(printer.address, printer.ports["ftps"])
        ftp.login("bblp", printer.access_code)
        ftp.prot_p()
        ftp.voidcmd("TYPE I")
        data = ftp.transfercmd(f"STOR {path}")
        with data:
            source = io.BytesIO(content)
            while block := source.read(32 * 1024):
                data.sendall(block)
            # Many printers never answer a close-notify, so none is awaited.
            data.shutdown(socket.SHUT_WR)
        ftp.voidresp()
    finally:
        ftp.close()
    return time.monotonic() - began
