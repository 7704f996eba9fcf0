"""A colour as people and old clients write it: a name, a `#RRGGBB`, or both in one text."""

import re
from typing import Final

_BOTH: Final = re.compile(r"(?P<name>[^|]*)\|\s*(?P<hex>#?[0-9A-Fa-f]{6})(?:[0-9A-Fa-f]{2})?\s*")
_NO_CODE: Final = re.compile(r"(?P<name>[^|]*)\|\s*(?:null|undefined|none|nan)?\s*", re.IGNORECASE)
"""What the old dashboard wrote when it knew no code."""
_HEX: Final = re.compile(r"#[0-9A-Fa-f]{6}")


def split_color(text: str) -> tuple[str, str | None]:
    """ "Black|#000000" -> ("Black", "#000000"); "Black", "Black|null" -> ("Black", None); "#1f8b4c" -> it, twice."""
    both = _BOTH.fullmatch(text)
    if both is not None:
        code = "#" + both["hex"].removeprefix("#").upper()
        return both["name"].strip() or code, code
    without = _NO_CODE.fullmatch(text)
    plain = (without["name"].strip() if without else "") or text.strip()
    return (plain.upper(), plain.upper()) if _HEX.fullmatch(plain) else (plain, None)
