"""The store: units of work that commit or vanish, whoever is cancelled meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import bindparam, func, select, text, update
from structlog.testing import capture_logs

from cloud.storage.errors import ConflictError, StoreClosedError, UnavailableError
from cloud.storage.store import SQLITE_READERS, Store, Tx, _is_gone
from cloud.storage.tables import hubs, printers, tenants
from cloud.storage.tenant import TenantStore, TenantTx
from tests.conftest import Databases

MOMENT = "2026-01-01T00:00:00.000Z"


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    store = await Store.open(database)
    await store.write(lambda tx: tx.run(tenants.insert().values(id="ten_a", name="0", created_at=MOMENT)))
    yield store
    await store.close()


def everything_idle(store: Store) -> bool:
    """Whether every connection is back in its pool."""
    if store.dialect == "postgresql":
        pool = store._reads._backend._pool
        return bool(pool.get_idle_size() == pool.get_size())
    reads, writes = store._reads._backend.pool, store._writes._backend.pool
    return (reads.idle, writes.idle) == (SQLITE_READERS, 1)


async def name_of(store: Store, tenant: str = "ten_a") -> str | None:
    found = await store.read(lambda tx: tx.value(select(tenants.c.name).where(tenants.c.id == tenant)))
    return None if found is None else str(found)


async def test_a_unit_that_returns_is_committed_and_one_that_raises_vanishes(store: Store) -> None:
    await store.write(lambda tx: tx.run(update(tenants).values(name="kept")))

    async def failing(tx: Tx) -> None:
        await tx.run(update(tenants).values(name="lost"))
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        await store.write(failing)
    assert await name_of(store) == "kept"


async def test_a_writer_that_failed_leaves_no_transaction_for_the_next(store: Store) -> None:
    async def failing(tx: Tx) -> None:
        await tx.run(update(tenants).values(name="lost"))
        await tx.run(tenants.insert().values(id="ten_a", name="twice", created_at=MOMENT))

    for _ in range(3):
        with pytest.raises(ConflictError):
            await store.write(failing)
    await store.write(lambda tx: tx.run(update(tenants).values(name="fine")))
    assert await name_of(store) == "fine"


async def test_run_counts_the_rows_it_touched(store: Store) -> None:
    async def unit(tx: Tx) -> list[int]:
        same = tenants.insert().values(id="ten_b", name="b", created_at=MOMENT)
        repeated = tx.insert(tenants).values(id="ten_b", name="b", created_at=MOMENT).on_conflict_do_nothing()
        return [
            await tx.run(same),
            await tx.run(repeated),
            await tx.run(update(tenants).values(name="x")),
            await tx.run(update(tenants).where(tenants.c.id == "nobody").values(name="x")),
            await tx.run(tenants.delete().where(tenants.c.id.in_(["ten_b", "nobody"]))),
        ]

    assert await store.write(unit) == [1, 0, 2, 0, 1]


async def test_rows_come_back_with_booleans_and_nulls_as_they_went_in(store: Store) -> None:
    scoped = TenantStore(store, "ten_a")
    values = {"name": "100 % 'P1S' – ä", "model": "C12", "ip_address": "10.0.0.1", "serial_number": "01P"}
    more = {"access_code_enc": "", "created_at": MOMENT, "updated_at": MOMENT, "cleared": False, "nozzle_size": 0.4}

    async def unit(tx: TenantTx) -> None:
        row = {**values, **more, "id": "prn_a", "tenant_id": tx.tenant_id, "printer_id": 7}
        await tx.run(printers.insert().values(**row))

    await scoped.write(unit)
    row = await store.read(lambda tx: tx.one(select(printers)))
    assert row is not None
    assert (row["name"], row["cleared"], row["connect"], row["nozzle_size"]) == (values["name"], False, True, 0.4)
    assert row["location"] is None
    assert await store.read(lambda tx: tx.one(select(printers).where(printers.c.id.in_([])))) is None
    assert await store.read(lambda tx: tx.value(select(func.count()).select_from(printers))) == 1
    assert await store.read(lambda tx: tx.all(text("SELECT 1 AS one, 'a' AS letter"))) == [{"one": 1, "letter": "a"}]


async def test_a_batch_inserts_and_updates_by_the_drivers_own_executemany(store: Store) -> None:
    async def unit(tx: Tx) -> None:
        await tx.batch(tenants.insert(), [{"id": f"t{n}", "name": "old", "created_at": MOMENT} for n in range(500)])
        renamed = update(tenants).where(tenants.c.id == bindparam("which")).values(name=bindparam("new_name"))
        await tx.batch(renamed, [{"which": f"t{n}", "new_name": f"new {n}"} for n in range(0, 500, 2)])
        await tx.batch(renamed, [])

    await store.write(unit)
    assert (await name_of(store, "t498"), await name_of(store, "t499")) == ("new 498", "old")


async def test_a_failing_batch_takes_the_whole_unit_along(store: Store) -> None:
    async def unit(tx: Tx) -> None:
        await tx.batch(tenants.insert(), [{"id": "t1", "name": "", "created_at": MOMENT}] * 2)

    with pytest.raises(ConflictError):
        await store.write(unit)
    assert await name_of(store, "t1") is None


async def test_conflicts_say_which_kind_and_which_columns(store: Store) -> None:
    hub = {"id": "hub_a", "name": "", "key_hash": "", "created_at": MOMENT}
    with pytest.raises(ConflictError) as foreign:
        await store.write(lambda tx: tx.run(hubs.insert().values(**hub, tenant_id="nobody")))
    assert foreign.value.kind == "foreign_key"
    await store.write(lambda tx: tx.run(hubs.insert().values(**hub, tenant_id="ten_a")))
    with pytest.raises(ConflictError) as unique:
        await store.write(lambda tx: tx.run(hubs.insert().values(**hub, tenant_id="ten_a")))
    assert unique.value.kind == "unique"
    assert "id" in unique.value.columns


async def test_a_row_cannot_point_into_another_tenant(store: Store) -> None:
    await store.write(lambda tx: tx.run(tenants.insert().values(id="ten_b", name="", created_at=MOMENT)))
    hub = hubs.insert().values(id="hub_a", tenant_id="ten_a", name="", key_hash="", created_at=MOMENT)
    await store.write(lambda tx: tx.run(hub))
    row = {
        "id": "prn_b", "tenant_id": "ten_b", "hub_id": "hub_a", "printer_id": 1, "name": "", "model": "",
        "ip_address": "", "serial_number": "", "access_code_enc": "", "created_at": MOMENT, "updated_at": MOMENT,
    }  # fmt: skip
    with pytest.raises(ConflictError) as refused:
        await store.write(lambda tx: tx.run(printers.insert().values(**row)))
    assert refused.value.kind == "foreign_key"


async def increment(tx: Tx) -> None:
    """Read, think, write: what a deferred BEGIN loses or refuses when several do it at once."""
    value = int(await tx.value(select(tenants.c.name).where(tenants.c.id == "ten_a")))
    await asyncio.sleep(0)
    await tx.run(update(tenants).where(tenants.c.id == "ten_a").values(name=str(value + 1)))


async def test_many_read_then_write_units_of_a_tenant_at_once_lose_nothing(store: Store) -> None:
    scoped = TenantStore(store, "ten_a")
    await asyncio.gather(*(scoped.write(increment) for _ in range(50)))
    assert await name_of(store) == "50"


async def test_500_cancellations_leak_no_connection_and_lose_no_count(store: Store) -> None:
    begun = 0
    scoped = TenantStore(store, "ten_a")

    async def counted(tx: Tx) -> None:
        nonlocal begun
        begun += 1
        await increment(tx)

    for number in range(500):
        task = asyncio.create_task(
            scoped.write(counted) if number % 2 else store.read(lambda tx: tx.all(select(tenants)))
        )
        for _ in range(number % 7):
            await asyncio.sleep(0)
        if number % 3 == 0:
            await asyncio.sleep(0.0005)
        task.cancel()
        await asyncio.wait([task])
    while store._units:
        await asyncio.wait(store._units)
    assert everything_idle(store)
    assert begun > 50
    assert await name_of(store) == str(begun)  # each unit that began was committed once


async def test_a_unit_goes_on_when_its_caller_is_cancelled(store: Store) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Tx) -> None:
        begun.set()
        await go_on.wait()
        await tx.run(update(tenants).values(name="done"))

    task = asyncio.create_task(store.write(slow))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await asyncio.wait(store._units)
    assert await name_of(store) == "done"


async def test_what_an_abandoned_unit_raises_is_logged(store: Store) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def failing(_tx: Tx) -> None:
        begun.set()
        await go_on.wait()
        raise LookupError("on purpose")

    task = asyncio.create_task(store.write(failing))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    go_on.set()
    with capture_logs() as logs:
        await asyncio.wait(store._units)
        await asyncio.sleep(0)
    assert [line["event"] for line in logs] == ["unit of work failed after its caller was cancelled"]


async def test_readers_see_one_moment_and_nothing_uncommitted(store: Store) -> None:
    written, looked = asyncio.Event(), asyncio.Event()

    async def writer(tx: Tx) -> None:
        await tx.run(update(tenants).values(name="new"))
        written.set()
        await looked.wait()

    async def reader(tx: Tx) -> list[str]:
        first = await tx.value(select(tenants.c.name))
        looked.set()
        await task
        return [first, await tx.value(select(tenants.c.name))]

    task = asyncio.create_task(store.write(writer))
    await written.wait()
    assert await store.read(reader) == ["0", "0"]
    assert await name_of(store) == "new"


async def test_a_read_unit_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only|not now|attempt to write"):
        await store.read(lambda tx: tx.run(update(tenants).values(name="written")))
    assert await name_of(store) == "0"


async def test_callbacks_run_after_the_commit_and_only_then(store: Store) -> None:
    seen: list[str] = []

    async def unit(tx: Tx) -> None:
        tx.after_commit(lambda: seen.append("committed"))
        await tx.run(update(tenants).values(name="x"))
        assert seen == []

    async def failing(tx: Tx) -> None:
        await unit(tx)
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(failing)
    assert seen == []
    await store.write(unit)
    assert seen == ["committed"]


async def test_a_failing_callback_does_not_make_the_commit_look_undone(store: Store) -> None:
    def failing() -> None:
        raise LookupError("on purpose")

    async def unit(tx: Tx) -> str:
        tx.after_commit(failing)
        return "result"

    with capture_logs() as logs:
        assert await store.write(unit) == "result"
    assert [line["event"] for line in logs] == ["after_commit callback failed"]


async def test_close_waits_for_what_runs_and_then_refuses(database: str) -> None:
    store = await Store.open(database)
    go_on = asyncio.Event()

    async def slow(tx: Tx) -> int:
        await go_on.wait()
        return await tx.run(tenants.insert().values(id="t", name="", created_at=MOMENT))

    running = asyncio.create_task(store.write(slow))
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreClosedError):
        await store.read(lambda tx: tx.all(select(tenants)))
    go_on.set()
    assert await running == 1
    await closing
    await store.close()


async def test_sqlite_is_set_up_as_a_server_needs_it(store: Store) -> None:
    if store.dialect != "sqlite":
        return

    async def pragmas(tx: Tx) -> list[object]:
        names = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        return [await tx.value(text(f"PRAGMA {name}")) for name in names]

    assert await store.write(pragmas) == ["wal", 1, 5000, 1]
    assert (await store.read(pragmas))[:3] == ["wal", 1, 5000]


async def test_a_tenant_store_needs_a_tenant(store: Store) -> None:
    with pytest.raises(ValueError, match="tenant id"):
        TenantStore(store, "")


async def test_only_known_databases_are_opened() -> None:
    with pytest.raises(ValueError, match="must begin with"):
        await Store.open("mysql://root:secret@localhost/farm")


@pytest.mark.parametrize("write", [True, False])
async def test_a_connection_cut_in_the_middle_of_a_unit_is_a_database_that_is_away(
    databases: Databases, write: bool
) -> None:
    """As when the server restarts: whoever asked is told to come again, and the next one gets another connection."""
    url = databases.migrated()
    store = await Store.open(url)

    async def unit(tx: Tx) -> None:
        mine = await tx.value(select(func.pg_backend_pid()))
        assert await store.read(lambda other: other.value(select(func.pg_terminate_backend(mine))))
        async with asyncio.timeout(10):
            while not _is_gone(tx._connection.raw_connection):
                await asyncio.sleep(0.01)
        await tx.value(select(tenants.c.name))

    with pytest.raises(UnavailableError):
        await (store.write(unit) if write else store.read(unit))
    assert await name_of(store) is None
    assert everything_idle(store)
    await store.close()
    databases.server.drop(url.rsplit("/", 1)[1])
