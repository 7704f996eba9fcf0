"""A small baseline JPEG made by hand: 8x8 blocks of one colour each, so that no image library is needed."""

from __future__ import annotations

import struct

WIDTH, HEIGHT = 640, 360
_COLUMNS, _ROWS = WIDTH // 8, HEIGHT // 8
_Colour = tuple[int, int, int]

_WALL: _Colour = (38, 42, 50)
_FLOOR: _Colour = (24, 26, 30)
_PLATE: _Colour = (196, 160, 84)
_PART: _Colour = (40, 170, 110)
_HEAD: _Colour = (225, 225, 230)
_LAMP: _Colour = (250, 240, 210)

# Huffman table for DC differences (standard luminance table of the JPEG specification, K.3) and the end-of-block code.
_DC_COUNTS = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
_DC_VALUES = bytes(range(12))
_DC_CODES = ("00", "010", "011", "100", "101", "110", "1110", "11110", "111110", "1111110",
             "11111110", "111111110")  # fmt: skip
# A one-code AC table: code "0" means end of block.
_AC_COUNTS = bytes([1] + [0] * 15)
_AC_VALUES = bytes([0])
_QUANT = 8


def draw(number: int, percent: int, printing: bool) -> bytes:
    """Frame `number` of a camera that looks at a plate with a part that is `percent` done."""
    return encode(_scene(number, percent, printing))


def _scene(number: int, percent: int, printing: bool) -> list[list[_Colour]]:
    rows = [[_WALL if row < 34 else _FLOOR for _ in range(_COLUMNS)] for row in range(_ROWS)]
    for column in range(14, 66):
        rows[35][column] = rows[36][column] = _PLATE
    height = round(percent * 22 / 100)
    for row in range(35 - height, 35):
        for column in range(28, 52):
            rows[row][column] = _PART
    head = 28 + number * 5 % 24 if printing else 6
    top = max(2, 35 - height - 5)
    for row in range(top, top + 4):
        for column in range(head - 2, head + 3):
            rows[row][column] = _HEAD
    # A lamp that walks along the ceiling: every frame differs from the one before.
    rows[0][number % _COLUMNS] = _LAMP
    return rows


def encode(rows: list[list[_Colour]]) -> bytes:
    """A JFIF file (4:4:4, one colour a block) from a grid of RGB colours."""
    height, width = len(rows) * 8, len(rows[0]) * 8
    quant = bytes([_QUANT] * 64)
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])
    scan = bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            _segment(0xDB, b"\0" + quant),
            _segment(0xC0, frame),
            _segment(0xC4, b"\x00" + _DC_COUNTS + _DC_VALUES),
            _segment(0xC4, b"\x10" + _AC_COUNTS + _AC_VALUES),
            _segment(0xDA, scan),
            _entropy(rows),
            b"\xff\xd9",
        )
    )


def _entropy(rows: list[list[_Colour]]) -> bytes:
    bits: list[str] = []
    previous = [0, 0, 0]
    for row in rows:
        for colour in row:
            for index, level in enumerate(_levels(colour)):
                change, previous[index] = level - previous[index], level
                size = abs(change).bit_length()
                bits.append(_DC_CODES[size])
                if size:
                    value = change if change > 0 else change + (1 << size) - 1
                    bits.append(f"{value:0{size}b}")
                bits.append("0")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big")
    return data.replace(b"\xff", b"\xff\x00")


def _levels(colour: _Colour) -> tuple[int, int, int]:
    """Quantised DC coefficients of a block that is all one colour."""
    red, green, blue = colour
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    # The DC coefficient of a flat block is eight times its value.
    return (
        round((luma - 128) * 8 / _QUANT),
        round((blue - luma) * 0.564 * 8 / _QUANT),
        round((red - luma) * 0.713 * 8 / _QUANT),
    )


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
