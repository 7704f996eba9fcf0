"""Print jobs over HTTP: what they are printed for, found again, changed knowingly, many at once."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud.storage import jobs as job_queries
from cloud.storage.files import FILES
from cloud.storage.tables import JOB_STATUSES
from tests.cloud.api_kit import Cloud, running_cloud
from tests.cloud.test_api_products import order_line, product
from tools.sample_file import PRESETS, build_sample

SAMPLE = build_sample(PRESETS["bracket_p1s"])
PATH = "/api/print-jobs/"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        await cloud.printer(name="Printer one")
        yield cloud


async def uploaded(cloud: Cloud, name: str = "bracket.gcode.3mf") -> str:
    _, file = await cloud.owner.upload(SAMPLE, name)
    return str(file["id"])


async def queued(cloud: Cloud, **order: Any) -> dict[str, Any]:
    answer = await cloud.owner.ok("POST", PATH, {"hold": True, **order})
    found: dict[str, Any] = answer["items"][0]
    return found


async def ids(cloud: Cloud, query: str) -> list[str]:
    return [job["id"] for job in (await cloud.owner.ok("GET", PATH + query))["items"]]


async def test_a_job_tells_what_it_is_printed_for(cloud: Cloud) -> None:
    file = await uploaded(cloud)
    made = await product(cloud, "Bracket", "BR-BLK", requires_assembly=True)
    sku = made["skus"][0]["id"]
    await cloud.owner.ok("PATCH", f"/api/files/{file}", {"number_of_units": 4})
    line = await order_line(cloud, sku)
    (printer,) = (await cloud.owner.ok("GET", "/api/printers/"))["items"]
    job = await queued(cloud, print_file_id=file, order_line_id=line, printer_id=printer["id"])
    assert {
        "product_sku_id": sku,
        "order_line_id": line,
        "color": "Black",
        "filament_type": "PLA",
        "number_of_units": 4,
        "product_id": made["id"],
        "product_name": "Bracket",
        "sku_name": "BR-BLK",
        "printer_name": "Printer one",
        "printer_model": "C12",
        "printer_numeric_id": 1,
        "material_type": "PLA",
        "requires_assembly": True,
        "quantity_per_print": 4,
        "actual_print_time_minutes": None,
        "bambu_job_id": None,
    }.items() <= job.items()
    assert job["estimated_print_time_minutes"] == round(job["estimated_seconds"] / 60)
    assert job["filament_needed_grams"] > 0
    assert (await cloud.owner.ok("GET", PATH))["items"] == [job]
    told = await cloud.owner.ok("GET", PATH + job["id"])
    assert {name: told[name] for name in job} == job


async def test_a_job_of_a_products_file_knows_the_product_without_a_sku(cloud: Cloud) -> None:
    file, made = await uploaded(cloud), await product(cloud)
    await cloud.owner.ok("PATCH", f"/api/files/{file}", {"product_id": made["id"]})
    job = await queued(cloud, print_file_id=file)
    assert (job["product_name"], job["sku_name"], job["product_sku_id"]) == ("Bracket", None, None)


async def test_a_sku_is_printed_from_the_file_of_its_product(cloud: Cloud) -> None:
    made = await product(cloud, "Bracket", "BR-BLK")
    order = {"product_sku_id": made["skus"][0]["id"], "hold": True}
    assert await cloud.owner.refused("POST", PATH, order) == (422, "no_print_file")
    files = [await uploaded(cloud, f"{n}.gcode.3mf") for n in range(2)]
    for file in files:
        await cloud.owner.ok("PATCH", f"/api/files/{file}", {"product_id": made["id"]})
    assert await cloud.owner.refused("POST", PATH, order) == (422, "several_print_files")
    await cloud.owner.ok("PATCH", f"/api/products/{made['id']}", {"print_file_id": files[1]})
    assert (await queued(cloud, **order))["print_file_id"] == files[1]
    await cloud.owner.ok("PATCH", f"/api/products/{made['id']}", {"print_file_id": None})
    await cloud.owner.ok("PATCH", f"/api/files/{files[1]}", {"product_id": None})
    assert (await queued(cloud, **order))["print_file_id"] == files[0]
    assert await cloud.owner.refused("POST", PATH, {"hold": True}) == (422, "invalid")


async def test_a_job_is_printed_for_things_of_ones_own_only(cloud: Cloud) -> None:
    file, made = await uploaded(cloud), await product(cloud, "Bracket", "BR-BLK", "BR-WHT")
    black, white = (sku["id"] for sku in made["skus"])
    line = await order_line(cloud, black)
    stranger = await cloud.stranger()
    body = {"name": "Vase", "skus": [{"sku": "VA-1"}]}
    theirs = (await stranger.ok("POST", "/api/products/", body))["skus"][0]["id"]
    for order, code in (
        ({"product_sku_id": theirs}, "unknown_reference"),
        ({"order_line_id": "lin_none"}, "unknown_reference"),
        ({"order_line_id": line, "product_sku_id": white}, "other_sku"),
    ):
        assert await cloud.owner.refused("POST", PATH, {"print_file_id": file, **order}) == (422, code)
    job = await queued(cloud, print_file_id=file)
    assert await cloud.owner.refused("PATCH", PATH + job["id"], {"product_sku_id": theirs}) == (
        422,
        "unknown_reference",
    )
    changed = await cloud.owner.ok("PATCH", PATH + job["id"], {"order_line_id": line, "number_of_units": 2})
    assert (changed["sku_name"], changed["number_of_units"]) == ("BR-BLK", 2)


async def test_a_file_without_its_bytes_is_not_printed(cloud: Cloud) -> None:
    file = await uploaded(cloud)
    await (await cloud.tenant()).write(lambda tx: FILES.change(tx, file, {"sha256": ""}))
    status, answer = await cloud.owner.call("POST", PATH, {"print_file_id": file})
    assert (status, answer["error"]["code"]) == (409, "bytes_missing")
    assert answer["error"]["message"] == "The file's bytes are missing: upload it again."


async def test_jobs_are_filtered_searched_sorted_and_exported(cloud: Cloud) -> None:
    made = await product(cloud, "Bracket", "BR-BLK")
    first, second = await uploaded(cloud, "alpha.gcode.3mf"), await uploaded(cloud, "beta.gcode.3mf")
    a = (await queued(cloud, print_file_id=first, priority=1))["id"]
    b = (await queued(cloud, print_file_id=second, product_sku_id=made["skus"][0]["id"]))["id"]
    await cloud.owner.ok("POST", f"{PATH}{a}/cancel")
    assert await ids(cloud, "?sort=-priority") == [a, b]
    assert await ids(cloud, "?sort=file_name&limit=1&offset=1") == [b]
    assert await ids(cloud, "?status=cancelled,failed") == [a]
    assert await ids(cloud, f"?print_file_id={second}") == [b]
    assert await ids(cloud, f"?product_sku_id={made['skus'][0]['id']}") == [b]
    assert await ids(cloud, "?search=ALPHA") == [a]
    assert await ids(cloud, "?time_submitted_to=2026-01-01T00:00:00Z") == []
    assert await ids(cloud, "?time_submitted_from=2026-01-01T00:00:00Z&search=beta") == [b]
    assert await cloud.owner.refused("GET", PATH + "?sort=task_id") == (422, "invalid")
    async with cloud.owner.http.get(PATH + "export.csv?sort=file_name") as answer:
        lines = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [(line["file_name"], line["sku_name"]) for line in lines] == [
        ("alpha.gcode.3mf", ""),
        ("beta.gcode.3mf", "BR-BLK"),
    ]


async def test_a_change_of_an_older_version_is_refused(cloud: Cloud) -> None:
    job = await queued(cloud, print_file_id=await uploaded(cloud))
    one = PATH + job["id"]
    async with cloud.owner.http.get(one) as answer:
        seen = {"if-match": answer.headers["etag"]}
    changed = await cloud.owner.ok("PATCH", one, {"priority": 5}, headers=seen)
    assert changed["version"] == job["version"] + 1
    for method, body in (("PUT", {"priority": 6}), ("PATCH", {"priority": 6}), ("DELETE", None)):
        assert await cloud.owner.refused(method, one, body, headers=seen) == (412, "stale")
    assert (await cloud.owner.ok("GET", one))["priority"] == 5
    await cloud.owner.ok("DELETE", one, headers={"if-match": f'"v{changed["version"]}"'})


async def test_many_jobs_are_changed_cancelled_and_deleted_each_for_itself(cloud: Cloud) -> None:
    file = await uploaded(cloud)
    jobs = [(await queued(cloud, print_file_id=file))["id"] for _ in range(3)]

    async def bulk(action: str, *keys: str, **more: Any) -> Any:
        return await cloud.owner.ok("POST", PATH + "bulk", {"action": action, "ids": list(keys), **more})

    changed = await bulk("update", *jobs, "job_none", changes={"priority": 7})
    assert (changed["succeeded"], changed["results"][3]["code"]) == (3, "not_found")
    cancelled = await bulk("cancel", *jobs[:2])
    assert cancelled["succeeded"] == 2
    again = await bulk("cancel", *jobs)
    assert [result.get("code", "") for result in again["results"]] == ["job_over", "job_over", ""]
    assert (await bulk("delete", *jobs))["succeeded"] == 3
    assert await ids(cloud, "") == []
    body = {"action": "update", "ids": jobs}
    assert await cloud.owner.refused("POST", PATH + "bulk", body) == (422, "invalid")


async def test_jobs_that_are_started_together_keep_their_order(cloud: Cloud) -> None:
    file = await uploaded(cloud)
    jobs = [(await queued(cloud, print_file_id=file))["id"] for _ in range(3)]
    answer = await cloud.owner.ok("POST", PATH + "bulk", {"action": "start", "ids": jobs})
    assert [result["id"] for result in answer["results"]] == jobs
    assert await ids(cloud, "?sort=-priority,rank") == jobs
    assert all(not job["held"] for job in (await cloud.owner.ok("GET", PATH))["items"])


async def test_a_jobs_history_is_paged(cloud: Cloud) -> None:
    job = await queued(cloud, print_file_id=await uploaded(cloud))
    await cloud.owner.ok("POST", f"{PATH}{job['id']}/cancel")
    page = await cloud.owner.ok("GET", f"{PATH}{job['id']}/history?limit=1&offset=1")
    assert page["total"] == 2
    assert [(line["from_status"], line["to_status"]) for line in page["items"]] == [("queued", "cancelled")]
    assert await cloud.owner.refused("GET", f"{PATH}job_none/history") == (404, "not_found")


async def test_how_long_a_print_took_is_told_in_minutes(cloud: Cloud) -> None:
    job = await queued(cloud, print_file_id=await uploaded(cloud))
    times = {"time_started": "2026-01-01T10:00:00.000Z", "time_completed": "2026-01-01T11:30:29.000Z"}
    await (await cloud.tenant()).write(lambda tx: job_queries.change(tx, job["id"], times, statuses=JOB_STATUSES))
    assert (await cloud.owner.ok("GET", PATH + job["id"]))["actual_print_time_minutes"] == 90
