"""Secrets at rest: AES-256-GCM, bound to the row they belong to, under a key that can be replaced.

A sealed secret reads `v1.<key id>.<base64url of nonce and ciphertext>`. Table, row, column and tenant are its
associated data, so a ciphertext copied into another row does not open there.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_VERSION: Final = "v1"


class Secret:
    """Text that nothing shows by accident: printing, formatting and pickling it reveal nothing."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and secrets.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


class SecretKeyError(Exception):
    """The key ring cannot be used, or does not hold the key a secret was sealed with."""


class KeyRing:
    """Master keys by id, the first one current. Every other key is derived from one of them."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise SecretKeyError("the key ring is empty")
        for key in keys.values():
            if len(key) != KEY_BYTES:
                raise SecretKeyError(f"a secret key must be {KEY_BYTES} bytes of base64")
        self._keys = dict(keys)
        self.current = next(iter(self._keys))

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """One base64 key a line, or separated by commas; the first is the current one, the others still open."""
        keys: dict[str, bytes] = {}
        for word in text.replace(",", "\n").split():
            try:
                key = base64.b64decode(word, validate=True)
            except ValueError:
                raise SecretKeyError("a secret key is not base64") from None
            keys[_key_id(key)] = key
        return cls(keys)

    @classmethod
    def load_or_create(cls, path: Path) -> "KeyRing":
        """The ring in this file; made on first use, readable by its owner only."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls._load(path)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii") + "\n")
            file.flush()
            os.fsync(file.fileno())
        return cls._load(path)

    @classmethod
    def _load(cls, path: Path) -> "KeyRing":
        if path.stat().st_mode & 0o077:
            raise SecretKeyError(f"{path} can be read by others; run: chmod 600 {path}")
        try:
            return cls.parse(path.read_text(encoding="ascii"))
        except (UnicodeDecodeError, SecretKeyError) as error:
            raise SecretKeyError(f"{path}: {error}") from None

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def derive(self, purpose: str, key_id: str | None = None) -> bytes:
        """A 32-byte key for one purpose. Raises SecretKeyError when the id is not in the ring."""
        master = self._keys.get(key_id or self.current)
        if master is None:
            raise SecretKeyError(f"no secret key with id {key_id!r}")
        return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(master)


class Vault:
    """Seals and opens secrets that are kept in rows."""

    def __init__(self, ring: KeyRing) -> None:
        self.current = ring.current
        """Id of the key that seals."""
        self._ciphers = {key_id: AESGCM(ring.derive("printfarm secrets at rest", key_id)) for key_id in ring.ids}

    def seal(self, secret: Secret, *, tenant: str, table: str, row: str, column: str) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        place = _place(tenant, table, row, column)
        sealed = self._ciphers[self.current].encrypt(nonce, secret.reveal().encode(), place)
        return f"{_VERSION}.{self.current}.{base64.urlsafe_b64encode(nonce + sealed).decode('ascii')}"

    def open(self, sealed: str, *, tenant: str, table: str, row: str, column: str) -> Secret:
        """Raises SecretKeyError when it was sealed elsewhere, with a key that is gone, or was damaged."""
        try:
            version, key_id, body = sealed.split(".")
            data = base64.urlsafe_b64decode(body)
        except ValueError:
            raise SecretKeyError("not a sealed secret") from None
        cipher = self._ciphers.get(key_id)
        if version != _VERSION or cipher is None:
            raise SecretKeyError(f"no secret key with id {key_id!r}")
        try:
            text = cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], _place(tenant, table, row, column))
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
            raise SecretKeyError("the secret does not open: damaged, or moved from another row") from None
        return Secret(text.decode())


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"printfarm key id" + key).hexdigest()[:8]


def _place(*parts: str) -> bytes:
    """Unambiguous: each part with its length."""
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
