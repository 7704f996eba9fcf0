"""A colour as people and old clients write it: a name, a `#RRGGBB`, or both in one text."""

import re
from typing import Final

_BOTH: Final = re.compile(r"(?P<name>[^|]*)\|\s*(?P<hex>#?[0-9A-Fa-f]{6})(?:[0-9A-Fa-f]{2})?\s*")
_HEX: Final = re.compile(r"#[0-9A-Fa-f]{6}")


def split_color(text: str) -> tuple[str, str | None]:
    """ "Black|#000000" -> ("Black", "#000000"); "Black" -> ("Black", None); "#1f8b4c" -> ("#1F8B4C", "#1F8B4C")."""
    both = _BOTH.fullmatch(text)
    if both is not None:
        code = "#" + both["hex"].removeprefix("#").upper()
        return both["name"].strip() or code, code
    plain = text.strip()
    return (plain.upper(), plain.upper()) if _HEX.fullmatch(plain) else (plain, None)
