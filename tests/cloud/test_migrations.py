"""Migrations: from nothing, again, at the same time, half-failed, and against the declared tables."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from structlog.testing import capture_logs

from cloud.storage.migrations import head, migrate
from cloud.storage.migrations.runner import SCRIPTS, MigrationError, UnknownRevisionError
from cloud.storage.tables import metadata


def tables_in(path: Path) -> set[str]:
    with sqlite3.connect(path) as db:
        found = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    db.close()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "farm.db"


def url(path: Path) -> str:
    return f"sqlite:///{path}"


async def test_an_empty_database_gets_the_declared_tables(path: Path) -> None:
    await migrate(url(path))
    assert tables_in(path) == {*metadata.tables, "alembic_version"}
    engine = create_engine(url(path))
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
            assert context.get_current_revision() == head()
    finally:
        engine.dispose()


async def test_running_again_changes_nothing(path: Path) -> None:
    await migrate(url(path))
    before = path.read_bytes()
    with capture_logs() as logs:
        await migrate(url(path))
    assert logs == []
    assert path.read_bytes() == before


async def test_of_several_at_once_one_migrates(path: Path) -> None:
    with capture_logs() as logs:
        await asyncio.gather(*(migrate(url(path)) for _ in range(4)))
    assert [line["event"] for line in logs] == ["database migrated"]


def scripts_with(folder: Path, body: str) -> Path:
    """A copy of the real steps, and one more."""
    (folder / "versions").mkdir(parents=True)
    for file in ("env.py", "script.py.mako"):
        (folder / file).write_text((SCRIPTS / file).read_text())
    for script in (SCRIPTS / "versions").glob("0*.py"):
        (folder / "versions" / script.name).write_text(script.read_text())
    text = f'from alembic import op\n\nrevision = "9999"\ndown_revision = {head()!r}\n\ndef upgrade():\n{body}'
    (folder / "versions" / "9999_more.py").write_text(text)
    return folder


HALF = """\
    op.execute("CREATE TABLE half (id TEXT)")
    op.execute("INSERT INTO tenants (id, name, created_at) VALUES ('t', 'half', '')")
    op.execute("this is not SQL")
"""


async def test_a_step_that_fails_half_way_leaves_nothing(path: Path, tmp_path: Path) -> None:
    scripts = scripts_with(tmp_path / "scripts", HALF)
    with pytest.raises(MigrationError, match="syntax error"):
        await migrate(url(path), scripts)
    assert tables_in(path) == set()
    await migrate(url(path))
    before = tables_in(path)
    with pytest.raises(MigrationError, match="syntax error"):
        await migrate(url(path), scripts)
    assert tables_in(path) == before
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM tenants").fetchone() == (0,)
        assert db.execute("SELECT version_num FROM alembic_version").fetchone() == (head(),)
    db.close()


async def test_a_database_of_a_newer_version_is_left_alone(path: Path, tmp_path: Path) -> None:
    await migrate(url(path), scripts_with(tmp_path / "scripts", "    pass\n"))
    before = path.read_bytes()
    with pytest.raises(UnknownRevisionError, match="newer"):
        await migrate(url(path))
    assert path.read_bytes() == before
