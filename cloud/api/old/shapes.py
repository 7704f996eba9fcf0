"""What the old system's paths have in common: whole lists, wrapped answers, dollars, and null for "as it is"."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from cloud.api.bodies import invalid
from cloud.api.kit import Call, Endpoint, Handler, Method
from cloud.errors import DomainError

T = TypeVar("T")

BOUND: Final = 1000
"""Things in one answer: clients of the old system know no pages."""
TOTAL: Final = "x-total-count"

Dollars = Annotated[float, Meta(ge=0, le=10_000_000)]


class WholeList(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without anything the first 1000. How many there are in all stands in the header X-Total-Count."""

    limit: Annotated[int, Meta(ge=1, le=BOUND)] = BOUND
    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class Done(Struct, frozen=True, kw_only=True):
    success: bool = True
    message: str


def old(method: Method, path: str, handler: Handler, **options: Any) -> Endpoint:
    """An endpoint that is kept for clients of the old system."""
    return Endpoint(method, path, handler, deprecated=True, **options)


def counted(call: Call, total: int) -> None:
    """Tell how long the whole list is."""

    def tell(response: Response) -> None:
        response.headers[TOTAL] = str(total)

    call.finish = tell


def said(body: Struct, *unheeded: str) -> dict[str, Any]:
    """The fields that were sent, without those nobody heeds: in the old system null means "as it is"."""
    fields = {name: getattr(body, name) for name in body.__struct_fields__ if name not in unheeded}
    return {name: value for name, value in fields.items() if value is not None}


def as_new(values: Mapping[str, Any], shape: type[T]) -> T:
    """The same request in the shape of today. Raises ApiError 422."""
    try:
        return msgspec.convert(values, shape)
    except msgspec.ValidationError as error:
        raise invalid(error) from None


def as_old(answer: Struct, shape: type[T], **other: Any) -> T:
    """An answer of today in the old shape: fields of the same name, and `other` before them."""
    names = set(answer.__struct_fields__)
    same = {name: getattr(answer, name) for name in _fields(shape) if name in names}
    return shape(**{**same, **other})


async def deleted_or_hidden(delete: Callable[[], Awaitable[Any]], hide: Callable[[], Awaitable[Any]]) -> str:
    """Take a thing out of the old lists, which show what is active; what became of it, in a word."""
    try:
        await delete()
    except DomainError as error:
        if error.code != "in_use":
            raise
        await hide()
        return "hidden: other things still need it"
    return "deleted"


def cents(dollars: float) -> int:
    return round(dollars * 100)


def dollars(cents: int | None) -> float | None:
    return None if cents is None else cents / 100


def _fields(shape: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = shape.__struct_fields__
    return names
