"""Thumbnails of the sample parts: the view slicers show, without light, from above, and the picking mask."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Final, Literal

from tools.sample_file.parts import PARTS, Body, PartObject, extent
from tools.sample_file.png import Canvas, Color, Point

View = Literal["plate", "no_light", "top", "pick"]

_HEIGHT_SHARE: Final = 0.62
"""Drawn height of a part, as a share of its larger side."""
_FLATNESS: Final = {"sign": 0.16, "gear": 0.35, "case": 0.5, "vase": 2.4}
_MARGIN: Final = 0.1
_LIGHT: Final = (0.45, 0.25)
_COS, _SIN = math.cos(math.pi / 6), math.sin(math.pi / 6)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _shade(color: str, light: float) -> Color:
    """Steps of 1/12, so that a round body stays within the palette; black parts keep their form."""
    level = round(light * 12) / 12
    red, green, blue = (min(255, round((22 + part * 0.92) * level)) for part in _rgb(color))
    return red, green, blue, 255


def _slanted(x: float, y: float, z: float) -> Point:
    return (x - y) * _COS, (x + y) * _SIN - z


def _from_above(x: float, y: float, _z: float) -> Point:
    return x, -y


class _Drawing:
    """Polygons in model space, fitted to the canvas when all are known."""

    def __init__(self, view: View, height: float) -> None:
        self._view = view
        self._height = height
        self._project = _from_above if view in ("top", "pick") else _slanted
        self._faces: list[tuple[list[Point], Color]] = []

    def _face(self, points: Sequence[tuple[float, float, float]], color: Color) -> None:
        self._faces.append(([self._project(*point) for point in points], color))

    def body(self, body: Body, color: str, number: int) -> None:
        top = body.top * self._height
        lid = [(x, y, top) for x, y in body.outline]
        if self._view == "pick":
            if not body.hole:
                self._face(lid, (number & 255, number >> 8 & 255, number >> 16 & 255, 255))
            return
        if self._project is _slanted and not body.hole:
            self._sides(body, color)
        self._face(lid, _shade(color, 0.35 if body.hole else 1.0))

    def _sides(self, body: Body, color: str) -> None:
        low, high = body.bottom * self._height, body.top * self._height
        corners = body.outline
        sides = []
        for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
            # Outlines run counter-clockwise, so the outward normal is (dy, -dx).
            length = math.hypot(bx - ax, by - ay)
            nx, ny = (by - ay) / length, (ax - bx) / length
            if nx + ny > 0:
                sides.append((ax + ay + bx + by, (ax, ay), (bx, by), nx, ny))
        for _, (ax, ay), (bx, by), nx, ny in sorted(sides):
            light = 0.8 if self._view == "no_light" else 0.42 + _LIGHT[0] * nx + _LIGHT[1] * ny
            quad = [(ax, ay, low), (bx, by, low), (bx, by, high), (ax, ay, high)]
            self._face(quad, _shade(color, light))

    def png(self, size: int) -> bytes:
        points = [point for face, _ in self._faces for point in face]
        left, right = min(x for x, _ in points), max(x for x, _ in points)
        upper, lower = min(y for _, y in points), max(y for _, y in points)
        scale = size * (1 - 2 * _MARGIN) / max(right - left, lower - upper)
        shift_x = size / 2 - scale * (left + right) / 2
        shift_y = size / 2 - scale * (upper + lower) / 2
        # Picking reads an object's id from a pixel's colour, so nothing may be mixed there.
        canvas = Canvas(size, 1 if self._view == "pick" else 3 if size < 256 else 2)
        for face, color in self._faces:
            canvas.fill([(x * scale + shift_x, y * scale + shift_y) for x, y in face], color)
        return canvas.png()


@cache
def draw(part: str, colors: tuple[str, ...], view: View, size: int, ids: tuple[int, ...]) -> bytes:
    """One picture as PNG: `colors` are #RRGGBB of the used filaments, `ids` identify the objects in "pick"."""
    objects: tuple[PartObject, ...] = PARTS[part]()
    x0, y0, x1, y1 = extent(objects)
    drawing = _Drawing(view, _HEIGHT_SHARE * max(x1 - x0, y1 - y0) * _FLATNESS.get(part, 1.0))
    for item, number in zip(objects, ids, strict=True):
        for body in item.bodies:
            drawing.body(body, colors[body.filament % len(colors)], number)
    return drawing.png(size)
