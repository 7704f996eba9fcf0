"""Identifiers: a prefix that tells the kind, and 100 random bits. `[a-z0-9_]` only: safe in any subject or path."""

import base64
import secrets
from typing import Literal

Prefix = Literal[
    "ten", "usr", "ses", "lnk", "rec", "key", "aud", "prn", "mnt", "fil", "job", "hub", "his", "evt",
    "prd", "sku", "col", "plt", "fin", "asm", "tsk", "ord", "lin", "mov", "req", "tun", "trf", "cmd", "par", "upd",
]  # fmt: skip


def new(prefix: Prefix) -> str:
    return f"{prefix}_{random_text(13)[:20]}"


def random_text(size: int) -> str:
    """`size` random bytes as lower-case base32 without padding."""
    return base64.b32encode(secrets.token_bytes(size)).decode("ascii").rstrip("=").lower()
