"""Products and their SKUs: made together, found again, and kept as long as something needs them."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud.catalog.colors import split_color
from cloud.storage import ids
from cloud.storage.rows import Rows
from cloud.storage.tables import order_lines, orders
from cloud.storage.tenant import TenantTx
from tests.cloud.api_kit import Cloud, running_cloud
from tools.sample_file import PRESETS, build_sample

SAMPLE = build_sample(PRESETS["bracket_p1s"])
PATH = "/api/products/"
SKUS = "/api/product-skus/"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def product(cloud: Cloud, name: str = "Bracket", *skus: str, **changes: Any) -> dict[str, Any]:
    body = {"name": name, "skus": [{"sku": sku, "color": "Black"} for sku in skus], **changes}
    made: dict[str, Any] = await cloud.owner.ok("POST", PATH, body)
    return made


async def order_line(cloud: Cloud, sku_id: str) -> str:
    """An order of one piece, as a shop brings it."""

    async def unit(tx: TenantTx) -> str:
        number = ids.new("ord")
        order = await Rows(orders, prefix="ord", sorts=(), default_sort=()).create(
            tx, {"order_number": number, "ordered_at": "2026-01-01T00:00:00.000Z"}
        )
        line = {"order_id": order["id"], "product_sku_id": sku_id, "sku": "A"}
        return str((await Rows(order_lines, prefix="lin", sorts=(), default_sort=()).create(tx, line))["id"])

    return await (await cloud.tenant()).write(unit)


async def test_a_product_is_made_with_its_skus_or_not_at_all(cloud: Cloud) -> None:
    made = await product(cloud, "Bracket", "BR-BLK", "BR-WHT", category="Mounts", requires_assembly=True)
    assert [sku["sku"] for sku in made["skus"]] == ["BR-BLK", "BR-WHT"]
    assert made["skus"][0]["product_id"] == made["id"]
    assert (made["category"], made["requires_assembly"], made["is_active"]) == ("Mounts", True, True)
    assert await cloud.owner.ok("GET", PATH + made["id"]) == made
    body = {"name": "Clamp", "skus": [{"sku": "CL-1"}, {"sku": "BR-BLK"}]}
    status, answer = await cloud.owner.call("POST", PATH, body)
    assert (status, answer["error"]["code"]) == (409, "sku_taken")
    assert "BR-BLK" in answer["error"]["message"]
    assert "Bracket" in answer["error"]["message"]
    assert [one["name"] for one in (await cloud.owner.ok("GET", PATH))["items"]] == ["Bracket"]
    assert (await cloud.owner.ok("GET", SKUS))["total"] == 2


async def test_products_are_filtered_searched_sorted_and_exported(cloud: Cloud) -> None:
    for name, category in (("Bracket", "Mounts"), ("Clamp", "Mounts"), ("Vase", "Decor")):
        await product(cloud, name, category=category)
    vase = (await cloud.owner.ok("GET", PATH + "?search=VAS"))["items"][0]
    await cloud.owner.ok("PATCH", PATH + vase["id"], {"is_active": False})

    async def names(query: str) -> list[str]:
        return [one["name"] for one in (await cloud.owner.ok("GET", PATH + query))["items"]]

    assert await names("?category=Mounts&sort=-name") == ["Clamp", "Bracket"]
    assert await names("?is_active=false") == ["Vase"]
    assert await names("?sort=category,name") == ["Vase", "Bracket", "Clamp"]
    async with cloud.owner.http.get(PATH + "export.csv?category=Decor") as answer:
        lines = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [(line["name"], line["is_active"]) for line in lines] == [("Vase", "false")]


async def test_two_products_never_share_a_name(cloud: Cloud) -> None:
    await product(cloud, "Bracket")
    clamp = await product(cloud, "Clamp")
    assert await cloud.owner.refused("POST", PATH, {"name": "Bracket"}) == (409, "name_taken")
    assert await cloud.owner.refused("PATCH", PATH + clamp["id"], {"name": "Bracket"}) == (409, "name_taken")
    await cloud.owner.ok("PATCH", PATH + clamp["id"], {"name": "Clamp", "description": "Still its own name."})


async def test_what_a_product_names_must_be_there(cloud: Cloud) -> None:
    stranger = await cloud.stranger()
    _, theirs = await stranger.upload(SAMPLE)
    for body in ({"print_file_id": theirs["id"]}, {"printer_priority": ["prn_none"]}):
        refused = await cloud.owner.refused("POST", PATH, {"name": "Bracket", **body})
        assert refused == (422, "unknown_reference")
    printer = await cloud.printer()
    made = await product(cloud, printer_priority=[printer["id"]])
    assert made["printer_priority"] == [printer["id"]]
    assert await stranger.refused("GET", PATH + made["id"]) == (404, "not_found")


@pytest.mark.parametrize("sent", [["N1", "P1S", "A1 mini"], '["N1", "P1S", "A1 mini"]'])
async def test_printers_are_preferred_by_model_as_the_old_dashboard_sends_them(cloud: Cloud, sent: Any) -> None:
    made = await product(cloud, printer_priority=sent)
    assert made["printer_priority"] == ["N1", "P1S", "A1 mini"]
    same = {"name": "Renamed", "printer_priority": made["printer_priority"]}
    assert (await cloud.owner.ok("PUT", PATH + made["id"], same))["printer_priority"] == ["N1", "P1S", "A1 mini"]
    for empty in ("", "null", None):
        changed = await cloud.owner.ok("PATCH", PATH + made["id"], {"printer_priority": empty})
        assert changed["printer_priority"] is None
    for bad in ("N1", '{"a": 1}', "[1]", "[" * 9000):
        assert await cloud.owner.refused("PATCH", PATH + made["id"], {"printer_priority": bad}) == (422, "invalid")
    status = await cloud.owner.refused("PATCH", PATH + made["id"], {"printer_priority": '["Ender 3"]'})
    assert status == (422, "unknown_reference")


async def test_a_product_shows_what_it_is_printed_from(cloud: Cloud) -> None:
    made = await product(cloud)
    _, mine = await cloud.owner.upload(SAMPLE, "mine.gcode.3mf")
    _, named = await cloud.owner.upload(SAMPLE, "named.gcode.3mf")
    await cloud.owner.ok("PATCH", f"/api/files/{mine['id']}", {"product_id": made["id"]})
    told = await cloud.owner.ok("PATCH", PATH + made["id"], {"print_file_id": named["id"]})
    assert [file["id"] for file in told["print_files"]] == [named["id"], mine["id"]]
    await cloud.owner.ok("DELETE", f"/api/files/{named['id']}")
    told = await cloud.owner.ok("GET", PATH + made["id"])
    assert told["print_file_id"] is None
    assert [file["id"] for file in told["print_files"]] == [mine["id"]]
    await cloud.owner.ok("DELETE", PATH + made["id"])
    assert (await cloud.owner.ok("GET", f"/api/files/{mine['id']}"))["product_id"] is None


async def test_a_product_stays_while_jobs_print_it(cloud: Cloud) -> None:
    await cloud.printer()
    made = await product(cloud, "Bracket", "BR-BLK")
    _, file = await cloud.owner.upload(SAMPLE)
    order = {"print_file_id": file["id"], "product_sku_id": made["skus"][0]["id"], "hold": True}
    job = (await cloud.owner.ok("POST", "/api/print-jobs/", order))["items"][0]
    for path in (PATH + made["id"], SKUS + made["skus"][0]["id"]):
        status, answer = await cloud.owner.call("DELETE", path)
        assert (status, answer["error"]["code"]) == (409, "in_use")
        assert "is_active" in answer["error"]["message"]
    await cloud.owner.ok("POST", f"/api/print-jobs/{job['id']}/cancel")
    await cloud.owner.ok("DELETE", PATH + made["id"])
    assert (await cloud.owner.ok("GET", f"/api/print-jobs/{job['id']}"))["product_sku_id"] is None
    assert (await cloud.owner.ok("GET", SKUS))["total"] == 0


async def test_a_product_stays_while_orders_name_it(cloud: Cloud) -> None:
    made = await product(cloud, "Bracket", "BR-BLK")
    await order_line(cloud, made["skus"][0]["id"])
    assert await cloud.owner.refused("DELETE", PATH + made["id"]) == (409, "in_use")
    answer = await cloud.owner.ok("POST", PATH + "bulk", {"action": "delete", "ids": [made["id"], "prd_none"]})
    assert [result["code"] for result in answer["results"]] == ["in_use", "not_found"]
    await cloud.owner.ok("PATCH", PATH + made["id"], {"is_active": False})


async def test_a_change_of_an_older_version_is_refused(cloud: Cloud) -> None:
    made = await product(cloud)
    await cloud.owner.ok("PUT", PATH + made["id"], {"category": "Mounts"}, headers={"if-match": '"v1"'})
    for method, body in (("PUT", {}), ("PATCH", {}), ("DELETE", None)):
        refused = await cloud.owner.refused(method, PATH + made["id"], body, headers={"if-match": '"v1"'})
        assert refused == (412, "stale")


async def test_skus_are_added_listed_and_changed_within_their_product(cloud: Cloud) -> None:
    made, other = await product(cloud), await product(cloud, "Clamp", "CL-1")
    nested = f"{PATH}{made['id']}/skus"
    body = {"sku": "BR-BLK", "color": "Black", "hex_code": "#000000", "price": 1250, "quantity": 2}
    sku = await cloud.owner.ok("POST", nested, body)
    assert {name: sku[name] for name in body} == body
    assert (sku["product_name"], sku["stock_level"], sku["low_stock_threshold"]) == ("Bracket", 0, 0)
    assert await cloud.owner.ok("GET", nested) == {"items": [sku], "total": 1}
    assert await cloud.owner.ok("GET", SKUS + sku["id"]) == sku
    found = await cloud.owner.ok("GET", f"{SKUS}?product_id={other['id']}")
    assert [one["sku"] for one in found["items"]] == ["CL-1"]
    moved = await cloud.owner.ok("PATCH", SKUS + sku["id"], {"product_id": other["id"], "price": None})
    assert (moved["product_name"], moved["price"], moved["version"]) == ("Clamp", None, 2)
    assert await cloud.owner.refused("GET", f"{PATH}prd_none/skus") == (404, "not_found")
    assert await cloud.owner.refused("POST", f"{PATH}prd_none/skus", body) == (404, "not_found")
    assert await cloud.owner.refused("POST", SKUS, {**body, "product_id": "prd_none"}) == (422, "unknown_reference")


async def test_a_sku_in_use_is_unique_and_a_retired_one_gives_its_name_free(cloud: Cloud) -> None:
    made = await product(cloud, "Bracket", "BR-BLK")
    old = SKUS + made["skus"][0]["id"]
    body = {"sku": "BR-BLK", "product_id": made["id"]}
    assert await cloud.owner.refused("POST", SKUS, body) == (409, "sku_taken")
    await cloud.owner.ok("PATCH", old, {"is_active": False})
    await cloud.owner.ok("POST", SKUS, body)
    assert await cloud.owner.refused("PATCH", old, {"is_active": True}) == (409, "sku_taken")
    await cloud.owner.ok("PATCH", old, {"is_active": True, "sku": "BR-OLD"})


async def test_colours_of_the_old_notation_are_taken_apart(cloud: Cloud) -> None:
    made = await product(cloud, "Bracket")
    body = {"sku": "BR-1", "color": "Jade|#1f8b4c", "product_id": made["id"]}
    sku = await cloud.owner.ok("POST", SKUS, body)
    assert (sku["color"], sku["hex_code"]) == ("Jade", "#1F8B4C")
    changed = await cloud.owner.ok("PATCH", SKUS + sku["id"], {"color": "White|#FFFFFF"})
    assert (changed["color"], changed["hex_code"]) == ("White", "#FFFFFF")


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("Black", ("Black", None)),
        ("Black|#000000", ("Black", "#000000")),
        ("Black | 00ff00FF", ("Black", "#00FF00")),
        ("#1f8b4c", ("#1F8B4C", "#1F8B4C")),
        ("|#ffffff", ("#FFFFFF", "#FFFFFF")),
        ("Galaxy Black|null", ("Galaxy Black", None)),
        ("Black | undefined", ("Black", None)),
        ("Black|", ("Black", None)),
        ("#1f8b4c|null", ("#1F8B4C", "#1F8B4C")),
        ("|null", ("|null", None)),
        ("Black|shiny", ("Black|shiny", None)),
        ("", ("", None)),
    ],
)
def test_colours_as_people_write_them(text: str, color: tuple[str, str | None]) -> None:
    assert split_color(text) == color


async def test_build_plate_types_are_named_and_retired(cloud: Cloud) -> None:
    path = "/api/build-plate-types/"
    made = await cloud.owner.ok("POST", path, {"name": "Textured PEI", "description": "Gold"})
    assert await cloud.owner.refused("POST", path, {"name": "Textured PEI"}) == (409, "conflict")
    await cloud.owner.ok("PATCH", path + made["id"], {"is_active": False})
    assert (await cloud.owner.ok("GET", path + "?is_active=true"))["total"] == 0
    await cloud.owner.ok("DELETE", path + made["id"])
