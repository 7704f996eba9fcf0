"""Runs the steps that are missing.

All of them in one transaction: a step that fails half-way leaves the database as it was. The transaction holds a lock,
so of several processes that start at once one migrates and the others find it done.
"""

from pathlib import Path
from typing import Any

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, event, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from cloud.storage.errors import StoreError
from cloud.storage.store import Tx

log = structlog.get_logger(__name__)

SCRIPTS = Path(__file__).parent
# Any number will do, as long as nothing else in this database uses it for an advisory lock.
POSTGRES_LOCK = 7_236_178_104_559
LOCK_SECONDS = 60
STATEMENT_SECONDS = 300


class MigrationError(StoreError):
    """The database cannot be reached, or a step failed; nothing was changed. The message is one line."""


class UnknownRevisionError(RuntimeError):
    """The database was migrated by a newer version of the program than this one."""


def _config(scripts: Path = SCRIPTS) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def head(scripts: Path = SCRIPTS) -> str:
    """The newest revision this version of the program knows."""
    found = ScriptDirectory.from_config(_config(scripts)).get_current_head()
    if found is None:
        raise RuntimeError("no migrations found")
    return found


async def applied(tx: Tx) -> str | None:
    """The revision the database is at."""
    found = await tx.value(select(column("version_num")).select_from(table("alembic_version")))
    return None if found is None else str(found)


async def migrate(url: str, scripts: Path = SCRIPTS, *, revision: str = "head") -> None:
    """Bring the database at `url` (as for `Store.open`) to `head()`, or to an earlier step.

    Raises MigrationError; and UnknownRevisionError rather than touching a database that is newer than the program.
    """
    engine = _engine(url)
    try:
        async with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
                await connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({POSTGRES_LOCK})"))
            await connection.run_sync(_upgrade, scripts, revision)
    except (DBAPIError, OSError) as error:
        raise MigrationError(str(error).partition("\n")[0]) from error
    finally:
        await engine.dispose()


def _engine(url: str) -> AsyncEngine:
    scheme, rest = url.split("://", 1)
    if scheme == "sqlite":
        engine = create_async_engine(f"sqlite+aiosqlite://{rest}", poolclass=NullPool)
        event.listen(engine.sync_engine, "connect", _leave_transactions_to_us)
        event.listen(engine.sync_engine, "begin", _begin_immediate)
        return engine
    return create_async_engine(f"postgresql+asyncpg://{rest}", poolclass=NullPool)


def _leave_transactions_to_us(dbapi_connection: Any, _record: Any) -> None:
    """Python's sqlite3 commits before DDL unless told to keep its hands off."""
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _upgrade(connection: Connection, scripts: Path, revision: str) -> None:
    config = _config(scripts)
    directory = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in directory.walk_revisions()}
    if current is not None and current not in known:
        raise UnknownRevisionError(
            f"The database is at revision {current}, which this version does not know: it was used by a newer one. "
            "Start that version, or restore a backup."
        )
    newest = directory.get_current_head() if revision == "head" else revision
    if current == newest:
        return
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    log.info("database migrated", from_revision=current, to_revision=newest)
