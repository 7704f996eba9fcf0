"""A SQLite database with every table and nothing in it, made once in a process: copying is faster than migrating."""

import asyncio
import functools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cloud.storage.migrations import migrate


def migrate_now(url: str) -> None:
    """In a thread: a test's event loop may run here."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate(url))).result()


@functools.cache
def migrated_sqlite() -> bytes:
    """The content of its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "migrated.db"
        migrate_now(f"sqlite:///{path}")
        return path.read_bytes()
