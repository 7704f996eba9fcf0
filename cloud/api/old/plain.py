"""Colour presets, build plate types and tasks as the old system answered: bare lists, and a sentence around a change.

Today's API has the same paths with another envelope, so these are for API keys with `old_answers` only.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta

from cloud.api.collection import Collection
from cloud.api.kit import Call, Endpoint
from cloud.api.old.shapes import BOUND, Done, as_new, counted, old, said
from cloud.api.shapes import Id

Shape = type[msgspec.Struct]


def old_list(of: Collection) -> list[Endpoint]:
    """The whole list, and a deletion that says so."""
    query = _struct(f"Old{of.query.__name__}", [("limit", Annotated[int, Meta(ge=1, le=BOUND)], BOUND)], of.query)

    async def list_(call: Call, query: Any) -> Any:
        page = await of.list(call, query)
        counted(call, page.total)
        return page.items

    async def delete(call: Call, key: Id) -> Done:
        await of.delete(call, key)
        return Done(message=f"The {of.noun} is deleted.")

    one = f"{of.path}{{id}}"
    return [
        old("GET", of.path, _named("list", list_), query=query, answer=list[of.shape], summary="All of them."),  # type: ignore[name-defined]
        old("DELETE", one, _named("delete", delete), role=of.delete_role, summary="Delete one."),
    ]


def old_changes(of: Collection, word: str) -> list[Endpoint]:
    """Creations and changes that answer `{success, message, <word>}`, and take null for "as it is"."""
    done = _struct(f"Old{of.shape.__name__}Done", [(word, of.shape)], Done)

    async def create(call: Call, body: Any) -> Any:
        made = await of.create(call, as_new(said(body), of.new))
        return done(message=f"The {of.noun} is added.", **{word: made})

    async def update(call: Call, key: Id, body: Any) -> Any:
        changed = await of.update(call, key, as_new(said(body), of.patch))
        return done(message=f"The {of.noun} is changed.", **{word: changed})

    one = f"{of.path}{{id}}"
    options: dict[str, Any] = {"role": of.write_role, "answer": done, "errors": (409,)}
    return [
        old("POST", of.path, create, body=_nullable(of.new), summary="Add one.", **options),
        old("PUT", one, update, body=_nullable(of.patch), versioned=True, summary="Change one.", **options),
    ]


def _nullable(shape: Shape) -> Any:
    """The same fields, each of which may be null unless it is needed."""
    hints = get_type_hints(shape, include_extras=True)
    fields: list[Any] = [
        (field.name, hints[field.name]) if field.required else (field.name, hints[field.name] | None, None)
        for field in msgspec.structs.fields(shape)
    ]
    return _struct(f"Old{shape.__name__}", fields)


def _struct(name: str, fields: list[Any], base: Shape = msgspec.Struct) -> Any:
    return msgspec.defstruct(name, fields, bases=(base,), frozen=True, kw_only=True, forbid_unknown_fields=True)


def _named(name: str, handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """As the audit log calls the operation of today."""
    handler.__name__ = name
    return handler
