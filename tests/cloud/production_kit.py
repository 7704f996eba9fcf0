"""Things that production is about, put into a running cloud's database."""

from typing import Any

from cloud.storage import clock, ids
from cloud.storage.store import Row
from cloud.storage.tables import print_jobs, product_skus, products
from cloud.storage.tenant import TenantTx
from tests.cloud.api_kit import JSON, Cloud


async def add_sku(cloud: Cloud, sku: str = "BR-BLACK", **changes: Any) -> str:
    """A product with one SKU; the SKU's id."""
    product, key, moment = ids.new("prd"), ids.new("sku"), clock.now()
    times = {"created_at": moment, "updated_at": moment}
    values = {"id": key, "product_id": product, "sku": sku, "color": "Black", **changes}

    async def unit(tx: TenantTx) -> None:
        await tx.run(products.insert().values(id=product, tenant_id=tx.tenant_id, name=f"Bracket {sku}", **times))
        await tx.run(product_skus.insert().values(tenant_id=tx.tenant_id, **times, **values))

    await (await cloud.tenant()).write(unit)
    return key


async def stock_of(cloud: Cloud, sku_id: str) -> int:
    """As the SKU says, which must be the sum of its movements."""
    rows = await (await cloud.tenant()).read(lambda tx: tx.all(product_skus.select()))
    level = next(int(row["stock_level"]) for row in rows if row["id"] == sku_id)
    page: JSON = await cloud.owner.ok("GET", f"/api/stock-movements/?product_sku_id={sku_id}&limit=500")
    assert level == sum(movement["delta"] for movement in page["items"])
    return level


async def add_job(cloud: Cloud, **values: Any) -> str:
    """A job that nobody will print; its id."""
    key, moment = ids.new("job"), clock.now()
    row = {"id": key, "file_name": "bracket.3mf", "plate": 1, "status": "completed", "time_submitted": moment}

    async def unit(tx: TenantTx) -> Row:
        made = {**row, "updated_at": moment, **values, "tenant_id": tx.tenant_id}
        await tx.run(print_jobs.insert().values(made))
        return made

    await (await cloud.tenant()).write(unit)
    return key
