"""Values of the old database, whatever they are, as the new one wants them: the mended value, and what was wrong."""

import json
import math
import re
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from cloud.catalog import models
from cloud.storage import clock

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEX: Final = re.compile(r"#?([0-9A-Fa-f]{6})(?:[0-9A-Fa-f]{2})?")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
MAX_INTEGER: Final = 2**31 - 1
_MODELS: Final = {
    "a1mini": "A1 mini", "a1m": "A1 mini", "n1": "A1 mini", "a1": "A1", "n2s": "A1", "p1p": "P1P", "p1s": "P1S",
    "x1": "X1", "x1c": "X1 Carbon", "x1carbon": "X1 Carbon", "x1e": "X1E", "x1enterprise": "X1E",
}  # fmt: skip


class Reader:
    """Reads one old row; what had to be mended gathers in `mends`, what was looked at in `used`."""

    def __init__(self, row: dict[str, Any], zone: ZoneInfo) -> None:
        self._row = row
        self._zone = zone
        self.used: set[str] = {"id", "tenant_id"}
        self.mends: list[str] = []

    def rest(self) -> dict[str, Any]:
        """What nobody asked for, and is not empty."""
        return {
            name: value if isinstance(value, str | int | float) else repr(value)
            for name, value in self._row.items()
            if name not in self.used and value is not None and value != ""
        }

    def raw(self, name: str) -> Any:
        self.used.add(name)
        return self._row.get(name)

    def text(self, name: str, default: str = "", *, longest: int = 4000) -> str:
        return self.maybe_text(name, longest=longest) or default

    def maybe_text(self, name: str, *, longest: int = 4000) -> str | None:
        value = self.raw(name)
        if value is None:
            return None
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        clean = _UNPRINTABLE.sub("", text)
        if clean != text:
            self.mends.append(f"{name} had unprintable characters")
        if len(clean) > longest:
            self.mends.append(f"{name} was cut to {longest} characters")
        return clean[:longest].strip() or None

    def whole(self, name: str, default: int = 0, *, least: int = 0, most: int = MAX_INTEGER) -> int:
        number = self.maybe_whole(name, least=least, most=most)
        return default if number is None else number

    def maybe_whole(self, name: str, *, least: int = 0, most: int = MAX_INTEGER) -> int | None:
        number = self.maybe_number(name)
        if number is None:
            return None
        if not least <= number <= most:
            self.mends.append(f"{name} was out of range")
        return round(min(max(number, least), most))

    def maybe_number(self, name: str, *, factor: float = 1.0) -> float | None:
        value = self.raw(name)
        if value is None or value == "":
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not math.isfinite(number):
            self.mends.append(f"{name} was no number")
            return None
        return number * factor

    def flag(self, name: str, default: bool) -> bool:
        value = self.raw(name)
        if value is None or value == "":
            return default
        word = str(value).lower()
        if word not in ("0", "1", "true", "false", "0.0", "1.0"):
            self.mends.append(f"{name} was neither yes nor no")
            return default
        return word in ("1", "true", "1.0")

    def moment(self, name: str) -> str | None:
        """Of whatever form: naive times are of the zone that was named."""
        value = self.raw(name)
        if value is None or value == "":
            return None
        try:
            parsed = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
        except ValueError:
            self.mends.append(f"{name} was no time")
            return None
        return clock.stamp(parsed if parsed.tzinfo else parsed.replace(tzinfo=self._zone).astimezone(UTC))

    def day(self, name: str) -> str | None:
        value = self.raw(name)
        if value is None or value == "":
            return None
        try:
            return date.fromisoformat(str(value)[:10]).isoformat()
        except ValueError:
            self.mends.append(f"{name} was no date")
            return None

    def color(self, name: str) -> str | None:
        """`#RRGGBB`."""
        value = self.maybe_text(name)
        if value is None:
            return None
        match = _HEX.fullmatch(value)
        if match is None:
            self.mends.append(f"{name} was no colour")
            return None
        return f"#{match[1].lower()}"

    def word(self, name: str, known: dict[str, str], default: str) -> str:
        """One of a vocabulary."""
        value = self.maybe_text(name, longest=60)
        if value is None:
            return default
        found = known.get(value.lower().replace(" ", "_").replace("-", "_"))
        if found is None:
            self.mends.append(f"{name} {value!r} is not known")
            return default
        return found

    def json_text(self, name: str, default: str) -> str:
        value = self.maybe_text(name, longest=16_000)
        if value is None:
            return default
        try:
            return json.dumps(json.loads(value), ensure_ascii=False)
        except ValueError:
            self.mends.append(f"{name} was no JSON")
            return json.dumps({"text": value}, ensure_ascii=False)


def usable_id(value: Any) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def split_color(text: str | None) -> tuple[str, str | None]:
    """`Galaxy Black|#1a1a1a`, `Galaxy Black`, `#1a1a1a` -> name and colour."""
    name, _, code = (text or "").partition("|")
    match = _HEX.fullmatch(code.strip()) or _HEX.fullmatch(name.strip())
    return name.strip(), f"#{match[1].lower()}" if match else None


def model_code(text: str | None) -> str | None:
    """The code of a model's name or old code; None when it is not known."""
    if not text:
        return None
    plain = re.sub(r"[^a-z0-9]", "", text.lower()).removeprefix("bambulab")
    found = models.by_code(text) or models.by_name(text) or models.by_name(_MODELS.get(plain, ""))
    return found.code if found else None
