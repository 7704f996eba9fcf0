"""A client of the system on the Pi, against the real server: its calls, its shapes, nothing it does not know."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cloud.api.old.shapes import BOUND
from tests.cloud.api_kit import Client, Cloud, running_cloud
from tests.cloud.production_kit import add_job, stock_of
from tests.cloud.test_api_product_images import png
from tools.sample_file import PRESETS, build_sample

LIST = Path(__file__).resolve().parents[2] / "docs" / "old-api.md"
CODE = "87654321"
PRINTER = {
    "name": "Left one", "model": "P1S", "manufacturer": None, "ip_address": "192.168.1.20", "access_code": CODE,
    "serial_number": "01P00A000000001", "firmware_version": None, "location": "Shelf 2", "sort_order": 3,
}  # fmt: skip
WANTED = {"color": "Blue", "filament_type": "PLA", "material_type": "PLA", "spacing_mm": 5.0, "use_ams": False}


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def send(client: Client, path: str, content: bytes, name: str = "bracket.gcode.3mf") -> Any:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", content, filename=name, content_type="application/octet-stream")
    return await client.ok("POST", path, data=form)


async def bracket(cloud: Cloud) -> Any:
    """A file, as the old client uploads one; its record."""
    return (await send(cloud.owner, "/api/file-operations/upload/any", build_sample(PRESETS["bracket_p1s"])))[
        "metadata"
    ]


async def test_printers_are_a_bare_list_and_come_back_without_their_code(cloud: Cloud) -> None:
    owner, tenant = cloud.owner, await cloud.tenant_id()
    await cloud.hub()
    made = await owner.ok("POST", "/api/printers-sync/", PRINTER)
    printer = made["printer"]
    assert made["success"] is True
    assert (printer["model"], printer["location"], printer["sort_order"], printer["printer_id"]) == (
        "P1S", "Shelf 2", 3, 1
    )  # fmt: skip
    assert (printer["tenant_id"], printer["status"], printer["is_connected"]) == (tenant, "offline", False)
    assert await owner.ok("GET", "/api/printers-sync/") == [printer]
    assert CODE not in json.dumps(made)
    assert printer["access_code"] is None
    changed = await owner.ok("PUT", "/api/printers-sync/1", {"name": "Right one", "access_code": "", "location": None})
    assert (changed["printer"]["name"], changed["printer"]["location"]) == ("Right one", "Shelf 2")
    began = await owner.ok(
        "PUT", f"/api/printers-sync/{printer['id']}", {"in_maintenance": True, "maintenance_type": "belts"}
    )
    assert (began["printer"]["status"], began["printer"]["maintenance_type"]) == ("maintenance", "belts")
    log = await owner.ok("GET", f"/api/printers/{printer['id']}/maintenance")
    assert [line["type"] for line in log["items"]] == ["belts"]
    ended = await owner.ok("PUT", "/api/printers-sync/1", {"in_maintenance": False})
    assert (ended["printer"]["status"], ended["printer"]["in_maintenance"]) == ("offline", False)
    assert (await owner.ok("DELETE", "/api/printers-sync/1"))["success"] is True
    assert await owner.ok("GET", "/api/printers-sync/") == []
    assert (await owner.refused("POST", "/api/printers-sync/", {**PRINTER, "ip_address": None}))[0] == 422


async def test_products_and_skus_with_prices_in_dollars(cloud: Cloud) -> None:
    owner = cloud.owner
    body: dict[str, Any] = {
        "name": "Bracket",
        "description": None,
        "printer_priority": '["P1S"]',
        "components": [],
        "image_url": None,
    }
    made = await owner.ok("POST", "/api/products-sync/", body)
    product = made["product"]
    assert (made["success"], product["name"], product["printer_priority"]) == (True, "Bracket", '["P1S"]')
    sku = {"product_id": product["id"], "sku": "BR-1", "color": "Black|#000000", "stock_level": 4, "price": 12.99}
    first = (await owner.ok("POST", "/api/product-skus-sync/", sku))["sku"]
    assert (first["price"], first["stock_level"], first["hex_code"]) == (12.99, 4, "#000000")
    assert (await owner.ok("GET", f"/api/product-skus/{first['id']}"))["price"] == 1299
    assert await stock_of(cloud, first["id"]) == 4
    assert await owner.ok("GET", f"/api/product-skus-sync/product/{product['id']}") == [first]
    assert await owner.ok("GET", "/api/product-skus-sync/") == [{**first, "finishedGoodsStock": 4}]
    assert await owner.ok("GET", "/api/product-skus-sync/stock/low") == [first]
    await owner.ok("PUT", f"/api/product-skus-sync/{first['id']}", {"price": 0.29, "stock_level": 9, "sku": None})
    again = await owner.ok("GET", f"/api/product-skus-sync/{first['id']}")
    assert (again["price"], again["stock_level"], again["sku"]) == (0.29, 9, "BR-1")
    assert await owner.ok("GET", "/api/product-skus-sync/stock/low") == []
    changed = await owner.ok("PUT", f"/api/products-sync/{product['id']}", {"category": "Parts", "name": None})
    assert (changed["product"]["name"], changed["product"]["category"]) == ("Bracket", "Parts")
    assert (await owner.refused("POST", "/api/product-skus-sync/", sku))[0] == 409
    # What the books tell of is not deleted, but the old client sees it no more.
    for kind, key in (("product-skus-sync", first["id"]), ("products-sync", product["id"])):
        assert "hidden" in (await owner.ok("DELETE", f"/api/{kind}/{key}"))["message"]
        assert await owner.ok("GET", f"/api/{kind}/") == []
    assert await stock_of(cloud, first["id"]) == 9


async def test_a_sku_that_cannot_have_its_finished_good_is_not_there_either(cloud: Cloud) -> None:
    owner = cloud.owner
    sku = {"product_id": "prd_gone", "sku": "BR-1", "color": "Black", "stock_level": 4}
    assert (await owner.refused("POST", "/api/product-skus-sync/", sku))[0] == 422
    assert await owner.ok("GET", "/api/product-skus-sync/") == []
    assert await owner.ok("GET", "/api/finished-goods-sync/") == []


async def test_finished_goods_as_the_inventory_page_moves_them(cloud: Cloud) -> None:
    owner = cloud.owner
    product = (
        await owner.ok("POST", "/api/products-sync/", {"name": "Lamp", "requires_assembly": True, "is_active": True})
    )["product"]
    sku = {"product_id": product["id"], "sku": "LA-1", "color": "White", "stock_level": 3, "price": 20}
    sku = (await owner.ok("POST", "/api/product-skus-sync/", sku))["sku"]
    (good,) = await owner.ok("GET", "/api/finished-goods-sync/")
    assert (good["quantity_assembled"], good["quantity_needs_assembly"], good["unit_price"]) == (0, 3, 20.0)
    path = f"/api/finished-goods-sync/{good['id']}"
    assert await owner.ok("GET", f"/api/finished-goods-sync/by-sku/{sku['id']}") == good
    body = {"new_quantity": 2, "assembly_type": "assembled"}
    assert (await owner.ok("PUT", f"{path}/assembly-stock", body))["quantity_assembled"] == 2
    assert (await owner.ok("PUT", f"{path}/stock", {"new_stock": 8}))["current_stock"] == 8
    changed = await owner.ok("PUT", path, {"current_stock": 0, "status": "out_of_stock", "extra_cost": 1.5})
    assert (changed["status"], changed["extra_cost"]) == ("out_of_stock", 1.5)
    assert (await owner.ok("GET", f"/api/finished-goods/{good['id']}"))["extra_cost"] == 150
    assert await stock_of(cloud, sku["id"]) == 0
    assert (await owner.ok("DELETE", path))["message"]
    assert await owner.ok("GET", "/api/finished-goods-sync/") == []
    other = {"product_sku_id": sku["id"], "sku": "LA-1", "color": "White", "assembly_status": "printed"}
    assert (await owner.ok("POST", "/api/finished-goods-sync/", other))["product_sku_id"] == sku["id"]
    assert (await owner.refused("GET", "/api/finished-goods-sync/by-sku/sku_gone"))[0] == 404


async def test_a_file_goes_in_is_changed_and_comes_out_again(cloud: Cloud) -> None:
    owner, content = cloud.owner, build_sample(PRESETS["bracket_p1s"])
    sent = await send(owner, "/api/file-operations/upload/0b7c1e", content)
    file = sent["metadata"]
    assert (sent["success"], sent["record_id"], sent["file_size"]) == (True, file["id"], len(content))
    assert (file["printer_model_id"], file["local_file_path"]) == ("C12", None)
    assert await owner.ok("GET", "/api/print-files-sync/") == [file]
    product = (await owner.ok("POST", "/api/products-sync/", {"name": "Bracket"}))["product"]
    path = f"/api/print-files-sync/{file['id']}"
    changed = await owner.ok("PUT", path, {"product_id": product["id"], "layer_count": 7, "name": None})
    assert (changed["print_file"]["product_id"], changed["print_file"]["layer_count"]) == (
        product["id"], file["layer_count"]
    )  # fmt: skip
    assert (await owner.ok("PATCH", f"{path}/object-count", {"object_count": 6}))["print_file"]["object_count"] == 6
    assert (await owner.refused("PATCH", f"{path}/object-count", {"object_count": 0}))[0] == 422
    (told,) = (await owner.ok("GET", f"/api/products-sync/{product['id']}"))["print_files"]
    assert told == {"id": file["id"], "name": file["name"], "printer_model_id": "C12", "file_name": file["name"]}
    assert await owner.ok("GET", f"/api/file-operations/{file['id']}/download") == content
    summary = await owner.ok("GET", "/api/print-files-sync/stats/summary")
    assert (summary["total_files"], summary["total_units"], summary["files_with_products"]) == (1, 6, 1)
    picture = await send(owner, f"/api/file-operations/upload-product-image/{product['id']}", png(), "photo.png")
    assert await owner.ok("GET", picture["url_path"]) == png()
    assert (await owner.ok("DELETE", f"/api/file-operations/{file['id']}"))["success"] is True
    assert await owner.ok("GET", "/api/print-files-sync/") == []


async def test_a_job_is_made_for_a_printer_called_by_its_number(cloud: Cloud) -> None:
    owner, printer, file = cloud.owner, await cloud.printer(), await bracket(cloud)
    wanted = {"job_type": "print_file", "target_id": file["id"], "printer_id": "1", "copies": 2, **WANTED}
    checked = await owner.ok("POST", "/api/enhanced-print-jobs/validate", wanted)
    assert checked["validation"]["valid"] is True
    assert "not connected" in checked["validation"]["warnings"][0]
    made = await owner.ok("POST", "/api/enhanced-print-jobs/create", {**wanted, "start_print": False, "priority": 3})
    assert (made["success"], made["processing_status"]["stage"]) == (True, "held")
    job = await owner.ok("GET", f"/api/print-jobs/{made['job_id']}")
    assert (job["target_printer_id"], job["held"], job["priority"], job["color"]) == (printer["id"], True, 3, "Blue")
    assert (await owner.ok("GET", f"/api/enhanced-print-jobs/status/{job['id']}"))["status"] == "queued"
    assert len(await owner.ok("GET", "/api/print-jobs-sync/")) == 2
    for wrong in ({"printer_id": "9"}, {"target_id": "fil_gone"}, {"printer_id": "prn_gone"}):
        assert (await owner.refused("POST", "/api/enhanced-print-jobs/create", {**wanted, **wrong}))[0] == 404
    bad = await owner.ok("POST", "/api/enhanced-print-jobs/validate", {**wanted, "printer_id": "9"})
    assert (bad["validation"]["valid"], len(bad["validation"]["errors"])) == (False, 1)


async def test_a_product_is_printed_from_the_file_for_the_printers_model(cloud: Cloud) -> None:
    owner, file = cloud.owner, await bracket(cloud)
    await cloud.printer()
    small = await send(owner, "/api/file-operations/upload/x", build_sample(PRESETS["vase_a1mini"]), "vase.gcode.3mf")
    product = (await owner.ok("POST", "/api/products-sync/", {"name": "Bracket"}))["product"]
    for one in (small["record_id"], file["id"]):
        await owner.ok("PUT", f"/api/print-files-sync/{one}", {"product_id": product["id"]})
    wanted = {"job_type": "product", "target_id": product["id"], "printer_id": "1", "start_print": False, **WANTED}
    made = await owner.ok("POST", "/api/enhanced-print-jobs/create", wanted)
    assert (await owner.ok("GET", f"/api/print-jobs-sync/{made['job_id']}"))["print_file_id"] == file["id"]


async def test_jobs_are_noted_changed_cancelled_and_deleted(cloud: Cloud) -> None:
    owner, printer, file = cloud.owner, await cloud.printer(), await bracket(cloud)
    noted = {"print_file_id": file["id"], "printer_id": printer["id"], "status": "queued", "progress_percentage": 0}
    job = (await owner.ok("POST", "/api/print-jobs-sync/", {**noted, "file_name": "x.3mf", **_words()}))["print_job"]
    assert (job["status"], job["printer_id"], job["file_name"]) == ("queued", printer["id"], file["name"])
    assert (await owner.ok("GET", f"/api/print-jobs/{job['id']}"))["held"] is True
    path = f"/api/print-jobs-sync/{job['id']}"
    assert (await owner.ok("PUT", path, {"priority": 5, "color": None}))["print_job"]["priority"] == 5
    assert await owner.refused("PUT", path, {"status": "completed"}) == (409, "not_yours_to_say")
    done = await add_job(cloud, status="completed", print_file_id=file["id"])
    stuck = await add_job(cloud, status="printing", print_file_id=file["id"], printer_id=printer["id"])
    assert {one["id"] for one in await owner.ok("GET", "/api/print-jobs-sync/queue/active")} == {job["id"], stuck}
    assert [one["id"] for one in await owner.ok("GET", "/api/print-jobs-sync/status/completed")] == [done]
    assert (await owner.refused("GET", "/api/print-jobs-sync/status/strange"))[0] == 404
    summary = await owner.ok("GET", "/api/print-jobs-sync/stats/summary")
    assert (summary["total_jobs"], summary["active_jobs"], summary["status_breakdown"]) == (
        3, 1, {"queued": 1, "printing": 1, "completed": 1}
    )  # fmt: skip
    assert (await owner.ok("PUT", path, {"status": "cancelled"}))["print_job"]["status"] == "cancelled"
    assert (await owner.ok("DELETE", path))["deleted_job_id"] == job["id"]
    assert (await owner.refused("DELETE", path))[0] == 404


async def test_a_job_on_a_printer_is_cancelled_before_it_can_be_deleted(cloud: Cloud) -> None:
    owner, printer, file = cloud.owner, await cloud.printer(), await bracket(cloud)
    job = await add_job(cloud, status="printing", print_file_id=file["id"], printer_id=printer["id"])
    assert await owner.refused("DELETE", f"/api/print-jobs-sync/{job}") == (409, "job_active")
    assert (await owner.ok("GET", f"/api/print-jobs/{job}"))["cancel_requested"] is True


def _words() -> dict[str, Any]:
    return {"color": "Blue", "filament_type": "PLA", "material_type": "PLA", "number_of_units": 1, "priority": 0}


async def test_colour_presets_by_their_old_names(cloud: Cloud) -> None:
    owner = cloud.owner
    body = {"color_name": "Black", "hex_code": "#000000", "material_type": "PETG", "manufacturer": None, "notes": "x"}
    made = await owner.ok("POST", "/api/color-presets/", body)
    assert made["filament_type"] == "PETG"
    changed = await owner.ok("PUT", f"/api/color-presets/{made['id']}", {"material_type": "PLA"})
    assert changed["filament_type"] == "PLA"
    await owner.ok("POST", "/api/color-presets/", {**body, "color_name": "White", "filament_type": "ASA"})
    types = await owner.ok("GET", "/api/color-presets/filament-types/list")
    assert types == {"filament_types": ["ASA", "PLA"], "count": 2}
    nameless = {"color_name": "Grey", "hex_code": "#808080"}
    assert await owner.refused("POST", "/api/color-presets/", nameless) == (422, "invalid")


async def test_tasks_are_made_and_completed_with_the_old_fields(cloud: Cloud) -> None:
    owner = cloud.owner
    product = (await owner.ok("POST", "/api/products-sync/", {"name": "Lamp", "requires_assembly": True}))["product"]
    sku = {"product_id": product["id"], "sku": "LA-1", "color": "White", "stock_level": 3}
    await owner.ok("POST", "/api/product-skus-sync/", sku)
    (good,) = await owner.ok("GET", "/api/finished-goods-sync/")
    body = {"finished_good_id": good["id"], "product_name": "Lamp", "sku": "LA-1", "quantity": 1, "notes": "x"}
    task = await owner.ok("POST", "/api/assembly-tasks/", body)
    assert (await owner.ok("PATCH", f"/api/assembly-tasks/{task['id']}", {"status": "in_progress"}))["status"]
    assert (await owner.ok("POST", f"/api/assembly-tasks/{task['id']}/complete", {"notes": "y"}))["completed_at"]
    todo = {"title": "Clear", "task_type": "collection", "priority": "high", "status": "pending", "metadata": {"a": 1}}
    todo = await owner.ok("POST", "/api/worklist/", todo)
    done = await owner.ok("POST", f"/api/worklist/{todo['id']}/complete", {"actual_time_minutes": 4, "metadata": {}})
    assert (done["status"], done["actual_time_minutes"]) == ("completed", 4)


async def test_a_file_sent_to_a_printer_is_kept_and_started_as_its_next_job(cloud: Cloud) -> None:
    owner, printer = cloud.owner, await cloud.printer()
    sent = await send(owner, "/api/printers/1/files", build_sample(PRESETS["bracket_p1s"]), "part.gcode.3mf")
    assert (sent["printer_id"], sent["file_info"]["name"], sent["file_info"]["file_type"]) == (
        "1", "part.gcode.3mf", "3MF"
    )  # fmt: skip
    body = {"file_path": "part.gcode.3mf", "plate_number": 1, "bed_leveling": False, "timelapse": True}
    started = await owner.ok("POST", "/api/printers/1/print/start", body)
    job = await owner.ok("GET", f"/api/print-jobs/{started['job_id']}")
    assert (job["target_printer_id"], job["held"], job["status"]) == (printer["id"], False, "queued")
    assert (job["options"]["bed_leveling"], job["options"]["timelapse"]) == (False, True)
    assert (await owner.refused("POST", "/api/printers/1/print/start", {"file_path": "part"}))[0] == 404
    assert (await owner.refused("POST", "/api/printers/1/print/start", {"file_path": "../part.3mf"}))[0] == 422
    assert (await owner.ok("GET", "/api/printers/1/system/info"))["system_info"]["firmware_version"] == ""
    assert await owner.refused("POST", "/api/printers/1/temp/chamber", {"temperature": 40}) == (422, "no_heater")


async def test_lists_are_bounded_and_say_how_long_they_are(cloud: Cloud) -> None:
    for name in ("A", "B", "C"):
        await cloud.owner.ok("POST", "/api/products-sync/", {"name": name})
    async with cloud.owner.http.get("/api/products-sync/?limit=2&offset=1") as answer:
        assert [one["name"] for one in await answer.json()] == ["B", "C"]
        assert answer.headers["x-total-count"] == "3"
    assert (await cloud.owner.refused("GET", f"/api/products-sync/?limit={BOUND + 1}"))[0] == 422


async def test_roles_and_tenants_hold_on_the_old_paths_too(cloud: Cloud) -> None:
    owner = cloud.owner
    await cloud.printer()
    file = await bracket(cloud)
    product = (await owner.ok("POST", "/api/products-sync/", {"name": "Bracket"}))["product"]
    viewer, stranger, nobody = await cloud.person("viewer"), await cloud.stranger(), cloud.anonymous()
    lists = ("printers", "products", "product-skus", "print-files", "print-jobs", "finished-goods")
    for path in (f"/api/{name}-sync/" for name in lists):
        await viewer.ok("GET", path)
        assert await stranger.ok("GET", path) == []
        assert (await nobody.refused("GET", path))[0] == 401
    assert (await viewer.refused("POST", "/api/products-sync/", {"name": "Mine"}))[0] == 403
    for path in (
        f"/api/products-sync/{product['id']}", f"/api/print-files-sync/{file['id']}",
        f"/api/file-operations/{file['id']}/download", "/api/v1/live-status/1", "/api/printers/1/system/info",
    ):  # fmt: skip
        assert (await stranger.refused("GET", path))[0] == 404, path
    assert (await stranger.ok("GET", "/api/v1/live-status/all"))["data"] == []
    log = await owner.ok("GET", "/api/audit-log/?action=products_sync_add_product")
    assert log["items"][0]["object_id"] == product["id"]


async def heard(socket: aiohttp.ClientWebSocketResponse) -> Any:
    async with asyncio.timeout(10):
        return json.loads(await socket.receive_str())


async def test_sockets_say_what_printers_do_in_the_old_words(cloud: Cloud) -> None:
    printer = await cloud.printer()
    path = "/api/v1/ws/live-status-all"
    async with (
        cloud.owner.http.ws_connect(path) as every,
        cloud.owner.http.ws_connect("/api/v1/ws/live-status/1") as one,
        cloud.owner.http.ws_connect("/api/v1/ws/live-status/7") as none,
    ):
        (status,) = (first := await heard(every))["data"]
        assert first["type"] == "live_status"
        assert (status["printer_id"], status["status"], status["is_connected"]) == ("1", "offline", False)
        assert status["temperatures"]["bed"] == {"current": 0.0, "target": 0.0, "is_heating": False}
        assert (await heard(one))["data"]["printer_id"] == "1"
        assert await heard(none) == {"type": "error", "message": "There is no such printer."}
        await every.send_str("anything")  # is not heeded
        news = {
            "link": "online",
            "state": "running",
            "percent": 7,
            "layer": 2,
            "layers": 50,
            "nozzle": 210.0,
            "light": True,
        }
        cloud.services.printing.live.status(printer["id"], True, news)
        while (status := (await heard(every))["data"][0])["status"] != "printing":
            pass
        assert (status["progress"]["percentage"], status["progress"]["current_layer"]) == (7, 2)
        assert (status["progress"]["layers_current"], status["progress"]["layers_total"]) == (2, 50)
        assert (status["temperatures"]["nozzle"]["current"], status["light_on"]) == (210.0, True)
        assert (await heard(one))["data"] == status
    assert (await cloud.owner.ok("GET", "/api/v1/live-status/1"))["data"] == status
    stranger = await cloud.stranger()
    async with stranger.http.ws_connect(path) as theirs:
        assert (await heard(theirs))["data"] == []
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await cloud.anonymous().http.ws_connect(path)
    assert refused.value.status == 401


async def test_the_document_calls_the_old_paths_deprecated(cloud: Cloud) -> None:
    document = await cloud.anonymous().ok("GET", "/api/openapi.json")
    old = {path for path, item in document["paths"].items() if any(one.get("deprecated") for one in item.values())}
    assert {"/api/printers-sync/", "/api/enhanced-print-jobs/create", "/api/printers/{id}/light/on"} <= old
    assert not {"/api/printers/", "/api/print-jobs/", "/api/printers/{id}/light"} & old


ROUTE = re.compile(r"^\| (GET|POST|PUT|PATCH|DELETE) `(\S+)` \|.*\| ([^|]+) \|$", re.MULTILINE)
SERVED = ("as it was", "with an old key", "other envelope")


async def test_the_list_of_old_routes_says_what_is_served(cloud: Cloud) -> None:
    document = await cloud.anonymous().ok("GET", "/api/openapi.json")
    here = {(method.upper(), _plain(path)) for path, item in document["paths"].items() for method in item}
    listed = {(method, _plain(path)): how for method, path, how in ROUTE.findall(LIST.read_text())}
    assert len(listed) > 120
    wrong = [route for route, how in listed.items() if how.startswith(SERVED) != (route in here)]
    assert not wrong, wrong
    old = {
        (method.upper(), _plain(path))
        for path, item in document["paths"].items()
        for method, one in item.items()
        if one.get("deprecated")
    }
    assert not old - set(listed), "an old path that the list does not tell of"


def _plain(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)
