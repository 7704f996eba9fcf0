"""Reading request bodies: bounded while they stream in, strictly decoded, and refused in words that name the place."""

import functools
import re
from typing import Any, Final, cast

import msgspec
from starlette.requests import Request

from cloud.api.errors import ApiError
from cloud.storage.secrets import Secret

JSON_LIMIT: Final = 256 * 1024

# In JSON it is written like this, unless the backslash is itself one that was escaped.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_PLACE: Final = re.compile(r"^(?P<problem>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)


async def read_json(request: Request, limit: int = JSON_LIMIT) -> bytes:
    """The bytes of a JSON body. Raises ApiError 413 or 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, "unsupported_media_type", "The body must be application/json.")
    return await read_bounded(request, limit)


def decode_json(data: bytes, shape: type[Any]) -> Any:
    """The body as `shape`. Raises ApiError 400 or 422."""
    if _NUL.search(data):
        raise _nul("$")
    try:
        return msgspec.json.decode(data, type=shape, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ApiError(400, "invalid_json", "The body is not valid JSON.") from None


async def read_bounded(request: Request, limit: int) -> bytes:
    """All of the body, never more than `limit` bytes of it. Raises ApiError 413."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)


def read_query(request: Request, shape: type[Any]) -> Any:
    """The query string as `shape`: names it does not know are refused, lists may repeat a name or use commas."""
    lists = _lists(cast(Any, shape))
    given: dict[str, Any] = {}
    for name, text in request.query_params.multi_items():
        if "\0" in text:
            raise _nul(f"$.{name}")
        if name in lists:
            given.setdefault(name, []).extend(part for part in text.split(",") if part)
        else:
            given[name] = text
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error) from None


@functools.cache
def _lists(shape: type[Any]) -> frozenset[str]:
    """The names of a Struct's fields that hold lists."""
    found = set()
    for field in msgspec.structs.fields(shape):
        info = msgspec.inspect.type_info(field.type)
        kinds = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
        if any(isinstance(kind, msgspec.inspect.ListType) for kind in kinds):
            found.add(field.encode_name)
    return frozenset(found)


def decode_hook(kind: type[Any], value: Any) -> Any:
    """Secrets are wrapped before anything can print them."""
    if kind is Secret:
        if not isinstance(value, str):
            raise ValueError("Expected `str`")
        return Secret(value)
    raise NotImplementedError(kind)


def invalid(error: msgspec.ValidationError) -> ApiError:
    """422 that says what is wrong and where."""
    match = _PLACE.match(str(error))
    problem, path = (match["problem"], match["path"] or "$") if match else (str(error), "$")
    return ApiError(422, "invalid", f"{problem} - at {path}", details={"path": path, "problem": problem})


def _nul(path: str) -> ApiError:
    """PostgreSQL stores every text but one with this character, which nobody types."""
    problem = "A text cannot hold the character NUL"
    return ApiError(422, "invalid", f"{problem} - at {path}", details={"path": path, "problem": problem})


def too_large(limit: int) -> ApiError:
    return ApiError(
        413, "too_large", f"This is larger than the limit of {_human(limit)}.", details={"limit_bytes": limit}
    )


def _human(size: int) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
