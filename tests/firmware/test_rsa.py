"""Signatures of releases, made by OpenSSL, checked by the hub's ten lines; and what they refuse."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.firmware.micropython import run_code
from tests.firmware.releases import key

TEXT = b"a release"


async def test_a_signature_holds_for_its_text_and_key_alone() -> None:
    numbers = key().public_key().public_numbers()
    other = key(1).public_key().public_numbers()
    good = key().sign(TEXT, padding.PKCS1v15(), hashes.SHA256())
    raw = int.from_bytes(good, "big")
    exponent = key().private_numbers().d
    digest = hashlib.sha256(TEXT).digest()

    def forged(block: bytes) -> bytes:
        """What the owner of the key would have to have signed: correct mathematics, wrong padding."""
        return pow(int.from_bytes(block, "big"), exponent, numbers.n).to_bytes(256, "big")

    prefix = bytes.fromhex("3031300d060960864801650304020105000420")
    short_padding = forged(b"\x00\x01" + b"\xff" * 8 + b"\x00" + prefix + digest + bytes(256 - 11 - 19 - 32))
    wrong = [
        bytes([good[0] ^ 1]) + good[1:],
        good[:-1],
        good + b"\x00",
        b"\x00" + good,
        b"",
        bytes(256),
        (raw + numbers.n).to_bytes(257, "big"),
        short_padding,
        forged(bytes(256 - 32) + digest),
        key().sign(TEXT, padding.PKCS1v15(), hashes.SHA512()),
        key().sign(TEXT, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
    ]
    await run_code(f"""
from lib.rsa import verify
n, digest = {numbers.n}, {digest!r}
assert verify(n, {good!r}, digest)
assert not verify({other.n}, {good!r}, digest)
assert not verify(n, {good!r}, bytes(32))
for signature in {wrong!r}:
    assert not verify(n, signature, digest), signature
""")
