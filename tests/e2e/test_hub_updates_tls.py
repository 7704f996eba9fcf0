"""Updates over TLS: from a cloud behind a proxy, and by a hub whose memory six printers take."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cloud.api_kit import Cloud
from tests.e2e.updates_kit import LIMIT, Workshop, at, cloud, plugged_in, published, shown, workshop
from tests.firmware.tls_servers import server_context, serving
from tools.virtual_printer.harness import VirtualFarm
from tools.virtual_printer.spec import PrinterSpec

__all__ = ["cloud", "workshop"]


@asynccontextmanager
async def behind_tls(cloud: Cloud) -> AsyncIterator[str]:
    """The cloud behind a proxy that ends TLS, as it is run: the address for hubs."""
    port = urlsplit(cloud.base).port

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_cloud, to_cloud = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(carry(reader, to_cloud), carry(from_cloud, writer))
        finally:
            to_cloud.close()

    async with serving(handle, server_context()) as port_of_proxy:
        yield f"https://localhost:{port_of_proxy}"


async def test_over_tls_a_release_comes_from_a_cloud_that_is_trusted(
    cloud: Cloud, tmp_path: Path, workshop: Workshop
) -> None:
    async with behind_tls(cloud) as base, plugged_in(cloud, tmp_path, workshop, base=base) as (hub, hub_id):
        await hub.wait_for("online")
        # Every module is another one than it runs: each is fetched over a TLS connection of its own.
        release = workshop.release("0.2.0", **dict.fromkeys(("config", "session", "commands", "outbox"), _longer))
        await published(cloud, release)
        one = await shown(cloud, hub_id, at("0.2.0", "good"))
        assert one["firmware"] == "0.2.0"
        assert any(line.endswith("files, 5 to fetch") for line in hub.lines)


SIX = [PrinterSpec(model=model, name=model, speed=60) for model in ("P1S", "P1P", "X1C", "A1", "A1 mini", "H2D")]


@pytest.mark.timeout(240)
async def test_a_hub_with_six_printers_has_the_memory_for_it(cloud: Cloud, tmp_path: Path, workshop: Workshop) -> None:
    async with (
        VirtualFarm.start(SIX) as farm,
        behind_tls(cloud) as base,
        plugged_in(cloud, tmp_path, workshop, base=base) as (hub, hub_id),
    ):
        assert hub.heap.lower() == "416k"
        for one in farm.printers:
            where = {"ip_address": one.address, "mqtt_port": one.ports["mqtt"], "ftps_port": one.ports["ftps"]}
            await cloud.printer(one.serial, hub_id=hub_id, model=one.code, access_code=one.access_code, **where)
        await watched(cloud, len(SIX))
        release = workshop.release("0.2.0", **dict.fromkeys(("config", "session", "commands", "outbox"), _longer))
        await published(cloud, release)
        now = await shown(cloud, hub_id, at("0.2.0", "good"))
        assert now["firmware"] == "0.2.0" and not now["safe"]
        assert not [line for line in hub.lines if "Memory" in line or "too little memory" in line]
        await watched(cloud, len(SIX))


async def watched(cloud: Cloud, count: int) -> None:
    """Wait until the hub reports so many printers online."""
    async with asyncio.timeout(LIMIT):
        while True:
            printers = (await cloud.owner.ok("GET", "/api/printers/"))["items"]
            if sum((one["live"] or {}).get("link") == "online" for one in printers) == count:
                return
            await asyncio.sleep(0.1)


def _longer(text: str) -> str:
    return text + '\nNEW = "of the next release"\n'
