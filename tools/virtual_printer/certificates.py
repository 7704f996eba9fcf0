"""The printer's certificate: RSA-2048, CN = serial number, no subjectAltName, as real printers present it.

One certificate serves MQTT, FTPS (control and data) and the camera. It depends on nothing but the key and the serial,
so it survives a power cycle and a restart as long as the key does; clients pin it.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

CIPHERS = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-GCM-SHA256"
"""The suites printers negotiate; slicers also expect the two plain-RSA ones to be offered."""


@dataclass(frozen=True)
class Certificate:
    """Key and certificate as PEM, and the SHA-256 of the certificate's DER form in lower-case hex."""

    pem: bytes = field(repr=False)
    fingerprint: str


def obtain(serial: str, folder: Path) -> Certificate:
    """The certificate of printer `serial` under the key kept in `folder` (made when it is not there yet)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "key.pem"
    if not path.exists():
        _write_atomically(path, _new_key())
    private = path.read_bytes()
    key = serialization.load_pem_private_key(private, None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{path} is not an RSA key")  # noqa: TRY004 - a bad file
    leaf = _sign(serial, key)
    der = leaf.public_bytes(serialization.Encoding.DER)
    return Certificate(private + leaf.public_bytes(serialization.Encoding.PEM), hashlib.sha256(der).hexdigest())


def replacement(serial: str) -> Certificate:
    """Another certificate for the same serial, under a key of its own that is kept nowhere."""
    with tempfile.TemporaryDirectory() as folder:
        return obtain(serial, Path(folder))


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """One context for all services of one printer, TLS 1.2 only: the session tickets of this context are what lets a
    client resume the FTPS control session on the data connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    # `load_cert_chain` reads files only.
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(certificate.pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _sign(serial: str, key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial)])
    begin = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    number = int.from_bytes(hashlib.sha256(serial.encode()).digest()[:8], "big") | 1
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )


def _new_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _write_atomically(path: Path, content: bytes) -> None:
    # Two test workers may make the key at once: the first complete one wins.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".making-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()
