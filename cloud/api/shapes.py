"""Types that many requests and answers share."""

from typing import Annotated

from msgspec import Meta, Struct

# No control characters; the look-ahead is for Python, whose `$` also matches before a final line feed.
_PRINTABLE = r"^[^\u0000-\u001f\u007f]*$(?!\n)"

Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=_PRINTABLE)]
Short = Annotated[str, Meta(max_length=120, pattern=_PRINTABLE)]
Line = Annotated[str, Meta(max_length=300, pattern=_PRINTABLE)]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\u0000-\u001f]+@[^@\s\u0000-\u001f]+$(?!\n)")]
Color = Annotated[str, Meta(pattern=r"^#[0-9A-Fa-f]{6}$(?!\n)")]
Text = Annotated[str, Meta(max_length=4000, pattern=r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$(?!\n)")]
Search = Annotated[str, Meta(max_length=100, pattern=_PRINTABLE)]
Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z$(?!\n)")]
"""UTC, as the API writes it."""
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")]
When = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z)?$(?!\n)")]
"""A day, or a moment in UTC."""
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Cents = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Port = Annotated[int, Meta(ge=1, le=65535)]


class PageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of a list."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class ListQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of a list that can be searched and sorted. What a list adds to it are filters, named as columns."""

    search: Search = ""
    sort: Annotated[list[str], Meta(max_length=4)] = []
    """Fields, a `-` before one for descending; repeat the name or use commas."""
