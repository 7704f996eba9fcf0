"""A device with a label, before it belongs to anybody: the far end of the pairing page, as little as shows the page.

It opens boxes with the shared protocol's own code, knows which Wi-Fi networks are in range, and claims at the real
cloud. Once it is claimed the real firmware goes on with what it was given.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from shared_protocol import pairing


def encrypt(key: bytes, blocks: bytes) -> bytes:
    """AES-256-ECB."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 -- one block a time, counted: CTR
    return encryptor.update(blocks) + encryptor.finalize()


@dataclass
class LabelDevice:
    """`networks` in range, with their passwords; `fails` are codes that come before anything works."""

    networks: dict[str, str]
    fails: list[str] = field(default_factory=list)
    reset_epoch: int = 0
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(pairing.SECRET_BYTES), repr=False)
    boxes: list[dict[str, Any]] = field(default_factory=list, repr=False)
    identity: dict[str, str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.label = pairing.base32(self.secret)
        self.device = pairing.device_of(pairing.proof_of(self.secret))
        self._nonce = secrets.token_bytes(pairing.NONCE_BYTES)
        self._held = bytearray()
        self._reply = b""
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return f"PrintFarm-{self.device[:4]}"

    # ---- the pairing service

    async def info(self) -> bytes:
        state = {"v": 1, "id": self.device, "nonce": self._nonce.hex(), "state": "ready", "firmware": "0.0.0"}
        return json.dumps(state).encode()

    async def out(self) -> bytes:
        return self._reply

    async def write(self, data: bytes) -> None:
        offset, total = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
        if offset == 0:
            self._held = bytearray()
        assert offset == len(self._held), "pieces come in their order"
        self._held += data[4:]
        if len(self._held) == total:
            await self._open(bytes(self._held))

    async def _open(self, box: bytes) -> None:
        content = pairing.unseal(encrypt, self.secret, self._nonce, box)
        if content is None:
            self._reply = b'{"state": "failed", "code": "bad_box"}'
            return
        answering = (self._nonce, box[: pairing.SALT_BYTES])
        self._nonce = secrets.token_bytes(pairing.NONCE_BYTES)
        wanted: dict[str, Any] = json.loads(content)
        self.boxes.append(wanted)
        self._task = asyncio.create_task(self._work(wanted, answering))

    def _say(self, answering: tuple[bytes, bytes], **reply: Any) -> None:
        self._reply = pairing.answer(self.secret, *answering, json.dumps(reply).encode())

    async def _work(self, wanted: dict[str, Any], answering: tuple[bytes, bytes]) -> None:
        self._say(answering, state="joining")
        code = self.fails.pop(0) if self.fails else self._join(wanted)
        if code:
            self._say(answering, state="failed", code=code)
            return
        self._say(answering, state="claiming")
        body = {
            "proof": pairing.proof_of(self.secret).hex(),
            "token": wanted["t"],
            "firmware": "0.0.0",
            "board": "Unix",
            "target": "unix",
            "reset_epoch": self.reset_epoch,
        }
        async with aiohttp.ClientSession() as http, http.post(f"{wanted['url']}/hub/v1/claim", json=body) as answer:
            told = await answer.json()
        if answer.status != 200:
            error = told["error"]
            self._say(answering, state="failed", code=error["code"], message=error["message"])
            return
        self.identity = told
        self._say(answering, state="done", hub=told["hub"])

    def _join(self, wanted: dict[str, Any]) -> str:
        if wanted["ssid"] not in self.networks:
            return "no_network"
        return "" if self.networks[wanted["ssid"]] == wanted["psk"] else "wrong_password"
