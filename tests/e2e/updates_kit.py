"""A workshop that makes releases, and a hub on a mains socket that installs them from the real cloud."""

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
