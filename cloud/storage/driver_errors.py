"""The drivers' exceptions in our words (errors.py)."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloud.storage.errors import ConflictError, ConflictKind, UnavailableError

_SQLITE_KINDS: dict[int, ConflictKind] = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: "unique",
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: "unique",
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: "foreign_key",
    sqlite3.SQLITE_CONSTRAINT_CHECK: "check",
    sqlite3.SQLITE_CONSTRAINT_NOTNULL: "not_null",
}
# Low byte of the extended code. IOERR and CORRUPT are worth an alarm, but the caller can only be told "not now".
_SQLITE_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}
_POSTGRES_KINDS: dict[str, ConflictKind] = {
    "23505": "unique",
    "23503": "foreign_key",
    "23514": "check",
    "23502": "not_null",
}
# SQLSTATE classes: connection, transaction rollback (deadlock), resources, operator intervention; lock not available.
_POSTGRES_UNAVAILABLE = ("08", "40", "53", "57", "55P03")


@contextmanager
def translated() -> Iterator[None]:
    """Raise our errors in place of the drivers'. Statements' values, which may be secret, stay out of the message."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise _sqlite_conflict(error) from None
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_UNAVAILABLE:
            raise UnavailableError(str(error)) from error
        raise
    except (ConnectionError, TimeoutError) as error:
        raise UnavailableError(f"no connection to the database: {type(error).__name__}") from error
    except Exception as error:
        state = getattr(error, "sqlstate", None)
        if not isinstance(state, str):
            raise
        if state.startswith("23"):
            raise _postgres_conflict(error, state) from None
        if state.startswith(_POSTGRES_UNAVAILABLE):
            raise UnavailableError(type(error).__name__) from error
        raise


def _sqlite_conflict(error: sqlite3.IntegrityError) -> ConflictError:
    """The message reads "UNIQUE constraint failed: printers.tenant_id, printers.serial_number"."""
    text = str(error)
    kind = _SQLITE_KINDS.get(getattr(error, "sqlite_errorcode", 0), "other")
    return ConflictError(kind, frozenset(re.findall(r"\b\w+\.(\w+)", text)), text)


def _postgres_conflict(error: Any, state: str) -> ConflictError:
    """The detail reads "Key (tenant_id, serial_number)=(...) already exists."; only the names are taken."""
    names = re.match(r"Key \(([^)]*)\)=", error.detail or "")
    columns = frozenset(name.strip().strip('"') for name in names.group(1).split(",")) if names else frozenset()
    if not columns and error.column_name:
        columns = frozenset({error.column_name})
    return ConflictError(_POSTGRES_KINDS.get(state, "other"), columns, error.constraint_name or state)
