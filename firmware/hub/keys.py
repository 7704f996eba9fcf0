"""A new key for the cloud: two are kept until the cloud has taken one of them, so that no cut and no mistake locks
the hub out. The file of the identity holds them as `key`, which is tried first, and `old_key`.
"""

import json

from hub.config import IDENTITY, plain
from hub.flash import write_whole


def store_new(config, key: str) -> None:  # type: ignore[no-untyped-def]
    """Use `key` from the next connection on.

    Raises ValueError for what cannot be a key, OSError when the flash takes nothing: then all is as before.
    """
    if config.identity is None or not plain(key):
        raise ValueError("The key must be printable text without blanks.")
    if key != config.identity.key:
        _store(config, key, config.identity.key)


def keep_one(config) -> None:  # type: ignore[no-untyped-def]
    """The cloud took the key in use: the other one has no use any more. Raises OSError when that is not stored."""
    _store(config, config.identity.key, None)


def _store(config, key: str, old: "str | None") -> None:  # type: ignore[no-untyped-def]
    document = config.read(IDENTITY)
    document["key"] = key
    document.pop("old_key", None)
    if old is not None:
        document["old_key"] = old
    write_whole(config.path(IDENTITY), json.dumps(document).encode())
    config.identity.key, config.identity.old_key = key, old
