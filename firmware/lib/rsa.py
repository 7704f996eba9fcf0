"""RSA signatures, PKCS #1 v1.5 over SHA-256 with exponent 65537 (RFC 8017 §8.2.2): verification only."""

_EXPONENT = 65537

# What stands before a SHA-256 digest: DER of AlgorithmIdentifier and OCTET STRING.
_PREFIX = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


def verify(modulus: int, signature: bytes, digest: bytes) -> bool:
    """Whether `signature` is that of the key's owner over this SHA-256 digest.

    The whole padded block is made and compared, never taken apart: nothing is left for a forger to choose. Blocks for
    one exponentiation (2048 bits: milliseconds on a computer, some tenths of a second on a chip).
    """
    length = len(signature)
    number = int.from_bytes(signature, "big")
    if number >= modulus or length < 64 or modulus >> (8 * length) or len(digest) != 32:
        return False
    block = b"\x00\x01" + b"\xff" * (length - 3 - len(_PREFIX) - 32) + b"\x00" + _PREFIX + digest
    return pow(number, _EXPONENT, modulus) == int.from_bytes(block, "big")
