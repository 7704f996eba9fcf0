"""Every route of the document, asked by everybody, against the table of who may: access_table.txt.

`in`: the request is let in, whatever becomes of it then; 401 and 403 are refusals; 404: it finds nothing there. A new
route fails here until somebody has thought about who may use it and written it down: run with PRINTFARM_ACCESS=write to
add what is, then read the difference.
"""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cloud.accounts.throttle import Throttle
from cloud.live.gateway import OLD_PATHS, PATH
from tests.cloud.api_kit import Client, Cloud, running_cloud
from tests.cloud.test_api_product_images import png
from tools.sample_file import PRESETS, build_sample

METHODS = ("get", "post", "put", "patch", "delete")
WHO = ("nobody", "stranger", "viewer", "operator", "owner", "revoked", "reader")
"""`revoked` is an API key that was, `reader` one with every scope that ends in :read, both of the owner."""
TABLE = Path(__file__).with_name("access_table.txt")
OLD = {
    "printers-sync": "printers",
    "v1": "printers",
    "products-sync": "products",
    "product-skus-sync": "product-skus",
    "print-files-sync": "files",
    "file-operations": "files",
    "print-jobs-sync": "print-jobs",
    "enhanced-print-jobs": "print-jobs",
    "finished-goods-sync": "finished-goods",
}
"""Tags of the old system's paths -> whose ids they take."""
READING = [f"{area}:read" for area in (
    "printers", "jobs", "files", "catalog", "production", "hubs", "reports", "settings"
)]  # fmt: skip
HARMLESS = {"if-match": "nonsense"}
"""Refused behind the door, before anything happens."""


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def document_of(cloud: Cloud) -> Any:
    return await cloud.anonymous().ok("GET", "/api/openapi.json")


def operations(document: Any) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


async def things(cloud: Cloud) -> dict[str, str]:
    """One of every kind: tag of the path -> id."""
    owner = cloud.owner
    printer = await cloud.printer()
    _, file = await owner.upload(build_sample(PRESETS["bracket_p1s"]))
    jobs = await owner.ok("POST", "/api/print-jobs/", {"print_file_id": file["id"], "hold": True})
    product = await owner.ok("POST", "/api/products/", {"name": "Bracket"})
    sku = await owner.ok("POST", "/api/product-skus/", {"product_id": product["id"], "sku": "BR-1", "color": "Black"})
    made = {
        "color-presets": {"color_name": "Black", "hex_code": "#000000", "filament_type": "PLA"},
        "build-plate-types": {"name": "Textured"},
        "finished-goods": {"product_sku_id": sku["id"]},
        "stock-movements": {"product_sku_id": sku["id"], "delta": 5, "kind": "adjustment"},
        "assembly-tasks": {"product_id": product["id"], "quantity": 1},
        "worklist": {"title": "Sweep"},
        "orders": {"order_number": "1001", "lines": [{"sku": "BR-1", "quantity": 1}]},
        "invitations": {"email": "olga@example.com", "role": "viewer"},
        "api-keys": {"name": "Robot", "scopes": ["jobs:read"]},
    }
    ids = {tag: (await owner.ok("POST", f"/api/{tag}/", body))["id"] for tag, body in made.items()}
    pairing = await owner.ok("POST", "/api/pairings/", {"device_id": "7K3QM2XDABCDEFGH"})
    sessions = (await owner.ok("GET", "/api/sessions/"))["items"]
    return ids | {
        "printers": printer["id"],
        "hubs": printer["hub_id"],
        "pairings": pairing["id"],
        "files": file["id"],
        "print-jobs": jobs["items"][0]["id"],
        "products": product["id"],
        "product-skus": sku["id"],
        "users": (await owner.ok("GET", "/api/auth/me"))["id"],
        "sessions": sessions[0]["id"],
    }


def filled(path: str, ids: dict[str, str]) -> str:
    """The path with a real id; what else is in it need not be there."""
    tag = path.split("/")[2] if path.startswith("/api/") else ""
    return re.sub(r"\{\w+\}", "1", path.replace("{id}", ids.get(OLD.get(tag, tag), "none")))


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
        dates = ("2026-01-31", "2026-01-31T00:00:00Z", "08:00")
        texts = (
            "x" * max(1, schema.get("minLength", 1)),
            "#112233",
            "192.0.2.1",
            "A" * 16,
            "a@b.example",
            "EUR",
            *dates,
        )
        return next(text for text in texts if re.search(schema.get("pattern", ""), text))
    return {"boolean": True, "number": schema.get("minimum", 1), "integer": schema.get("minimum", 1)}.get(str(kind))


def picture() -> aiohttp.FormData:
    """A form with a file that is what it should be."""
    form = aiohttp.FormData()
    form.add_field("file", png(), filename="photo.png", content_type="image/png")
    return form


def request_for(operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Body and query as good as they can be, so that nothing but the door refuses them."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    options: dict[str, Any] = {"json": least(content["schema"], schemas)} if content else {}
    if "requestBody" in operation and not content:
        options = {"data": picture()}
    needed = [one for one in operation["parameters"] if one["in"] == "query" and one["required"]]
    return {**options, "params": {one["name"]: least(one["schema"], schemas) for one in needed}}


async def outcome(client: Client, method: str, path: str, options: dict[str, Any], *, harmless: bool) -> str:
    headers = HARMLESS if harmless and method != "GET" else {}
    status, _ = await client.call(method, path, headers=headers, **options)
    return str(status) if status in (401, 403, 429) or (status == 404 and not harmless) else "in"


async def people(cloud: Cloud) -> dict[str, Client]:
    cloud.services.accounts._bad_keys = Throttle(free=10_000)  # this test tries a bad one on every route
    cloud.services.accounts._by_address = Throttle(free=10_000)
    key = await cloud.owner.ok("POST", "/api/api-keys/", {"name": "revoked", "scopes": ["printers:write"]})
    reading = await cloud.owner.ok("POST", "/api/api-keys/", {"name": "reader", "scopes": READING})
    await cloud.owner.ok("DELETE", f"/api/api-keys/{key['id']}")
    return {
        "nobody": cloud.anonymous(),
        "stranger": await cloud.stranger(),
        "viewer": await cloud.person("viewer"),
        "operator": await cloud.person("operator"),
        "owner": cloud.owner,
        "revoked": cloud._kept(Client(cloud.base, key["key"])),
        "reader": cloud._kept(Client(cloud.base, reading["key"])),
    }


def write(found: dict[tuple[str, str], list[str]]) -> None:
    lines: list[tuple[str, ...]] = [("# method", "path", *WHO)]
    lines += [(*key, *row) for key, row in sorted(found.items(), key=lambda one: one[0][::-1])]
    texts = [f"{line[0]:8} {line[1]:52} " + "".join(f"{word:9}" for word in line[2:]) for line in lines]
    TABLE.write_text("".join(f"{text.rstrip()}\n" for text in texts))


def written() -> dict[tuple[str, str], list[str]]:
    lines = [line.split() for line in TABLE.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return {(words[0], words[1]): words[2:] for words in lines}


@pytest.mark.timeout(300)
async def test_every_route_answers_everybody_as_the_table_says(cloud: Cloud) -> None:
    ids, who, document = await things(cloud), await people(cloud), await document_of(cloud)
    schemas, found = document["components"]["schemas"], {}
    for method, path, operation in operations(document):
        where = filled(path, ids)
        row = []
        for name in WHO:
            options = request_for(operation, schemas)
            # Another tenant's owner asks in earnest for what is not his; all others are stopped behind the door.
            harmless = name != "stranger" or "{id}" not in path
            row.append(await outcome(who[name], method, where, options, harmless=harmless))
        found[method, path] = row
    if os.environ.get("PRINTFARM_ACCESS") == "write":
        write(found)
    expected = written()
    assert set(found) == set(expected), "a route came or went: write down who may use it"
    wrong = [f"{key}: {found[key]}, not {expected[key]}" for key in found if found[key] != expected[key]]
    assert not wrong, "\n".join(wrong)
    for tag, key in ids.items():  # and nothing happened to anything
        if ("get", f"/api/{tag}/{{id}}") in {(method.lower(), path) for method, path in found}:
            await cloud.owner.ok("GET", f"/api/{tag}/{key}")


async def test_another_tenants_lists_are_empty(cloud: Cloud) -> None:
    ids = await things(cloud)
    stranger = await cloud.stranger()
    for tag in set(ids) - {"users", "sessions", "pairings"}:  # of which everybody has his own, or there is no list
        answer = await stranger.ok("GET", f"/api/{tag}/")
        assert answer["total"] == 0, tag


async def test_every_route_of_the_application_is_in_the_document(cloud: Cloud) -> None:
    documented = {path for _, path, _ in operations(await document_of(cloud))}
    for route in _app_paths(cloud):
        assert route in documented or route.rstrip("/") in documented or route + "/" in documented, route


def _app_paths(cloud: Cloud) -> list[str]:
    from cloud.app import _routes

    outside = {"/api/openapi.json", "/api/asyncapi.json", "/api/docs", "/hub/v1/link", "", PATH, *OLD_PATHS}
    return [path for route in _routes(cloud.services) if (path := getattr(route, "path", "")) not in outside]
