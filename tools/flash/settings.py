"""What a cloud of one's own needs on the hub: the authorities that sign its certificate."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tools.flash.device import Device, DeviceError
from tools.flash.failures import FlashError, Stage

_DATA = """
import os, sys
root = "data" if sys.platform == "esp32" else os.getenv("PF_DATA") or "."
try:
    os.mkdir(root)
except OSError:
    pass
def _same(name, digest):
    import hashlib
    try:
        with open(root + "/" + name, "rb") as f:
            return hashlib.sha256(f.read()).digest() == digest
    except OSError:
        return False
print(repr((root, [_same(*one) for one in %r])))
"""


def authorities(file: Path) -> dict[str, bytes]:
    """The certificates of a PEM or DER file, as the names and contents they have on the hub; FlashError without any."""
    try:
        content = file.read_bytes()
        if b"-----BEGIN" in content:
            found = x509.load_pem_x509_certificates(content)
        else:
            found = [x509.load_der_x509_certificate(content)]
    except OSError as error:
        raise FlashError(Stage.INSTALL, f"{file} cannot be read ({error.strerror}); check --ca") from error
    except ValueError as error:
        raise FlashError(Stage.INSTALL, f"{file} holds no certificate in PEM or DER; check --ca") from error
    ders = [one.public_bytes(Encoding.DER) for one in found]
    return {f"ca-{hashlib.sha256(der).hexdigest()[:12]}.der": der for der in ders}


def put(board: Device, certificates: dict[str, bytes]) -> list[str]:
    """Put certificates into the hub's data folder; the names of those that were not there already."""
    try:
        wanted = [(name, hashlib.sha256(content).digest()) for name, content in certificates.items()]
        root, there = board.value(_DATA % wanted)
        missing = [name for name, found in zip(certificates, there, strict=True) if not found]
        for name in missing:
            board.write(f"{root}/{name}", certificates[name])
    except DeviceError as error:
        raise FlashError(
            Stage.INSTALL, f"the certificates were not installed ({error}); run the same command again"
        ) from error
    return missing
