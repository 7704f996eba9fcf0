"""Printers by the numbers that people and old clients call them by."""

import re
from typing import Final

from cloud.api.errors import not_found
from cloud.api.kit import Call
from cloud.storage import printers

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


async def printer_id_of(call: Call, text: str) -> str:
    """The id of the printer of this number; an id stays one. Raises ApiError 404."""
    if not _NUMBER.fullmatch(text):
        return text
    found = await call.store.read(lambda tx: printers.id_of_number(tx, int(text)))
    if found is None:
        raise not_found("printer")
    return found
