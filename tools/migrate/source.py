"""The old database, read only: from a copy, so that not even SQLite's own housekeeping touches the original."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cloud.storage import clock

Old = dict[str, Any]


class SourceError(RuntimeError):
    """The old database cannot be read; the message is for the person who moves."""


class Source:
    """An open copy of `tenant.db`. Made by `opened`."""

    def __init__(self, db: sqlite3.Connection, written_at: str) -> None:
        self._db = db
        self.written_at = written_at
        """When the file was last changed: the time of rows that say none."""
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        self.tables = {str(row[0]) for row in names}

    def rows(self, table: str) -> list[Old]:
        """In the order of their making; columns that this installation lacks are missing."""
        if table not in self.tables:
            return []
        cursor = self._db.execute(f'SELECT * FROM "{table}" ORDER BY rowid')  # noqa: S608 - one of our own names
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Raises SourceError."""
    if not path.is_file():
        raise SourceError(f"There is no file {path}. Copy data/tenant.db from the Raspberry Pi.")
    with TemporaryDirectory(prefix="printfarm-migrate-") as folder:
        copy = Path(folder) / "tenant.db"
        shutil.copyfile(path, copy)
        wal = path.with_name(path.name + "-wal")
        if wal.is_file():  # what was committed last may be in there only
            shutil.copyfile(wal, copy.with_name("tenant.db-wal"))
        with closing(sqlite3.connect(copy)) as db:
            db.text_factory = lambda data: data.decode(errors="replace")
            try:
                broken = db.execute("PRAGMA quick_check(1)").fetchone()[0]
                if broken != "ok":
                    raise SourceError(f"{path} is damaged: {broken}. Use a backup from data/backups.")
                written_at = clock.stamp(datetime.fromtimestamp(int(path.stat().st_mtime), UTC))
                yield Source(db, written_at)
            except sqlite3.DatabaseError as error:
                raise SourceError(f"{path} is no SQLite database, or is damaged: {error}.") from None
