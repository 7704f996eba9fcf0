"""Every route of the document, asked by everybody: nobody, a viewer, an operator, the owner, another tenant's owner."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.cloud.api_kit import Client, Cloud, running_cloud
from tests.cloud.test_api_product_images import png
from tools.sample_file import PRESETS, build_sample

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def operations(cloud: Cloud) -> list[tuple[str, str, dict[str, Any]]]:
    document = await cloud.anonymous().ok("GET", "/api/openapi.json")
    return [
        (method.upper(), path, item[method]) for path, item in document["paths"].items() for method in METHODS
        if method in item
    ]  # fmt: skip


async def ids_of_everything(cloud: Cloud) -> dict[str, str]:
    printer = await cloud.printer()
    _, file = await cloud.owner.upload(build_sample(PRESETS["bracket_p1s"]))
    jobs = await cloud.owner.ok("POST", "/api/print-jobs/", {"print_file_id": file["id"], "hold": True})
    preset = {"color_name": "Black", "hex_code": "#000000", "filament_type": "PLA"}
    color = await cloud.owner.ok("POST", "/api/color-presets/", preset)
    return {
        "color-presets": color["id"],
        "printers": printer["id"], "hubs": printer["hub_id"], "files": file["id"], "print-jobs": jobs["items"][0]["id"],
    }  # fmt: skip


def filled(path: str, ids: dict[str, str]) -> str:
    """The path with a real id, and plate 1."""
    tag = path.split("/")[2] if path.startswith("/api/") else ""
    return re.sub(r"\{plate\}", "1", re.sub(r"\{id\}", ids.get(tag, "none"), path))


def least(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """The least that a schema of the document takes."""
    if "$ref" in schema:
        return least(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        return least(schema["anyOf"][0], schemas)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return {name: least(schema["properties"][name], schemas) for name in schema.get("required", ())}
    if kind == "array":
        return [least(schema["items"], schemas)] * schema.get("minItems", 0)
    if kind == "string":
        texts = ("x" * max(1, schema.get("minLength", 1)), "#112233", "192.0.2.1", "2026-01-31", "2026-01-31T00:00:00Z")
        return next(text for text in texts if re.search(schema.get("pattern", ""), text))
    return {"boolean": True, "number": schema.get("minimum", 1), "integer": schema.get("minimum", 1)}.get(str(kind))


def picture() -> aiohttp.FormData:
    """A form with a file that is what it should be."""
    form = aiohttp.FormData()
    form.add_field("file", png(), filename="photo.png", content_type="image/png")
    return form


async def status_of(client: Client, method: str, path: str) -> int:
    # A body that is no JSON: whoever is let in is told so, and nothing is changed on the way.
    status, _ = await client.call(method, path, data=b"" if method == "GET" else b"{", headers={"content-type": "x/y"})
    return status


async def test_each_route_lets_in_whom_it_says_and_nobody_else(cloud: Cloud) -> None:
    ids = await ids_of_everything(cloud)
    people = {role: await cloud.person(role) for role in ("viewer", "operator")}
    rank = {"viewer": 0, "operator": 1, "owner": 2}
    checked = 0
    for method, path, operation in await operations(cloud):
        if operation["x-role"] == "public":
            continue
        where = filled(path, ids)
        assert await status_of(cloud.anonymous(), method, where) == 401, f"{method} {path} as nobody"
        for role, client in people.items():
            if rank[role] < rank[operation["x-role"]]:
                assert await status_of(client, method, where) == 403, f"{method} {path} as {role}"
                checked += 1
    assert checked > 25
    for kind, key in ids.items():  # and nothing happened to anything
        await cloud.owner.ok("GET", f"/api/{kind}/{key}")


async def test_a_viewer_reads_and_changes_nothing(cloud: Cloud) -> None:
    for method, path, operation in await operations(cloud):
        if operation["x-role"] == "viewer":
            own = path.startswith(("/api/auth/", "/api/sessions/"))  # what is about oneself
            assert method == "GET" or own, f"{method} {path}"


async def test_another_tenants_owner_finds_nothing(cloud: Cloud) -> None:
    ids = await ids_of_everything(cloud)
    stranger = await cloud.stranger()
    schemas = (await cloud.owner.ok("GET", "/api/openapi.json"))["components"]["schemas"]
    checked = 0
    for method, path, operation in await operations(cloud):
        if "{id}" not in path:
            continue
        where = filled(path, ids)
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        body: dict[str, Any] = {"json": least(content["schema"], schemas)} if content else {}
        if "requestBody" in operation and not content:
            body = {"data": picture()}
        needed = [one for one in operation["parameters"] if one["in"] == "query" and one["required"]]
        query = {one["name"]: least(one["schema"], schemas) for one in needed}
        assert await stranger.refused(method, where, params=query, **body) == (404, "not_found"), f"{method} {path}"
        checked += 1
    assert checked > 25
    for kind in ids:
        assert (await stranger.ok("GET", f"/api/{kind}/"))["total"] == 0
        await cloud.owner.ok("GET", f"/api/{kind}/{ids[kind]}")


async def test_every_route_of_the_application_is_in_the_document(cloud: Cloud) -> None:
    documented = {path for _, path, _ in await operations(cloud)}
    for route in _app_paths(cloud):
        assert route in documented or route.rstrip("/") in documented or route + "/" in documented, route


def _app_paths(cloud: Cloud) -> list[str]:
    from cloud.app import _routes

    outside = {"/api/openapi.json", "/api/v1/ws", "/hub/v1/link", ""}
    return [path for route in _routes(cloud.services) if (path := getattr(route, "path", "")) not in outside]
