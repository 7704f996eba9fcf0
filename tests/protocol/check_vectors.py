"""Runs every golden vector and prints one JSON line a vector that does not come out as it says, then "checked N".

Plain Python for both interpreters: `micropython check_vectors.py FOLDER` and the same under CPython.
"""

import binascii
import json
import sys

from shared_protocol import codec, pairing, status, version
from shared_protocol.schema import ProtocolError


def load(folder, name):
    with open(folder + "/" + name + ".json") as file:
        return json.load(file)


def outcome(call, *args):
    try:
        return call(*args)
    except ProtocolError as error:
        return error.code


def check_message(row):
    message = outcome(codec.decode, row["text"].encode(), row["sender"])
    if "code" in row:
        return message == row["code"], message
    if message != json.loads(row["text"]):
        return False, message
    again = codec.encode(**message)
    return codec.decode(again, row["sender"]) == message, again


def check_binary(row):
    frame = binascii.unhexlify(row["hex"]) * row.get("repeat", 1)
    result = outcome(codec.split_binary, frame)
    if "code" in row:
        return result == row["code"], str(result)
    kind, tunnel, rest = result
    if "count" in row:
        good = (kind, tunnel, rest) == (row["type"], row["tunnel"], row["count"])
        return good and codec.credit(tunnel, rest) == frame, str(result)
    good = (kind, tunnel, bytes(rest)) == (row["type"], row["tunnel"], binascii.unhexlify(row["payload"]))
    return good and codec.data_header(tunnel) + bytes(rest) == frame, str(result)


def check_status(row):
    changes = status.delta(row["old"], row["new"])
    merged = dict(row["old"])
    status.merge(merged, changes)
    known = {name: row["new"][name] for name in row["new"] if name in status.NAMES}
    good = changes == row["delta"] and merged == known and status.urgent(changes) == row["urgent"]
    return good, changes


def check_version(row):
    chosen = version.negotiate(row["offered"])
    return chosen == row["chosen"], chosen


try:
    import cryptolib  # type: ignore[import-not-found]  # MicroPython has it

    def encrypt(key, blocks):
        return cryptolib.aes(key, 1).encrypt(blocks)

except ImportError:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    def encrypt(key, blocks):
        return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(blocks)  # noqa: S305 - one block of CTR


def check_pairing(row):
    secret, nonce = pairing.secret_of(row["label"]), binascii.unhexlify(row["nonce"])
    box, reply = binascii.unhexlify(row["box"]), binascii.unhexlify(row["reply"])
    device = pairing.device_of(pairing.proof_of(secret))
    opened = pairing.unseal(encrypt, secret, nonce, box)
    if not row["opens"] or opened is None:
        return opened is None and not row["opens"], str(opened)
    salt = box[: pairing.SALT_BYTES]
    answered = pairing.read_answer(secret, nonce, salt, reply) or b""
    found = [device, pairing.shown(device), pairing.passphrase_of(secret), opened.decode(), answered.decode()]
    expected = [row[name] for name in ("device", "shown", "passphrase", "content", "answer")]
    again = pairing.seal(encrypt, secret, nonce, salt, opened), pairing.answer(secret, nonce, salt, answered)
    broken = reply[:-1] + bytes([reply[-1] ^ 1])
    good = found == expected and again == (box, reply) and pairing.read_answer(secret, nonce, salt, broken) is None
    return good, found


CHECKS = (
    ("pairing", check_pairing),
    ("messages", check_message),
    ("errors", check_message),
    ("binary", check_binary),
    ("status", check_status),
    ("versions", check_version),
)


def main(folder):
    count = 0
    for name, check in CHECKS:
        for row in load(folder, name):
            good, result = check(row)
            if not good:
                print(json.dumps([name, row["name"], str(result)]))
            count += 1
    print("checked %d" % count)


if __name__ == "__main__":
    main(sys.argv[1])
