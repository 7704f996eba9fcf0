"""A picture made of filled polygons, and its PNG encoding (RFC 2083), with the standard library alone."""

import struct
import zlib
from collections.abc import Sequence

Color = tuple[int, int, int, int]
Point = tuple[float, float]


class Canvas:
    """A square, transparent picture of `size` pixels a side; polygons are filled in the order they come.

    Each pixel is the mean of `samples` × `samples` points; 1 keeps colours exact.
    """

    def __init__(self, size: int, samples: int) -> None:
        self._size = size
        self._samples = samples
        self._side = size * samples
        self._palette: list[Color] = [(0, 0, 0, 0)]
        self._rows = [bytearray(self._side) for _ in range(self._side)]

    def fill(self, polygon: Sequence[Point], color: Color) -> None:
        """Even-odd fill; points are in pixels, y downwards. At most 255 different colours a picture."""
        index = self._index(color)
        points = [(x * self._samples, y * self._samples) for x, y in polygon]
        edges = [
            (a, b) if a[1] < b[1] else (b, a)
            for a, b in zip(points, [*points[1:], points[0]], strict=True)
            if a[1] != b[1]
        ]
        if not edges:
            return
        first = max(0, int(min(a[1] for a, _ in edges)))
        last = min(self._side - 1, int(max(b[1] for _, b in edges)))
        for y in range(first, last + 1):
            self._span(y, edges, index)

    def _span(self, y: int, edges: list[tuple[Point, Point]], index: int) -> None:
        middle = y + 0.5
        crossings = sorted(
            a[0] + (middle - a[1]) * (b[0] - a[0]) / (b[1] - a[1]) for a, b in edges if a[1] <= middle < b[1]
        )
        row = self._rows[y]
        for left, right in zip(crossings[::2], crossings[1::2], strict=True):
            start = max(0, min(self._side, round(left)))
            end = max(start, min(self._side, round(right)))
            row[start:end] = bytes((index,)) * (end - start)

    def _index(self, color: Color) -> int:
        if color not in self._palette:
            if len(self._palette) > 255:
                raise ValueError("a picture has at most 255 colours")
            self._palette.append(color)
        return self._palette.index(color)

    def png(self) -> bytes:
        """The picture as PNG, 8 bits RGBA."""
        means = _Means(self._palette)
        raw = bytearray()
        step = self._samples
        above, line = b"", b""
        for top in range(0, self._side, step):
            rows = self._rows[top : top + step]
            joined = b"".join(rows)
            if joined != above:  # most lines of a mask or a margin repeat the one above
                samples = [row[offset::step] for row in rows for offset in range(step)]
                above, line = joined, b"".join(map(means.__getitem__, zip(*samples, strict=True)))
            raw += b"\0" + line
        header = struct.pack(">IIBBBBB", self._size, self._size, 8, 6, 0, 0, 0)
        return b"".join(
            (
                b"\x89PNG\r\n\x1a\n",
                _chunk(b"IHDR", header),
                _chunk(b"IDAT", zlib.compress(bytes(raw), 6)),
                _chunk(b"IEND", b""),
            )
        )


class _Means(dict[tuple[int, ...], bytes]):
    """Samples of one pixel to its RGBA bytes; most pixels are alike, so each mean is worked out once."""

    def __init__(self, palette: list[Color]) -> None:
        super().__init__()
        self._palette = palette

    def __missing__(self, samples: tuple[int, ...]) -> bytes:
        colors = [self._palette[index] for index in samples]
        alpha = sum(color[3] for color in colors)
        # Colours weigh by their alpha, else transparent black darkens the edges.
        mean = [sum(c[i] * c[3] for c in colors) // alpha if alpha else 0 for i in range(3)]
        found = bytes((*mean, alpha // len(colors)))
        self[samples] = found
        return found


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
