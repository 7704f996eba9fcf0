"""The old database, read only: from a copy, so that not even SQLite's own housekeeping touches the original."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tools.migrate import salvage
from tools.migrate.values import moment_of

Old = dict[str, Any]
NO_TIME: Final = "2020-01-01T00:00:00.000Z"
"""Of rows without a time, in a database without any."""
_TIMES: Final = ("created_at", "time_submitted", "time_started")


class SourceError(RuntimeError):
    """The old database cannot be read; the message is for the person who moves."""


class Source:
    """An open copy of `tenant.db`. Made by `opened`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        self.tables = {str(row[0]) for row in names}
        self._rows: dict[str, list[Old]] = {}
        self.damage: dict[str, list[str]] = {}
        """Table -> what of it cannot be read."""

    def rows(self, table: str) -> list[Old]:
        """In the order of their making; columns that this installation lacks are missing."""
        if table not in self.tables:
            return []
        if table not in self._rows:
            self._rows[table], lost = salvage.rows(self._db, table)
            if lost:
                self.damage[table] = lost
        return self._rows[table]

    def beginning(self) -> str:
        """The earliest time it tells of: the time of rows that say none.

        Of the data and not of the file, and the earliest and not the latest, so that a later copy tells the same.
        """
        told = (moment_of(row.get(name), UTC) for table in self.tables for row in self.rows(table) for name in _TIMES)
        return min((time for time in told if time is not None), default=NO_TIME)

    def tenants(self) -> Counter[Any]:
        """How many rows each farm has, as `tenant_id` is written; under None, those of no farm."""
        return Counter(row.get("tenant_id") or None for table in sorted(self.tables) for row in self.rows(table))


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Raises SourceError."""
    if not path.is_file():
        raise SourceError(f"There is no file {path}. Copy data/tenant.db from the Raspberry Pi.")
    with TemporaryDirectory(prefix="printfarm-migrate-") as folder:
        copy = Path(folder) / "tenant.db"
        try:
            shutil.copyfile(path, copy)
            wal = path.with_name(path.name + "-wal")
            if wal.is_file():  # what was committed last may be in there only
                shutil.copyfile(wal, copy.with_name("tenant.db-wal"))
        except OSError as error:
            raise SourceError(f"{path} cannot be copied to {folder}: {error.strerror}.") from None
        with closing(sqlite3.connect(copy)) as db:
            db.text_factory = lambda data: data.decode(errors="replace")
            try:
                source = Source(db)
            except sqlite3.DatabaseError as error:
                raise SourceError(
                    f"{path} is no SQLite database, or its beginning is damaged: {error}. Use one from data/backups."
                ) from None
            yield source
