"""Improv clients that other people wrote, against the firmware itself: Home Assistant's over Bluetooth, and the
official one of browsers over a serial line."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import bleak
import pytest
from improv_ble_client import ImprovBLEClient, device_filter
from improv_ble_client.errors import ProvisioningFailed
from improv_ble_client.protocol import Error, State

from tests.firmware.ble_bridge import BleBridge
from tests.firmware.micropython import run_code
from tests.firmware.serial_line import SerialCable
from tests.firmware.virtual_radio import Air, VirtualClient
from tools import dashboard
from tools.hub import ROOT, HubProcess
from tools.programs import tool

NETWORKS = [
    {"ssid": "Farm", "password": "secret123", "rssi": -40},
    {"ssid": "Guests", "password": "", "rssi": -70},
]
PAGE = "https://farm.example/p"


@dataclass
class Shelf:
    """A hub out of its box, with what is around it."""

    hub: HubProcess
    bridge: BleBridge
    cable: SerialCable
    panel: Path

    async def press(self) -> None:
        """A short press of the button."""
        mark = self.hub.mark
        button = self.panel / "button"
        button.touch()
        # Two of the hub's looks at it.
        await asyncio.sleep(0.25)
        button.unlink()
        await self.hub.wait_for("button pressed", mark=mark)

    def networks(self) -> list[dict[str, str]]:
        """The networks it knows."""
        kept = self.hub.data_dir / "networks.json"
        known: list[dict[str, str]] = json.loads(kept.read_text())["networks"] if kept.exists() else []
        return known


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    radio, panel, data = tmp_path / "radio.json", tmp_path / "panel", tmp_path / "hub"
    radio.write_text(json.dumps(NETWORKS))
    panel.mkdir()
    data.mkdir()
    (data / "cloud.json").write_text(json.dumps({"url": "https://farm.example/"}))
    async with BleBridge.open() as bridge, SerialCable.open() as cable:
        extra = {
            "PF_BLE": bridge.address,
            "PF_SERIAL": cable.hub_end,
            "PF_RADIO": str(radio),
            "PF_PANEL": str(panel),
        }
        async with HubProcess.unpaired(data, extra=extra) as hub:
            await bridge.connected()
            await cable.connected()
            yield Shelf(hub, bridge, cable, panel)


async def test_home_assistants_client_over_bluetooth(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bleak, "get_platform_client_backend_type", lambda: (VirtualClient, "virtual"))
    async with Air.open(shelf.bridge) as air:
        device, heard = await air.scan()
        assert heard.local_name == shelf.bridge.shape["name"]
        assert device_filter(heard)
        client = ImprovBLEClient(device, heard)
        await client.ensure_connected()
        info = await client.get_device_info()
        assert info.firmware_name == b"PrintFarm"
        assert info.device_name.decode() == heard.local_name
        found = await client.scan_wifi()
        assert found.networks == [(b"Farm", b"-40", b"WPA2"), (b"Guests", b"-70", b"NO")]

        assert await client.need_authorization()
        with pytest.raises(ProvisioningFailed) as refused:
            await client.provision("Farm", "secret123", None)
        assert refused.value.error == Error.NOT_AUTHORIZED
        await air.alone()
        assert shelf.networks() == []

        await shelf.press()
        assert not await client.need_authorization()
        assert await client.get_hostname() == heard.local_name
        assert await client.set_hostname("shelf-1") == "shelf-1"
        with pytest.raises(ProvisioningFailed) as refused:
            await client.provision("Farm", "mistyped", None)
        assert refused.value.error == Error.UNABLE_TO_CONNECT
        await air.alone()
        states: list[State] = []
        assert await client.provision("Farm", "secret123", states.append) == PAGE
        assert states[-1] == State.PROVISIONED
    assert shelf.networks() == [{"ssid": "Farm", "password": "secret123"}]
    assert "secret123" not in "\n".join(shelf.hub.lines)


async def test_the_official_client_over_a_serial_line(shelf: Shelf) -> None:
    process = await asyncio.create_subprocess_exec(
        *(tool("node"), str(ROOT / "tests" / "firmware" / "improv_serial.mjs"), str(shelf.cable.port)),
        cwd=await asyncio.to_thread(dashboard.install),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"NO_COLOR": "1"},
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    told = json.loads(out)
    name = shelf.bridge.shape["name"]
    assert told["info"]["firmware"] == "PrintFarm"
    assert told["info"]["name"] == name
    assert told["networks"] == [
        {"name": "Farm", "rssi": -40, "secured": True},
        {"name": "Guests", "rssi": -70, "secured": False},
    ]
    assert "connect" in told["wrong"].lower()
    assert told["hostname"] == "shelf-1"
    assert told["url"] == PAGE
    assert told["again"] == PAGE
    assert shelf.networks() == [{"ssid": "Farm", "password": "secret123"}]


async def test_its_name_and_its_network_are_kept_over_a_restart(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bleak, "get_platform_client_backend_type", lambda: (VirtualClient, "virtual"))
    async with Air.open(shelf.bridge) as air:
        client = ImprovBLEClient(*await air.scan())
        await client.ensure_connected()
        await shelf.press()
        assert await client.set_hostname("shelf-1") == "shelf-1"
        assert await client.provision("Farm", "secret123", None) == PAGE
    await shelf.hub.kill()
    mark = shelf.hub.mark
    await shelf.hub.start()
    await shelf.hub.wait_for("in a network again", mark=mark)
    assert json.loads((shelf.hub.data_dir / "nvs.json").read_text())["hostname"] == "shelf-1"


async def test_nothing_of_setting_up_is_loaded_by_a_hub_at_work() -> None:
    program = """
import sys
import hub.start
hub.start._import(False)
print([name for name in sys.modules if "improv" in name or "pair" in name or name in ("hub.provisioning", "hub.air")])
"""
    assert (await run_code(program)).out.strip() == "[]"


async def test_without_the_clouds_address_people_are_sent_nowhere(tmp_path: Path) -> None:
    program = """
import sys
from hub.config import Config
from hub.improv_ways import page_of
print([page_of(Config(sys.argv[1]))])
"""
    for content, page in (
        (None, ""),
        ("{", ""),
        ("[]", ""),
        ('{"url": 7}', ""),
        ('{"url": "javascript:alert(1)"}', ""),
        (json.dumps({"url": "https://" + "x" * 300}), ""),
        ('{"url": "https://farm.example:8443"}', "https://farm.example:8443/p"),
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        if content is not None:
            (folder / "cloud.json").write_text(content)
        assert (await run_code(program, str(folder))).out.splitlines()[-1] == repr([page])
