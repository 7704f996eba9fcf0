"""Random words whose bearer is let in. There are too many to guess: of one a fast hash is all that is kept."""

import hashlib
import secrets


def new_token() -> str:
    """256 random bits, as they stand in a link."""
    return secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """What the database keeps: SHA-256, hex."""
    return hashlib.sha256(token.encode()).hexdigest()
