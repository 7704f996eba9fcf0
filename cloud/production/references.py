"""What a request names must be there, or it is told which field is wrong."""

from collections.abc import Mapping
from typing import Any, Final

from cloud.errors import DomainError
from cloud.storage import production as queries
from cloud.storage.tenant import TenantTx

NOUNS: Final[Mapping[str, str]] = {
    "product_id": "product",
    "product_sku_id": "SKU",
    "finished_good_id": "finished good",
    "assembly_task_id": "assembly task",
    "printer_id": "printer",
    "order_line_id": "order line",
}


def unknown(field: str) -> DomainError:
    """A request names something that is not there."""
    return DomainError("unknown_reference", 422, f"There is no such {NOUNS[field]}.", path=f"$.{field}")


async def check_references(tx: TenantTx, values: Mapping[str, Any]) -> None:
    """Raises DomainError unless everything that `values` names is there."""
    for field in (name for name in NOUNS if name in values):
        if values[field] is not None and not await queries.there(tx, field, values[field]):
            raise unknown(field)
