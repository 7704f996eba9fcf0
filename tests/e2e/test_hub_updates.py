"""Updates over the air, end to end: a release is published, the real cloud rolls it out, the real hub installs it,
starts it, and confirms it or goes back.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud.api_kit import Cloud
from tests.e2e.updates_kit import Patch, Workshop, at, cloud, plugged_in, published, shown, workshop
from tests.tools import chip_images
from tools.release import bundle

__all__ = ["cloud", "workshop"]


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
