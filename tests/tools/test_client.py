"""The Python client: lists of any length, things made once over a bad network, changes that overwrite nobody."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.api.color_presets import ColorPresetOut
from tests.cloud.api_kit import Cloud, running_cloud
from tools.farm import client as client_module
from tools.farm.client import ApiError, Client

PATH = "/api/color-presets/"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path) as cloud:
        yield cloud


@pytest.fixture
async def api(cloud: Cloud) -> AsyncIterator[Client]:
    made = await cloud.owner.ok("POST", "/api/api-keys/", {"name": "Robot", "scopes": ["catalog:write"]})
    async with Client(cloud.base, key=made["key"]) as api:
        yield api


def preset(name: str) -> dict[str, str]:
    return {"color_name": name, "hex_code": "#000000", "filament_type": "PLA"}


async def test_a_list_is_read_to_its_end(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAGE", 2)
    for number in range(5):
        await api.create(PATH, preset(f"Blue {number}"))
    names = [item["color_name"] async for item in api.pages(PATH, sort="-color_name")]
    assert names == [f"Blue {number}" for number in reversed(range(5))]
    assert [item["color_name"] async for item in api.pages(PATH, search="3")] == ["Blue 3"]


async def test_answers_are_typed_and_changes_name_their_version(api: Client) -> None:
    made = await api.create(PATH, preset("Black"))
    one = await api.one(PATH + made["id"], ColorPresetOut)
    assert one.color_name == "Black"
    await api.change(PATH + one.id, {"hex_code": "#111111"}, version=one.version)
    with pytest.raises(ApiError) as refused:
        await api.change(PATH + one.id, {"hex_code": "#222222"}, version=one.version)
    assert (refused.value.status, refused.value.code) == (412, "stale")


async def test_what_is_made_over_a_breaking_network_is_made_once(cloud: Cloud, api: Client) -> None:
    """A relay that swallows the first answer, after the cloud has carried the request out."""
    host, port = "127.0.0.1", int(cloud.base.rsplit(":", 1)[1])
    connections = 0

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        swallow = connections == 1
        there, back = await asyncio.open_connection(host, port)
        with contextlib.suppress(ConnectionError):
            back.write(await reader.read(65536))
            answer = await there.read(65536)
            if not swallow:
                writer.write(answer)
                await writer.drain()
        for one in (writer, back):
            one.close()

    server = await asyncio.start_server(relay, host, 0)
    address = f"http://{host}:{server.sockets[0].getsockname()[1]}"
    async with Client(address, key=api.token) as shaky:
        made = await shaky.create(PATH, preset("Once"))
    server.close()
    await server.wait_closed()
    assert connections == 2
    assert [item["id"] async for item in api.pages(PATH)] == [made["id"]]
