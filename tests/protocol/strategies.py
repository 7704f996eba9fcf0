"""Hypothesis strategies made from the declarations themselves, so a new message is tested without a line here."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from shared_protocol import messages, schema

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)

_EASY_TEXT = st.characters(codec="utf-8")


def values(kind: schema.Kind) -> st.SearchStrategy[Any]:
    """Valid values of a declared kind, small enough for a frame."""
    match kind:
        case schema.Flag():
            return st.booleans()
        case schema.Int():
            return st.integers(kind.low, kind.high)
        case schema.Number():
            return st.floats(kind.low, kind.high, allow_nan=False) | st.integers(int(kind.low), int(kind.high))
        case schema.Text():
            return st.text(_EASY_TEXT, min_size=kind.least, max_size=min(kind.most, kind.least + 12))
        case schema.Choice():
            return st.sampled_from(kind.words)
        case schema.ListOf():
            return st.lists(values(kind.kind), max_size=min(kind.most, 4))
        case schema.Nullable():
            return st.none() | values(kind.kind)
        case schema.Record():
            return records(kind)
        case _:
            return st.dictionaries(st.text(max_size=8), JSON, max_size=3)


def records(record: schema.Record) -> st.SearchStrategy[dict[str, Any]]:
    """Valid objects of a record, with and without its optional fields."""
    return st.fixed_dictionaries(
        {field.name: values(field.kind) for field in record.fields if not field.optional},
        optional={field.name: values(field.kind) for field in record.fields if field.optional},
    )


def valid(message: schema.Message) -> st.SearchStrategy[dict[str, Any]]:
    """Valid messages of a kind, commands and events with the arguments of their name."""
    plain = records(message.record).map(lambda fields: fields | {"kind": message.kind})
    if message.kind == "command":
        to_hub = plain.map(lambda fields: {name: value for name, value in fields.items() if name != "printer"})
        to_printer = st.builds(
            lambda fields, printer: fields | {"printer": printer}, to_hub, st.text(_EASY_TEXT, min_size=1, max_size=8)
        )
        return _named(to_hub, messages.HUB_COMMANDS, "args") | _named(to_printer, messages.COMMANDS, "args")
    return _named(plain, messages.EVENTS, "data") if message.kind == "event" else plain


def _named(
    plain: st.SearchStrategy[dict[str, Any]], table: dict[str, schema.Record], inside: str
) -> st.SearchStrategy[dict[str, Any]]:
    named = st.sampled_from(sorted(table)).flatmap(lambda name: st.tuples(st.just(name), records(table[name])))
    return st.builds(lambda fields, pair: fields | {"name": pair[0], inside: pair[1]}, plain, named)
