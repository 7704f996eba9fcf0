"""The key that signs releases: the private half in a file of its own outside the repository, the public half in
firmware/hub/release_key.py.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ROOT = Path(__file__).resolve().parents[2]
BUILT_IN = Path("firmware") / "hub" / "release_key.py"
BITS = 2048
MOST_KEYS = 2

_KEYS = re.compile(r"^KEYS: \"tuple\[str, \.\.\.\]\" = \([^)]*\)$", re.MULTILINE)


class KeyFileError(RuntimeError):
    """A key cannot be made or used; the text is for a person."""


def new_key(path: Path) -> rsa.RSAPrivateKey:
    """Make a private key in a new file that only its owner can read. KeyFileError when it may not be there."""
    path = path.expanduser().resolve()
    if path.is_relative_to(ROOT):
        raise KeyFileError(f"{path} is inside the repository, where a private key must never be: name another place.")
    key = rsa.generate_private_key(65537, BITS)
    data = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} exists. A key that hubs trust is never overwritten: name another file.") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return key


def load_key(path: Path) -> rsa.RSAPrivateKey:
    """Read a private key. KeyFileError in words."""
    path = path.expanduser()
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        raise KeyFileError(f"There is no key at {path}: make one with `python -m tools.release key`.") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path} is no private key in PEM without a password.") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < BITS:
        raise KeyFileError(f"{path} is no RSA key of {BITS} bits.")
    return key


def modulus(key: rsa.RSAPrivateKey) -> str:
    """The public half, as release_key.py holds it."""
    return f"{key.public_key().public_numbers().n:x}"


def built_in(root: Path = ROOT) -> list[str]:
    """The public keys of the firmware's source."""
    scope: dict[str, object] = {}
    exec((root / BUILT_IN).read_text(), scope)  # noqa: S102 - our own source
    return list(scope["KEYS"])  # type: ignore[call-overload, no-any-return]


def build_in(keys: list[str], root: Path = ROOT) -> None:
    """Write the public keys into the firmware's source. KeyFileError when there are more than a hub knows."""
    if len(keys) > MOST_KEYS:
        raise KeyFileError(f"A hub knows {MOST_KEYS} keys, one of them to follow the other.")
    text = "".join(f"    {_literal(key)},\n" for key in keys)
    path = root / BUILT_IN
    path.write_text(_KEYS.sub(f'KEYS: "tuple[str, ...]" = ({chr(10) + text if keys else ""})', path.read_text()))


def _literal(key: str) -> str:
    """In pieces that fit on lines."""
    pieces = [key[start : start + 100] for start in range(0, len(key), 100)]
    return "\n    ".join(f'"{piece}"' for piece in pieces)


def sign(key: rsa.RSAPrivateKey, text: bytes) -> bytes:
    """A manifest as hubs take it: the signature in hexadecimal, a line feed, the signed text."""
    return key.sign(text, padding.PKCS1v15(), hashes.SHA256()).hex().encode() + b"\n" + text
