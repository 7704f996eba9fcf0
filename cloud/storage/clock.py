"""Times as the database and the API write them: ISO 8601, UTC, milliseconds, `Z`. They sort as text."""

from datetime import UTC, datetime, timedelta


def stamp(moment: datetime) -> str:
    """`2026-11-22T15:04:05.678Z`; the moment must carry a time zone."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    return stamp(datetime.now(UTC))


def after(seconds: float) -> str:
    """The time `seconds` from now; negative for the past."""
    return stamp(datetime.now(UTC) + timedelta(seconds=seconds))


def later(moment: str, seconds: float) -> str:
    """The time `seconds` after another."""
    return stamp(parse(moment) + timedelta(seconds=seconds))


def parse(text: str) -> datetime:
    """Inverse of `stamp`; raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text!r}")
    return moment
