"""Paths that are both the old system's and today's: a key for its programs is answered as the Pi did."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.api_kit import Client, Cloud, running_cloud

CODE = "87654321"
CONFIGURED = {
    "id": 7, "name": "Left one", "ip": "192.168.1.20", "access_code": CODE, "serial": "01P00A000000001",
    "model": None, "enabled": True,
}  # fmt: skip


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def key(cloud: Cloud, *scopes: str, old: bool = True) -> str:
    body = {"name": "shop", "scopes": list(scopes), "old_answers": old}
    made = await cloud.owner.ok("POST", "/api/api-keys/", body)
    assert made["old_answers"] is old
    return str(made["key"])


@pytest.fixture
async def program(cloud: Cloud) -> AsyncIterator[Client]:
    scopes = ("printers:write", "catalog:write", "production:write")
    async with Client(cloud.base, await key(cloud, *scopes)) as client:
        yield client


async def listed(client: Client, path: str) -> Any:
    async with client.http.get(path) as answer:
        things = await answer.json()
        assert (answer.status, answer.headers["x-total-count"]) == (200, str(len(things)))
        return things


async def test_printers_come_by_their_number_and_go_with_a_sentence(cloud: Cloud, program: Client) -> None:
    await cloud.hub()
    made = await program.ok("POST", "/api/printers/", CONFIGURED)
    printer = {
        "id": "7", "name": "Left one", "ip": "192.168.1.20", "serial": "01P00A000000001", "model": "P1S",
        "enabled": True, "connected": False,
    }  # fmt: skip
    assert made == {"success": True, "message": "The printer Left one is added.", "printer": printer}
    everything = await program.ok("GET", "/api/printers")
    assert everything == {"success": True, "message": "1 printers.", "printers": [printer], "total_count": 1}
    changes = {"name": "Right one", "access_code": "", "serial": None, "enabled": False}
    changed = await program.ok("PUT", "/api/printers/7", changes)
    assert changed["printer"] == {**printer, "name": "Right one", "enabled": False}
    status = await program.ok("GET", "/api/printers/7/status")
    assert (status["success"], status["printer_id"], status["status"]) == (True, "7", "offline")
    for verb in ("disconnect", "connect", "enable"):
        assert (await program.ok("POST", f"/api/printers/7/{verb}"))["success"] is True
    assert await program.refused("GET", "/api/printers/7/files") == (503, "hub_offline")
    assert await program.refused("PUT", "/api/printers/7", {"ip": "not one"}) == (422, "invalid")
    assert await program.refused("POST", "/api/printers/", {**CONFIGURED, "id": "shelf"}) == (422, "invalid")
    assert await program.ok("DELETE", "/api/printers/7") == {"success": True, "message": "The printer is deleted."}
    assert (await program.ok("GET", "/api/printers/"))["printers"] == []


@pytest.mark.parametrize(
    ("path", "word", "new", "changes"),
    [
        (
            "/api/color-presets/", "preset",
            {"color_name": "Sky", "hex_code": "#0099FF", "material_type": "PLA", "manufacturer": None, "notes": None},
            {"hex_code": "#0088FF", "color_name": None},
        ),
        (
            "/api/build-plate-types/", "build_plate",
            {"name": "Textured PEI", "description": None, "is_active": None},
            {"description": "rough", "name": None, "is_active": None},
        ),
    ],
)  # fmt: skip
async def test_presets_and_plates_are_bare_lists(
    program: Client, path: str, word: str, new: dict[str, Any], changes: dict[str, Any]
) -> None:
    before = await listed(program, path)
    made = await program.ok("POST", path, new)
    thing = made[word]
    assert made["success"] is True
    assert thing in await listed(program, path)
    changed = await program.ok("PUT", f"{path}{thing['id']}", changes)
    said = {name: value for name, value in changes.items() if value is not None}
    kept = {name: thing[name] for name in thing if name not in (*said, "updated_at", "version")}
    assert {name: changed[word][name] for name in (*kept, *said)} == {**kept, **said}
    assert (await program.ok("DELETE", f"{path}{thing['id']}"))["success"] is True
    assert await listed(program, path) == before


@pytest.mark.parametrize(
    ("path", "new"),
    [("/api/worklist/", {"title": "Pack"}), ("/api/assembly-tasks/", {"product_name": "Lamp", "quantity": 2})],
)
async def test_tasks_are_bare_lists_that_can_be_chosen_from(program: Client, path: str, new: Any) -> None:
    task = await program.ok("POST", path, new)
    assert await listed(program, path) == [task]
    assert await listed(program, f"{path}?status=pending") == [task]
    assert await listed(program, f"{path}?status=completed") == []
    assert (await program.ok("DELETE", f"{path}{task['id']}"))["success"] is True


async def test_more_than_a_page_is_still_one_list(cloud: Cloud, program: Client) -> None:
    for number in range(120):
        await cloud.owner.ok("POST", "/api/worklist/", {"title": f"task {number}"})
    assert len(await listed(program, "/api/worklist/")) == 120


async def test_everybody_else_gets_pages(cloud: Cloud) -> None:
    async with Client(cloud.base, await key(cloud, "catalog:read", old=False)) as client:
        assert set(await client.ok("GET", "/api/color-presets/")) == {"items", "total"}
    assert set(await cloud.owner.ok("GET", "/api/color-presets/")) == {"items", "total"}


async def test_such_a_key_may_no_more_than_another(cloud: Cloud) -> None:
    async with Client(cloud.base, await key(cloud, "catalog:read")) as client:
        assert await client.refused("POST", "/api/color-presets/", {}) == (403, "forbidden")
        assert await client.refused("GET", "/api/worklist/") == (403, "forbidden")


async def test_what_it_did_stands_in_the_audit_log_like_anybodys(cloud: Cloud, program: Client) -> None:
    await program.ok("POST", "/api/build-plate-types/", {"name": "Smooth"})
    entries = (await cloud.owner.ok("GET", "/api/audit-log/"))["items"]
    assert "build_plate_types_create" in [entry["action"] for entry in entries]


async def test_the_document_tells_of_both(cloud: Cloud) -> None:
    document = await cloud.anonymous().ok("GET", "/api/openapi.json")
    operation = document["paths"]["/api/printers/"]["get"]
    old = operation["x-old-answers"]["responses"]["200"]["content"]["application/json"]["schema"]
    properties = document["components"]["schemas"][old["$ref"].rpartition("/")[2]]["properties"]
    assert set(properties) == {"success", "message", "printers", "total_count"}
