"""What an order of a job, or its change, becomes as columns: checked against files, printers, SKUs and orders."""

from typing import Any, Final

import msgspec
from msgspec import UNSET

from cloud.catalog.print_files import bytes_missing
from cloud.catalog.products import file_to_print
from cloud.catalog.sliced import Plate
from cloud.errors import DomainError, not_found
from cloud.printing.filaments import Needed
from cloud.printing.matching import never_fits
from cloud.printing.orders import JobChange, NewJob, PrintOptions
from cloud.storage import files, printers
from cloud.storage.files import PrintFile
from cloud.storage.job_origins import order_line
from cloud.storage.products import SKUS
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

MAX_PRIORITY: Final = 1000


async def new_columns(tx: TenantTx, new: NewJob, actor: str) -> dict[str, Any]:
    """The columns of a new job.

    DomainErrors: not_found, unknown_reference, bytes_missing, no_print_file, several_print_files, plate_required,
    no_such_plate, printer_required, wrong_model, wrong_nozzle, invalid.
    """
    _check_priority(new.priority)
    sku = await _what_for(tx, new.product_sku_id, new.order_line_id)
    file = await _file(tx, new.print_file_id, sku)
    plate = _chosen_plate([msgspec.convert(one, Plate) for one in file.plates], new.plate)
    model = plate.model_id or file.printer_model_id
    nozzle = plate.nozzle_diameters[0] if plate.nozzle_diameters else None
    if new.ams_mapping is not None and new.printer_id is None:
        raise _only_named()
    await _check_target(tx, new.printer_id, model, nozzle)
    return {
        "print_file_id": file.id,
        "file_name": file.name,
        "held": new.hold,
        "target_printer_id": new.printer_id,
        "priority": new.priority,
        "color_policy": new.color_policy,
        "ams_mapping": _json(_mapping(new.ams_mapping)),
        "options": _options(new.options),
        "model_id": model,
        "nozzle": nozzle,
        "submitted_by": actor,
        "product_sku_id": sku["id"] if sku else None,
        "order_line_id": new.order_line_id,
        "color": new.color or (sku["color"] or None if sku else None),
        "number_of_units": new.number_of_units or file.number_of_units,
        **_of_plate(plate),
    }


async def changed_columns(tx: TenantTx, row: Row, change: JobChange) -> dict[str, Any]:
    """The columns of a job that change. DomainErrors: unknown_reference, wrong_model, wrong_nozzle, invalid."""
    columns = {"printer_id": "target_printer_id", "hold": "held"}
    given = {name: getattr(change, name) for name in change.__struct_fields__}
    values = {columns.get(name, name): value for name, value in given.items() if value is not UNSET}
    _check_priority(values.get("priority", 0))
    if "ams_mapping" in values:
        values["ams_mapping"] = _json(_mapping(values["ams_mapping"]))
    if "options" in values:
        values["options"] = _options(values["options"])
    target = values.get("target_printer_id", row["target_printer_id"])
    if values.get("ams_mapping", row["ams_mapping"]) is not None and target is None:
        raise _only_named()
    await _check_target(tx, target, row["model_id"], row["nozzle"])
    if "product_sku_id" in values or "order_line_id" in values:
        after = {**row, **values}
        sku = await _what_for(tx, after["product_sku_id"], after["order_line_id"])
        values["product_sku_id"] = sku["id"] if sku else None
    return values


async def _what_for(tx: TenantTx, sku_id: str | None, line_id: str | None) -> Row | None:
    """The SKU that is printed, by its own id or the order line's."""
    line = None if line_id is None else await order_line(tx, line_id)
    if line_id is not None and line is None:
        raise _unknown("order line", "order_line_id")
    ordered = line["product_sku_id"] if line else None
    if sku_id is not None and ordered is not None and ordered != sku_id:
        raise DomainError("other_sku", 422, "The order line is about another SKU.", path="$.order_line_id")
    wanted = sku_id or ordered
    sku = None if wanted is None else await SKUS.get(tx, wanted)
    if wanted is not None and sku is None:
        raise _unknown("SKU", "product_sku_id")
    return sku


async def _file(tx: TenantTx, file_id: str | None, sku: Row | None) -> PrintFile:
    if file_id is None:
        if sku is None:
            raise DomainError("invalid", 422, "Say what to print: a print_file_id, or a product_sku_id.")
        file_id = await file_to_print(tx, sku["product_id"])
    file = await files.get(tx, file_id)
    if file is None:
        raise not_found("file")
    if not file.sha256:
        raise bytes_missing()
    return file


def _of_plate(plate: Plate) -> dict[str, Any]:
    needed = [
        Needed(slot=one.slot, type=one.type, color=one.color, grams=one.grams, profile=one.profile)
        for one in plate.filaments
    ]
    return {
        "plate": plate.index,
        "filaments": _json(needed),
        "filament_type": (needed[0].type or None) if needed else None,
        "filament_needed_grams": plate.grams,
        "estimated_seconds": plate.seconds,
        "layers": plate.layers,
    }


async def _check_target(tx: TenantTx, target: str | None, model: str | None, nozzle: float | None) -> None:
    if target is not None:
        printer = await printers.get(tx, target)
        if printer is None:
            raise not_found("printer")
        wrong = never_fits(model, nozzle, printer)
    elif model is None:
        raise DomainError(
            "printer_required", 422, "The file does not say which printer model it is for: name the printer."
        )
    else:
        every = await printers.all_of_tenant(tx)
        reasons = [never_fits(model, nozzle, one) for one in every]
        wrong = reasons[0] if reasons and all(reasons) else None
    if wrong is not None:
        raise DomainError(wrong.code, 422, wrong.sentence)


def _chosen_plate(plates: list[Plate], wanted: int | None) -> Plate:
    if wanted is None:
        if len(plates) != 1:
            raise DomainError("plate_required", 422, "The file has several plates: say which one to print.")
        return plates[0]
    for plate in plates:
        if plate.index == wanted:
            return plate
    known = ", ".join(str(plate.index) for plate in plates)
    raise DomainError("no_such_plate", 422, f"The file has no sliced plate {wanted}; it has: {known}.")


def _check_priority(priority: int) -> None:
    if abs(priority) > MAX_PRIORITY:
        raise DomainError("invalid", 422, f"A priority lies between -{MAX_PRIORITY} and {MAX_PRIORITY}.")


def _mapping(mapping: list[int] | None) -> list[int] | None:
    if mapping is not None and (len(mapping) > 32 or any(not -1 <= tray <= 255 for tray in mapping)):
        raise DomainError("invalid", 422, "A mapping has at most 32 entries, each a tray id from 0 to 255, or -1.")
    return mapping


def _only_named() -> DomainError:
    return DomainError("invalid", 422, "Spools can be chosen only for a named printer.")


def _unknown(what: str, field: str) -> DomainError:
    return DomainError("unknown_reference", 422, f"There is no such {what}.", path=f"$.{field}")


def _options(options: PrintOptions) -> str:
    return msgspec.json.encode(options).decode()


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
