"""hub/pairing_service.py: what opens it, and that nothing else does anything."""

from __future__ import annotations

from tests.firmware.micropython import run_code

PRELUDE = """
import json, os, sys, time
from binascii import hexlify, unhexlify
import cryptolib
import hub.pairing_service as module
from hub.pairing_service import PairingService
from shared_protocol import pairing

def encrypt(key, blocks):
    return cryptolib.aes(key, 1).encrypt(blocks)

SECRET = bytes(range(16))
CONTENT = {"ssid": "Farm", "psk": "secret123", "url": "https://farm.example", "t": "token"}
boxes, hints = [], []
service = PairingService(SECRET, "0.1.0", boxes.append)
service.changed = hints.append

def nonce():
    return unhexlify(json.loads(service.read(pairing.INFO_UUID))["nonce"])

def box(content=CONTENT, secret=SECRET, used=None, salt=None):
    plain = content if isinstance(content, bytes) else json.dumps(content).encode()
    return pairing.seal(encrypt, secret, used or nonce(), salt or os.urandom(16), plain)

def write(data, piece=100):
    for offset in range(0, len(data), piece):
        head = bytes([offset >> 8, offset & 255, len(data) >> 8, len(data) & 255])
        service.write(pairing.IN_UUID, head + data[offset:offset + piece])

def reply(used, sealed):
    plain = pairing.read_answer(SECRET, used, sealed[:16], service.read(pairing.OUT_UUID))
    return None if plain is None else json.loads(plain)
"""


async def micropython(source: str) -> list[str]:
    finished = await run_code(PRELUDE + source)
    return finished.out.strip().splitlines()


async def test_a_box_opens_and_its_sender_is_told_how_it_goes() -> None:
    program = """
info = json.loads(service.read(pairing.INFO_UUID))
print(info["v"], info["id"] == pairing.device_of(pairing.proof_of(SECRET)), info["state"], info["firmware"])
used = nonce()
sealed = box()
write(sealed, piece=33)
print(boxes == [CONTENT], reply(used, sealed), service.state)
service.report("claiming")
print(reply(used, sealed))
service.report("done", hub="hub_1")
print(reply(used, sealed) == {"state": "done", "hub": "hub_1"}, len(hints), nonce() != used)
print(pairing.read_answer(bytes(16), used, sealed[:16], service.read(pairing.OUT_UUID)))
"""
    assert await micropython(program) == [
        "1 True ready 0.1.0",
        "True {'state': 'joining'} joining",
        "{'state': 'claiming'}",
        "True 3 True",
        "None",
    ]


async def test_a_wrong_password_is_tried_again_without_scanning_anew() -> None:
    program = """
first = box()
write(first)
service.report("failed", "wrong_password")
used = nonce()
second = box({"ssid": "Farm", "psk": "right one", "url": "https://farm.example", "t": "token"})
write(second)
print(len(boxes), boxes[1]["psk"], reply(used, second))
"""
    assert await micropython(program) == ["2 right one {'state': 'joining'}"]


async def test_nothing_but_a_fresh_box_of_this_hub_opens() -> None:
    program = """
def outcome(sealed):
    return service.take(sealed)

good = box()
def broken(at):
    return good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]

print("tampered:", [outcome(broken(at)) for at in (0, 20, len(good) - 1)])
service._bad = 0
print("another label:", outcome(box(secret=bytes(16))))
print("another nonce:", outcome(box(used=bytes(16))))
print("not JSON:", outcome(box(b"[1,")), outcome(box(b"[]")))
service._bad = 0
for wrong in ({}, {"ssid": "", "psk": "", "url": "u", "t": "t"}, {"ssid": 1, "psk": "", "url": "u", "t": "t"},
              {"ssid": "x" * 33, "psk": "", "url": "u", "t": "t"}):
    print("incomplete:", outcome(box(wrong)))
    service._bad = 0
print("opened so far:", len(boxes), service.state)
print("good:", repr(outcome(good)))
service.report("failed", "wrong_password")
print("replayed:", outcome(good))
print("state", service.state, "boxes", len(boxes))
service.report("joining")
print("meanwhile:", outcome(box()))
"""
    bad = "bad_box"
    assert await micropython(program) == [
        f"tampered: ['{bad}', '{bad}', '{bad}']",
        f"another label: {bad}",
        f"another nonce: {bad}",
        f"not JSON: {bad} {bad}",
        *[f"incomplete: {bad}"] * 4,
        "opened so far: 0 failed",
        "good: ''",
        f"replayed: {bad}",
        "state failed boxes 1",
        "meanwhile: busy",
    ]


async def test_guessing_is_answered_with_silence_for_a_minute() -> None:
    program = """
print([service.take(box(secret=bytes(16))) for _ in range(6)])
print(service.take(box()), len(boxes))
module.SILENCE_MS = 0
print(repr(service.take(box())), len(boxes))
"""
    lines = await micropython(program)
    assert lines == [str(["bad_box"] * 5 + ["too_many"]), "too_many 0", "'' 1"]


async def test_a_bad_box_does_not_sign_anything() -> None:
    program = """
write(box(secret=bytes(16)))
print(service.read(pairing.OUT_UUID), service.state)
"""
    assert await micropython(program) == ["b'' failed"]


async def test_a_connection_lost_in_the_middle_of_a_box_leaves_no_trace() -> None:
    program = """
sealed = box()
half = sealed[:60]
service.write(pairing.IN_UUID, bytes([0, 0, len(sealed) >> 8, len(sealed) & 255]) + half)
write(sealed)
print(len(boxes))
"""
    assert await micropython(program) == ["1"]


async def test_random_bytes_never_change_anything() -> None:
    program = """
import random
random.seed(7)
known = service.read(pairing.INFO_UUID)
for _ in range(3000):
    data = bytes([random.getrandbits(8) for _ in range(random.randrange(40))])
    if random.getrandbits(1):
        data = bytes([0, 0, 0, random.randrange(64)]) + data
    service.write(random.choice((pairing.IN_UUID, pairing.OUT_UUID, "what")), data)
    service._bad, service.state = 0, "ready"
print(service.read(pairing.INFO_UUID) == known, boxes, service.read(pairing.OUT_UUID), len(service._incoming) <= 512)
"""
    assert await micropython(program) == ["True [] b'' True"]
