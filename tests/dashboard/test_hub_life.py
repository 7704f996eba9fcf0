"""A hub's life at the hubs page, with the real firmware: paired, blinking, restarted, in other networks, fallen,
updated, given away and paired again.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from shared_protocol import pairing
from tests.cloud.test_hub_releases import command
from tests.dashboard.desk import Desk
from tests.e2e.updates_kit import Workshop
from tools.farm.farm import Farm
from tools.farm.new_hub import NewHub
from tools.hub import HubProcess
from tools.virtual_printer.spec import PrinterSpec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PRINTERS: list[PrinterSpec] = [PrinterSpec(model="P1S", name="Marie", speed=1)]
WIFI = {"Farm": "secret123"}
BLINKING = "(40, 40, 40)"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> NewHub:
    return NewHub(tmp_path_factory.mktemp("board") / "hub", WIFI)


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("panel")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(new: NewHub, workshop: Workshop, panel: Path) -> AsyncIterator[HubProcess]:
    """On a mains socket, with a light to look at and this test's key to trust."""
    extra = {"PF_PANEL": str(panel), "PF_HEALTHY_MS": "1500", "PF_TRIAL_MS": "20000"}
    async with new.process(firmware=workshop.first, extra=extra) as running:
        running.restarts = True
        await running.wait_for("page on")
        yield running


async def photo(page: Page, name: str) -> None:
    """A picture for people to look at, when they want one."""
    if folder := os.environ.get("PRINTFARM_SHOTS"):
        await page.screenshot(path=Path(folder) / f"life-{name}.png", full_page=True)


async def pair(desk: Desk, new: NewHub) -> None:
    """By the hub's own access point, as from a computer without Bluetooth."""
    page = desk.page
    await page.add_init_script("delete Navigator.prototype.bluetooth")
    await page.goto(f"/p#{new.label}")
    link = await page.get_by_role("link", name="Open the hub's page").get_attribute("href")
    assert link is not None
    there = await page.context.new_page()
    await there.goto(link.replace("http://192.168.4.1", new.page))
    await there.get_by_label("Wi-Fi network").select_option("Farm")
    await there.get_by_label("Password", exact=True).fill(WIFI["Farm"])
    await there.get_by_role("button", name="Connect").click()
    await expect(page.get_by_role("heading", name="The hub is connected")).to_be_visible()
    await there.close()


def row(page: Page, new: NewHub) -> Locator:
    return page.locator("[data-hub]", has_text=pairing.shown(new.device))


async def opened(desk: Desk, new: NewHub) -> Locator:
    """The sheet of the hub, when it is online."""
    await desk.page.goto("/hubs")
    await desk.sees(row(desk.page, new), "Online", within=30)
    await row(desk.page, new).get_by_role("link").click()
    return desk.page.get_by_role("dialog").first


async def test_it_is_paired_and_blinks(desk: Desk, new: NewHub, hub: HubProcess, panel: Path) -> None:
    await pair(desk, new)
    await hub.wait_for("online")
    sheet = await opened(desk, new)
    light = panel / "light"
    assert BLINKING not in light.read_text()
    await sheet.get_by_role("button", name="Blink").click()
    await expect(desk.page.get_by_text("Its light blinks for 20 seconds.")).to_be_visible()
    await expect(sheet.get_by_role("button", name="Blink")).to_be_enabled()
    async with asyncio.timeout(10):
        while BLINKING not in light.read_text():
            await asyncio.sleep(0.05)


async def test_it_is_back_after_a_restart_and_two_clicks_are_one(desk: Desk, new: NewHub, hub: HubProcess) -> None:
    sheet, mark, before = await opened(desk, new), hub.mark, hub.pid
    await sheet.get_by_role("button", name="Restart").dblclick()
    await expect(desk.page.get_by_text("It starts anew.", exact=False)).to_be_visible()
    await hub.wait_for("online", mark=mark)
    await desk.sees(sheet, "it was told to restart", within=30)
    assert hub.pid != before
    await expect(sheet.get_by_role("button", name="Restart")).to_be_enabled()


async def test_its_log_is_fetched_and_it_never_fell(desk: Desk, new: NewHub, hub: HubProcess) -> None:
    sheet, page = await opened(desk, new), desk.page
    await sheet.get_by_role("button", name="Log", exact=True).click()
    log = page.get_by_role("region", name="Log")
    await expect(log).to_contain_text("online")
    assert WIFI["Farm"] not in await log.inner_text()
    await photo(page, "log")
    assert await desk.axe() == []
    await page.keyboard.press("Escape")
    await sheet.get_by_role("button", name="Crashes").click()
    await expect(page.get_by_text("It never fell.")).to_be_visible()


async def test_networks_are_added_told_of_and_removed(desk: Desk, new: NewHub, hub: HubProcess) -> None:
    page = desk.page
    new.in_range({**WIFI, "Werkstatt": "the right one"})
    sheet = await opened(desk, new)
    await sheet.get_by_role("button", name="Wi-Fi").click()
    known = page.get_by_role("list", name="Known networks")
    await desk.sees(known, "FarmIn use")
    await expect(known.get_by_role("button")).to_have_count(0)  # the one it is in is not taken away
    await page.get_by_role("button", name="Add network").click()
    form = page.get_by_role("dialog", name="Add a network")
    await form.get_by_label("Wi-Fi name").fill("Werkstatt")
    await form.get_by_label("Wi-Fi password").fill("the wrong one")
    await form.get_by_role("button", name="Add network").click()
    await expect(known.get_by_role("listitem").first).to_contain_text("Not tried yet")
    await photo(page, "wifi")
    assert await desk.axe() == []
    await page.keyboard.press("Escape")
    mark = hub.mark
    await sheet.get_by_role("button", name="Restart").click()
    await hub.wait_for("online", mark=mark)  # the mistyped one did not strand it
    sheet = await opened(desk, new)
    await sheet.get_by_role("button", name="Wi-Fi").click()
    await expect(known.get_by_role("listitem").first).to_contain_text("Refuses the password")
    await expect(known.get_by_role("listitem").last).to_contain_text("In use")
    await known.get_by_role("button", name="Remove Werkstatt").click()
    await expect(known.get_by_role("listitem")).to_have_count(1)
    assert "the wrong one" not in "".join(hub.lines)


async def test_a_crash_is_kept_and_shown(desk: Desk, new: NewHub, hub: HubProcess) -> None:
    await hub.kill()
    text = json.dumps({"part": "printers", "text": "Traceback: MemoryError"}).encode()
    (hub.data_dir / "crash.txt").write_bytes(b"%08x %s\n" % (zlib.crc32(text), text))
    await hub.start()
    sheet, page = await opened(desk, new), desk.page
    await sheet.get_by_role("button", name="Crashes").click()
    await desk.sees(page.get_by_role("dialog", name=re.compile("^Crashes of")), "MemoryError", within=30)
    await photo(page, "crash")
    assert await desk.axe() == []


async def test_what_it_is_told_while_it_is_away_is_refused_in_words(desk: Desk, new: NewHub, hub: HubProcess) -> None:
    sheet = await opened(desk, new)
    async with hub.frozen():
        # The page has not heard yet that it hangs.
        await sheet.get_by_role("button", name="Blink").click()
        await desk.sees(desk.page.locator("[data-sonner-toast]").first, "answer", within=40)
        await photo(desk.page, "no-answer")
    await hub.kill()
    await expect(sheet.get_by_role("button", name="Restart")).to_be_disabled(timeout=60_000)
    await desk.sees(sheet, "Offline")
    await hub.start()
    await desk.sees(sheet, "Online", within=30)


async def test_it_is_updated_before_the_eyes_of_its_owner(
    desk: Desk, farm: Farm, new: NewHub, hub: HubProcess, workshop: Workshop
) -> None:
    file = str(workshop.release("0.2.0"))
    code, words = await command(
        farm.cloud.data, "add-release", file, "--percentage", "0", "--notes", "Finds printers faster."
    )
    assert code == 0, words
    sheet, mark = await opened(desk, new), hub.mark
    await photo(desk.page, "update")
    await sheet.get_by_role("button", name="Update to 0.2.0").click()
    await hub.wait_for("to fetch", mark=mark)
    await desk.sees(sheet, "0.2.0: installed", within=60)
    await desk.sees(sheet, "0.2.0 on unix")
    await expect(sheet.get_by_role("button", name=re.compile("^Update to"))).to_have_count(0)
    await photo(desk.page, "updated")
    await desk.page.goto("/hubs")
    released = desk.page.get_by_role("list", name="Releases").get_by_role("listitem").first
    await desk.sees(released, "Finds printers faster.")
    await desk.sees(released, "installed on 1")
    await desk.sees(released, f"Runs on Hub {pairing.shown(new.device)}")
    await photo(desk.page, "releases")
    assert await desk.axe() == []


async def test_it_is_given_away_and_paired_again(desk: Desk, new: NewHub, hub: HubProcess) -> None:
    sheet, page, mark = await opened(desk, new), desk.page, hub.mark
    await sheet.get_by_role("button", name="Release").click()
    await page.get_by_role("button", name="Release hub").click()
    await expect(row(page, new)).to_have_count(0)
    await hub.wait_for("page on", mark=mark)
    assert not (hub.data_dir / "identity.json").exists()
    assert not (hub.data_dir / "networks.json").exists()
    await page.evaluate("sessionStorage.clear()")
    await pair(desk, new)
    await opened(desk, new)
