"""The sample parts: named objects made of straight prisms, from which both the pictures and the gcode follow."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Body:
    """A prism over an outline, from `bottom` to `top` as fractions of the part's height; outline in mm."""

    outline: Outline
    bottom: float
    top: float
    filament: int = 0
    """Index into the used filaments."""
    hole: bool = False
    """An opening seen from above: printed as an inner wall, drawn dark at `top`."""


@dataclass(frozen=True, slots=True)
class PartObject:
    """One object on the plate. Bodies are in drawing order: from behind and below to the front and up."""

    name: str
    bodies: tuple[Body, ...]


def _box(x: float, y: float, width: float, depth: float) -> Outline:
    return ((x, y), (x + width, y), (x + width, y + depth), (x, y + depth))


def _circle(x: float, y: float, radius: float, corners: int = 32) -> Outline:
    turn = 2 * math.pi / corners
    return tuple((x + radius * math.cos(i * turn), y + radius * math.sin(i * turn)) for i in range(corners))


def _gear_outline(teeth: int, inner: float, outer: float) -> Outline:
    turn = 2 * math.pi / teeth
    points = []
    for tooth in range(teeth):
        for offset, radius in ((0.0, inner), (0.28, inner), (0.4, outer), (0.78, outer), (0.9, inner)):
            angle = (tooth + offset) * turn
            points.append((radius * math.cos(angle), radius * math.sin(angle)))
    return tuple(points)


def _bracket() -> tuple[PartObject, ...]:
    return (
        PartObject(
            "Bracket",
            (
                Body(_box(0, 0, 60, 44), 0, 0.16),
                Body(_circle(30, 22, 5), 0, 0.16, hole=True),
                Body(_circle(48, 22, 5), 0, 0.16, hole=True),
                Body(_box(0, 0, 8, 44), 0.16, 1),
            ),
        ),
    )


def _case() -> tuple[PartObject, ...]:
    return (
        PartObject(
            "Case",
            (Body(_box(0, 0, 70, 48), 0, 1), Body(_box(4, 4, 62, 40), 0.1, 1, hole=True)),
        ),
        PartObject(
            "Lid",
            (Body(_box(0, 58, 70, 48), 0, 0.14), Body(_box(8, 66, 54, 32), 0.14, 0.24)),
        ),
    )


def _sign() -> tuple[PartObject, ...]:
    arrow = ((14, 18), (48, 18), (48, 8), (74, 25), (48, 42), (48, 32), (14, 32))
    return (PartObject("Sign", (Body(_box(0, 0, 86, 50), 0, 0.6), Body(arrow, 0.6, 1, filament=1))),)


def _vase() -> tuple[PartObject, ...]:
    rings = 28
    bodies = [
        Body(_circle(0, 0, 22 + 9 * math.sin(2.2 + 4.6 * ring / rings)), ring / rings, (ring + 1) / rings)
        for ring in range(rings)
    ]
    neck = 22 + 9 * math.sin(2.2 + 4.6 * (rings - 1) / rings)
    return (PartObject("Vase", (*bodies, Body(_circle(0, 0, neck - 3), 0.05, 1, hole=True))),)


def _gear() -> tuple[PartObject, ...]:
    return (
        PartObject(
            "Gear",
            (
                Body(_gear_outline(14, 40, 49), 0, 0.6),
                Body(_circle(0, 0, 17), 0.6, 1, filament=1),
                Body(_circle(0, 0, 8), 0, 1, hole=True),
            ),
        ),
    )


PARTS: Final[dict[str, Callable[[], tuple[PartObject, ...]]]] = {
    "bracket": _bracket,
    "case": _case,
    "sign": _sign,
    "vase": _vase,
    "gear": _gear,
}


def extent(objects: tuple[PartObject, ...]) -> tuple[float, float, float, float]:
    """Smallest and largest x and y of all outlines, in mm: x0, y0, x1, y1."""
    points = [point for item in objects for body in item.bodies for point in body.outline]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)
