"""Refresh tokens: `pfr.<session>.<generation>.<signature>`, signed with keys derived from the master keys.

They are stored nowhere. The session's row holds the generation that is valid now; a genuine token of an earlier one
was copied from somebody, and whoever holds the other copy is thrown out together with the thief.
"""

import base64
import hashlib
import hmac
from typing import Final

import msgspec

from cloud.storage.secrets import KeyRing, Secret

PREFIX: Final = "pfr"


class Refresh(msgspec.Struct, frozen=True):
    """What a genuine token says."""

    session_id: str
    generation: int


class RefreshTokens:
    """Makes and reads them. Every key of the ring reads, the current one signs."""

    def __init__(self, ring: KeyRing) -> None:
        self._keys = [ring.derive("printfarm refresh tokens", key_id) for key_id in ring.ids]

    def make(self, session_id: str, generation: int) -> Secret:
        body = f"{PREFIX}.{session_id}.{generation}"
        return Secret(f"{body}.{_signature(self._keys[0], body)}")

    def read(self, token: Secret) -> Refresh | None:
        """None for whatever is not ours."""
        body, _, signature = token.reveal().rpartition(".")
        parts = body.split(".")
        if len(parts) != 3 or parts[0] != PREFIX or not parts[2].isascii() or not parts[2].isdigit():
            return None
        if not any(hmac.compare_digest(signature.encode(), _signature(key, body).encode()) for key in self._keys):
            return None
        return Refresh(parts[1], int(parts[2]))


def _signature(key: bytes, body: str) -> str:
    digest = hmac.new(key, body.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
