"""The second wall between tenants on PostgreSQL: what the statements forget, the database does not show."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import BigInteger, Float, Integer, Text, select

from cloud.storage.errors import StoreError
from cloud.storage.store import Store, Tx
from cloud.storage.tables import color_presets, metadata, tenants
from cloud.storage.tenant import TenantStore
from tests.conftest import Databases

MOMENT = "2026-01-01T00:00:00.000Z"
PROTECTED = sorted(name for name, table in metadata.tables.items() if "tenant_id" in table.c)


@pytest.fixture
async def url(databases: Databases) -> AsyncIterator[str]:
    url = databases.migrated()
    yield url
    databases.server.drop(url.rsplit("/", 1)[1])


async def as_tenant(connection: Any, tenant: str) -> None:
    await connection.execute(f"SET LOCAL printfarm.tenant = '{tenant}'")


def filled(name: str, tenant: str) -> dict[str, Any]:
    """A row of any table; foreign keys are not looked at while it is put in."""
    fixed = {"role": "viewer", "purpose": "invitation", "priority": "low", "hex_code": "#000000", "kind": "opening"}
    fixed |= {"status": "completed" if name == "print_jobs" else "pending", "tenant_id": tenant}
    if name == "orders":
        fixed["status"] = "open"
    if name == "finished_goods":
        fixed["status"] = "in_stock"
    row: dict[str, Any] = {}
    for column in metadata.tables[name].columns:
        if column.name in fixed and isinstance(column.type, Text):
            row[column.name] = fixed[column.name]
        elif column.server_default is None and not column.nullable:
            row[column.name] = 1 if isinstance(column.type, Integer | BigInteger | Float) else f"{column.name} {tenant}"
    if name == "stock_movements":
        row["delta"] = 1
    return row


async def insert(connection: Any, name: str, row: dict[str, Any]) -> None:
    places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    columns = ", ".join(f'"{column}"' for column in row)
    await connection.execute(f"INSERT INTO {name} ({columns}) VALUES ({places})", *row.values())  # noqa: S608


def test_nearly_every_table_is_protected() -> None:
    assert set(metadata.tables) - set(PROTECTED) == {
        "setup_links", "tenants", "hub_releases", "hub_release_targets", "hub_release_files", "hub_protocols",
    }  # fmt: skip


@pytest.mark.timeout(60)
async def test_a_transaction_sees_and_writes_the_rows_of_its_tenant_and_no_others(
    url: str, databases: Databases
) -> None:
    for name in PROTECTED:
        databases.server.sql(url.rsplit("/", 1)[1], f"ALTER TABLE {name} DISABLE TRIGGER ALL")  # foreign keys
    connection = await asyncpg.connect(url)
    try:
        for name, tenant in itertools.product(PROTECTED, ("a", "b")):
            async with connection.transaction():
                await as_tenant(connection, tenant)
                await insert(connection, name, filled(name, tenant))
        for name in PROTECTED:
            count = f"SELECT count(*) FROM {name}"  # noqa: S608
            assert await connection.fetchval(count) == 0, f"{name}: whoever says nothing sees rows"
            for tenant, seen in (("a", 1), ("b", 1), ("c", 0), ("*", 2)):
                async with connection.transaction():
                    await as_tenant(connection, tenant)
                    assert await connection.fetchval(count) == seen, f"{name} as {tenant}"
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await as_tenant(connection, "a")
                    await insert(connection, name, filled(name, "b") | {"id": "x"} if "id" in metadata.tables[name].c
                                 and name != "sync_logs" else filled(name, "b"))  # fmt: skip
            async with connection.transaction():
                await as_tenant(connection, "a")
                assert await connection.execute(f"DELETE FROM {name} WHERE tenant_id = 'b'") == "DELETE 0"  # noqa: S608
    finally:
        await connection.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    store = await Store.open(url)

    async def two_farms(tx: Tx) -> None:
        for tenant in ("a", "b"):
            await tx.run(tenants.insert().values(id=tenant, name=tenant, created_at=MOMENT))
            row = {"id": f"col_{tenant}", "tenant_id": tenant, "color_name": "Black", "hex_code": "#000000"}
            await tx.run(
                color_presets.insert().values(**row, filament_type="PLA", created_at=MOMENT, updated_at=MOMENT)
            )

    await store.write(two_farms)
    yield store
    await store.close()


async def test_a_query_that_forgets_its_tenant_still_sees_one_tenant_only(store: Store) -> None:
    everything = select(color_presets.c.id)
    assert len(await store.read(lambda tx: tx.all(everything))) == 2
    assert await TenantStore(store, "a").read(lambda tx: tx.all(everything)) == [{"id": "col_a"}]
    assert await TenantStore(store, "a").write(lambda tx: tx.run(color_presets.delete())) == 1
    assert await store.read(lambda tx: tx.all(everything)) == [{"id": "col_b"}]


async def test_the_tenant_of_one_transaction_does_not_stay_on_the_connection(store: Store) -> None:
    for _ in range(20):  # more than there are connections
        assert len(await TenantStore(store, "b").read(lambda tx: tx.all(select(color_presets)))) == 1
        assert len(await store.read(lambda tx: tx.all(select(color_presets)))) == 2


async def test_what_is_no_tenant_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="tenant"):
        await store.read(lambda tx: tx.all(select(tenants)), tenant="a'; DROP TABLE tenants; --")


async def test_a_swallowed_error_does_not_look_like_a_commit(store: Store) -> None:
    async def careless(tx: Tx) -> None:
        try:
            await tx.run(tenants.insert().values(id="a", name="twice", created_at=MOMENT))
        except Exception as error:
            assert isinstance(error, Exception)

    with pytest.raises((RuntimeError, StoreError)):
        await store.write(careless)
