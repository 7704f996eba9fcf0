"""Values of the old database, whatever they are, as the new one wants them: the mended value, and what was wrong.

What is cut, out of range, not understood or translated is kept as it was: `Reader.legacy` has it.
"""

import hashlib
import json
import math
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from cloud.catalog import models
from cloud.storage import clock

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEX: Final = re.compile(r"#?([0-9A-Fa-f]{6})([0-9A-Fa-f]{2})?")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BREAKS: Final = re.compile(r"[\t\n\r]+")
_SECRET: Final = re.compile(r"access_?code|password|secret|token|api_?key", re.IGNORECASE)
MAX_INTEGER: Final = 1_000_000_000
"""As the API has it for counts and cents."""
MAX_JSON: Final = 16_000
MAX_DEPTH: Final = 32
_EARLIEST, _LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_MODELS: Final = {
    "a1mini": "A1 mini", "a1m": "A1 mini", "n1": "A1 mini", "a1": "A1", "n2s": "A1", "p1p": "P1P", "p1s": "P1S",
    "x1": "X1", "x1c": "X1 Carbon", "x1carbon": "X1 Carbon", "x1e": "X1E", "x1enterprise": "X1E",
}  # fmt: skip


class Reader:
    """Reads one old row; what had to be mended gathers in `mends`, what was looked at in `used`."""

    def __init__(self, row: dict[str, Any], zone: tzinfo) -> None:
        self._row = row
        self._zone = zone
        self.used: set[str] = {"id", "tenant_id"}
        self.mends: list[str] = []
        self.kept: set[str] = set()
        """Columns that were understood, but are something else here."""

    def rest(self) -> set[str]:
        """Names of what nobody asked for, and is not empty."""
        return {name for name, value in self._row.items() if name not in self.used and value not in (None, "")}

    def secrets(self) -> set[str]:
        """Those of the rest that are not to lie about in the open."""
        return {name for name in self.rest() if _SECRET.search(name)}

    def legacy(self) -> dict[str, Any]:
        """What is kept with the row as it was."""
        names = (self.rest() - self.secrets()) | self.kept
        return {name: _plain(self._row[name]) for name in sorted(names)}

    def keep(self, name: str, mend: str = "") -> None:
        """Keep the old value; `mend` says why."""
        if self._row.get(name) not in (None, "") and not _SECRET.search(name):
            self.kept.add(name)
        if mend:
            self.mends.append(mend)

    def raw(self, name: str) -> Any:
        self.used.add(name)
        return self._row.get(name)

    def text(self, name: str, default: str = "", *, longest: int = 4000, lines: bool = False) -> str:
        return self.maybe_text(name, longest=longest, lines=lines) or default

    def maybe_text(self, name: str, *, longest: int = 4000, lines: bool = False) -> str | None:
        """Trimmed; `lines`: it may have several."""
        value = self.raw(name)
        if value is None:
            return None
        text = (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()
        clean = _UNPRINTABLE.sub("", text if lines else _BREAKS.sub(" ", text))
        if clean != text:
            self.keep(name, f"{name} had unprintable characters")
        if len(clean) > longest:
            self.keep(name, f"{name} was cut to {longest} characters")
        return clean[:longest].strip() or None

    def whole(self, name: str, default: int = 0, *, least: int = 0, most: int = MAX_INTEGER) -> int:
        number = self.maybe_whole(name, least=least, most=most)
        return default if number is None else number

    def maybe_whole(self, name: str, *, least: int = 0, most: int = MAX_INTEGER) -> int | None:
        """None for a number beyond the limits: a limit in its place would look like a figure somebody measured."""
        number = self.maybe_number(name, least=least, most=most)
        if number is None:
            return None
        if number != round(number):
            self.keep(name, f"{name} was no whole number")
        return round(number)

    def maybe_number(
        self, name: str, *, factor: float = 1.0, least: float = 0, most: float = MAX_INTEGER
    ) -> float | None:
        value = self.raw(name)
        if value is None or value == "":
            return None
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            self.keep(name, f"{name} was no number")
            return None
        if not least <= number <= most:
            self.keep(name, f"{name} was out of range")
            return None
        return number * factor

    def flag(self, name: str, default: bool) -> bool:
        value = self.raw(name)
        if value is None or value == "":
            return default
        word = str(value).strip().lower()
        if word not in ("0", "1", "true", "false", "0.0", "1.0"):
            self.keep(name, f"{name} was neither yes nor no")
            return default
        return word in ("1", "true", "1.0")

    def moment(self, name: str) -> str | None:
        """Of whatever form: naive times are of the zone that was named."""
        value = self.raw(name)
        if value is None or value == "":
            return None
        found = moment_of(value, self._zone)
        if found is None:
            self.keep(name, f"{name} was no time")
        return found

    def when(self, name: str) -> str | None:
        """A day, or a moment when a time of day is given."""
        text = str(self.raw(name) or "").strip()
        if len(text) == 10:
            return self.day(name)
        if len(text) == 19 and text.endswith("00:00:00"):  # a day, as a column of moments has it
            return self.day(name)
        return self.moment(name)

    def day(self, name: str) -> str | None:
        value = self.raw(name)
        if value is None or value == "":
            return None
        text = str(value).strip()
        try:
            found = date.fromisoformat(text[:10]).isoformat()
        except ValueError:
            self.keep(name, f"{name} was no date")
            return None
        if text[10:].strip("T 0:.Z"):
            self.keep(name)  # with a time of day
        return found

    def color(self, name: str) -> str | None:
        """`#RRGGBB`."""
        value = self.maybe_text(name, longest=40)
        if value is None:
            return None
        match = _HEX.fullmatch(value)
        if match is None:
            self.keep(name, f"{name} was no colour")
            return None
        if match[2] and match[2].lower() != "ff":
            self.keep(name)  # how transparent it is has no place here
        return f"#{match[1].upper()}"

    def word(self, name: str, known: dict[str, str], default: str) -> str:
        """One of a vocabulary."""
        value = self.maybe_text(name, longest=60)
        if value is None:
            return default
        found = known.get(value.lower().replace(" ", "_").replace("-", "_"))
        if found is None:
            self.keep(name, f"{name} {value!r} is not known")
            return default
        if found != value:
            self.keep(name)
        return found

    def json_object(self, name: str) -> str:
        """JSON of an object; what is none becomes one."""
        value = self.raw(name)
        if value is None or value == "":
            return "{}"
        if len(str(value)) > MAX_JSON:
            self.keep(name, f"{name} was longer than {MAX_JSON} characters")
            return "{}"
        found = decoded(value)
        if isinstance(found, dict):
            return msgspec.json.encode(found).decode()
        self.keep(name, f"{name} was no JSON object")
        return msgspec.json.encode({"text": str(self.maybe_text(name) or "")}).decode()


def moment_of(value: Any, zone: tzinfo) -> str | None:
    """A time as the database writes it: of ISO 8601, seconds or milliseconds since 1970, or the form of mails."""
    try:
        parsed = _parsed(value)
        moment = (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return clock.stamp(moment) if _EARLIEST <= moment <= _LATEST else None


def _parsed(value: Any) -> datetime:
    if isinstance(value, int | float):
        seconds = value / 1000 if abs(value) > 1e11 else value
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    text = str(value).strip().removesuffix(" UTC")
    try:
        return datetime.fromisoformat(text + ("+00:00" if text != str(value).strip() else ""))
    except ValueError:
        if not text[:3].isalpha():
            raise
        return parsedate_to_datetime(text)


def decoded(value: Any) -> Any:
    """What a JSON text says; None when it is none, or so deep that nobody could read it again."""
    try:
        found = msgspec.json.decode(value if isinstance(value, bytes) else str(value).encode())
    except (ValueError, RecursionError):
        return None
    return found if _depth_of(found) <= MAX_DEPTH else None


def _depth_of(value: Any) -> int:
    """Counted by layers, without recursion."""
    layer, depth = [value], 0
    while layer and depth <= MAX_DEPTH:
        depth += 1
        inner: list[Any] = []
        for one in layer:
            inner += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        layer = inner
    return depth


def _plain(value: Any) -> Any:
    """As JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if isinstance(value, str | int | float) else repr(value)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def short(text: str, length: int = 8) -> str:
    """The same for the same text."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def usable_id(value: Any) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def model_code(text: str | None) -> str | None:
    """The code of a model's name or old code; None when it is not known."""
    if not text:
        return None
    plain = re.sub(r"[^a-z0-9]", "", text.lower()).removeprefix("bambulab")
    found = models.by_code(text) or models.by_name(text) or models.by_name(_MODELS.get(plain, ""))
    return found.code if found else None
