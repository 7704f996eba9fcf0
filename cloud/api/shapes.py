"""Types that many requests and answers share."""

from typing import Annotated

from msgspec import Meta, Struct

# No control characters; the look-ahead is for Python, whose `$` also matches before a final line feed.
_PRINTABLE = r"^[^\u0000-\u001f\u007f]*$(?!\n)"

Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=_PRINTABLE)]
Line = Annotated[str, Meta(max_length=300, pattern=_PRINTABLE)]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\u0000-\u001f]+@[^@\s\u0000-\u001f]+$(?!\n)")]
Port = Annotated[int, Meta(ge=1, le=65535)]


class PageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of a list."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
