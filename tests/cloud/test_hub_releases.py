"""Releases of the hubs' firmware: published, fetched by hubs alone, rolled out in stages, stopped when they fail."""

import asyncio
import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from cloud.hubs.releases import ReleaseFileError, publish, read_release, version_of
from cloud.hubs.rollout import is_turn
from cloud.storage import ids
from cloud.storage.files import blob_in_use
from cloud.storage.releases import Channel, Release, Wish
from cloud.storage.tables import print_jobs
from tests.cloud.api_kit import JSON, Client, Cloud, running_cloud
from tests.cloud.hub_life_kit import Device, LivingHub, eventually, living
from tools.release.bundle import Image, pack

KEY = rsa.generate_private_key(65537, 2048)
FILES = {"hub/start.mpy": b"start", "hub/app.mpy": b"application"}


def packed(
    folder: Path, version: str = "0.3.0", targets: tuple[str, ...] = ("unix",), image: Image | None = None
) -> Path:
    path = folder / f"{version}.zip"
    pack(path, KEY, version, dict.fromkeys(targets, FILES), images=dict.fromkeys(targets, image) if image else None)
    return path


async def published(
    cloud: Cloud, folder: Path, version: str = "0.3.0", *, channel: Channel = "stable", percentage: int = 100,
    image: Image | None = None,
) -> None:  # fmt: skip
    release = read_release(packed(folder, version, image=image))
    await publish(cloud.services.store, cloud.services.blobs, release, channel=channel, percentage=percentage)
    cloud.services.hubs.rollout.look()


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


def at(hub_id: str, key: str, cloud: Cloud, **hello: Any) -> Any:
    return living(cloud, hub_id, key, target="unix", **hello)


async def tells(hub: LivingHub, n: int, version: str, state: str, **more: str) -> None:
    data = {"version": version, "state": state, **more}
    await hub.say("event", boot="boot0001", n=n, name="update", at_ms=1, data=data)


def asked(hub: LivingHub) -> list[str]:
    return [one["args"]["version"] for one in hub.told if one["name"] == "update"]


# ---- fetching


async def get(cloud: Cloud, path: str, key: str = "") -> tuple[int, bytes]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(cloud.base) as http, http.get(path, headers=headers) as answer:
        return answer.status, await answer.read()


async def test_a_hub_fetches_what_was_published_and_nobody_else_does(cloud: Cloud, tmp_path: Path) -> None:
    paired = await Device().paired(cloud)
    await published(cloud, tmp_path)
    base = "/hub/v1/releases/0.3.0/unix"
    status, manifest = await get(cloud, f"{base}/manifest", paired["key"])
    with zipfile.ZipFile(tmp_path / "0.3.0.zip") as bundle:
        assert (status, manifest) == (200, bundle.read("manifests/unix"))
    sha256 = hashlib.sha256(b"application").hexdigest()
    assert await get(cloud, f"{base}/files/{sha256}", paired["key"]) == (200, b"application")
    assert await cloud.services.store.read(lambda tx: blob_in_use(tx, sha256))
    for path in (f"{base}/manifest", f"{base}/files/{sha256}"):
        for key in ("", "pfh_nobody_aaaaaaaaaaaaaaaaaaaaaaaa", paired["key"][:-1] + "x", cloud.owner.token):
            assert (await get(cloud, path, key))[0] == 401, key
    for path in ("0.4.0/unix/manifest", "0.3.0/esp32/manifest", f"0.4.0/unix/files/{sha256}", "0.3.0/unix/files/x"):
        assert (await get(cloud, f"/hub/v1/releases/{path}", paired["key"]))[0] == 404, path
    await cloud.owner.ok("POST", f"/api/hubs/{paired['hub']}/revoke")
    assert (await get(cloud, f"{base}/manifest", paired["key"]))[0] == 401


MICROPYTHON = Image("1.29.0", "Test board with ESP32S3", b"\xe9" + b"an interpreter" * 100_000)


async def test_a_micropython_is_published_with_its_release_and_given_to_the_boards_it_is_for(
    cloud: Cloud, tmp_path: Path
) -> None:
    paired = await Device().paired(cloud)
    await published(cloud, tmp_path, image=MICROPYTHON)
    sha256 = hashlib.sha256(MICROPYTHON.content).hexdigest()
    base = "/hub/v1/releases/0.3.0/unix"
    status, manifest = await get(cloud, f"{base}/manifest", paired["key"])
    assert status == 200 and f'"image":["1.29.0","{sha256}",{len(MICROPYTHON.content)},'.encode() in manifest
    assert await get(cloud, f"{base}/files/{sha256}", paired["key"]) == (200, MICROPYTHON.content)
    assert (await get(cloud, f"{base}/files/{sha256}"))[0] == 401
    assert (await listed(cloud))[0]["images"] == {"unix": "1.29.0"}


async def test_a_hub_whose_flash_has_no_slots_takes_the_release_and_is_shown_to_need_the_cable(
    cloud: Cloud, tmp_path: Path
) -> None:
    paired = await Device().paired(cloud)
    path = f"/api/hubs/{paired['hub']}"
    await published(cloud, tmp_path, image=MICROPYTHON)
    old = {"image": "1.28.0", "image_room": 0}
    async with at(paired["hub"], paired["key"], cloud, **old) as hub:
        await hub.until(lambda: asked(hub) == ["0.3.0"])
        shown = await cloud.owner.ok("GET", path)
        assert (shown["image"], shown["image_room"], shown["image_by_cable"]) == ("1.28.0", 0, "")
        await tells(hub, 1, "0.3.0", "good")
    async with at(paired["hub"], paired["key"], cloud, firmware="0.3.0", boot="boot0002", **old):
        assert (await cloud.owner.ok("GET", path))["image_by_cable"] == "1.29.0"
        await cloud.services.hubs.rollout.sweep()
        assert [(one["halted"], one["failed"]) for one in await listed(cloud)] == [(False, 0)]
    new = {"image": "1.29.0", "image_room": 2_000_000}
    async with at(paired["hub"], paired["key"], cloud, firmware="0.3.0", boot="boot0003", **new):
        shown = await cloud.owner.ok("GET", path)
        assert (shown["image"], shown["image_room"], shown["image_by_cable"]) == ("1.29.0", 2_000_000, "")
    async with at(paired["hub"], paired["key"], cloud, firmware="0.3.0", boot="boot0004"):
        shown = await cloud.owner.ok("GET", path)
        assert (shown["image"], shown["image_room"], shown["image_by_cable"]) == ("", None, ""), "an older hub"


async def test_bytes_of_the_file_store_that_are_of_no_release_are_not_given_out(cloud: Cloud, tmp_path: Path) -> None:
    paired = await Device().paired(cloud)
    await published(cloud, tmp_path)
    secret = b"another farm's file"

    async def stream() -> AsyncIterator[bytes]:
        yield secret

    blob = await cloud.services.blobs.put(stream(), 1000)
    assert (await get(cloud, f"/hub/v1/releases/0.3.0/unix/files/{blob.sha256}", paired["key"]))[0] == 404


# ---- rolling out


async def test_a_hub_is_offered_a_newer_release_and_its_way_is_shown(cloud: Cloud, tmp_path: Path) -> None:
    paired = await Device().paired(cloud)
    async with at(paired["hub"], paired["key"], cloud) as hub:
        await published(cloud, tmp_path)
        await hub.until(lambda: asked(hub) == ["0.3.0"])
        for n, state in enumerate(("fetching", "testing", "good"), 1):
            await tells(hub, n, "0.3.0", state)

        async def good() -> bool:
            return bool((await listed(cloud))[0]["good"])

        await eventually(good)
        shown = await cloud.owner.ok("GET", f"/api/hubs/{paired['hub']}")
        assert (shown["update"]["version"], shown["update"]["state"]) == ("0.3.0", "good")
    assert await listed(cloud) == [
        {
            "version": "0.3.0", "channel": "stable", "targets": ["unix"], "images": {}, "percentage": 100,
            "halted": False, "halted_at": None, "halted_why": "", "notes": "", "under_way": 0, "good": 1, "failed": 0,
        }
    ]  # fmt: skip


async def listed(cloud: Cloud, client: Client | None = None) -> list[JSON]:
    items: list[JSON] = (await (client or cloud.owner).ok("GET", "/api/hub-releases/"))["items"]
    return [{name: value for name, value in one.items() if name != "created_at"} for one in items]


async def test_a_hub_that_was_away_is_offered_it_when_it_comes_and_one_that_has_it_is_not(
    cloud: Cloud, tmp_path: Path
) -> None:
    paired = await Device().paired(cloud)
    await published(cloud, tmp_path)
    async with at(paired["hub"], paired["key"], cloud, firmware="0.3.0") as hub:
        await cloud.services.hubs.rollout.sweep()
        assert asked(hub) == []
    async with at(paired["hub"], paired["key"], cloud, firmware="0.2.0", boot="boot0002") as hub:
        await hub.until(lambda: asked(hub) == ["0.3.0"])


async def test_a_release_that_fails_on_too_many_hubs_is_offered_to_no_more(cloud: Cloud, tmp_path: Path) -> None:
    await published(cloud, tmp_path)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            paired = await Device().paired(cloud)
            hub = await stack.enter_async_context(at(paired["hub"], paired["key"], cloud))
            await hub.until(lambda hub=hub: asked(hub))
            await tells(hub, 1, "0.3.0", "rolled_back", code="unconfirmed", message="it hung")

        async def halted() -> bool:
            return bool((await listed(cloud))[0]["halted"])

        await eventually(halted)
        third = await Device().paired(cloud)
        last = await stack.enter_async_context(at(third["hub"], third["key"], cloud))
        await cloud.services.hubs.rollout.sweep()
        assert asked(last) == []
        refused = await cloud.owner.refused("POST", f"/api/hubs/{third['hub']}/update", {"version": "0.3.0"})
        assert refused == (409, "halted")
        rollout = await cloud.owner.ok("GET", "/api/hub-rollout")
        assert (rollout["halted"], rollout["halted_version"], rollout["offered"]) == (True, "0.3.0", {})
        assert "failed on 2 of 2" in rollout["halted_why"]


async def test_trouble_of_the_hubs_own_does_not_stop_a_release(cloud: Cloud, tmp_path: Path) -> None:
    await published(cloud, tmp_path)
    async with AsyncExitStack() as stack:
        for code in ("unreachable", "busy", "flash", "needs_cable"):
            paired = await Device().paired(cloud)
            hub = await stack.enter_async_context(at(paired["hub"], paired["key"], cloud))
            await hub.until(lambda hub=hub: asked(hub))
            await tells(hub, 1, "0.3.0", "failed", code=code, message="later")
            await hub.until(lambda hub=hub: hub.told)
        await cloud.services.hubs.rollout.sweep()
        assert [(one["halted"], one["failed"]) for one in await listed(cloud)] == [(False, 0)]


async def test_a_hub_with_a_file_on_its_way_is_left_alone(cloud: Cloud, tmp_path: Path) -> None:
    paired = await Device().paired(cloud)
    await cloud.owner.ok("POST", "/api/printers/", {
        "name": "P1S", "ip_address": "192.168.1.20", "serial_number": "01P00A000000001", "access_code": "87654321",
        "hub_id": paired["hub"],
    })  # fmt: skip
    printer = (await cloud.owner.ok("GET", "/api/printers/"))["items"][0]

    async def busy(tx: Any) -> None:
        now, tenant = "2026-01-01T00:00:00.000Z", await cloud.tenant_id()
        await tx.run(
            print_jobs.insert().values(
                id=ids.new("job"), tenant_id=tenant, printer_id=printer["id"], status="uploading", file_name="x",
                plate=1, time_submitted=now, updated_at=now,
            )
        )  # fmt: skip

    async with at(paired["hub"], paired["key"], cloud) as hub:
        await cloud.services.store.write(busy)
        await published(cloud, tmp_path)
        await cloud.services.hubs.rollout.sweep()
        assert await cloud.owner.refused("POST", f"/api/hubs/{paired['hub']}/update", {}) == (409, "busy")
        assert asked(hub) == []
        await cloud.services.store.write(lambda tx: tx.run(print_jobs.update().values(status="completed")))
        assert (await cloud.owner.ok("POST", f"/api/hubs/{paired['hub']}/update", {}))["version"] == "0.3.0"
        await hub.until(lambda: asked(hub))


async def test_a_farm_chooses_its_channel_and_share_and_updates_a_hub_at_once(cloud: Cloud, tmp_path: Path) -> None:
    paired = await Device().paired(cloud)
    path = f"/api/hubs/{paired['hub']}/update"
    async with at(paired["hub"], paired["key"], cloud) as hub:
        assert await cloud.owner.ok("GET", "/api/hub-rollout") == {
            "channel": "stable", "percentage": 100, "offered": {}, "minimum": "", "halted": False,
            "halted_version": "", "halted_why": "", "version": 0,
        }  # fmt: skip
        await published(cloud, tmp_path, channel="beta")
        await cloud.services.hubs.rollout.sweep()
        assert await cloud.owner.refused("POST", path, {}) == (409, "up_to_date")
        assert await cloud.owner.refused("POST", path, {"version": "9.9.9"}) == (409, "no_release")
        changed = await cloud.owner.ok("PATCH", "/api/hub-rollout", {"channel": "beta", "percentage": 0})
        assert (changed["channel"], changed["percentage"], changed["offered"]) == ("beta", 0, {"unix": "0.3.0"})
        await cloud.services.hubs.rollout.sweep()
        assert asked(hub) == [], "none of this farm's hubs is updated by itself"
        assert await cloud.owner.ok("POST", path, {}) == {"id": paired["hub"], "version": "0.3.0"}
        await hub.until(lambda: asked(hub) == ["0.3.0"])
    stale = {"if-match": '"v0"'}
    assert await cloud.owner.refused("PATCH", "/api/hub-rollout", {}, headers=stale) == (412, "stale")
    for wrong in ({"channel": "nightly"}, {"percentage": 101}, {"halted": False}):
        assert (await cloud.owner.refused("PATCH", "/api/hub-rollout", wrong))[0] == 422
    stranger = await cloud.stranger()
    assert (await stranger.ok("GET", "/api/hub-rollout"))["channel"] == "stable"
    assert await stranger.refused("POST", path, {}) == (404, "not_found")


async def test_what_a_hub_refuses_with_is_told(cloud: Cloud, tmp_path: Path) -> None:
    paired = await Device().paired(cloud)
    await published(cloud, tmp_path, percentage=0)
    path = f"/api/hubs/{paired['hub']}/update"
    answers: dict[str, JSON | None] = {"update": {"ok": False, "code": "busy", "message": "0.2.0 is still on trial"}}
    async with living(cloud, paired["hub"], paired["key"], answers, target="unix"):
        status, answer = await cloud.owner.call("POST", path, {})
        assert (status, answer["error"]["code"], answer["error"]["message"]) == (409, "busy", "0.2.0 is still on trial")
    assert await cloud.owner.refused("POST", path, {}) == (409, "hub_offline")


async def test_an_image_that_falls_back_counts_against_its_release_and_is_not_offered_again(
    cloud: Cloud, tmp_path: Path
) -> None:
    paired = await Device().paired(cloud)
    await published(cloud, tmp_path, image=MICROPYTHON)
    told = {"image": "1.28.0", "image_room": 2_000_000}
    async with at(paired["hub"], paired["key"], cloud, **told) as hub:
        await hub.until(lambda: asked(hub))
        await tells(hub, 1, "0.3.0", "rolled_back", code="unconfirmed", message="its MicroPython did not start")

        async def counted() -> bool:
            return bool((await listed(cloud))[0]["failed"])

        await eventually(counted)
        await cloud.services.hubs.rollout.sweep()
        assert asked(hub) == ["0.3.0"]
        shown = await cloud.owner.ok("GET", f"/api/hubs/{paired['hub']}")
        assert shown["update"]["message"] == "its MicroPython did not start" and not shown["image_by_cable"]


@pytest.mark.parametrize("damage", ["gone", "short"])
def test_a_release_whose_micropython_is_missing_is_refused(tmp_path: Path, damage: str) -> None:
    path = packed(tmp_path, image=MICROPYTHON)
    name = f"files/{hashlib.sha256(MICROPYTHON.content).hexdigest()}"
    with zipfile.ZipFile(path) as bundle:
        content = {one: bundle.read(one) for one in bundle.namelist()}
    if damage == "gone":
        del content[name]
    else:
        content[name] = content[name][:-1]
    path.write_bytes(rezipped(content))
    with pytest.raises(ReleaseFileError, match="MicroPython of unix is missing" if damage == "gone" else "damaged"):
        read_release(path)


def test_stages_are_the_same_everywhere_grow_and_are_drawn_anew_for_each_release() -> None:
    def release(version: str, percentage: int) -> Release:
        return Release(
            version=version, channel="stable", percentage=percentage, halted_at=None, halted_why="", forgiven=0,
            notes="", created_at="",
        )  # fmt: skip

    def first(version: str, percentage: int, wanted: int = 100) -> set[int]:
        wish = Wish(percentage=wanted)
        return {n for n in range(1000) if is_turn(f"hub_{n}", release(version, percentage), wish)}

    assert first("1.0.0", 0) == set() and len(first("1.0.0", 100)) == 1000
    assert first("1.0.0", 10) < first("1.0.0", 50) and 60 < len(first("1.0.0", 10)) < 140
    assert first("1.0.0", 10) == first("1.0.0", 10) == first("1.0.0", 100, 10) != first("1.0.1", 10)


def test_versions_are_compared_by_numbers() -> None:
    assert version_of("0.10.0") > version_of("0.9.9") > version_of("nonsense") == ()


# ---- publishing


async def test_a_version_is_published_once(cloud: Cloud, tmp_path: Path) -> None:
    await published(cloud, tmp_path)
    with pytest.raises(ReleaseFileError, match=r"0\.3\.0 already"):
        await published(cloud, tmp_path)


def rezipped(entries: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as bundle:
        for name, content in entries.items():
            bundle.writestr(name, content)
    return data.getvalue()


def test_a_file_that_is_no_release_is_refused_in_words(tmp_path: Path) -> None:
    with zipfile.ZipFile(packed(tmp_path)) as bundle:
        good = {name: bundle.read(name) for name in bundle.namelist()}
    name, big = next(name for name in good if name.startswith("files/")), bytes(600_000)
    manifest = good["manifests/unix"]
    unsigned = manifest.partition(b"\n")[2]
    for words, content in {
        "not a whole ZIP": b"PK\x03\x04nonsense",
        "no manifest": rezipped({}),
        "damaged": rezipped({**good, name: b"other"}),
        "missing": rezipped({key: value for key, value in good.items() if key != name}),
        "not signed": rezipped({**good, "manifests/unix": b"\n" + unsigned}),
        "makes no sense": rezipped({**good, "manifests/unix": b"00\n{}"}),
        "something else": rezipped({**good, "manifests/esp32": manifest}),
        "more, or larger": rezipped({**good, f"files/{hashlib.sha256(big).hexdigest()}": big}),
        "more, or larger, files": rezipped({**good, "files/big": bytes(9_000_000)}),
    }.items():
        (tmp_path / "bad.zip").write_bytes(content)
        with pytest.raises(ReleaseFileError, match=words):
            read_release(tmp_path / "bad.zip")


async def command(folder: Path, *arguments: str) -> tuple[int, str]:
    work = [sys.executable, "-m", "cloud", "--data-dir", str(folder), *arguments]
    done = await asyncio.to_thread(subprocess.run, work, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


async def test_whoever_runs_the_installation_publishes_beside_the_server_and_holds_the_brake(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as cloud:
        data = tmp_path / "data"
        file = str(packed(tmp_path, targets=("unix", "esp32")))
        code, words = await command(data, "add-release", file, "--percentage", "25", "--notes", "Faster.")
        assert (code, words.strip()) == (
            0, "0.3.0 for esp32, unix: offered on stable to 25 % of the hubs."
        )  # fmt: skip
        code, words = await command(data, "add-release", file)
        assert code == 1 and "0.3.0 already" in words
        assert (await command(data, "rollout", "0.3.0", "--halt", "Wait for the weekend."))[0] == 0
        one = (await listed(cloud))[0]
        assert (one["percentage"], one["halted_why"], one["notes"]) == (25, "Wait for the weekend.", "Faster.")
        code, words = await command(data, "rollout")
        assert "0.3.0" in words and "STOPPED: Wait for the weekend." in words
        await command(data, "rollout", "0.3.0", "--resume", "--percentage", "100", "--channel", "beta")
        one = (await listed(cloud))[0]
        assert (one["percentage"], one["halted"], one["channel"]) == (100, False, "beta")
        await command(data, "rollout", "0.2.5", "--minimum")
        assert (await cloud.owner.ok("GET", "/api/hub-rollout"))["minimum"] == "0.2.5"
        for wrong in (("9.9.9", "--resume"), ("0.3.0", "--percentage", "101")):
            assert (await command(data, "rollout", *wrong))[0] == 1
        assert (await command(data, "add-release", str(tmp_path / "nothing.zip")))[0] == 1


async def test_a_hub_below_the_minimum_is_updated_before_its_turn(cloud: Cloud, tmp_path: Path) -> None:
    from cloud.storage import releases
    from shared_protocol.version import SUBPROTOCOLS

    await published(cloud, tmp_path, percentage=0)
    paired = await Device().paired(cloud)
    async with at(paired["hub"], paired["key"], cloud) as hub:
        await cloud.services.hubs.rollout.sweep()
        assert asked(hub) == []
        await cloud.services.store.write(lambda tx: releases.set_minimum(tx, SUBPROTOCOLS[0], "0.2.5"))
        cloud.services.hubs.rollout.look()
        await hub.until(lambda: asked(hub) == ["0.3.0"])
