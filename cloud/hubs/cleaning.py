"""Of what a hub says, only what is declared goes on: newer fields, and text no database or JSON takes, stay outside.

Checked is not the same as harmless: an undeclared number of 400 digits or half a surrogate pair passes every check
of the declared fields and would break the first encoder it meets, perhaps on every retry.
"""

from typing import TYPE_CHECKING, Any

from shared_protocol.schema import ListOf, Nullable, Record, Text

if TYPE_CHECKING:
    from shared_protocol.schema import Kind


def cleaned(kind: "Kind", value: Any) -> Any:
    """A copy of a value that passed `kind.check`, without undeclared fields, with text that is whole Unicode."""
    if isinstance(kind, Record):
        return {field.name: cleaned(field.kind, value[field.name]) for field in kind.fields if field.name in value}
    if isinstance(kind, ListOf):
        return [cleaned(kind.kind, entry) for entry in value]
    if isinstance(kind, Nullable):
        return None if value is None else cleaned(kind.kind, value)
    if isinstance(kind, Text):
        return text(value)
    return value


def text(value: str) -> str:
    """Without NUL, which PostgreSQL refuses, and with '?' for lone surrogates, which UTF-8 does."""
    if "\0" in value:
        value = value.replace("\0", "")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
