"""SQLite behind asyncio: a pool of connections, each with a thread of its own.

One pool of a single writer and one of a few readers serve a database file. WAL lets readers go on while the writer
writes; `BEGIN IMMEDIATE` takes the write lock at the start, so that a read-then-write unit cannot find itself
locked out half-way (a deferred BEGIN fails at once with "database is locked" when two of them race).
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

BUSY_MS = 5000
"""How long a connection waits for another process's lock before it gives up."""

Answer = tuple[list[str], list[tuple[Any, ...]]]
"""Column names and rows."""


class SQLiteConnection:
    """One connection; its calls run one after the other in its own thread."""

    def __init__(self, path: Path, *, read_only: bool, durable: bool) -> None:
        self._path = path
        self._read_only = read_only
        self._durable = durable
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-reader" if read_only else "sqlite-writer")
        self._db: sqlite3.Connection | None = None
        self._begin: str | None = None

    async def open(self) -> None:
        await self._call(self._open)

    async def close(self) -> None:
        await self._call(self._close)
        self._thread.shutdown(wait=False)

    def begin(self) -> None:
        """Start a transaction together with the next statement: saves a trip to the thread."""
        self._begin = "BEGIN" if self._read_only else "BEGIN IMMEDIATE"

    async def fetch(self, sql: str, args: Sequence[Any]) -> Answer:
        return await self._call(lambda: self._fetch(sql, args))

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await self._call(lambda: self._execute_many(sql, rows))

    async def commit(self) -> None:
        if self._begin is not None:  # nothing was executed
            self._begin = None
            return
        await self._call(lambda: self._connected.execute("COMMIT"))

    async def rollback(self) -> None:
        """Undo what is open. A reader's transaction ends behind its caller's back: nothing hangs on when."""
        self._begin = None
        if self._read_only:
            self._thread.submit(self._rollback)
        elif self._connected.in_transaction:
            await self._call(self._rollback)

    @property
    def _connected(self) -> sqlite3.Connection:
        if self._db is None:
            raise RuntimeError("SQLite connection is not open")
        return self._db

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def _open(self) -> None:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=256)
        db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        db.execute("PRAGMA foreign_keys = ON")
        if self._read_only:
            db.execute("PRAGMA query_only = ON")
        else:
            mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                db.close()
                raise RuntimeError(f"SQLite refuses write-ahead logging here (journal mode is {mode!r})")
            db.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        self._db = db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _fetch(self, sql: str, args: Sequence[Any]) -> Answer:
        self._start()
        cursor = self._connected.execute(sql, args)
        return [column[0] for column in cursor.description or ()], cursor.fetchall()

    def _execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._start()
        self._connected.executemany(sql, rows)

    def _start(self) -> None:
        if self._begin is not None:
            self._connected.execute(self._begin)
            self._begin = None

    def _rollback(self) -> None:
        if self._connected.in_transaction:
            self._connected.execute("ROLLBACK")


class SQLitePool:
    """A fixed number of open connections, handed out in turn."""

    def __init__(self, path: Path, *, size: int, read_only: bool, durable: bool) -> None:
        self._connections = [SQLiteConnection(path, read_only=read_only, durable=durable) for _ in range(size)]
        self._idle: asyncio.LifoQueue[SQLiteConnection] = asyncio.LifoQueue()

    async def open(self) -> None:
        try:
            for connection in self._connections:
                await connection.open()
                self._idle.put_nowait(connection)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()

    @property
    def idle(self) -> int:
        return self._idle.qsize()

    async def acquire(self) -> SQLiteConnection:
        return await self._idle.get()

    async def release(self, connection: SQLiteConnection) -> None:
        """Give it back; whatever transaction is still open is undone first."""
        try:
            await connection.rollback()
        finally:
            self._idle.put_nowait(connection)
