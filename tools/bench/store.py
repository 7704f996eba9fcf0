"""store: point reads and batched status writes through the store, beside the bare driver on the same database."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import bindparam, select, update

from cloud.storage import clock, migrations
from cloud.storage.store import Store
from cloud.storage.tables import color_presets, tenants
from cloud.storage.tenant import TenantStore, TenantTx
from tools.bench.figures import Report, median
from tools.bench.terms import Terms
from tools.postgres import PostgresServer

NAME = "store"
AIM = 0.25
ROWS, BATCH = 1000, 100
ROUNDS, QUICK_ROUNDS = 5, 1
READS, QUICK_READS = 2000, 100
BATCHES, QUICK_BATCHES = 50, 4
TENANT = "ten_bench"

Work = Callable[[], Awaitable[None]]
Works = tuple[Work, Work]
"""Reading one row after the other; writing one batch after the other."""


async def run(terms: Terms) -> Report:
    """One caller at a time, as one request after the other."""
    report = Report(NAME, "rows a second through the store, beside the driver itself")
    path = terms.folder / "bench.db"
    store = await _filled(f"sqlite:///{path}")
    try:
        await _compare(report, "SQLite", terms, _ours(store, terms), _sqlite(path, terms))
    finally:
        await store.close()
    with PostgresServer.start() as server:
        url = server.create("bench")
        store = await _filled(url)
        pool = await asyncpg.create_pool(url, min_size=1, max_size=8)
        try:
            await _compare(report, "PostgreSQL", terms, _ours(store, terms), _postgres(pool, terms))
        finally:
            await pool.close()
            await store.close()
    report.bounds = [
        f"{ROWS} rows; a batch writes {BATCH} rows in one transaction by the driver's executemany on both sides.",
        "A read through the store is a transaction of its own that names its tenant, in a task that survives its "
        "caller. Bare is one statement: sqlite3 in a thread (asyncio.to_thread), asyncpg from its pool; a batch is one "
        "transaction there too.",
    ]
    return report


async def _filled(url: str) -> Store:
    await migrations.migrate(url)
    store = await Store.open(url)
    await store.write(lambda tx: tx.run(tenants.insert().values(id=TENANT, name="Bench", created_at=clock.now())))
    row = {"tenant_id": TENANT, "hex_code": "#000000", "filament_type": "PLA", "created_at": clock.now(),
           "updated_at": clock.now()}  # fmt: skip
    rows = [{**row, "id": f"col_{number}", "color_name": f"Colour {number}"} for number in range(ROWS)]
    await TenantStore(store, TENANT).write(lambda tx: tx.batch(color_presets.insert(), rows))
    return store


async def _compare(
    report: Report, database: str, terms: Terms, ours: tuple[Work, Work], bare: tuple[Work, Work]
) -> None:
    reads = QUICK_READS if terms.quick else READS
    written = (QUICK_BATCHES if terms.quick else BATCHES) * BATCH
    for what, count, mine, other in (
        ("point read", reads, ours[0], bare[0]),
        ("batched write", written, ours[1], bare[1]),
    ):
        rates: tuple[list[float], list[float]] = ([], [])
        for _ in range(QUICK_ROUNDS if terms.quick else ROUNDS):
            for side, work in enumerate((mine, other)):
                began = time.perf_counter()
                await work()
                rates[side].append(count / (time.perf_counter() - began))
        through, straight = median(rates[0]), median(rates[1])
        report.add(f"{database}: {what}", through, "rows/s", bare=straight)
        report.add(f"{database}: {what}, store to driver", through / straight, "x", least=AIM)


def _keys(number: int) -> list[str]:
    return [f"col_{(number * 7 + n) % ROWS}" for n in range(BATCH)]


def _ours(store: Store, terms: Terms) -> Works:
    tenant = TenantStore(store, TENANT)
    table = color_presets.c

    async def read() -> None:
        for number in range(QUICK_READS if terms.quick else READS):
            one = select(color_presets).where(table.tenant_id == TENANT, table.id == f"col_{number % ROWS}")
            await tenant.read(partial(TenantTx.one, statement=one))

    async def write() -> None:
        changed = update(color_presets).where(table.tenant_id == TENANT, table.id == bindparam("key"))
        statement = changed.values(hex_code=bindparam("code"))
        for number in range(QUICK_BATCHES if terms.quick else BATCHES):
            rows = [{"key": key, "code": f"#{number:06}"} for key in sorted(_keys(number))]
            await tenant.write(partial(TenantTx.batch, statement=statement, rows=rows))

    return read, write


READ = "SELECT * FROM color_presets WHERE tenant_id = {0} AND id = {1}"
WRITE = "UPDATE color_presets SET hex_code = {0} WHERE tenant_id = {1} AND id = {2}"


def _sqlite(path: Path, terms: Terms) -> Works:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    select_one, change = READ.format("?", "?"), WRITE.format("?", "?", "?")

    def read_one(key: str) -> None:
        db.execute(select_one, (TENANT, key)).fetchone()

    def write_one(rows: list[Any]) -> None:
        db.execute("BEGIN IMMEDIATE")
        db.executemany(change, rows)
        db.execute("COMMIT")

    async def read() -> None:
        for number in range(QUICK_READS if terms.quick else READS):
            await asyncio.to_thread(read_one, f"col_{number % ROWS}")

    async def write() -> None:
        for number in range(QUICK_BATCHES if terms.quick else BATCHES):
            await asyncio.to_thread(write_one, [(f"#{number:06}", TENANT, key) for key in _keys(number)])

    return read, write


def _postgres(pool: Any, terms: Terms) -> Works:
    select_one, change = READ.format("$1", "$2"), WRITE.format("$1", "$2", "$3")
    everybody = "SELECT set_config('printfarm.tenant', '*', false)"  # row security would show nothing

    async def read() -> None:
        for number in range(QUICK_READS if terms.quick else READS):
            async with pool.acquire() as connection:
                await connection.fetchrow(select_one, TENANT, f"col_{number % ROWS}")

    async def write() -> None:
        for number in range(QUICK_BATCHES if terms.quick else BATCHES):
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(everybody)
                await connection.executemany(change, [(f"#{number:06}", TENANT, key) for key in sorted(_keys(number))])

    return read, write
