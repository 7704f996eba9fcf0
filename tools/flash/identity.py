"""The label secret of a device: made once, kept for ever in NVS (on Unix in `device.json`), told to the label alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from shared_protocol import pairing
from tools.flash.device import Device, DeviceError
from tools.flash.failures import FlashError, Stage

_READ = """
import sys
def _read():
    if sys.platform == "esp32":
        from esp32 import NVS
        b = bytearray(16)
        try:
            n = NVS("pf").get_blob("secret", b)
        except OSError as e:
            if e.args[0] in (-0x1102, 0x1102): # ESP_ERR_NVS_NOT_FOUND
                return None
            raise
        return bytes(b[:n])
    import json, os
    try:
        with open((os.getenv("PF_DATA") or ".") + "/device.json") as f:
            text = f.read()
    except OSError as e:
        if e.args[0] == 2:
            return None
        raise
    return json.loads(text)["secret"]
print(repr(_read()))
"""

_WRITE = """
import sys
def _write(blob, text):
    if sys.platform == "esp32":
        from esp32 import NVS
        k = NVS("pf")
        k.set_blob("secret", blob)
        k.commit()
        return
    import json, os
    root = os.getenv("PF_DATA") or "."
    try:
        os.mkdir(root)
    except OSError:
        pass
    with open(root + "/device.json.new", "w") as f:
        f.write(json.dumps({"secret": text}))
    os.rename(root + "/device.json.new", root + "/device.json")
_write(%r, %r)
"""


@dataclass(frozen=True)
class Identity:
    """A device as its label knows it. `secret` never appears in its repr."""

    secret: bytes = field(repr=False)
    new: bool

    @property
    def device(self) -> str:
        """The public id, 16 characters."""
        return str(pairing.device_of(pairing.proof_of(self.secret)))

    @property
    def shown(self) -> str:
        """The public id for people: `7K3Q-M2XD`."""
        return str(pairing.shown(self.device))


def ensure(board: Device) -> Identity:
    """The secret of a board, made when there is none. FlashError without a word of what the board said."""
    try:
        kept = _read(board)
        if kept is not None:
            return Identity(kept, new=False)
        secret = secrets.token_bytes(pairing.SECRET_BYTES)
        board.run(_WRITE % (secret, pairing.base32(secret)))
        if _read(board) != secret:
            raise FlashError(
                Stage.IDENTITY, "the board did not keep its label secret; its flash may be worn, try another"
            )
    except DeviceError:
        # Neither the board's words nor the chain: a traceback from there could quote the secret.
        raise FlashError(
            Stage.IDENTITY, "the label secret could not be read or written; run the same command again"
        ) from None
    return Identity(secret, new=True)


def _read(board: Device) -> bytes | None:
    kept = board.value(_READ)
    if kept is None:
        return None
    try:
        secret = pairing.secret_of(kept) if isinstance(kept, str) else bytes(kept)
    except (ValueError, TypeError):
        secret = b""
    if len(secret) != pairing.SECRET_BYTES:
        raise FlashError(
            Stage.IDENTITY,
            "the board holds a label secret that is damaged; it is not replaced, because its label may be in use. "
            "To give it a new identity, run again with --erase",
        )
    return secret
