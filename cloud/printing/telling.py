"""Jobs with the names of what they are about, as the old system answered them."""

from collections.abc import Sequence

from cloud.printing.views import View
from cloud.storage import clock
from cloud.storage.job_origins import Origins, origins
from cloud.storage.tenant import TenantTx


async def told(tx: TenantTx, views: Sequence[View]) -> list[View]:
    """The views with names and minutes beside them; three statements, however many there are."""

    def ids(name: str) -> set[str]:
        return {view[name] for view in views if view[name] is not None}

    printers = ids("printer_id") | ids("target_printer_id")
    known = await origins(tx, printers, ids("product_sku_id"), ids("print_file_id"))
    return [{**view, **_names(view, known)} for view in views]


def _names(view: View, known: Origins) -> View:
    printer = known.printers.get(view["printer_id"] or view["target_printer_id"] or "")
    sku = known.skus.get(view["product_sku_id"] or "")
    product = sku or known.files.get(view["print_file_id"] or "")
    return {
        "product_id": product["product_id"] if product else None,
        "product_name": product["product_name"] if product else None,
        "requires_assembly": bool(product and product["requires_assembly"]),
        "sku_name": sku["sku"] if sku else None,
        "printer_name": printer["name"] if printer else None,
        "printer_model": printer["model"] if printer else None,
        "printer_numeric_id": printer["printer_id"] if printer else None,
        "material_type": view["filament_type"] or next((one["type"] for one in view["filaments"] or ()), None),
        "quantity_per_print": view["number_of_units"],
        "estimated_print_time_minutes": _minutes(view["estimated_seconds"]),
        "actual_print_time_minutes": _minutes(_duration(view)),
    }


def _duration(view: View) -> float | None:
    """From the first layer's start to the end, pauses included, in seconds."""
    if view["time_started"] is None or view["time_completed"] is None:
        return None
    return (clock.parse(view["time_completed"]) - clock.parse(view["time_started"])).total_seconds()


def _minutes(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds / 60)
