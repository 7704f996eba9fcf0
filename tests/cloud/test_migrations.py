"""Migrations: from nothing, again, at the same time, half-failed, from the previous release's data."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, inspect, text
from structlog.testing import capture_logs

from cloud.storage.migrations import head, migrate
from cloud.storage.migrations.runner import SCRIPTS, MigrationError, UnknownRevisionError, _engine
from cloud.storage.tables import metadata

T = TypeVar("T")
MOMENT = "2026-01-01T00:00:00.000Z"
PREVIOUS_RELEASE = "0001"


async def with_database(url: str, work: Callable[[Connection], T]) -> T:
    """Run this on a connection of its own, and commit."""
    engine = _engine(url)
    try:
        async with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                await connection.execute(text("SET LOCAL printfarm.tenant = '*'"))
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


async def tables_in(url: str) -> set[str]:
    return await with_database(url, lambda connection: set(inspect(connection).get_table_names()))


async def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    return await with_database(url, lambda connection: [tuple(row) for row in connection.execute(text(statement))])


async def test_an_empty_database_gets_the_declared_tables(empty_database: str) -> None:
    await migrate(empty_database)
    assert await tables_in(empty_database) == {*metadata.tables, "alembic_version"}

    def compared(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert context.get_current_revision() == head()
        return list(compare_metadata(context, metadata))

    assert await with_database(empty_database, compared) == []


async def test_the_declared_checks_are_in_the_database(empty_database: str) -> None:
    await migrate(empty_database)

    def checks(connection: Connection) -> set[str]:
        look = inspect(connection)
        return {str(check["name"]) for table in metadata.tables for check in look.get_check_constraints(table)}

    declared = {
        f"ck_{table.name}_{check.name}"
        for table in metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert {re.sub(r"^ck_\w+?_ck_", "ck_", name) for name in declared} <= await with_database(empty_database, checks)


async def test_running_again_changes_nothing(empty_database: str) -> None:
    await migrate(empty_database)
    with capture_logs() as logs:
        await migrate(empty_database)
    assert logs == []


async def test_of_several_at_once_one_migrates(empty_database: str) -> None:
    with capture_logs() as logs:
        await asyncio.gather(*(migrate(empty_database) for _ in range(4)))
    assert [line["event"] for line in logs] == ["database migrated"]


def scripts_with(folder: Path, body: str) -> Path:
    """A copy of the real steps, and one more."""
    (folder / "versions").mkdir(parents=True)
    for file in ("env.py", "script.py.mako"):
        (folder / file).write_text((SCRIPTS / file).read_text())
    for script in (SCRIPTS / "versions").glob("0*.py"):
        (folder / "versions" / script.name).write_text(script.read_text())
    source = f'from alembic import op\n\nrevision = "9999"\ndown_revision = {head()!r}\n\ndef upgrade():\n{body}'
    (folder / "versions" / "9999_more.py").write_text(source)
    return folder


HALF = """\
    op.execute("CREATE TABLE half (id TEXT)")
    op.execute("INSERT INTO tenants (id, name, created_at) VALUES ('t', 'half', '')")
    op.execute("this is not SQL")
"""


async def test_a_step_that_fails_half_way_leaves_nothing(empty_database: str, tmp_path: Path) -> None:
    scripts = scripts_with(tmp_path / "scripts", HALF)
    with pytest.raises(MigrationError, match="syntax error"):
        await migrate(empty_database, scripts)
    assert await tables_in(empty_database) == set()
    await migrate(empty_database)
    before = await tables_in(empty_database)
    with pytest.raises(MigrationError, match="syntax error"):
        await migrate(empty_database, scripts)
    assert await tables_in(empty_database) == before
    assert await rows(empty_database, "SELECT count(*) FROM tenants") == [(0,)]
    assert await rows(empty_database, "SELECT version_num FROM alembic_version") == [(head(),)]


async def test_a_database_of_a_newer_version_is_left_alone(empty_database: str, tmp_path: Path) -> None:
    await migrate(empty_database, scripts_with(tmp_path / "scripts", "    pass\n"))
    with pytest.raises(UnknownRevisionError, match="newer"):
        await migrate(empty_database)
    assert await rows(empty_database, "SELECT version_num FROM alembic_version") == [("9999",)]


PREVIOUS_DATA = (
    "INSERT INTO tenants (id, name, created_at) VALUES ('ten_a', 'A', '{0}'), ('ten_b', 'B', '{0}')",
    "INSERT INTO users (id, tenant_id, email, name, password_hash, role, created_at) "
    "VALUES ('usr_a', 'ten_a', 'a@b.c', 'A', 'hash', 'owner', '{0}')",
    "INSERT INTO sessions (id, tenant_id, user_id, created_at, expires_at) "
    "VALUES ('ses_a', 'ten_a', 'usr_a', '{0}', '2999-01-01T00:00:00.000Z')",
    "INSERT INTO hubs (id, tenant_id, name, key_hash, created_at) VALUES ('hub_a', 'ten_a', 'Hub', 'hash', '{0}')",
    "INSERT INTO printers (id, tenant_id, hub_id, printer_id, name, model, ip_address, serial_number, "
    "access_code_enc, created_at, updated_at) "
    "VALUES ('prn_a', 'ten_a', 'hub_a', 1, 'P1S', 'C12', '10.0.0.1', '01P', 'sealed', '{0}', '{0}')",
    "INSERT INTO print_files (id, tenant_id, name, sha256, file_size_bytes, flags, plates, created_at, created_by) "
    "VALUES ('fil_a', 'ten_a', 'a.gcode.3mf', 'abc', 12345678901, '[]', '[]', '{0}', 'usr_a')",
    "INSERT INTO print_jobs (id, tenant_id, print_file_id, file_name, plate, status, printer_id, time_submitted, "
    "updated_at, version) VALUES ('job_a', 'ten_a', 'fil_a', 'a.gcode.3mf', 1, 'printing', 'prn_a', '{0}', '{0}', 7)",
    "INSERT INTO job_history (id, tenant_id, job_id, at, to_status) "
    "VALUES ('his_a', 'ten_a', 'job_a', '{0}', 'queued')",
    "INSERT INTO printer_files (tenant_id, printer_id, path, job_id, created_at) "
    "VALUES ('ten_a', 'prn_a', '/a.gcode.3mf', 'job_a', '{0}')",
)


async def test_the_previous_releases_data_comes_along(empty_database: str) -> None:
    await migrate(empty_database, revision=PREVIOUS_RELEASE)
    old = await tables_in(empty_database)

    def fill(connection: Connection) -> None:
        for statement in PREVIOUS_DATA:
            connection.execute(text(statement.format(MOMENT)))

    await with_database(empty_database, fill)
    before = {table: await rows(empty_database, f"SELECT count(*) FROM {table}") for table in old}  # noqa: S608
    await migrate(empty_database)
    after = {table: await rows(empty_database, f"SELECT count(*) FROM {table}") for table in old}  # noqa: S608
    assert after == before
    job = "SELECT status, version, printer_id, print_file_id, product_sku_id, number_of_units FROM print_jobs"
    assert await rows(empty_database, job) == [("printing", 7, "prn_a", "fil_a", None, 1)]
    assert await rows(empty_database, "SELECT file_size_bytes, number_of_units, version FROM print_files") == [
        (12345678901, 1, 1)
    ]
    assert await rows(empty_database, "SELECT manufacturer, version, legacy FROM printers") == [("Bambu Lab", 1, None)]


async def test_a_hub_of_the_previous_release_is_set_up_by_hand_and_has_nothing_to_tell(empty_database: str) -> None:
    await migrate(empty_database, revision=PREVIOUS_RELEASE)

    def fill(connection: Connection) -> None:
        for statement in PREVIOUS_DATA:
            connection.execute(text(statement.format(MOMENT)))
        more = "INSERT INTO hubs (id, tenant_id, name, key_hash, created_at) VALUES ('hub_b', 'ten_b', 'B', 'h', '{0}')"
        connection.execute(text(more.format(MOMENT)))

    await with_database(empty_database, fill)
    await migrate(empty_database)
    told = "SELECT key_hash, device_id, reset_epoch, next_key_hash, telemetry, released_at, update_state FROM hubs"
    assert await rows(empty_database, f"{told} ORDER BY id") == [
        ("hash", "", 0, "", None, None, ""),
        ("h", "", 0, "", None, None, ""),
    ]
    # The release before goes on adding hubs, which know nothing of devices.
    await with_database(empty_database, lambda connection: connection.execute(text(
        "INSERT INTO hubs (id, tenant_id, name, key_hash, created_at) VALUES ('hub_c', 'ten_a', 'C', 'h', '')"
    )))  # fmt: skip


async def test_a_device_has_one_owner_at_most(empty_database: str) -> None:
    await migrate(empty_database)
    add = (
        "INSERT INTO hubs (id, tenant_id, name, key_hash, created_at, device_id, taken_over_at) "
        "VALUES ('{}', 'ten_a', 'H', 'h', '', 'DEVICE', {})"
    )

    def several(connection: Connection) -> None:
        connection.execute(text("INSERT INTO tenants (id, name, created_at) VALUES ('ten_a', 'A', '')"))
        connection.execute(text(add.format("hub_1", "'2026-01-01'")))
        connection.execute(text(add.format("hub_2", "NULL")))

    await with_database(empty_database, several)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await with_database(empty_database, lambda connection: connection.execute(text(add.format("hub_3", "NULL"))))


async def test_the_rules_of_the_previous_release_still_hold_after_migrating(empty_database: str) -> None:
    await migrate(empty_database, revision=PREVIOUS_RELEASE)

    def fill(connection: Connection) -> None:
        for statement in PREVIOUS_DATA:
            connection.execute(text(statement.format(MOMENT)))

    await with_database(empty_database, fill)
    await migrate(empty_database)
    job = "INSERT INTO print_jobs (id, tenant_id, file_name, plate, status, printer_id, time_submitted, updated_at) "
    for values in (
        f"VALUES ('job_b', 'ten_a', 'b', 1, 'printing', 'prn_a', '{MOMENT}', '{MOMENT}')",  # two on one printer
        f"VALUES ('job_b', 'ten_a', 'b', 1, 'melting', NULL, '{MOMENT}', '{MOMENT}')",  # no such status
        f"VALUES ('job_b', 'ten_b', 'b', 1, 'queued', 'prn_a', '{MOMENT}', '{MOMENT}')",  # of another tenant
    ):

        def refused(connection: Connection, statement: str = job + values) -> None:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA defer_foreign_keys = OFF")
            connection.execute(text(statement))
            if (
                connection.dialect.name == "sqlite"
                and connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            ):
                raise AssertionError("FOREIGN KEY constraint failed")

        with pytest.raises(Exception, match=r"(?i)unique|check|foreign key"):
            await with_database(empty_database, refused)
