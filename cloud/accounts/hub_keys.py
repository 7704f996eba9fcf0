"""Keys of hubs: `pfh_<hub id>_<256 random bits>`. Kept as SHA-256 only; a slow hash of a random key buys nothing."""

import hashlib
import hmac
import re
from typing import Final

from cloud.storage import ids
from cloud.storage.secrets import Secret

_KEY: Final = re.compile(r"pfh_(?P<hub>[A-Za-z0-9_-]{1,40})_(?P<secret>[A-Za-z0-9]{16,128})")
_NO_HUB: Final = hashlib.sha256(b"no hub has this key").hexdigest()


def new_key(hub_id: str) -> Secret:
    """A key nobody has seen; it is shown once."""
    return Secret(f"pfh_{hub_id}_{ids.random_text(32)}")


def hashed(key: Secret) -> str:
    """What the database keeps: SHA-256 of the whole key, hex."""
    return hashlib.sha256(key.reveal().encode()).hexdigest()


def hub_of(key: Secret) -> str | None:
    """The hub a key claims to be of; None when it is not a key at all."""
    match = _KEY.fullmatch(key.reveal())
    return match["hub"] if match else None


def matches(key: Secret, key_hash: str | None) -> bool:
    """Whether this is the hub's key, in the same time for an unknown hub (None) and a revoked key ("")."""
    return hmac.compare_digest(hashed(key), key_hash or _NO_HUB) and bool(key_hash)
