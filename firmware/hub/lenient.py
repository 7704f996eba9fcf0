"""Values as printers send them: numbers as text, text as numbers, or neither. None is what cannot be read.

Nothing here raises, whatever it is given.
"""

_SURROGATES = (0xD800, 0xDC00, 0xE000)


def integer(value: object, low: int, high: int) -> "int | None":
    """An integer between *low* and *high* from a number or from decimal text."""
    found = number(value, low, high)
    return None if found is None else int(found)


def number(value: object, low: float, high: float) -> "float | int | None":
    """A number between *low* and *high*; neither booleans nor infinities are numbers."""
    if isinstance(value, str):
        if len(value) > 20:
            return None  # converting a long text would take the loop's time
        try:
            value = float(value) if "." in value else int(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if low <= value <= high else None


def hexadecimal(value: object) -> "int | None":
    """Bits that come as hexadecimal text."""
    if isinstance(value, str) and 0 < len(value) <= 20:
        try:
            return int(value, 16)
        except ValueError:
            return None
    return None


def text(value: object, limit: int) -> "str | None":
    """At most *limit* characters of text that is valid UTF-8 once it is encoded."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if -(1 << 63) < value < 1 << 64 else None
    if not isinstance(value, str):
        return None
    value = value[:limit]
    return value if _is_ascii(value) else _whole_characters(value)


def _is_ascii(value: str) -> bool:
    try:
        return len(value.encode()) == len(value)
    except UnicodeError:
        return False


def _whole_characters(value: str) -> str:
    # The interpreter's JSON reader leaves an escaped character above U+FFFF as two halves, and writes
    # each as bytes that no one else accepts as UTF-8.
    out = []
    first = 0
    for character in value:
        code = ord(character)
        if _SURROGATES[0] <= code < _SURROGATES[1]:
            first = code
            continue
        if _SURROGATES[1] <= code < _SURROGATES[2]:
            both = 0x10000 + ((first & 0x3FF) << 10 | code & 0x3FF)
            out.append(chr(both) if first else "?")
        else:
            out.append(character)
        first = 0
    return "".join(out)


def section(value: object, key: str) -> dict:  # type: ignore[type-arg]
    """`value[key]` when that is an object, else an empty one."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def items(value: object, most: int) -> list:  # type: ignore[type-arg]
    """The objects in a list, at most *most* of them."""
    if not isinstance(value, list):
        return []
    return [item for item in value[:most] if isinstance(item, dict)]


def degrees(value: object) -> "float | int | None":
    """A temperature in degrees Celsius, to a tenth."""
    found = number(value, -100, 1000)
    return None if found is None else round(found, 1)


def keep(kept: dict, key: str, value: object) -> None:  # type: ignore[type-arg]
    """Remember *value*, unless it could not be read.

    An equal value that is known stays: of a report a second, none of the texts may settle all over the heap.
    """
    if value is not None and kept.get(key) != value:
        kept[key] = value
