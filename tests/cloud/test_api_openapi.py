"""The OpenAPI document: valid, complete, and true - schemathesis asks and compares."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from structlog.testing import capture_logs

from tests.cloud.api_kit import OWNER, PASSWORD, Cloud, running_cloud
from tools.sample_file import PRESETS, build_sample

CASES = int(os.environ.get("PRINTFARM_SCHEMATHESIS_CASES", "0"))
"""Per operation: few here, more by night, and then every boundary of every field as well."""
CONFIG = f"""\
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]

[auth.dynamic.openapi.bearer]
path = "/api/auth/login"
payload = {{ email = "{OWNER}", password = "{PASSWORD}" }}
extract_selector = "/access_token"
"""
"""503 is the truth when a printer's hub is away, and is documented. Should it end its own session, it logs in again."""
ENDING: Final = r"^/api/(auth/(login|setup|logout)|sessions/\{id\}|users/\{id\}/(sessions|two-factor/reset))$"
"""What ends a login, and what is slow by design."""
GUESSING: Final = r"^/api/(auth/(password|accept|reset|invitation|forgot|signup|refresh)|two-factor/)"
"""Where guessing is slowed down: some cases are asked, but a long run would wait for minutes, and be locked out."""


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path) as cloud:
        yield cloud


@pytest.fixture
async def document(cloud: Cloud) -> Any:
    return await cloud.anonymous().ok("GET", "/api/openapi.json")


async def test_the_document_is_valid(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"] == "3.1.0"


async def test_each_operation_has_its_own_name_a_summary_and_a_role(document: Any) -> None:
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names) > 35
    for operation in operations:
        assert operation["summary"]
        assert operation["x-role"] in ("public", "viewer", "operator", "owner")
        assert operation["security"] == [] if operation["x-role"] == "public" else operation["security"]
        assert operation["x-role"] == "public" or {"401", "403", "429"} <= set(operation["responses"])


async def test_the_paths_of_the_old_system_are_there(document: Any) -> None:
    old = {
        "/api/printers/": {"get", "post"},
        "/api/printers/{id}": {"get", "put", "patch", "delete"},
        "/api/printers/{id}/connect": {"post"},
        "/api/printers/{id}/disconnect": {"post"},
        "/api/printers/{id}/status": {"get"},
        "/api/print-jobs/": {"get", "post"},
        "/api/print-jobs/{id}": {"get", "put", "patch", "delete"},
        **{f"/api/print-jobs/{{id}}/{verb}": {"post"} for verb in ("start", "pause", "resume", "cancel")},
        "/api/files/": {"get"},
        "/api/files/upload": {"post"},
        "/api/files/{id}/download": {"get"},
        "/api/files/{id}": {"get", "put", "patch", "delete"},
        "/api/products/": {"get", "post"},
        "/api/products/{id}": {"get", "put", "patch", "delete"},
        "/api/products/{id}/skus": {"get", "post"},
        "/api/product-skus/": {"get", "post"},
        "/api/product-skus/{id}": {"get", "put", "patch", "delete"},
        "/api/build-plate-types/": {"get", "post"},
        "/api/color-presets/": {"get", "post"},
    }
    assert {path: set(document["paths"][path]) for path in old} == old


async def test_access_codes_and_passwords_are_write_only(document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["PrinterIn"]["properties"]["access_code"]["writeOnly"] is True
    assert schemas["LoginIn"]["properties"]["password"]["writeOnly"] is True
    for name, schema in schemas.items():
        if name.endswith(("Out", "Detail", "List", "Status")):
            assert "access_code" not in schema.get("properties", {})


async def test_what_methods_a_path_knows_is_told(cloud: Cloud) -> None:
    for path in ("/api/printers/", "/api/printers"):
        async with cloud.owner.http.request("PATCH", path) as answer:
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")
            assert (await answer.json())["error"]["code"] == "method_not_allowed"
    async with cloud.owner.http.head("/api/printers/") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_odd_requests_get_the_one_shape_of_errors(cloud: Cloud) -> None:
    owner, json = cloud.owner, {"content-type": "application/json"}
    assert await owner.refused("GET", "/api/nothing") == (404, "not_found")
    assert await owner.refused("GET", "/api/printers/%00") == (404, "not_found")
    assert await owner.refused("GET", f"/api/printers/{'x' * 500}") == (404, "not_found")
    assert await owner.refused("POST", "/api/hubs/", data=b"{", headers=json) == (400, "invalid_json")
    assert await owner.refused("POST", "/api/hubs/", data=b'{"name": "\xff"}', headers=json) in [
        (400, "invalid_json"),
        (422, "invalid"),
    ]
    assert await owner.refused("POST", "/api/hubs/", data=b"[" * 100_000, headers=json) in [
        (400, "invalid_json"),
        (422, "invalid"),
    ]
    assert await owner.refused("POST", "/api/hubs/", data=b" " * 300_000, headers=json) == (413, "too_large")
    assert await owner.refused("POST", "/api/hubs/", data=b"name=x") == (415, "unsupported_media_type")


async def test_every_csv_refuses_an_order_that_there_is_not(cloud: Cloud, document: Any) -> None:
    paths = [path for path in document["paths"] if path.endswith("export.csv")]
    assert len(paths) > 8
    for path in paths:
        assert await cloud.owner.refused("GET", f"{path}?sort=nonsense") == (422, "invalid"), path


async def test_every_answer_carries_the_security_headers_and_a_request_id(cloud: Cloud) -> None:
    for path, status in (("/api/printers/", 401), ("/healthz", 200), ("/api/nothing", 404), ("/missing.js", 404)):
        async with cloud.anonymous().http.get(path, headers={"x-request-id": "abcdefgh-1234"}) as answer:
            assert answer.status == status
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["x-request-id"] == "abcdefgh-1234"
    async with cloud.anonymous().http.get("/healthz", headers={"x-request-id": "<script>"}) as answer:
        assert answer.headers["x-request-id"].startswith("req_")


@pytest.fixture
async def either(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    # The one login lasts for the whole run, however long.
    async with running_cloud(tmp_path, database_url=database, access_minutes=600) as cloud:
        yield cloud


async def test_the_character_that_postgresql_cannot_store_is_refused_everywhere(either: Cloud) -> None:
    owner, preset = either.owner, {"color_name": "Sky", "hex_code": "#0099FF", "filament_type": "PLA"}
    made = await owner.ok("POST", "/api/color-presets/", preset)
    path = f"/api/color-presets/{made['id']}"
    assert await owner.refused("PUT", path, {"filament_type": "P\0A"}) == (422, "invalid")
    assert await owner.refused("POST", "/api/worklist/", {"title": "x", "metadata": {"a\0": 1}}) == (422, "invalid")
    assert await owner.refused("GET", "/api/color-presets/?filament_type=P%00A") == (422, "invalid")
    assert await owner.refused("GET", "/api/finished-goods-sync/by-sku/P%00A") == (404, "not_found")
    assert await owner.refused("GET", "/hub/v1/releases/1%00/test/manifest") in [
        (404, "not_found"),
        (401, "unauthenticated"),
    ]
    # Not that character, but a backslash and what follows it.
    assert (await owner.ok("PUT", path, {"filament_type": "P\\u0000A"}))["filament_type"] == "P\\u0000A"


@pytest.mark.timeout(3600 if CASES else 600)
async def test_schemathesis_finds_no_fault(either: Cloud, tmp_path: Path) -> None:
    cloud = either
    printer = await cloud.printer()
    _, file = await cloud.owner.upload(build_sample(PRESETS["bracket_p1s"]))
    await cloud.owner.ok("POST", "/api/print-jobs/", {"print_file_id": file["id"], "hold": True})
    assert printer["id"]
    with capture_logs() as logs:
        await _run_schemathesis(cloud, tmp_path)
    answers = Counter(entry["status"] // 100 if entry["status"] != 401 else 401 for entry in logs if "status" in entry)
    print(f"Answers: {dict(answers)}")
    # It leaves the login out now and then; as a rule it asked as somebody, and was not refused everything.
    assert answers[401] < 0.4 * answers.total()
    assert answers[2] > 0.05 * answers.total()


async def _run_schemathesis(cloud: Cloud, folder: Path) -> None:
    (folder / "schemathesis.toml").write_text(CONFIG)
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
        f"{cloud.base}/api/openapi.json",
        "--checks", checks,
        "--phases", "coverage,fuzzing" if CASES else "fuzzing",
        "--max-examples", str(CASES or 3),
        "--exclude-path-regex", f"{ENDING}|{GUESSING}" if CASES else ENDING,
        "--seed", "20261122",
        "--workers", "1",
        "--no-color",
        cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, "\n".join(
        text[text.find(f"= {part} =") :][:4000] for part in ("ERRORS", "FAILURES")
    )
    print(text[text.index("Test cases:") :])  # `-s` shows how many
