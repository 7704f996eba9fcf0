"""Access tokens: JSON Web Tokens, HS256, signed with keys derived from the master keys."""

from datetime import UTC, datetime
from typing import Final

import jwt
import msgspec

from cloud.storage import clock
from cloud.storage.secrets import KeyRing

ISSUER: Final = "printfarm"
AUDIENCE: Final = "printfarm-api"
ALGORITHM: Final = "HS256"
LEEWAY_SECONDS: Final = 5
_REQUIRED: Final = ["iss", "aud", "exp", "iat", "sub", "sid"]


class Claims(msgspec.Struct, frozen=True):
    """What a token says, once its signature and times are checked."""

    user_id: str
    session_id: str


class Tokens:
    """Makes and reads tokens. Every key of the ring reads, the current one signs."""

    def __init__(self, ring: KeyRing) -> None:
        # PyJWT only warns about short keys unless told to refuse them.
        self._jwt = jwt.PyJWT(options={"enforce_minimum_key_length": True})
        self._keys = {key_id: ring.derive("printfarm access tokens", key_id) for key_id in ring.ids}
        self._current = ring.current

    def make(self, *, user_id: str, session_id: str, expires_at: str) -> str:
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "iat": datetime.now(UTC),
            "exp": clock.parse(expires_at),
        }
        return self._jwt.encode(claims, self._keys[self._current], ALGORITHM, headers={"kid": self._current})

    def read(self, token: str) -> Claims | None:
        """None for whatever is wrong with it."""
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = self._jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except (jwt.InvalidTokenError, KeyError, TypeError):
            return None
        return Claims(str(claims["sub"]), str(claims["sid"]))
