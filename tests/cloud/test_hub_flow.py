"""A hub's life with the firmware itself: claimed by it, moved to, replaced, and taken over by somebody else."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.api_kit import JSON, Client, Cloud, running_cloud
from tests.cloud.hub_life_kit import Device, eventually
from tests.firmware.micropython import run_code
from tests.tools.virtual_printer_driver import own_address
from tools.hub import HubProcess
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm
from tools.virtual_printer.spec import PrinterSpec

CLAIM = """
import asyncio, os
from hub import claim
from hub.config import Config

class Board:
    name, target = "test", "unix"
    def recall(self, name, otherwise):
        return %(epoch)d

class Setup:
    board, config, secret, firmware = Board(), Config(%(folder)r), %(secret)r, "0.2.0"

async def main():
    content = {"url": %(url)r, "t": %(token)r}
    try:
        answer = await claim.claim(Setup, content, print)
    except claim.ClaimError as error:
        print("refused", error.code)
    else:
        claim.store(%(folder)r, {"ssid": "Farm", "password": ""}, answer)
        print("claimed", answer["name"])

asyncio.run(main())
"""


async def claimed(folder: Path, device: Device, begun: JSON) -> list[str]:
    """What the firmware says of its claim; afterwards its data folder says who it is."""
    folder.mkdir(exist_ok=True)
    words = {"epoch": device.reset_epoch, "folder": str(folder), "secret": device.secret}
    done = await run_code(CLAIM % {**words, "url": begun["cloud"], "token": begun["token"]})
    return done.out.strip().splitlines()


async def switched_on(stack: AsyncExitStack, folder: Path) -> tuple[str, HubProcess]:
    """Start the firmware on what its claim has stored; the hub's id, and its process."""
    known = json.loads((folder / "identity.json").read_text())
    process = HubProcess(folder, known["hub"], known["key"], known["cloud"])
    return known["hub"], await stack.enter_async_context(process)


async def paired(
    stack: AsyncExitStack, cloud: Cloud, folder: Path, device: Device, **asked: Any
) -> tuple[str, HubProcess]:
    begun = await cloud.owner.ok("POST", "/api/pairings", {"device_id": device.id, **asked})
    assert await claimed(folder, device, begun) == ["reaching", "claiming", f"claimed {asked['name']}"]
    hub, process = await switched_on(stack, folder)
    await online(cloud.owner, hub)
    return hub, process


async def online(who: Client, hub: str, expected: bool = True) -> None:
    async def so() -> bool:
        return bool((await who.ok("GET", f"/api/hubs/{hub}"))["online"]) is expected

    await eventually(so)


async def behind(cloud: Cloud, printer: JSON, hub: str) -> None:
    """Until the printer is online through this hub."""

    async def so() -> bool:
        seen = await cloud.owner.ok("GET", f"/api/printers/{printer['id']}/status")
        return bool(seen["is_connected"]) and seen["live"]["hub_id"] == hub

    async with asyncio.timeout(30):
        while not await so():
            await asyncio.sleep(0.05)


def described(one: RunningPrinter, hub: str) -> JSON:
    where = {"ip_address": one.address, "mqtt_port": one.ports["mqtt"], "ftps_port": one.ports["ftps"]}
    who = {"name": "P1S", "serial_number": one.serial, "access_code": one.access_code, "model": one.code}
    return {**who, **where, "hub_id": hub}


@pytest.mark.timeout(180)
async def test_claimed_by_the_firmware_moved_replaced_and_taken_over(tmp_path: Path) -> None:
    async with (
        VirtualFarm.start([PrinterSpec(model="P1S")], address=own_address()) as farm,
        running_cloud(tmp_path) as cloud,
        AsyncExitStack() as stack,
    ):
        left, right = Device(), Device()
        first, process = await paired(stack, cloud, tmp_path / "left", left, name="Left")
        second, _ = await paired(stack, cloud, tmp_path / "right", right, name="Right")
        hub = await cloud.owner.ok("GET", f"/api/hubs/{first}")
        assert (hub["device_id"], hub["name"], hub["firmware"] != "") == (left.id, "Left", True)

        printer = await cloud.owner.ok("POST", "/api/printers/", described(farm.printers[0], first))
        await behind(cloud, printer, first)
        await cloud.owner.ok("PATCH", f"/api/printers/{printer['id']}", {"hub_id": second})
        await behind(cloud, printer, second)
        await cloud.owner.ok("POST", f"/api/hubs/{second}/replace", {"hub_id": first})
        await behind(cloud, printer, first)
        assert await cloud.owner.refused("GET", f"/api/hubs/{second}") == (404, "not_found")

        stranger = await cloud.stranger()
        begun = await stranger.ok("POST", "/api/pairings", {"device_id": left.id, "reset": True})
        assert (await claimed(tmp_path / "again", left, begun))[-1] == "refused already_owned"
        left.reset_epoch = 1
        assert (await claimed(tmp_path / "again", left, begun))[-1] == "refused already_owned"  # it is connected
        await process.kill()
        await online(cloud.owner, first, expected=False)
        assert (await claimed(tmp_path / "again", left, begun))[-1].startswith("claimed Hub ")
        await process.start()  # the power is cut before it was reset: its key is dead
        await process.wait_for("401")
        theirs, _ = await switched_on(stack, tmp_path / "again")
        await online(stranger, theirs)
        assert (await claimed(tmp_path / "again", left, begun))[-1] == "refused token_invalid"
        assert (await stranger.ok("GET", "/api/printers/"))["total"] == 0
