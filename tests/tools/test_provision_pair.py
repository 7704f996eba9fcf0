"""Following a hub that was given a box, against a hub that answers by script."""

from __future__ import annotations

import json
import secrets

import pytest

from shared_protocol import pairing
from tools.provision.pair import PairError, pair

SECRET = bytes(range(16))
NONCE = bytes(pairing.NONCE_BYTES)
CONTENT = {"ssid": "Farm", "psk": "secret123", "url": "https://farm.example", "t": "token"}


class Script:
    """A hub in the states given, one a poll; its reply is signed from the first that is not "failed"."""

    def __init__(self, *states: str) -> None:
        self._states = iter(states)
        self._state = "failed"  # from the try before
        self._salt = b""

    async def info(self) -> bytes:
        known = {"id": pairing.device_of(pairing.proof_of(SECRET)), "nonce": NONCE.hex(), "state": self._state}
        return json.dumps(known).encode()

    async def deliver(self, box: bytes) -> None:
        self._salt = box[: pairing.SALT_BYTES]

    async def reply(self) -> bytes:
        self._state = next(self._states)
        if self._state == "failed":
            return secrets.token_bytes(40)  # to another box
        return pairing.answer(SECRET, NONCE, self._salt, json.dumps({"state": self._state}).encode())


async def test_the_failure_of_the_try_before_is_not_taken_for_this_ones() -> None:
    told: list[str] = []
    assert await pair(Script("failed", "joining", "done"), SECRET, CONTENT, told.append) == {"state": "done"}
    assert told == ["joining", "done"]


async def test_a_hub_that_cannot_open_the_box_ends_it() -> None:
    with pytest.raises(PairError, match="another hub") as refused:
        await pair(Script(*["failed"] * 9), SECRET, CONTENT, print)
    assert refused.value.code == "bad_box"
