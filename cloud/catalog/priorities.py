"""A product's `printer_priority`: which printers come first, by id, or by model as the old dashboard wrote it."""

from collections.abc import Collection, Sequence

import msgspec

from cloud.catalog import models
from cloud.errors import DomainError

PATH = "$.printer_priority"


def parsed(value: Sequence[str] | str | None) -> list[str] | None:
    """The list itself, also when it was sent as JSON text. Raises DomainError."""
    if not isinstance(value, str):
        return None if value is None else list(value)
    if not value.strip():
        return None
    try:
        return msgspec.json.decode(value, type=list[str] | None)
    except (msgspec.DecodeError, RecursionError):
        sentence = 'Send a list of printer ids or models, such as ["N1", "P1S"].'
        raise DomainError("invalid", 422, sentence, path=PATH) from None


def is_model(entry: str) -> bool:
    """Whether it names a model, by its code ("N1") or by its name ("P1S")."""
    return models.by_code(entry) is not None or models.by_name(entry) is not None


def check(wanted: Sequence[str], printers: Collection[str]) -> None:
    """Raises DomainError when one is neither a model nor among `printers`, the ids there are."""
    for entry in wanted:
        if entry not in printers and not is_model(entry):
            raise DomainError("unknown_reference", 422, f"There is no printer or model {entry}.", path=PATH)
