"""Updates over the air, end to end: a release is published, the real cloud rolls it out, the real hub installs it,
starts it, and confirms it or goes back.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from cloud.hubs.releases import publish, read_release
from tests.cloud.api_kit import Cloud, running_cloud
from tests.cloud.hub_life_kit import Device
from tests.firmware.tls_servers import certificate
from tests.tools import chip_images
from tools import build_firmware
from tools.build_firmware import compile_module
from tools.hub import HubProcess
from tools.release import bundle, keys

KEY = rsa.generate_private_key(65537, 2048)
FIRST = '"0.1.0"'
LIMIT = 90.0

Patch = Callable[[str], str]


class Workshop:
    """The firmware with this test's key built in, and releases that differ from it in a module or two."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._source = folder / "source"
        for name, path in build_firmware.modules().items():
            copy = self._path(name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        keys.build_in([keys.modulus(KEY)], self._source)
        self.first = folder / "first"
        build_firmware.build(self.first, leave_out=build_firmware.NOT_ON_UNIX, root=self._source)

    def _path(self, name: str) -> Path:
        return self._source / (name if name.startswith("shared_protocol/") else f"firmware/{name}")

    def release(self, version: str, image: bundle.Image | None = None, /, **patches: Patch) -> Path:
        """A signed release file; `patches` change the text of modules of `hub`, `image` is a MicroPython it brings."""
        files = bundle.application(self.first)
        patches["app"] = _both(patches.get("app"), lambda text: text.replace(FIRST, f'"{version}"'))
        for module, patch in patches.items():
            name = f"hub/{module}.py"
            text = self._path(name).read_text()
            changed = self._folder / f"{module}.py"
            changed.write_text(patch(text))
            assert changed.read_text() != text
            compiled = self._folder / f"{module}.mpy"
            compile_module(name, changed, compiled)
            files[f"hub/{module}.mpy"] = compiled.read_bytes()
        path = self._folder / f"{version}.zip"
        bundle.pack(path, KEY, version, {"unix": files}, images={"unix": image} if image else None)
        return path


def _both(first: Patch | None, second: Patch) -> Patch:
    return second if first is None else lambda text: second(first(text))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, rollout_failures=0) as cloud:
        yield cloud


@asynccontextmanager
async def plugged_in(
    cloud: Cloud, folder: Path, workshop: Workshop, *, slots: bool = False, base: str = ""
) -> AsyncIterator[tuple[HubProcess, str]]:
    """A paired hub on a mains socket: whenever it resets itself it starts again; one that hangs, its watchdog ends.

    It reaches the cloud at `base`, or where it listens itself, and trusts `localhost`, as after `make flash --ca`.
    `slots`: its flash has two of them for MicroPython, of which the first holds 1.28.0.
    """
    paired = await Device().paired(cloud)
    quick = {"PF_HEALTHY_MS": "1500", "PF_TRIAL_MS": "5000"}
    if slots:
        (folder / "chip").mkdir()
        (folder / "chip" / "ota_0").write_bytes(chip_images.application("1.28.0", size=40_000))
        quick["PF_CHIP"] = str(folder / "chip")
    url = (base or cloud.base).replace("http", "ws", 1) + "/hub/v1/link"
    hub = HubProcess(folder / "hub", paired["hub"], paired["key"], url, extra=quick, firmware=workshop.first)
    (hub.data_dir / "ca-cloud.der").write_bytes(certificate("localhost")[2])
    async with hub:
        board = asyncio.create_task(_board(hub))
        try:
            yield hub, paired["hub"]
        finally:
            board.cancel()
            await asyncio.gather(board, return_exceptions=True)


async def _board(hub: HubProcess) -> None:
    while True:
        hung = asyncio.create_task(hub.wait_for("HANGS", LIMIT, hub.mark))
        ended = asyncio.create_task(hub.ended(2 * LIMIT))
        try:
            await asyncio.wait({hung, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await hub.kill()
            await asyncio.wait({ended})
        finally:
            for task in (hung, ended):
                task.cancel()
            await asyncio.gather(hung, ended, return_exceptions=True)
        await hub.start()


async def published(cloud: Cloud, file: Path) -> None:
    release = read_release(file)
    await publish(cloud.services.store, cloud.services.blobs, release, channel="stable", percentage=100)
    cloud.services.hubs.rollout.look()


async def shown(cloud: Cloud, hub_id: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The hub as the API tells of it, once the condition holds."""
    async with asyncio.timeout(LIMIT):
        while not condition(hub := await cloud.owner.ok("GET", f"/api/hubs/{hub_id}")):
            await asyncio.sleep(0.1)
    return dict(hub)


def at(version: str, state: str) -> Callable[[dict[str, Any]], bool]:
    def condition(hub: dict[str, Any]) -> bool:
        update = hub["update"]
        return bool(hub["online"] and update and (update["version"], update["state"]) == (version, state))

    return condition


async def test_a_release_is_published_rolled_out_installed_and_confirmed(
    cloud: Cloud, tmp_path: Path, workshop: Workshop
) -> None:
    async with plugged_in(cloud, tmp_path, workshop) as (hub, hub_id):
        await hub.wait_for("online")
        await published(cloud, workshop.release("0.2.0"))
        one = await shown(cloud, hub_id, at("0.2.0", "good"))
        assert one["firmware"] == "0.2.0" and not one["safe"]
        fetched = next(line for line in hub.lines if "to fetch" in line)
        assert fetched.endswith("files, 1 to fetch"), f"only what changed: {fetched}"
        # And the next one into the other slot.
        await published(cloud, workshop.release("0.3.0"))
        assert (await shown(cloud, hub_id, at("0.3.0", "good")))["firmware"] == "0.3.0"
        assert {path.name for path in hub.data_dir.glob("app_*")} == {"app_a", "app_b"}
        items = (await cloud.owner.ok("GET", "/api/hub-releases/"))["items"]
        assert {one["version"]: (one["good"], one["failed"]) for one in items} == {"0.2.0": (1, 0), "0.3.0": (1, 0)}


MICROPYTHON = bundle.Image("1.29.0", chip_images.MACHINE, chip_images.application("1.29.0", size=50_000))


async def test_a_micropython_comes_over_the_air_with_the_application_that_is_made_for_it(
    cloud: Cloud, tmp_path: Path, workshop: Workshop
) -> None:
    async with plugged_in(cloud, tmp_path, workshop, slots=True) as (hub, hub_id):
        await hub.wait_for("online")
        assert (await shown(cloud, hub_id, lambda hub: hub["online"]))["image"] == "1.28.0"
        await published(cloud, workshop.release("0.2.0", MICROPYTHON))
        one = await shown(cloud, hub_id, at("0.2.0", "good"))
        assert (one["firmware"], one["image"], one["image_by_cable"]) == ("0.2.0", "1.29.0", "")
        assert (tmp_path / "chip" / "ota_1").read_bytes().startswith(MICROPYTHON.content)
        # The next release has the same MicroPython, and fetches it no more.
        mark = hub.mark
        await published(cloud, workshop.release("0.3.0", MICROPYTHON))
        one = await shown(cloud, hub_id, at("0.3.0", "good"))
        assert (one["firmware"], one["image"]) == ("0.3.0", "1.29.0")
        assert not [line for line in hub.since(mark) if "MicroPython" in line]


@pytest.mark.timeout(150)
async def test_a_micropython_that_cannot_reach_the_cloud_is_rolled_back_with_its_application(
    cloud: Cloud, tmp_path: Path, workshop: Workshop
) -> None:
    async with plugged_in(cloud, tmp_path, workshop, slots=True) as (hub, hub_id):
        await hub.wait_for("online")
        await published(cloud, workshop.release("0.4.0", MICROPYTHON, **BAD["cannot reach the cloud"]))
        one = await shown(cloud, hub_id, at("0.4.0", "rolled_back"))
        assert (one["firmware"], one["image"]) == ("0.1.0", "1.28.0")
        await cloud.services.hubs.rollout.sweep()
        item = (await cloud.owner.ok("GET", "/api/hub-releases/"))["items"][0]
        assert (item["halted"], item["failed"], item["images"]) == (True, 1, {"unix": "1.29.0"})
        await published(cloud, workshop.release("0.9.5", MICROPYTHON))
        one = await shown(cloud, hub_id, at("0.9.5", "good"))
        assert (one["firmware"], one["image"]) == ("0.9.5", "1.29.0")


async def test_without_slots_the_application_comes_alone_and_the_cable_is_asked_for(
    cloud: Cloud, tmp_path: Path, workshop: Workshop
) -> None:
    async with plugged_in(cloud, tmp_path, workshop) as (hub, hub_id):
        await hub.wait_for("online")
        newer = bundle.Image("9.9.9", chip_images.MACHINE, chip_images.application("9.9.9"))
        await published(cloud, workshop.release("0.5.0", newer))
        one = await shown(cloud, hub_id, at("0.5.0", "good"))
        assert (one["firmware"], one["image_room"], one["image_by_cable"]) == ("0.5.0", 0, "9.9.9")


BAD: dict[str, dict[str, Patch]] = {
    "crashes at import": {"session": lambda text: "import not_there\n" + text},
    "hangs at import": {"session": lambda text: "print('HANGS')\nwhile True:\n    pass\n" + text},
    "cannot reach the cloud": {"cloud_link": lambda text: text.replace("codec.MAX_TEXT, codec", "codec.NONE, codec")},
    "falls while it runs": {"app": lambda text: text.replace("        ticks = 0\n", "        ticks = 1 // 0\n", 1)},
}


@pytest.mark.timeout(150)
@pytest.mark.parametrize("fault", sorted(BAD))
async def test_a_release_that_does_not_work_is_rolled_back_and_stopped(
    fault: str, cloud: Cloud, tmp_path: Path, workshop: Workshop
) -> None:
    version = f"0.2.{1 + sorted(BAD).index(fault)}"
    async with plugged_in(cloud, tmp_path, workshop) as (hub, hub_id):
        await hub.wait_for("online")
        await published(cloud, workshop.release(version, **BAD[fault]))
        one = await shown(cloud, hub_id, at(version, "rolled_back"))
        assert one["firmware"] == "0.1.0" and one["update"]["message"]
        one = await shown(cloud, hub_id, lambda hub: hub["online"] and not hub["safe"])
        await cloud.services.hubs.rollout.sweep()
        item = (await cloud.owner.ok("GET", "/api/hub-releases/"))["items"][0]
        assert (item["halted"], item["failed"]) == (True, 1)
        refused = await cloud.owner.refused("POST", f"/api/hubs/{hub_id}/update", {"version": version})
        assert refused == (409, "halted")
        # A working hub: the next release mends it.
        await published(cloud, workshop.release("0.9.0"))
        assert (await shown(cloud, hub_id, at("0.9.0", "good")))["firmware"] == "0.9.0"
