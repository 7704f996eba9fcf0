"""Files that survive a power cut at any moment.

Two ways only: a whole file is written beside the old one and renamed over it; a record is appended as one line
that carries its own checksum, so that a half-written line is recognised and skipped. Nothing is ever removed
before what replaces it is complete.
"""

import json
import os
from binascii import crc32

_TEMPORARY = ".new"


def make_folder(path: str) -> None:
    """Create a folder unless it is there; its parent must exist."""
    try:
        os.mkdir(path)
    except OSError:
        os.stat(path)  # exists: fine; anything else raises again


def exists(path: str) -> bool:
    """Whether there is a file or folder of this name."""
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def write_whole(path: str, data: "bytes | bytearray | list[bytes]") -> None:
    """Replace the file by `data` (or by its pieces): afterwards it holds all of it, or what it held before.

    Raises OSError, when the flash is full for example; the old file is then untouched.
    """
    temporary = path + _TEMPORARY
    try:
        with open(temporary, "wb") as file:
            for piece in data if isinstance(data, list) else (data,):
                file.write(piece)
        os.rename(temporary, path)
    except OSError:
        discard(temporary)
        raise


def discard(path: str) -> None:
    """Remove a file that may not be there."""
    if exists(path):
        os.remove(path)


def line(record: "dict | list") -> bytes:  # type: ignore[type-arg]
    """A record as one line: checksum, space, JSON, line feed."""
    text = json.dumps(record).encode()
    return b"%08x %s\n" % (crc32(text), text)


def parse_line(data: bytes) -> "dict | list | None":  # type: ignore[type-arg]
    """The record in a line, or None when it is not whole."""
    if len(data) < 11 or data[-1] != 10 or data[8] != 32:
        return None
    text = data[9:-1]
    if data[:8] != b"%08x" % crc32(text):
        return None
    return json.loads(text)


def append(path: str, data: bytes) -> None:
    """Add to the end of a file. Raises OSError; part of `data` may then have been written."""
    with open(path, "ab") as file:
        file.write(data)


def read_lines(path: str):  # type: ignore[no-untyped-def]
    """Each line as a record, or as None when it is damaged. Walk it to its end: only then is the file closed."""
    with open(path, "rb") as file:
        while True:
            data = file.readline()
            if not data:
                return
            yield parse_line(data)


def read_line(path: str, position: int) -> "tuple[dict | list | None, int]":  # type: ignore[type-arg]
    """The record of the first whole line at or behind `position`, and the position behind it; None at the end."""
    with open(path, "rb") as file:
        file.seek(position)
        while True:
            data = file.readline()
            if not data:
                return None, position
            position += len(data)
            record = parse_line(data)
            if record is not None:
                return record, position
