"""What belongs to adding, changing and deleting a product."""

from collections.abc import Mapping, Sequence
from typing import Any

from cloud.catalog import priorities
from cloud.catalog import skus as sku_rules
from cloud.errors import DomainError, conflict, not_found
from cloud.storage import files, printers
from cloud.storage import products as queries
from cloud.storage.products import PRODUCTS
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx


async def create(tx: TenantTx, values: Mapping[str, Any], skus: Sequence[Mapping[str, Any]], *, actor: str) -> Row:
    """Add a product with its first SKUs, or nothing. Raises DomainError."""
    values = _read(values)
    await _check_references(tx, values)
    await _check_name(tx, values["name"], None)
    product = await PRODUCTS.create(tx, values)
    for sku in skus:
        await sku_rules.create(tx, product["id"], sku, actor=actor)
    return product


async def checked_change(tx: TenantTx, before: Row, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The columns of a change. Raises DomainError."""
    values = _read(values)
    await _check_references(tx, values)
    if "name" in values:
        await _check_name(tx, values["name"], before["id"])
    return values


async def delete(tx: TenantTx, product_id: str, version: int | None) -> tuple[Row, str]:
    """Delete a product with its SKUs; what was there, and the picture it lets go of. Raises DomainError, StaleError."""
    product = await _existing(tx, product_id)
    await sku_rules.let_go(tx, await queries.skus_of(tx, product_id))
    if tasks := await queries.assembled(tx, product_id):
        sentence = "Assembly tasks are about this product: set is_active to false instead, and it is offered no more."
        raise conflict("in_use", sentence, assembly_tasks=tasks)
    await queries.forget_product(tx, product_id)
    await PRODUCTS.remove(tx, product_id, version=version)
    return product, product["image_sha256"] or ""


async def set_picture(tx: TenantTx, product_id: str, sha256: str | None, kind: str | None) -> tuple[Row, str]:
    """The product with another picture of its own, or none; and the picture it lets go of."""
    before = await _existing(tx, product_id)
    row = await PRODUCTS.change(tx, product_id, {"image_sha256": sha256, "image_type": kind})
    if row is None:
        raise not_found("product")
    former = before["image_sha256"] or ""
    return row, former if former != sha256 else ""


async def files_of(tx: TenantTx, product: Row) -> list[Row]:
    """What it is printed from: the file it names, then those that belong to it."""
    rows = {row["id"]: row for row in await files.of_products(tx, [product["id"]])}
    named = product["print_file_id"]
    if named is not None and named not in rows:
        rows |= {row["id"]: row for row in await files.by_ids(tx, [named])}
    return sorted(rows.values(), key=lambda row: row["id"] != named)


async def file_to_print(tx: TenantTx, product_id: str) -> str:
    """The id of the one file to print a product from. Raises DomainError when there is none, or a choice."""
    product = await _existing(tx, product_id)
    whole = [row for row in await files_of(tx, product) if row["sha256"]]
    if whole and (whole[0]["id"] == product["print_file_id"] or len(whole) == 1):
        return str(whole[0]["id"])
    name = product["name"]
    if not whole:
        sentence = f"The product {name} has no print file: upload one, and set the file's product_id."
        raise DomainError("no_print_file", 422, sentence, path="$.print_file_id")
    sentence = f"The product {name} has {len(whole)} print files: say in print_file_id which one to print."
    raise DomainError("several_print_files", 422, sentence, path="$.print_file_id", files=[one["id"] for one in whole])


async def _existing(tx: TenantTx, product_id: str) -> Row:
    row = await queries.get(tx, product_id)
    if row is None:
        raise not_found("product")
    return row


async def _check_name(tx: TenantTx, name: str, mine: str | None) -> None:
    taken = await queries.named(tx, name)
    if taken is not None and taken != mine:
        raise conflict(
            "name_taken", f"There is a product called {name} already: choose another name.", product_id=taken
        )


def _read(values: Mapping[str, Any]) -> Mapping[str, Any]:
    if "printer_priority" not in values:
        return values
    return {**values, "printer_priority": priorities.parsed(values["printer_priority"])}


async def _check_references(tx: TenantTx, values: Mapping[str, Any]) -> None:
    file_id = values.get("print_file_id")
    if file_id is not None and await files.get(tx, file_id) is None:
        raise DomainError("unknown_reference", 422, "There is no such print file.", path="$.print_file_id")
    wanted = values.get("printer_priority")
    if wanted:
        priorities.check(wanted, {printer.id for printer in await printers.all_of_tenant(tx)})
