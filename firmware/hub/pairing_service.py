"""The pairing service: a phone hands over a sealed box, and is told how it goes. No transport in it.

Characteristics and box are those of `shared_protocol.pairing`. One box at a time; the reply to the last box that
opened is what OUT shows. After a reply that says "failed" the same phone may send another box: a mistyped password
costs no new token.
"""

import json
import os
import time
from binascii import hexlify

import cryptolib

from shared_protocol import pairing

SILENCE_MS = 60_000
BAD_BOXES = 5
"""Boxes that do not open within one silence; then none is looked at for a while."""

_HEAD = 4


def _encrypt(key: bytes, blocks: bytes) -> bytes:
    return cryptolib.aes(key, 1).encrypt(blocks)  # type: ignore[no-any-return]


class PairingService:
    """`on_box(content)` is called with the JSON object of each box that opens; `report` says what becomes of it.

    `changed(uuid)` is called when a characteristic has a new value; whoever carries the service sets it.
    """

    uuid = pairing.SERVICE_UUID
    characteristics = {pairing.INFO_UUID: "r", pairing.IN_UUID: "w", pairing.OUT_UUID: "rn"}

    def __init__(self, secret: bytes, firmware: str, on_box) -> None:  # type: ignore[no-untyped-def]
        self.device = pairing.device_of(pairing.proof_of(secret))
        self.changed = lambda uuid: None
        self.state = "ready"
        self._secret = secret
        self._firmware = firmware
        self._on_box = on_box
        self._nonce = os.urandom(pairing.NONCE_BYTES)
        self._answered: "tuple[bytes, bytes] | None" = None
        self.reply = b""
        self.told: "dict" = {"state": "ready"}  # type: ignore[type-arg]
        self._incoming = bytearray()
        self._total = 0
        self._bad = 0
        self._silent_since: "int | None" = None

    # ---- what a transport calls ------------------------------------------------------------------------------

    def read(self, uuid: str) -> bytes:
        """The value of a characteristic."""
        if uuid == pairing.INFO_UUID:
            return self.info()
        return self.reply if uuid == pairing.OUT_UUID else b""

    def write(self, uuid: str, data: bytes) -> None:
        """A piece of a box: offset(2) | total(2) | bytes. What does not fit together is forgotten."""
        if uuid != pairing.IN_UUID or len(data) <= _HEAD:
            return
        offset, total = data[0] << 8 | data[1], data[2] << 8 | data[3]
        if offset == 0:
            self._incoming = bytearray()
            self._total = total
        if offset != len(self._incoming) or total != self._total or not 0 < total <= pairing.MAX_BOX:
            self._incoming = bytearray()
            return
        self._incoming.extend(data[_HEAD:])
        if len(self._incoming) > total:
            self._incoming = bytearray()
        elif len(self._incoming) == total:
            box = bytes(self._incoming)
            self._incoming = bytearray()
            self.take(box)

    def info(self) -> bytes:
        """Who this is, and the nonce for the next box."""
        known = {
            "v": 1,
            "id": self.device,
            "nonce": hexlify(self._nonce).decode(),
            "state": self.state,
            "firmware": self._firmware,
        }
        return json.dumps(known).encode()

    def take(self, box: bytes) -> str:
        """A whole box: "" when it opened, else "busy", "too_many" or "bad_box"."""
        if self.state not in ("ready", "failed"):
            return "busy"
        if self._silent():
            return "too_many"
        content = self._open(box)
        if content is None:
            self._bad += 1
            if self._bad >= BAD_BOXES:
                self._silent_since = time.ticks_ms()
            # Without the secret there is nothing to sign a reply with; INFO is what everybody may read.
            self._say("failed", "bad_box")
            return "bad_box"
        self._bad = 0
        self._answered = (self._nonce, box[: pairing.SALT_BYTES])
        self._nonce = os.urandom(pairing.NONCE_BYTES)
        self.report("joining")
        self._on_box(content)
        return ""

    def take_plain(self, content: object) -> str:
        """The same without a box, from a way that is safe by itself: "" when it is taken, else "busy" or "invalid"."""
        if not complete(content):
            return "invalid"
        if self.state not in ("ready", "failed"):
            return "busy"
        self._answered = None
        self.report("joining")
        self._on_box(content)
        return ""

    # ---- what the hub tells ----------------------------------------------------------------------------------

    def report(self, state: str, code: str = "", message: str = "", hub: str = "") -> None:
        """How it goes with the box that opened last; "ready" after a restart of it all."""
        self._say(state, code, message, hub)

    def _say(self, state: str, code: str = "", message: str = "", hub: str = "") -> None:
        self.state = state
        fields = self.told = {"state": state}
        for name, value in (("code", code), ("message", message), ("hub", hub)):
            if value:
                fields[name] = value
        if self._answered is not None and code != "bad_box":
            nonce, salt = self._answered
            self.reply = pairing.answer(self._secret, nonce, salt, json.dumps(fields).encode())
        self.changed(pairing.OUT_UUID)

    # ---- inside ----------------------------------------------------------------------------------------------

    def _silent(self) -> bool:
        if self._silent_since is None:
            return False
        if time.ticks_diff(time.ticks_ms(), self._silent_since) < SILENCE_MS:
            return True
        self._silent_since, self._bad = None, 0
        return False

    def _open(self, box: bytes) -> "dict | None":  # type: ignore[type-arg]
        plain = pairing.unseal(_encrypt, self._secret, self._nonce, box)
        if plain is None:
            return None
        try:
            content = json.loads(plain)
        except (ValueError, RuntimeError):
            return None
        return content if complete(content) else None


def complete(content: object) -> bool:
    """Whether this is what a phone has to say: {"ssid", "psk", "url", "t"}."""
    if not isinstance(content, dict):
        return False
    for name, most in (("ssid", 32), ("psk", 64), ("url", 200), ("t", 128)):
        value = content.get(name)
        if not isinstance(value, str) or len(value.encode()) > most or (not value and name != "psk"):
            return False
    return True
