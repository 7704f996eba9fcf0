"""What kind of picture some bytes are, by what they begin with, and how large it is drawn.

Only headers are read: enough to refuse what is no picture, or one that would fill a browser's memory.
Formats: PNG (ISO/IEC 15948 §11.2.2), JPEG (ITU-T T.81 §B.2), WebP (RFC 9649).
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from cloud.errors import DomainError

PictureType = Literal["image/png", "image/jpeg", "image/webp"]

MAX_SIDE: Final = 10_000
MAX_PIXELS: Final = 50_000_000

_PNG: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_JPEG: Final = b"\xff\xd8\xff"
# Start-of-frame markers: C0 to CF without DHT (C4), JPG (C8) and DAC (CC).
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: TEM, RST0 to RST7, SOI."""
_SCAN, _END = 0xDA, 0xD9


class Picture(msgspec.Struct, frozen=True):
    """Width and height in pixels."""

    type: PictureType
    width: int
    height: int


def recognise(data: bytes) -> Picture:
    """Raises DomainError when it is none of ours, cut off, or too large to be drawn."""
    found = _png(data) or _jpeg(data) or _webp(data)
    if found is None or not found.width or not found.height:
        raise DomainError("not_a_picture", 422, "This is no picture: upload a PNG, JPEG or WebP file.")
    if max(found.width, found.height) > MAX_SIDE or found.width * found.height > MAX_PIXELS:
        raise DomainError(
            "picture_too_large",
            422,
            f"The picture has {found.width} × {found.height} pixels. Make it smaller: at most {MAX_SIDE} a side, "
            f"and {MAX_PIXELS // 1_000_000} million in all.",
        )
    return found


def _png(data: bytes) -> Picture | None:
    if not data.startswith(_PNG) or len(data) < len(_PNG) + 8:
        return None
    return Picture("image/png", _big(data, 16, 4), _big(data, 20, 4))


def _jpeg(data: bytes) -> Picture | None:
    """Walk the segments up to the frame header, which says how large the picture is."""
    if not data.startswith(_JPEG):
        return None
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
        elif marker in _BARE:
            place += 2
        elif marker in _FRAMES:
            return Picture("image/jpeg", _big(data, place + 7, 2), _big(data, place + 5, 2))
        elif marker in (_SCAN, _END):
            return None
        else:
            place += 2 + max(2, _big(data, place + 2, 2))
    return None


def _webp(data: bytes) -> Picture | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    size = _WEBP_SIZES.get(data[12:16])
    found = size(data) if size else None
    return Picture("image/webp", *found) if found else None


def _lossy(data: bytes) -> tuple[int, int] | None:
    if data[23:26] != b"\x9d\x01\x2a":
        return None
    return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF


def _lossless(data: bytes) -> tuple[int, int] | None:
    if data[20] != 0x2F:
        return None
    bits = _little(data, 21, 4)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _extended(data: bytes) -> tuple[int, int]:
    return _little(data, 24, 3) + 1, _little(data, 27, 3) + 1


_WEBP_SIZES: Final[Mapping[bytes, Callable[[bytes], tuple[int, int] | None]]] = {
    b"VP8 ": _lossy,
    b"VP8L": _lossless,
    b"VP8X": _extended,
}


def _big(data: bytes, place: int, size: int) -> int:
    return int.from_bytes(data[place : place + size], "big")


def _little(data: bytes, place: int, size: int) -> int:
    return int.from_bytes(data[place : place + size], "little")
