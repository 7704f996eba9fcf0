"""The stock ledger: stock is the sum of its movements, however many move it at once."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, select

from cloud.errors import DomainError
from cloud.production.stock import Movement, move
from cloud.storage import clock, ids
from cloud.storage.stock import MAX_STOCK
from cloud.storage.store import Store
from cloud.storage.tables import finished_goods, product_skus, products, stock_movements, tenants
from cloud.storage.tenant import TenantStore, TenantTx

MOMENT = "2026-01-01T00:00:00.000Z"


class Shelf:
    """A tenant with a product that has two SKUs, and a finished good of the first."""

    def __init__(self, store: Store) -> None:
        self.store = TenantStore(store, ids.new("ten"))
        self.product, self.good = ids.new("prd"), ids.new("fin")
        self.skus = [ids.new("sku"), ids.new("sku")]

    async def fill(self) -> None:
        times = {"created_at": MOMENT, "updated_at": MOMENT, "tenant_id": self.store.tenant_id}

        async def unit(tx: TenantTx) -> None:
            await tx.run(tenants.insert().values(id=tx.tenant_id, name="Farm", created_at=MOMENT))
            await tx.run(products.insert().values(id=self.product, name="Bracket", **times))
            for number, sku in enumerate(self.skus):
                names = {"id": sku, "sku": f"BR-{number}", "color": "Black"}
                await tx.run(product_skus.insert().values(product_id=self.product, **names, **times))
            values: dict[str, Any] = {"id": self.good, "product_sku_id": self.skus[0], "low_stock_threshold": 2}
            await tx.run(finished_goods.insert().values(**values, **times))

        await self.store.write(unit)

    async def move(self, delta: int, *, sku: int = 0, **options: Any) -> Movement:
        given = {"kind": "adjustment", "actor": "usr_a", **options}
        return await self.store.write(lambda tx: move(tx, product_sku_id=self.skus[sku], delta=delta, **given))

    async def level(self, sku: int = 0) -> int:
        wanted = select(product_skus.c.stock_level).where(product_skus.c.id == self.skus[sku])
        return int(await self.store.read(lambda tx: tx.value(wanted)))

    async def there(self) -> tuple[int, str]:
        """Of the finished good."""
        row = await self.store.read(lambda tx: tx.one(select(finished_goods).where(finished_goods.c.id == self.good)))
        assert row is not None
        return row["current_stock"], row["status"]

    async def sum(self, **columns: str) -> int:
        """Of the movements."""
        mine = {"tenant_id": self.store.tenant_id, **columns}
        where = [stock_movements.c[name] == value for name, value in mine.items()]
        wanted = select(func.coalesce(func.sum(stock_movements.c.delta), 0)).where(*where)
        return int(await self.store.read(lambda tx: tx.value(wanted)))


@pytest.fixture
async def shelf(database: str) -> AsyncIterator[Shelf]:
    store = await Store.open(database)
    shelf = Shelf(store)
    await shelf.fill()
    yield shelf
    await store.close()


async def test_a_movement_changes_the_stock_and_says_what_is_there_now(shelf: Shelf) -> None:
    before = clock.now()
    first = await shelf.move(5, kind="opening", reason="counted")
    second = await shelf.move(-2, kind="sale")
    assert (first.balance, second.balance, await shelf.level()) == (5, 3, 3)
    assert (first.kind, first.reason, first.actor, first.finished_good_id) == ("opening", "counted", "usr_a", None)
    assert before <= first.at <= second.at <= clock.now()
    assert await shelf.level(sku=1) == 0


async def test_a_finished_good_goes_along_and_knows_when_it_is_low(shelf: Shelf) -> None:
    assert await shelf.there() == (0, "out_of_stock")
    await shelf.move(3, finished_good_id=shelf.good)
    assert await shelf.there() == (3, "in_stock")
    await shelf.move(-1, finished_good_id=shelf.good)
    assert await shelf.there() == (2, "low_stock")
    await shelf.move(-2, finished_good_id=shelf.good)
    assert await shelf.there() == (0, "out_of_stock")
    assert await shelf.level() == await shelf.sum(finished_good_id=shelf.good) == 0


async def test_more_than_there_is_cannot_go_out(shelf: Shelf) -> None:
    await shelf.move(3)
    with pytest.raises(DomainError, match="only 3 pieces of BR-0: 4 cannot go out"):
        await shelf.move(-4)
    with pytest.raises(DomainError, match="only 0 pieces of this finished good"):
        await shelf.move(-1, finished_good_id=shelf.good)
    with pytest.raises(DomainError, match="at most"):
        await shelf.move(MAX_STOCK)
    for nonsense in (0, MAX_STOCK + 1, -MAX_STOCK - 1):
        with pytest.raises(DomainError, match="1 to"):
            await shelf.move(nonsense)
    assert (await shelf.level(), await shelf.there(), await shelf.sum()) == (3, (0, "out_of_stock"), 3)


async def test_the_same_cause_moves_stock_once(shelf: Shelf) -> None:
    first = await shelf.move(4, kind="print", cause="job:job_a:1")
    assert await shelf.move(4, kind="print", cause="job:job_a:1") == first
    assert (await shelf.move(4, kind="print", cause="job:job_a:2")).balance == 8
    assert await shelf.level() == 8


async def test_the_same_cause_many_times_at_once_moves_stock_once(shelf: Shelf) -> None:
    moved = await asyncio.gather(*(shelf.move(4, cause="job:job_a:1", finished_good_id=shelf.good) for _ in range(12)))
    assert len({movement.id for movement in moved}) == 1
    assert (await shelf.level(), await shelf.there()) == (4, (4, "in_stock"))


async def test_another_sku_or_another_tenant_is_out_of_reach(shelf: Shelf) -> None:
    with pytest.raises(DomainError, match="of another SKU"):
        await shelf.move(1, sku=1, finished_good_id=shelf.good)
    with pytest.raises(DomainError, match="no such finished good"):
        await shelf.move(1, finished_good_id="fin_nobody")
    stranger = Shelf(shelf.store._store)
    await stranger.fill()
    stranger.skus = shelf.skus
    with pytest.raises(DomainError, match="no such SKU"):
        await stranger.move(1)
    assert await shelf.sum() == 0


async def test_whoever_moves_stock_at_once_none_is_lost(shelf: Shelf) -> None:
    await asyncio.gather(*(shelf.move(1 + n % 3, finished_good_id=shelf.good if n % 2 else None) for n in range(60)))
    assert await shelf.level() == 120
    assert (await shelf.there())[0] == await shelf.sum(finished_good_id=shelf.good)


@pytest.mark.parametrize("seed", range(6))
async def test_stock_is_the_sum_of_its_movements_whatever_the_order(shelf: Shelf, seed: int) -> None:
    """Random movements of both SKUs, some repeated, some refused, some together in a transaction that fails."""
    dice = random.Random(seed)
    accepted: dict[str, int] = {}

    async def one() -> None:
        sku = dice.randrange(2)
        good = shelf.good if sku == 0 and dice.random() < 0.5 else None
        delta, cause = dice.choice((-5, -2, -1, 1, 2, 3)), f"event:{sku}:{dice.randrange(20)}"
        await asyncio.sleep(0)
        try:
            if dice.random() < 0.2:
                await shelf.store.write(lambda tx: failing(tx, sku, delta))
            moved = await shelf.move(delta, sku=sku, cause=cause, finished_good_id=good)
        except (DomainError, LookupError):
            return
        assert accepted.setdefault(cause, moved.delta) == moved.delta  # the first one's, whatever this one wanted

    async def failing(tx: TenantTx, sku: int, delta: int) -> None:
        await move(tx, product_sku_id=shelf.skus[sku], delta=abs(delta), kind="return", actor="usr_a")
        raise LookupError("on purpose")

    await asyncio.gather(*(one() for _ in range(80)))
    levels = [await shelf.level(0), await shelf.level(1)]
    assert levels == [await shelf.sum(product_sku_id=sku) for sku in shelf.skus]
    assert sum(levels) == sum(accepted.values())
    assert min(levels) >= 0
    assert (await shelf.there())[0] == await shelf.sum(finished_good_id=shelf.good)
