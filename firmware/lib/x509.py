"""As much of X.509 as pinning needs: the name on a certificate."""

_COMMON_NAME = b"\x06\x03\x55\x04\x03"  # the object identifier 2.5.4.3
_VERSION = 0xA0


def common_name(der: "bytes | memoryview") -> "str | None":
    """The subject's common name of a DER certificate; None when it has none or is malformed."""
    try:
        data = bytes(der)
        _, at, _ = _element(data, 0)  # Certificate
        _, at, _ = _element(data, at)  # TBSCertificate
        if data[at] == _VERSION:
            _, _, at = _element(data, at)
        for _ in range(4):  # serial number, signature algorithm, issuer, validity
            _, _, at = _element(data, at)
        _, at, end = _element(data, at)  # subject
        found = data.find(_COMMON_NAME, at, end)
        if found < 0:
            return None
        _, start, stop = _element(data, found + len(_COMMON_NAME))
        return data[start:stop].decode() if stop <= end else None
    except (IndexError, UnicodeError):
        return None


def _element(data: bytes, at: int) -> "tuple[int, int, int]":
    """Tag, begin and end of the content of the DER element at *at*."""
    tag, size = data[at], data[at + 1]
    at += 2
    if size & 0x80:
        count = size & 0x7F
        if not 0 < count < 4:
            raise IndexError
        size = int.from_bytes(data[at : at + count], "big")
        at += count
    if at + size > len(data):
        raise IndexError
    return tag, at, at + size
