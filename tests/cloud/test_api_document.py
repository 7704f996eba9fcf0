"""The API's descriptions: the page for people names every operation, and what the live socket says is as described."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import websockets

from tests.cloud.api_kit import Cloud, running_cloud


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path) as cloud:
        yield cloud


async def test_the_page_names_every_operation_and_needs_no_script(cloud: Cloud) -> None:
    document = await cloud.anonymous().ok("GET", "/api/openapi.json")
    async with cloud.anonymous().http.get("/api/docs") as answer:
        assert answer.content_type == "text/html"
        page = await answer.text()
    for item in document["paths"].values():
        for operation in item.values():
            assert f'id="{operation["operationId"]}"' in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="https?:', page)
    assert "Written, never given back." in page  # a field's description, from the source of its class


async def test_descriptions_in_the_sources_are_in_the_document(cloud: Cloud) -> None:
    document = await cloud.anonymous().ok("GET", "/api/openapi.json")
    fields = document["components"]["schemas"]["PrinterIn"]["properties"]
    assert fields["hub_id"]["description"] == "Left out: the only hub there is."


async def test_the_live_socket_says_what_its_document_says(cloud: Cloud) -> None:
    document = await cloud.anonymous().ok("GET", "/api/asyncapi.json")
    assert document["asyncapi"] == "3.0.0"
    messages = document["components"]["messages"]
    printer = await cloud.printer()
    said: list[Any] = [
        {"type": "watch"},
        {"type": "subscribe", "printer_id": printer["id"]},
        {"type": "ping"},
        {"type": "pace", "ms": 100},
        {"type": "unsubscribe", "printer_ids": [printer["id"]]},
    ]
    for one in said:
        schema = {**messages[one["type"]]["payload"], "components": document["components"]}
        assert jsonschema_rs.is_valid(schema, one), one
    heard: set[str] = set()
    headers = {"authorization": f"Bearer {cloud.owner.token}"}
    async with websockets.connect(
        cloud.base.replace("http", "ws") + "/api/v1/ws", additional_headers=headers
    ) as socket:
        for one in [*said, {"type": "nonsense"}]:
            await socket.send(json.dumps(one))
        async with asyncio.timeout(10):
            while not heard >= {"snapshot", "subscribed", "printer_status", "pong", "unsubscribed", "error"}:
                message = json.loads(await socket.recv())
                heard.add(message["type"])
                assert jsonschema_rs.is_valid(messages[message["type"]]["payload"], message), message
            await cloud.owner.ok("PATCH", f"/api/printers/{printer['id']}", {"name": "Renamed"})
            message = json.loads(await socket.recv())
            while message["type"] != "delta":
                message = json.loads(await socket.recv())
    assert jsonschema_rs.is_valid(messages["delta"]["payload"], message), message
    assert message["printers"][printer["id"]]["name"] == "Renamed"
