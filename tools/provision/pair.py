"""What a phone does when it pairs a hub, over any channel: seal a box, hand it over, follow the replies."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from shared_protocol import pairing

LIMIT_S: Final = 90.0
"""The whole of joining, reaching and claiming; a radio gives a network up after 30 s, and the cloud is tried thrice."""

PAUSE_S: Final = 0.3

SENTENCES: Final[Mapping[str, str]] = {
    "bad_box": "The hub could not open the box: this label belongs to another hub.",
    "too_many": "The hub heard too many wrong boxes; wait a minute and try again.",
    "no_network": "The hub sees no network of that name; only 2.4 GHz networks are in its range.",
    "wrong_password": "The network does not accept the password.",
    "no_address": "The network gives the hub no address; look at its DHCP.",
    "no_internet": "The network does not lead the hub to the cloud's name; look at its internet access and DNS.",
    "cloud_unreachable": "The hub finds the cloud but cannot reach it; a firewall may be in the way.",
    "clock": "The hub cannot check the cloud's certificate; look at the authority it was flashed with.",
    "token_invalid": "The leave to pair is used up or too old; try again.",
    "already_owned": "The hub belongs to somebody else; its owner releases it, or its button is held for ten seconds.",
    "cloud_refused": "The cloud refused the hub.",
    "wrong_hub": "This is another hub than the label's.",
    "silent": "The hub does not answer any more; its power or the connection may be gone.",
    "no_way": "There is no way to the hub from here:",
    "not_found": "No hub with this label is in range, or it is paired already.",
    "too_long": "The network's name and password are too long for a box.",
    "no_cloud": "The cloud cannot be reached from here.",
    "not_allowed": "The cloud does not let you pair this hub.",
}
"""A sentence for each thing that can be wrong: what hubs tell (`pairing.CODES`), and what this side sees."""

_HERE: Final = ("wrong_hub", "silent", "not_found", "too_long", "no_cloud", "not_allowed", "no_way")


def exit_code(code: str) -> int:
    """10 and up for the hub's codes, in their order; 3 to 9 for what this side sees."""
    return 10 + pairing.CODES.index(code) if code in pairing.CODES else 3 + _HERE.index(code)


class PairError(Exception):
    """`code` is a key of SENTENCES."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{SENTENCES[code]} {detail}".rstrip())
        self.code = code


class Channel(Protocol):
    """A way to a hub that is being set up. Anything may raise ConnectionError or TimeoutError."""

    async def info(self) -> bytes:
        """The JSON of INFO."""

    async def deliver(self, box: bytes) -> None:
        """Hand over a whole box."""

    async def reply(self) -> bytes:
        """The reply to the last box; empty before there is one."""


class Gatt(Protocol):
    """A connection by Bluetooth."""

    async def read(self, uuid: str) -> bytes:
        """A characteristic's value."""

    async def write(self, uuid: str, data: bytes) -> None:
        """Write one, and wait until it has arrived."""


PIECE: Final = 180
"""Bytes of a box in one write: what fits whatever the two sides agreed on."""


class GattChannel:
    """The pairing service over Bluetooth."""

    def __init__(self, gatt: Gatt) -> None:
        self._gatt = gatt

    async def info(self) -> bytes:
        """INFO."""
        return await self._gatt.read(pairing.INFO_UUID)

    async def deliver(self, box: bytes) -> None:
        """IN, in pieces."""
        for piece in pieces(box, PIECE):
            await self._gatt.write(pairing.IN_UUID, piece)

    async def reply(self) -> bytes:
        """OUT."""
        return await self._gatt.read(pairing.OUT_UUID)


def pieces(data: bytes, size: int) -> list[bytes]:
    """`data` as IN takes it: offset(2) | total(2) | bytes."""
    return [
        at.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data[at : at + size] for at in range(0, len(data), size)
    ]


def _encrypt(key: bytes, blocks: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(blocks)  # noqa: S305 - the blocks are a counter's


async def pair(
    channel: Channel, secret: bytes, content: Mapping[str, str], telling: Callable[[str], None]
) -> dict[str, Any]:
    """Hand `content` ({"ssid", "psk", "url", "t"}) over; the last reply {"state": "done", "hub"}. Raises PairError.

    `telling(state)` hears each state of the hub once.
    """
    try:
        info = json.loads(await channel.info())
        if info["id"] != pairing.device_of(pairing.proof_of(secret)):
            raise PairError("wrong_hub", f"It is {pairing.shown(info['id'])}.")
        nonce, salt = bytes.fromhex(info["nonce"]), secrets.token_bytes(pairing.SALT_BYTES)
        box = pairing.seal(_encrypt, secret, nonce, salt, json.dumps(content).encode())
        if len(box) > pairing.MAX_BOX:
            raise PairError("too_long")
        await channel.deliver(box)
        async with asyncio.timeout(LIMIT_S):
            return await _follow(channel, secret, nonce, salt, telling)
    except (ConnectionError, TimeoutError):
        raise PairError("silent") from None


async def _follow(
    channel: Channel, secret: bytes, nonce: bytes, salt: bytes, telling: Callable[[str], None]
) -> dict[str, Any]:
    told, unopened = "", False
    while True:
        plain = pairing.read_answer(secret, nonce, salt, await channel.reply())
        if plain:
            reply: dict[str, Any] = json.loads(plain)
            if reply["state"] == "failed":
                code = reply.get("code", "")
                raise PairError(code if code in pairing.CODES else "cloud_refused", reply.get("message", ""))
            if reply["state"] != told:
                told = reply["state"]
                telling(told)
            if told == "done":
                return reply
        else:
            # A refused box has no reply: whoever cannot open it cannot sign one either. Seen once, it may still be the
            # failure before this box.
            failed = json.loads(await channel.info())["state"] == "failed"
            if failed and unopened:
                raise PairError("bad_box")
            unopened = failed
        await asyncio.sleep(PAUSE_S)
