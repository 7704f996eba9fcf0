"""tools/provision against real hubs out of their box and a real cloud: over the air, by cable, what goes wrong."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared_protocol import pairing
from tests.firmware.ble_bridge import BleBridge
from tests.firmware.serial_line import SerialCable
from tools.farm.farm import Farm
from tools.hub import ROOT, HubProcess
from tools.provision.pair import SENTENCES, GattChannel, PairError, exit_code, pair
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRINTERS = [PrinterSpec(model="P1S", name="one")]
FARM_WIFI = {"ssid": "Farm", "password": "secret123", "rssi": -40}


class Bench:
    """A hub that belongs to nobody, in the air and at a cable."""

    def __init__(self, farm: Farm, hub: HubProcess, bridge: BleBridge, cable: SerialCable) -> None:
        self.farm = farm
        self.hub = hub
        self.bridge = bridge
        self.cable = cable
        self.secret = hub.device_secret

    async def leave(self) -> dict[str, str]:
        """What goes into a box."""
        device = pairing.device_of(pairing.proof_of(self.secret))
        made = await self.farm.api.post("/api/pairings/", {"device_id": device})
        return {"ssid": "Farm", "psk": "secret123", "url": made["cloud"], "t": made["token"]}

    async def command_line(self, *arguments: str, psk: str = "secret123", key: str | None = None) -> tuple[int, str]:
        """Run the program over the cable; its exit status and all it printed."""
        given = {"PRINTFARM_KEY": self.farm.api.token if key is None else key, "PRINTFARM_PSK": psk}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tools.provision", "--cloud", self.farm.cloud.url),
            *("--serial", f"socket://127.0.0.1:{self.cable.port}", *arguments),
            env=os.environ | given,
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode()


@pytest_asyncio.fixture(loop_scope="module")
async def bench(farm: Farm, tmp_path: Path) -> AsyncIterator[Bench]:
    radio = tmp_path / "radio.json"
    radio.write_text(json.dumps([FARM_WIFI, {"ssid": "Tired", "password": "secret123", "dhcp": False}]))
    async with BleBridge.open() as bridge, SerialCable.open() as cable:
        extra = {"PF_BLE": bridge.address, "PF_RADIO": str(radio), "PF_SERIAL": cable.hub_end}
        async with HubProcess.unpaired(tmp_path / "hub", extra=extra) as hub:
            await bridge.connected()
            await cable.connected()
            yield Bench(farm, hub, bridge, cable)


async def test_over_the_air_every_failure_is_a_sentence_and_the_same_token_goes_on(bench: Bench) -> None:
    channel = GattChannel(bench.bridge)
    content = await bench.leave()
    for change, code in (
        ({"ssid": "Elsewhere"}, "no_network"),
        ({"psk": "wrong one"}, "wrong_password"),
        ({"ssid": "Tired"}, "no_address"),
        ({"url": "http://127.0.0.1:1"}, "cloud_unreachable"),
        ({"t": "another"}, "token_invalid"),
        ({"ssid": "x" * 400}, "too_long"),
    ):
        with pytest.raises(PairError) as error:
            await pair(channel, bench.secret, content | change, lambda state: None)
        assert error.value.code == code
        assert str(error.value)
    with pytest.raises(PairError) as error:
        await pair(channel, bytes(16), content, lambda state: None)
    assert error.value.code == "wrong_hub"
    told: list[str] = []
    reply = await pair(channel, bench.secret, content, told.append)
    assert told[-1] == "done"
    assert reply["hub"].startswith("hub_")
    await bench.hub.ended()
    with pytest.raises(PairError) as error:
        await pair(channel, bench.secret, content, told.append)
    assert error.value.code == "silent"


async def test_over_a_cable_from_the_command_line(bench: Bench) -> None:
    label = pairing.base32(bench.secret)
    status, out = await bench.command_line("--label", label, "--ssid", "Farm", psk="mistyped")
    assert status == exit_code("wrong_password"), out
    status, out = await bench.command_line("--label", label, "--ssid", "Farm", "--name", "Shelf")
    assert status == 0, out
    hub_id = out.rsplit(": ", 1)[1].rstrip(".\n")
    await bench.hub.ended()
    await bench.hub.start()
    async with asyncio.timeout(20):
        while not (hub := await bench.farm.api.get(f"/api/hubs/{hub_id}"))["online"]:
            await asyncio.sleep(0.1)
    assert hub["name"] == "Shelf"
    status, again = await bench.command_line("--label", label, "--ssid", "Farm")
    assert status == exit_code("already_owned"), again
    for secret in (label, "secret123", "mistyped", bench.farm.api.token):
        assert secret not in out + again
        assert secret not in "\n".join(bench.hub.lines)


async def test_what_is_wrong_before_a_hub_hears_of_it(bench: Bench) -> None:
    label = pairing.base32(bench.secret)
    status, out = await bench.command_line("--label", label[:-1], "--ssid", "Farm")
    assert (status, "26 characters" in out) == (2, True)
    status, out = await bench.command_line("--label", label, "--ssid", "Farm", key="pfk_wrong")
    assert status == exit_code("not_allowed"), out
    status, out = await bench.command_line("--label", label, "--ssid", "Farm", "--cloud", "http://127.0.0.1:1")
    assert status == exit_code("no_cloud"), out
    status, out = await bench.command_line("--label", label, "--ssid", "Farm", "--serial", "/dev/no-such-port")
    assert status == exit_code("no_way"), out
    assert json.loads(await bench.bridge.read(pairing.INFO_UUID))["state"] == "ready"


async def test_every_failure_has_a_sentence_and_an_exit_code_of_its_own() -> None:
    assert set(pairing.CODES) <= set(SENTENCES)
    assert len({exit_code(code) for code in SENTENCES}) == len(SENTENCES)
