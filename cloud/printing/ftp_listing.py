"""What printers answer to LIST: Unix style, with or without some of its columns; DOS style is understood too. Pure.

Names are data: what could leave its folder, or is no text that can be shown and sent back, is left out.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

_UNIX: Final = re.compile(
    r"(?P<kind>[-dlbcps])[-rwxsStTl]*[+@.]?\s.*?(?<!\d)(?P<size>\d{1,16})\s+(?P<month>[A-Za-z]{3})\s+(?P<day>\d{1,2})\s+"
    r"(?P<when>\d{4}|\d{1,2}:\d{2})\s(?P<name>.+)"
)
_DOS: Final = re.compile(
    r"(?P<date>\d{2}-\d{2}-\d{2}(?:\d{2})?)\s+(?P<time>\d{1,2}:\d{2}\s*[AP]M)\s+(?P<size><DIR>|\d{1,16})\s(?P<name>.+)",
    re.I,
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST_NAME: Final = 255
_LONGEST_LINE: Final = 1024
_LARGEST: Final = 2**50


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    name: str
    size: int
    modified: str | None
    """By the printer's clock, without a zone."""


def parse_listing(listing: bytes, now: datetime) -> Iterator[Line]:
    """The files in it; folders, links and what is not understood are passed over. `now` tells years left out."""
    for raw in listing.split(b"\n"):
        try:
            text = raw.rstrip(b"\r").decode()
        except UnicodeDecodeError:
            continue  # a name that could not be sent back as it is
        if len(text) > _LONGEST_LINE:
            continue
        line = _unix(text, now) or _dos(text)
        if line is not None and line.size <= _LARGEST and _is_name(line.name):
            yield line


def _unix(text: str, now: datetime) -> Line | None:
    match = _UNIX.fullmatch(text)
    if match is None or match["kind"] != "-":
        return None
    # Some put the whole path here, as they do for NLST.
    name = match["name"].rpartition("/")[2] if match["name"].startswith("/") else match["name"]
    return Line(name=name, size=int(match["size"]), modified=_moment(match, now))


def _moment(match: re.Match[str], now: datetime) -> str | None:
    month = match["month"].lower()
    if month not in _MONTHS:
        return None
    number, day, when = _MONTHS.index(month) + 1, int(match["day"]), match["when"]
    hour, minute = (int(part) for part in when.split(":")) if ":" in when else (0, 0)
    try:
        if ":" not in when:
            return datetime(int(when), number, day).isoformat()
        moment = datetime(now.year, number, day, hour, minute)
        # Without a year it is of the last twelve months; a day ahead is a clock in another zone.
        if moment > now.replace(tzinfo=None) + timedelta(days=1):
            moment = moment.replace(year=now.year - 1)
    except ValueError:
        return None
    return moment.isoformat()


def _dos(text: str) -> Line | None:
    match = _DOS.fullmatch(text)
    if match is None or not match["size"].isdigit():
        return None
    year = "%Y" if len(match["date"]) == len("01-31-2026") else "%y"
    try:
        when = f"{match['date']} {match['time'].replace(' ', '')}"
        moment = datetime.strptime(when, f"%m-%d-{year} %I:%M%p").isoformat()
    except ValueError:
        moment = None
    return Line(name=match["name"].strip(), size=int(match["size"]), modified=moment)


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..") and len(name) <= _LONGEST_NAME and "/" not in name and name.isprintable()
