"""The store: units of work on SQLite or PostgreSQL. The only module that knows the `databases` library.

A unit of work is an async function that takes a `Tx`. It runs in one transaction and in a task of its own that is
shielded from its caller's cancellation, because `databases` never gives back the connection of a cancelled
transaction (ten of them empty a pool). So a unit, once begun, runs to its end: it must hold nothing but statements.
For the same reason, and because the library leaks a connection whose BEGIN or COMMIT fails, transactions are begun
and ended here, on the driver's own connection.

Differences between the databases end here too: changed rows are counted with RETURNING, batches go to the driver's
executemany, and errors come out as those of errors.py.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast

import databases
import databases.core
import databases.interfaces
import structlog
from sqlalchemy import Table, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql import Executable
from sqlalchemy.sql.dml import Insert, UpdateBase

from cloud.storage.compiling import Compiler
from cloud.storage.driver_errors import is_cut, translated
from cloud.storage.errors import StoreClosedError
from cloud.storage.sqlite import SQLiteConnection, SQLitePool

log = structlog.get_logger(__name__)

T = TypeVar("T")
Row = Mapping[str, Any]
DialectName = Literal["sqlite", "postgresql"]

SQLITE_READERS = 4
POSTGRES_POOL = 8
POSTGRES_COMMAND_SECONDS = 30
POSTGRES_IDLE_SECONDS = 300.0

ANY_TENANT: Final = "*"
"""Work of the service itself, which may see every tenant's rows."""
TENANT_SETTING: Final = "printfarm.tenant"
_TENANT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}|\*")

# It logs every statement with its values at DEBUG: nobody may switch that on by raising the root level.
logging.getLogger("databases").setLevel(logging.WARNING)


class Tx:
    """What a unit of work may do. Valid only while the unit runs, and only in its task."""

    def __init__(self, connection: databases.core.Connection, dialect: DialectName, compiler: Compiler) -> None:
        self._connection = connection
        self._compiler = compiler
        self._callbacks: list[Callable[[], None]] = []
        self.dialect: DialectName = dialect

    async def all(self, statement: Executable) -> list[Row]:
        with translated():
            records = await self._connection.fetch_all(cast(Any, statement))
        return [dict(record._mapping) for record in records]

    async def one(self, statement: Executable) -> Row | None:
        with translated():
            record = await self._connection.fetch_one(cast(Any, statement))
        return None if record is None else dict(record._mapping)

    async def value(self, statement: Executable) -> Any:
        """The first column of the first row; None when there is no row."""
        row = await self.one(statement)
        return None if row is None else next(iter(row.values()))

    async def run(self, statement: UpdateBase) -> int:
        """Execute an insert, update or delete; the number of rows it touched."""
        if not statement._returning:
            statement = statement.returning(literal_column("1").label("touched"))
        return len(await self.all(statement))

    async def batch(self, statement: UpdateBase, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute one statement for many sets of values, by the driver's own executemany.

        Every row has the same keys: columns of an insert, or the names of the statement's bind parameters.
        """
        rows = list(rows)
        if not rows:
            return
        sql, args = self._compiler.many(statement, rows)
        raw = self._connection.raw_connection
        with translated():
            if self.dialect == "sqlite":
                await cast(SQLiteConnection, raw).execute_many(sql, args)
            else:
                await raw.executemany(sql, args)

    def insert(self, table: Table) -> sqlite.Insert:
        """An insert that knows `on_conflict_do_nothing` and `on_conflict_do_update`, spelled alike on both."""
        made: Insert = sqlite.insert(table) if self.dialect == "sqlite" else postgresql.insert(table)
        return cast(sqlite.Insert, made)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call this once the unit is committed, never when it is rolled back."""
        self._callbacks.append(callback)

    def _run_callbacks(self) -> None:
        for callback in self._callbacks:
            try:
                callback()
            except Exception:
                # The change is committed: a failing listener must not make it look undone.
                log.exception("after_commit callback failed")


Unit = Callable[[Tx], Awaitable[T]]


class Store:
    """A database that is open. Made by `Store.open`, ended by `close`."""

    def __init__(self, reads: databases.Database, writes: databases.Database, dialect: DialectName) -> None:
        self._reads = reads
        self._writes = writes
        self._compiler = Compiler(_dialect_of(dialect))
        self._units: set[asyncio.Task[Any]] = set()
        self._closed = False
        self.dialect: DialectName = dialect

    @classmethod
    async def open(cls, url: str, *, durable: bool = False) -> "Store":
        """Connect to `sqlite:///<path>` or `postgresql://...`.

        `durable` makes SQLite flush the disk on every commit; without it a power cut (not a crash) may take
        the last commits along, but never damages the file.
        """
        if url.startswith("sqlite:///"):
            store = cls._for_sqlite(url, durable)
        elif url.startswith(("postgresql://", "postgres://")):
            store = cls._for_postgres(url)
        else:
            raise ValueError("database URL must begin with sqlite:/// or postgresql://")
        with translated():
            await store._connect()
        return store

    @classmethod
    def _for_sqlite(cls, url: str, durable: bool) -> "Store":
        path = Path(url.removeprefix("sqlite:///"))
        register = databases.Database.SUPPORTED_BACKENDS
        register["sqlite+pooled"] = "cloud.storage.store:SQLiteBackend"
        address = "sqlite+pooled:///"
        writes = databases.Database(address, path=path, size=1, read_only=False, durable=durable)
        reads = databases.Database(address, path=path, size=SQLITE_READERS, read_only=True, durable=durable)
        return cls(reads, writes, "sqlite")

    @classmethod
    def _for_postgres(cls, url: str) -> "Store":
        database = databases.Database(
            url,
            min_size=1,
            max_size=POSTGRES_POOL,
            command_timeout=POSTGRES_COMMAND_SECONDS,
            max_inactive_connection_lifetime=POSTGRES_IDLE_SECONDS,
        )
        return cls(database, database, "postgresql")

    async def _connect(self) -> None:
        await self._writes.connect()  # first: it creates the file and switches the journal mode
        try:
            await self._reads.connect()
        except BaseException:
            await self._writes.disconnect()
            raise

    async def close(self) -> None:
        """Let running units end, then close every connection. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        while self._units:
            await asyncio.wait(self._units)
        await self._reads.disconnect()
        await self._writes.disconnect()

    async def read(self, unit: Unit[T], *, tenant: str = ANY_TENANT) -> T:
        """Run a unit that only reads; it sees one moment of the database throughout.

        On PostgreSQL it sees the rows of `tenant` and no others, whatever its statements say.
        """
        return await self._shielded(unit, tenant, write=False)

    async def write(self, unit: Unit[T], *, tenant: str = ANY_TENANT) -> T:
        """Run a unit that may write: committed when it returns, rolled back when it raises.

        A caller that is cancelled meanwhile cannot know which of the two happened; the unit ends either way.
        """
        return await self._shielded(unit, tenant, write=True)

    async def _shielded(self, unit: Unit[T], tenant: str, *, write: bool) -> T:
        if self._closed:
            raise StoreClosedError("the store is closed")
        task: asyncio.Task[T] = asyncio.create_task(self._run(unit, tenant, write=write))
        self._units.add(task)
        task.add_done_callback(self._units.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_report_orphan)
            raise

    async def _run(self, unit: Unit[T], tenant: str, *, write: bool) -> T:
        with translated():
            async with (self._writes if write else self._reads).connection() as connection:
                tx = Tx(connection, self.dialect, self._compiler)
                raw = connection.raw_connection
                transaction = _on_sqlite(raw, write) if self.dialect == "sqlite" else _on_postgres(raw, tenant, write)
                async with transaction:
                    result = await unit(tx)
        tx._run_callbacks()
        return result


@asynccontextmanager
async def _on_sqlite(connection: SQLiteConnection, write: bool) -> AsyncIterator[None]:
    connection.begin()
    try:
        yield
        if write:
            await connection.commit()
    finally:
        await connection.rollback()  # nothing to do after a commit


@asynccontextmanager
async def _on_postgres(raw: Any, tenant: str, write: bool) -> AsyncIterator[None]:
    """Begun together with the name of the tenant it is for (migrations/row_security.py), in one round trip.

    A tenant's writers take turns, as all writers do on SQLite: what a unit has read is still true when it writes.
    """
    if not _TENANT.fullmatch(tenant):
        raise ValueError("not the id of a tenant")
    mode = "READ COMMITTED" if write else "REPEATABLE READ, READ ONLY"
    turn = f"; SELECT pg_advisory_xact_lock(hashtextextended('{tenant}', 0))" if write and tenant != ANY_TENANT else ""
    try:
        await raw.execute(f"BEGIN ISOLATION LEVEL {mode}; SET LOCAL {TENANT_SETTING} = '{tenant}'{turn}")
        yield
        ended = await raw.execute("COMMIT")
    except BaseException:
        if not _is_gone(raw):  # else the first error is the one to tell
            await raw.execute("ROLLBACK")
        raise
    if ended != "COMMIT":
        # A statement had failed and its error was swallowed: PostgreSQL then rolls back, and says so only here.
        raise RuntimeError("the unit went on after a failed statement: nothing of it is stored")


def _is_gone(raw: Any) -> bool:
    """Of a connection that broke, the pool takes even the question away."""
    try:
        return bool(raw.is_closed())
    except Exception as error:
        if not is_cut(error):
            raise
        return True


def _report_orphan(task: asyncio.Task[Any]) -> None:
    """The caller was cancelled and is gone: what the unit raised would otherwise vanish."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("unit of work failed after its caller was cancelled", exc_info=error)


def _dialect_of(name: DialectName) -> Dialect:
    if name == "sqlite":
        return sqlite.dialect(paramstyle="qmark")
    return cast(Dialect, cast(Any, asyncpg_dialect)(paramstyle="numeric_dollar"))


# ---- our SQLite back end for `databases`: pooled connections instead of a new one, and a thread, per query ---------


class _Record(databases.interfaces.Record):
    def __init__(self, row: dict[str, Any]) -> None:
        self._row = row

    @property
    def _mapping(self) -> Mapping[str, Any]:
        return self._row

    def __getitem__(self, key: Any) -> Any:
        return self._row[key]

    def __len__(self) -> int:
        return len(self._row)


class SQLiteBackend(databases.interfaces.DatabaseBackend):
    """Registered with `databases` under the scheme `sqlite+pooled`."""

    def __init__(self, _url: databases.DatabaseURL, **options: Any) -> None:
        self.pool = SQLitePool(**options)
        self.compiler = Compiler(_dialect_of("sqlite"))

    async def connect(self) -> None:
        await self.pool.open()

    async def disconnect(self) -> None:
        await self.pool.close()

    def connection(self) -> "_SQLiteConnectionBackend":
        return _SQLiteConnectionBackend(self)


class _SQLiteConnectionBackend(databases.interfaces.ConnectionBackend):
    def __init__(self, backend: SQLiteBackend) -> None:
        self._backend = backend
        self._held: SQLiteConnection | None = None

    async def acquire(self) -> None:
        self._held = await self._backend.pool.acquire()

    async def release(self) -> None:
        held, self._held = self.raw_connection, None
        await self._backend.pool.release(held)

    async def fetch_all(self, query: Any) -> list[databases.interfaces.Record]:
        prepared = self._backend.compiler.one(query)
        names, rows = await self.raw_connection.fetch(prepared.sql, prepared.args)
        return [_Record(prepared.shape(names, row)) for row in rows]

    async def fetch_one(self, query: Any) -> databases.interfaces.Record | None:
        records = await self.fetch_all(query)
        return records[0] if records else None

    @property
    def raw_connection(self) -> SQLiteConnection:
        if self._held is None:
            raise RuntimeError("connection is not acquired")
        return self._held


__all__: Sequence[str] = ("Row", "Store", "Tx", "Unit")
