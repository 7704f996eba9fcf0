"""Looking at what is here without changing a byte of it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy import func, select

from cloud.settings import Settings
from cloud.storage import migrations
from cloud.storage.secrets import KeyRing, Vault
from cloud.storage.store import Store, Tx
from tools.migrate.source import SourceError

DRY: Final = Vault(KeyRing({"dry": b"\0" * 32}))
"""Seals what nobody keeps."""


@asynccontextmanager
async def looked_at(settings: Settings) -> AsyncIterator[Store | None]:
    """The database to read from; None when there is none yet. Raises SourceError.

    Of SQLite a copy, brought to this version: merely opening the file would write beside it.
    """
    async with AsyncExitStack() as stack:
        if not settings.database.startswith("sqlite:///"):
            store = await Store.open(settings.database)
            stack.push_async_callback(store.close)
            yield store if await _is_of_today(store) else None
            return
        copy = Path(stack.enter_context(TemporaryDirectory(prefix="printfarm-dry-"))) / "printfarm.db"
        if not await asyncio.to_thread(_copied, Path(settings.database.removeprefix("sqlite:///")), copy):
            yield None
            return
        await migrations.migrate(f"sqlite:///{copy}")
        store = await Store.open(f"sqlite:///{copy}")
        stack.push_async_callback(store.close)
        yield store


def _copied(path: Path, copy: Path) -> bool:
    """False when there is nothing."""
    if not path.is_file():
        return False
    try:
        shutil.copyfile(path, copy)
        wal = path.with_name(path.name + "-wal")
        if wal.is_file():
            shutil.copyfile(wal, copy.with_name(copy.name + "-wal"))
    except OSError as error:
        raise SourceError(f"{path} cannot be copied, to look at it: {error.strerror}.") from None
    return True


async def _is_of_today(store: Store) -> bool:
    """False for an empty database."""

    async def unit(tx: Tx) -> str | None:
        there = await tx.value(select(func.to_regclass("alembic_version").is_not(None)))
        return await migrations.applied(tx) if there else None

    at = await store.read(unit)
    if at not in (None, migrations.head()):
        raise SourceError("The database here is of another version: start this version of the cloud once, and stop it.")
    return at is not None
