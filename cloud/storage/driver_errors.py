"""The drivers' exceptions in our words (errors.py)."""

import functools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Index
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.schema import ColumnCollectionConstraint

from cloud.storage.errors import ConflictError, ConflictKind, UnavailableError
from cloud.storage.tables import metadata

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
        if is_cut(error):
            raise UnavailableError("the connection to the database was cut") from error
        state = getattr(error, "sqlstate", None)
        if not isinstance(state, str):
            raise
        if state.startswith("23"):
            raise _postgres_conflict(error, state) from None
        if state.startswith(_POSTGRES_UNAVAILABLE):
            raise UnavailableError(type(error).__name__) from error
        raise


def is_cut(error: Exception) -> bool:
    """Whether asyncpg (which need not be there) says that a connection is gone: in one class with mistakes of ours."""
    kind = type(error)
    ours = (kind.__module__.partition(".")[0], kind.__name__) == ("asyncpg", "InterfaceError")
    return ours and any(word in str(error) for word in ("closed", "released"))


def _sqlite_conflict(error: sqlite3.IntegrityError) -> ConflictError:
    """The message reads "UNIQUE constraint failed: printers.tenant_id, printers.serial_number"."""
    text = str(error)
    kind = _SQLITE_KINDS.get(getattr(error, "sqlite_errorcode", 0), "other")
    return ConflictError(kind, frozenset(re.findall(r"\b\w+\.(\w+)", text)), text)


def _postgres_conflict(error: Any, state: str) -> ConflictError:
    """Of the columns PostgreSQL says nothing where row level security might hide a row: its name tells them."""
    name = error.constraint_name or ""
    columns = _constraints().get(name, frozenset({error.column_name} if error.column_name else ()))
    return ConflictError(_POSTGRES_KINDS.get(state, "other"), columns, name or state)


@functools.cache
def _constraints() -> dict[str, frozenset[str]]:
    """Names of constraints and unique indexes -> their columns."""
    found: dict[str, frozenset[str]] = {}
    for table in metadata.tables.values():
        for constraint in table.constraints:
            if isinstance(constraint, ColumnCollectionConstraint):
                found[_name(constraint)] = frozenset(str(column.name) for column in constraint.columns)
        for index in table.indexes:
            found[_name(index)] = frozenset(str(column.name) for column in index.columns)
    return found


def _name(constraint: ColumnCollectionConstraint | Index) -> str:
    """As it is spelled in the database, by the naming convention."""
    dialect = cast(Dialect, cast(Any, postgresql.dialect)())
    return str(dialect.identifier_preparer.format_constraint(constraint))
