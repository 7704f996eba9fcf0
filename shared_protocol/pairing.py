"""What a label's secret makes: the hub's id, and the box in which a phone hands a hub its Wi-Fi and its claim token.

The flashing tool, the hub, the cloud and whoever pairs agree on this page; the browser has its own copy, held to the
same vectors (vectors/pairing.json). The secret S (16 random bytes) leaves the label, the hub and the phone never;
what the cloud sees of it is `proof`, of which the device's public id is a hash.

    box   = salt(16) | AES-256-CTR(JSON) | HMAC-SHA256(nonce | salt | cipher)[:16]
    reply = JSON | HMAC-SHA256(nonce | salt | JSON)[:16]          salt of the box that is answered

The nonce is the hub's, new whenever it starts to listen and after each box that opened, so a recorded box is worth
nothing. Keys are used once, so the counter starts at zero. HKDF is RFC 5869, base 32 RFC 4648 without padding.
"""

import hashlib

SECRET_BYTES = 16
NONCE_BYTES = 16
SALT_BYTES = 16
MAC_BYTES = 16
MAX_BOX = 512

# The pairing service beside Improv. A write to IN is offset(2) | total(2) | bytes, big endian; offset 0 begins anew.
SERVICE_UUID = "7f5a0001-5046-4b1d-9c3e-2a6f8d4e1b70"
INFO_UUID = "7f5a0002-5046-4b1d-9c3e-2a6f8d4e1b70"  # read: JSON {"v": 1, "id", "nonce" (hex), "state", "firmware"}
IN_UUID = "7f5a0003-5046-4b1d-9c3e-2a6f8d4e1b70"  # write
OUT_UUID = "7f5a0004-5046-4b1d-9c3e-2a6f8d4e1b70"  # read, and notify as a hint to read: a reply, empty before the first

# "state" of a reply and of INFO, in the order of a good pairing; "failed" carries a "code" of CODES.
STATES = ("ready", "joining", "reaching", "claiming", "done", "failed")
CODES = (
    "bad_box",  # the MAC is wrong: another hub's label, or damaged on the way (never inside a MACed reply)
    "too_many",  # five bad boxes: a minute of silence
    "no_network",  # no access point of that name in range
    "wrong_password",
    "no_address",  # joined, but no DHCP
    "no_internet",  # the network does not lead to the cloud's name
    "cloud_unreachable",
    "clock",  # the cloud's certificate is not valid at the hub's time, and no time server answered
    "token_invalid",  # used, expired, or for another hub
    "already_owned",
    "cloud_refused",  # any other answer; "message" has the cloud's sentence
)

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def hmac_sha256(key, data):
    """RFC 2104 over SHA-256, in 10 lines because the chip has no hmac module."""
    if len(key) > 64:
        key = hashlib.sha256(key).digest()
    key = key + bytes(64 - len(key))
    inner = hashlib.sha256(bytes([byte ^ 0x36 for byte in key]))
    inner.update(data)
    outer = hashlib.sha256(bytes([byte ^ 0x5C for byte in key]))
    outer.update(inner.digest())
    return outer.digest()


def hkdf(secret, salt, info, length):
    """RFC 5869 with SHA-256: `length` bytes."""
    key = hmac_sha256(salt or bytes(32), secret)
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = hmac_sha256(key, block + info + bytes([count]))
        out += block
        count += 1
    return out[:length]


def base32(data):
    """RFC 4648 without padding."""
    out, bits, held = "", 0, 0
    for byte in data:
        held = held << 8 | byte
        bits += 8
        while bits >= 5:
            bits -= 5
            out += _LETTERS[held >> bits & 31]
        held &= (1 << bits) - 1
    return out + (_LETTERS[held << (5 - bits) & 31] if bits else "")


def secret_of(text):
    """The secret in a label's 26 characters, in whatever case and with dashes or spaces; ValueError otherwise."""
    text = text.upper().replace("-", "").replace(" ", "")
    if len(text) != 26:
        raise ValueError("a label's secret has 26 characters")
    value = 0
    for letter in text:
        place = _LETTERS.find(letter)
        if place < 0:
            raise ValueError("a label's secret has the letters A-Z and 2-7")
        value = value << 5 | place
    if value & 3:
        raise ValueError("not a label's secret")
    return (value >> 2).to_bytes(SECRET_BYTES, "big")


def proof_of(secret):
    """What the hub shows the cloud, inside TLS, to prove that it is the device it says: 32 bytes."""
    return hkdf(secret, b"", b"pf-hub-id", 32)


def device_of(proof):
    """The public id of the device that can show `proof`: 16 characters, on its label and in the air."""
    return base32(hashlib.sha256(proof).digest())[:16]


def shown(device):
    """A device's id for people: its first eight characters, `7K3Q-M2XD`."""
    return device[:4] + "-" + device[4:8]


def passphrase_of(secret):
    """Of the access point the hub opens for phones without Web Bluetooth: 12 characters."""
    return base32(hkdf(secret, b"", b"pf-softap", 8))[:12]


def keys_of(secret, nonce, salt):
    """The three keys of one box: cipher, MAC of the box, MAC of its replies; 32 bytes each."""
    keys = hkdf(secret, nonce + salt, b"pf-pair-1", 96)
    return keys[:32], keys[32:64], keys[64:]


def _counted(encrypt, key, data):
    """AES-CTR from ECB: `encrypt(key, blocks)` is AES-256-ECB."""
    count = (len(data) + 15) // 16
    stream = encrypt(key, b"".join([block.to_bytes(16, "big") for block in range(count)]))
    return bytes([one ^ other for one, other in zip(data, stream)])


def _same(one, other):
    """Compare in a time that does not tell where they differ."""
    different = len(one) ^ len(other)
    for left, right in zip(one, other):
        different |= left ^ right
    return different == 0


def seal(encrypt, secret, nonce, salt, content):
    """The box with `content` (bytes). `salt` must be random and new."""
    cipher_key, mac_key, _ = keys_of(secret, nonce, salt)
    cipher = _counted(encrypt, cipher_key, content)
    return salt + cipher + hmac_sha256(mac_key, nonce + salt + cipher)[:MAC_BYTES]


def unseal(encrypt, secret, nonce, box):
    """The content of a box; None when it is not whole, not for this hub, or not for this nonce."""
    if not SALT_BYTES + MAC_BYTES < len(box) <= MAX_BOX:
        return None
    salt, cipher, mac = box[:SALT_BYTES], box[SALT_BYTES:-MAC_BYTES], box[-MAC_BYTES:]
    cipher_key, mac_key, _ = keys_of(secret, nonce, salt)
    if not _same(hmac_sha256(mac_key, nonce + salt + cipher)[:MAC_BYTES], mac):
        return None
    return _counted(encrypt, cipher_key, cipher)


def answer(secret, nonce, salt, content):
    """The reply with `content` (bytes) to the box of `salt`."""
    return content + hmac_sha256(keys_of(secret, nonce, salt)[2], nonce + salt + content)[:MAC_BYTES]


def read_answer(secret, nonce, salt, reply):
    """The content of a reply; None when it is not from the hub that has the secret."""
    content = reply[:-MAC_BYTES]
    return content if reply and _same(answer(secret, nonce, salt, content), reply) else None
