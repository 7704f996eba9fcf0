"""TLS to a printer: its certificate names no host and has no known signer, so it is compared with the pinned one."""

import hashlib
import hmac
import ssl
from dataclasses import dataclass, field


class CertificateError(Exception):
    """Another certificate than the pinned one, or none pinned yet. Nothing secret was sent."""


@dataclass(frozen=True)
class Target:
    """How to log in to one printer's services. The access code shows in no repr."""

    port: int
    access_code: str = field(repr=False)
    certificate: str
    """SHA-256 of the pinned certificate (DER), hex."""
    clear_data: bool = False
    """The model's encrypted FTPS data connection may hang, and it takes a clear one instead (A1 family)."""


def client_context() -> ssl.SSLContext:
    """TLS 1.2 only (X1C and H2D refuse 1.3, P2S truncates with it); the caller compares the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def check_pin(certificate: bytes | None, pinned: str) -> None:
    """Raises CertificateError unless the peer's certificate is the pinned one. Call before anything secret is sent."""
    shown = hashlib.sha256(certificate or b"").hexdigest()
    if certificate is None or not pinned or not hmac.compare_digest(shown, pinned.lower()):
        raise CertificateError("not the pinned certificate")
