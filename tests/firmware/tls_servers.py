"""Loopback servers with a certificate of their own, for everything the firmware connects to."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def certificate(name: str, serial: int = 1) -> tuple[bytes, bytes, bytes]:
    """A self-signed leaf as printers have it (CN only, RSA-2048): (certificate, key, DER).

    The same name and number give the same certificate; another number is a renewed one.
    """
    return _certificate(name, serial)


@cache
def _certificate(name: str, serial: int) -> tuple[bytes, bytes, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2022, 4, 4, tzinfo=datetime.UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    encoding = serialization.Encoding
    return leaf.public_bytes(encoding.PEM), private, leaf.public_bytes(encoding.DER)


def server_context(name: str = "localhost", serial: int = 1) -> ssl.SSLContext:
    """A TLS 1.2 server context with the certificate of *name*."""
    pem, key, _ = certificate(name, serial)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with TemporaryDirectory() as folder:
        path = Path(folder) / "both.pem"
        path.write_bytes(pem + key)
        context.load_cert_chain(path)
    return context


@contextlib.asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve *handler* on a loopback port, which is yielded; it must close or abort its writer."""
    # A MicroPython client never sends a close-notify: do not wait for one.
    timeouts: dict[str, Any] = {"ssl_shutdown_timeout": 0.2, "ssl_handshake_timeout": 10.0} if context else {}
    running: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await handler(reader, writer)
        finally:
            running.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=context, **timeouts)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
