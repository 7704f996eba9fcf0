"""What every plain resource can do, tried on colour presets."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud.storage.audit import ENTRIES
from cloud.storage.rows import Listing
from tests.cloud.api_kit import Cloud, running_cloud

PATH = "/api/color-presets/"


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def preset(cloud: Cloud, name: str = "Black", kind: str = "PLA", **changes: Any) -> dict[str, Any]:
    body = {"color_name": name, "hex_code": "#000000", "filament_type": kind, **changes}
    made: dict[str, Any] = await cloud.owner.ok("POST", PATH, body)
    return made


async def names(cloud: Cloud, query: str) -> list[str]:
    return [one["color_name"] for one in (await cloud.owner.ok("GET", PATH + query))["items"]]


async def actions(cloud: Cloud) -> list[str]:
    rows, _ = await (await cloud.tenant()).read(lambda tx: ENTRIES.page(tx, Listing(sort=("at",))))
    return [row["action"] for row in rows]


async def test_a_list_is_paged_filtered_searched_and_sorted(cloud: Cloud) -> None:
    for name, kind in (("Black", "PLA"), ("White", "PETG"), ("Bright red", "PLA")):
        await preset(cloud, name, kind)
    assert await names(cloud, "") == ["Black", "Bright red", "White"]
    assert await names(cloud, "?sort=-color_name") == ["White", "Bright red", "Black"]
    assert await names(cloud, "?sort=filament_type,-color_name") == ["White", "Bright red", "Black"]
    assert await names(cloud, "?filament_type=PLA&limit=1&offset=1") == ["Bright red"]
    assert await names(cloud, "?search=B") == ["Black", "Bright red"]
    assert await names(cloud, "?search=%25") == []
    assert (await cloud.owner.ok("GET", PATH + "?limit=2"))["total"] == 3
    assert await cloud.owner.refused("GET", PATH + "?sort=tenant_id") == (422, "invalid")
    assert await cloud.owner.refused("GET", PATH + "?colour=black") == (422, "invalid")


async def test_a_change_based_on_an_old_version_is_refused(cloud: Cloud) -> None:
    made = await preset(cloud)
    one = PATH + made["id"]
    async with cloud.owner.http.get(one) as answer:
        seen = answer.headers["etag"]
    changed = await cloud.owner.ok("PATCH", one, {"hex_code": "#111111"}, headers={"if-match": seen})
    assert changed["version"] == made["version"] + 1
    late = {"if-match": seen}
    assert await cloud.owner.refused("PATCH", one, {"hex_code": "#222222"}, headers=late) == (412, "stale")
    assert await cloud.owner.refused("DELETE", one, headers=late) == (412, "stale")
    assert await cloud.owner.refused("PUT", one, {}, headers={"if-match": "nonsense"}) == (412, "stale")
    assert (await cloud.owner.ok("GET", one))["hex_code"] == "#111111"
    await cloud.owner.ok("DELETE", one, headers={"if-match": f'"v{changed["version"]}"'})
    assert await cloud.owner.refused("GET", one) == (404, "not_found")


async def test_of_two_changes_at_once_with_the_same_etag_one_wins(cloud: Cloud) -> None:
    one = PATH + (await preset(cloud))["id"]
    headers = {"if-match": '"v1"'}
    answers = await asyncio.gather(
        *(cloud.owner.call("PATCH", one, {"hex_code": f"#00000{n}"}, headers=headers) for n in range(6))
    )
    assert sorted(status for status, _ in answers) == [200, 412, 412, 412, 412, 412]


async def test_the_same_creation_repeated_makes_one_thing(cloud: Cloud) -> None:
    body = {"color_name": "Black", "hex_code": "#000000", "filament_type": "PLA"}
    headers = {"idempotency-key": "order-4711-black"}
    first = await cloud.owner.ok("POST", PATH, body, headers=headers)
    async with cloud.owner.http.post(PATH, json=body, headers=headers) as answer:
        assert (answer.status, answer.headers["idempotency-replayed"]) == (201, "true")
        assert await answer.json() == first
    assert await cloud.owner.refused("POST", PATH, {**body, "color_name": "White"}, headers=headers) == (
        422,
        "key_reused",
    )
    assert await cloud.owner.refused("POST", PATH, body, headers={"idempotency-key": "short"}) == (422, "invalid")
    assert (await cloud.owner.ok("GET", PATH))["total"] == 1
    operator = await cloud.person("operator")  # another person's key of the same name is another key
    assert await operator.refused("POST", PATH, body, headers=headers) == (409, "conflict")


async def test_a_creation_sent_many_times_at_once_makes_one_thing(cloud: Cloud) -> None:
    body = {"color_name": "Black", "hex_code": "#000000", "filament_type": "PLA"}
    headers = {"idempotency-key": "clicked-twice"}
    answers = await asyncio.gather(*(cloud.owner.call("POST", PATH, body, headers=headers) for _ in range(8)))
    made = [answer["id"] for status, answer in answers if status == 201]
    assert made
    assert len(set(made)) == 1
    assert {status for status, _ in answers} <= {201, 409}
    assert (await cloud.owner.ok("GET", PATH))["total"] == 1


async def test_a_refused_creation_leaves_its_key_free(cloud: Cloud) -> None:
    await preset(cloud)
    body = {"color_name": "Black", "hex_code": "#000000", "filament_type": "PLA"}
    headers = {"idempotency-key": "first-attempt"}
    assert await cloud.owner.refused("POST", PATH, body, headers=headers) == (409, "conflict")
    await cloud.owner.ok("POST", PATH, {**body, "color_name": "White"}, headers=headers)


async def test_bulk_changes_tell_of_each_what_became_of_it(cloud: Cloud) -> None:
    made = [(await preset(cloud, name))["id"] for name in ("Black", "White")]
    answer = await cloud.owner.ok(
        "POST", PATH + "bulk", {"action": "update", "ids": [*made, "nobody"], "changes": {"is_active": False}}
    )
    assert (answer["succeeded"], answer["failed"]) == (2, 1)
    assert answer["results"][2] == {
        "id": "nobody", "ok": False, "code": "not_found", "message": "There is no such colour preset.",
    }  # fmt: skip
    assert (await cloud.owner.ok("GET", PATH + "?is_active=true"))["total"] == 0
    assert await cloud.owner.refused("POST", PATH + "bulk", {"action": "update", "ids": made}) == (422, "invalid")
    await cloud.owner.ok("POST", PATH + "bulk", {"action": "delete", "ids": made})
    assert (await cloud.owner.ok("GET", PATH))["total"] == 0


async def test_an_export_holds_every_match_and_no_formulas(cloud: Cloud) -> None:
    await preset(cloud, "=cmd|' /C calc'!A0")
    for n in range(3):
        await preset(cloud, f"Blue {n}")
    async with cloud.owner.http.get(PATH + "export.csv?sort=color_name&limit=1") as answer:
        assert answer.content_type == "text/csv"
        assert "color-presets.csv" in answer.headers["content-disposition"]
        lines = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [line["color_name"] for line in lines] == ["'=cmd|' /C calc'!A0", "Blue 0", "Blue 1", "Blue 2"]
    assert lines[1]["is_active"] == "true"
    assert await cloud.owner.refused("GET", PATH + "export.csv?sort=tenant_id") == (422, "invalid")


async def test_every_change_is_in_the_audit_log_and_a_refused_one_is_not(cloud: Cloud) -> None:
    made = await preset(cloud)
    await cloud.owner.ok("PATCH", PATH + made["id"], {"hex_code": "#111111"})
    await cloud.owner.refused("PATCH", PATH + made["id"], {"hex_code": "#222222"}, headers={"if-match": '"v1"'})
    await cloud.owner.refused("PATCH", PATH + made["id"], {"hex_code": "black"})
    await cloud.owner.ok("DELETE", PATH + made["id"])
    told = [action for action in await actions(cloud) if action.startswith("color_presets")]
    assert told == ["color_presets_create", "color_presets_patch_one", "color_presets_delete"]
    rows, _ = await (await cloud.tenant()).read(
        lambda tx: ENTRIES.page(tx, Listing(filters={"object_id": made["id"]}, sort=("at",)))
    )
    assert [row["details"] for row in rows] == [
        {"color_name": "Black", "hex_code": "#000000", "filament_type": "PLA", "is_active": True},
        {"hex_code": "#111111"},
        {},
    ]
    assert {row["actor_name"] for row in rows} == {"Owner"}
