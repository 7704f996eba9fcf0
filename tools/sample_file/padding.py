"""Comments that make a gcode as long as wanted, without changing what is printed."""

import random
import zlib
from typing import Final

_ROOM: Final = 87
"""Characters of one comment, between "; " and the line's end."""
_SAMPLE_LINES: Final = 2000
_DIGITS: Final = bytes(b"0123456789"[value % 10] for value in range(256))
_PRINTABLE: Final = bytes(33 + value % 94 for value in range(256))


def padding(count: int, source: random.Random, *, incompressible: bool) -> bytes:
    """So many comment lines of 90 bytes: dense printable text, or digits that shorten to half."""
    text = source.randbytes(count * _ROOM).translate(_PRINTABLE if incompressible else _DIGITS)
    return b"".join(b"; %b\n" % text[place : place + _ROOM] for place in range(0, len(text), _ROOM))


def padding_lines(compressed_bytes: int, seed: str, *, incompressible: bool) -> int:
    """How many lines deflate to about this many bytes."""
    if compressed_bytes <= 0:
        return 0
    sample = padding(_SAMPLE_LINES, random.Random(seed), incompressible=incompressible)
    return round(compressed_bytes / (len(zlib.compress(sample, 6)) / _SAMPLE_LINES))
