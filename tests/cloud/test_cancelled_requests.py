"""A storm of requests whose clients go away at any moment: no connection is lost, and nothing is half done."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.storage.audit import ENTRIES
from cloud.storage.rows import Listing
from cloud.storage.store import Store
from tests.cloud.api_kit import Cloud, running_cloud
from tests.cloud.test_store import everything_idle

REQUESTS = 400
PATH = "/api/color-presets/"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def settled(store: Store) -> None:
    while store._units:
        await asyncio.wait(store._units)
    await asyncio.sleep(0)


@pytest.mark.timeout(60)
async def test_no_connection_is_lost_and_nothing_is_half_done(cloud: Cloud) -> None:
    chance = random.Random(20261125)
    store = cloud.services.store

    async def request(number: int) -> bool:
        """Whether the answer came before the client went."""
        body = {"color_name": f"Colour {number}", "hex_code": "#000000", "filament_type": "PLA"}
        call = cloud.owner.call("POST", PATH, body) if number % 2 else cloud.owner.call("GET", PATH + "?limit=500")
        task = asyncio.create_task(call)
        done, _ = await asyncio.wait([task], timeout=chance.choice((0, 0.0005, 0.002, 0.005, 0.01, 5)))
        task.cancel()
        await asyncio.wait([task])
        return bool(done) and task.result()[0] == 201

    acknowledged = 0
    for start in range(0, REQUESTS, 20):
        acknowledged += sum(await asyncio.gather(*(request(number) for number in range(start, start + 20))))
    await settled(store)
    assert everything_idle(store)

    made = (await cloud.owner.ok("GET", PATH + "?limit=1"))["total"]
    tenant = await cloud.tenant()
    written = Listing(filters={"action": "color_presets_create"}, limit=1)
    _, noted = await tenant.read(lambda tx: ENTRIES.page(tx, written))
    assert acknowledged <= made <= REQUESTS // 2
    assert 0 < acknowledged < REQUESTS // 2, "the storm cancelled everything, or nothing"
    assert noted == made, "a change without its line in the audit log, or a line without its change"
