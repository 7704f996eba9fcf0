"""Values as slicers write them: strings where numbers belong, "", "nan", colours with or without alpha."""

import math
import re
from typing import Final

_COLOR: Final = re.compile(r"#?([0-9A-Fa-f]{6})(?:[0-9A-Fa-f]{2})?")
_MAX_TEXT: Final = 300
# Larger than any print: keeps a nonsense figure out of 64-bit columns and sums.
_MAX_NUMBER: Final = 1e12
_MAX_WHOLE: Final = 2**31 - 1


def number(value: object) -> float | None:
    """A finite number, 0 or more; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and 0 <= found <= _MAX_NUMBER else None


def whole(value: object) -> int | None:
    """A whole number, 0 to 2³¹-1; fractions are rounded."""
    found = number(value)
    return None if found is None or found > _MAX_WHOLE else round(found)


def numbers(value: object) -> list[float]:
    """The positive numbers of "0.4,0.4" or of ["0.4"]."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        return []
    return [found for part in parts[:64] if (found := number(part))]


def text(value: object) -> str:
    """A short printable string; "" for anything that is not a string."""
    if not isinstance(value, str):
        return ""
    return "".join(c for c in value[:_MAX_TEXT] if c.isprintable()).strip()


def truth(value: object) -> bool:
    """Whether it is "true", as slicers spell it."""
    return isinstance(value, str) and value.strip().lower() in ("true", "1")


def color(value: object) -> str | None:
    """`#RRGGBB` in upper case, alpha dropped; None when it is no colour."""
    match = _COLOR.fullmatch(value.strip()) if isinstance(value, str) else None
    return f"#{match[1].upper()}" if match else None
