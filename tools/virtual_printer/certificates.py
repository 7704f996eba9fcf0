"""The printer's certificate: RSA-2048, CN = serial number, no subjectAltName, as real printers present it.

One certificate serves MQTT, FTPS (control and data) and the camera, and it survives restarts when a folder is given,
because clients pin it.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

CIPHERS = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-GCM-SHA256"
"""The suites printers negotiate; slicers also expect the two plain-RSA ones to be offered."""


@dataclass(frozen=True)
class Certificate:
    """Key and certificate in one PEM file, and the SHA-256 of the DER form in lower-case hex."""

    path: Path
    fingerprint: str


def obtain(serial: str, folder: Path) -> Certificate:
    """The certificate of printer `serial` kept in `folder`, made when it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{serial}.pem"
    if not path.exists():
        _write_atomically(path, _make(serial))
    leaf = x509.load_pem_x509_certificate(path.read_bytes())
    der = leaf.public_bytes(serialization.Encoding.DER)
    return Certificate(path, hashlib.sha256(der).hexdigest())


def server_context(certificate: Certificate, *, allow_tls13: bool = False) -> ssl.SSLContext:
    """One context for all services of one printer: the session cache in it is what lets a client resume the
    FTPS control session on the data connection. TLS 1.2 only, unless a P2S that breaks with 1.3 is imitated."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_3 if allow_tls13 else ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.load_cert_chain(certificate.path)
    return context


def _make(serial: str) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial)])
    # Printers have no clock at first boot; their certificates begin long ago and last ten years.
    begin = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _write_atomically(path: Path, content: bytes) -> None:
    # Two test workers may make the same certificate at once: the first complete one wins.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".making-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()
