"""What people do to a hub at the hubs page when it does not go smoothly: it goes away and comes back before their eyes,
it is gone when they press, somebody else was faster, or it may not be done now. `test_hub_life` has the smooth way.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Request, expect

from tests.cloud.hub_life_kit import Device
from tests.dashboard.desk import Desk
from tools.farm.farm import Farm
from tools.hub import RESTART, HubProcess
from tools.virtual_printer.spec import PrinterSpec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PRINTERS = [PrinterSpec(model="P1S", name="Marie", speed=1)]
POINTS = [{"ssid": "Farm", "password": "secret123"}]
OFFLINE = "The hub is offline"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HubProcess]:
    """A hub with a label and a Wi-Fi network, in the farm beside its first one; the printer is behind it."""
    device, folder = Device(), tmp_path_factory.mktemp("board")
    begun = await farm.api.post("/api/pairings", {"device_id": device.id})
    claimed = await farm.api.post("/hub/v1/claim", device.claim(begun["token"]))
    radio = folder / "radio.json"
    radio.write_text(json.dumps(POINTS))
    running = HubProcess(
        folder / "hub", claimed["hub"], claimed["key"], farm.cloud.hub_url, extra={"PF_RADIO": str(radio)}
    )
    (running.data_dir / "networks.json").write_text(json.dumps({"networks": POINTS}))
    await farm.api.patch(f"/api/hubs/{claimed['hub']}", {"name": "Shelf"})
    await farm.api.patch(f"/api/printers/{farm.printers[0].id}", {"hub_id": claimed["hub"]})
    farm.hub_ids.append(claimed["hub"])
    async with running:
        await farm.online()
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def sheet(desk: Desk, farm: Farm, hub: HubProcess) -> Locator:
    """The hub's sheet, on which it is online."""
    if not hub.running:
        await hub.start()
    return await opened(desk, farm)


async def opened(desk: Desk, farm: Farm) -> Locator:
    await desk.page.goto(f"/hubs/{farm.hub_ids[-1]}")
    found = desk.page.get_by_role("dialog", name="Shelf", exact=True)
    await desk.sees(found, "Online", within=30)
    return found


async def photo(page: Page, name: str) -> None:
    """Pictures for people to look at, when they want some: both themes, wide and narrow."""
    folder = os.environ.get("PRINTFARM_SHOTS")
    if not folder:
        return
    usual = page.viewport_size
    assert usual is not None
    for width, height in ((1440, 900), (390, 844)):
        await page.set_viewport_size({"width": width, "height": height})
        for theme in ("dark", "light"):
            await page.emulate_media(color_scheme=theme)
            await page.screenshot(path=Path(folder) / f"{name}-{theme}-{width}.png", animations="disabled")
    await page.set_viewport_size(usual)


def counted(page: Page, method: str, path: str) -> list[str]:
    """The requests that the page makes from now on, as they come."""
    found: list[str] = []

    def note(request: Request) -> None:
        if request.method == method and request.url.endswith(path):
            found.append(request.url)

    page.on("request", note)
    return found


async def test_a_restart_is_seen_as_it_goes(desk: Desk, farm: Farm, sheet: Locator, hub: HubProcess) -> None:
    async def uptime() -> int:
        told: int = (await farm.api.get(f"/api/hubs/{farm.hub_ids[-1]}"))["telemetry"]["uptime_ms"]
        return told

    facts = sheet.get_by_role("definition")
    await photo(desk.page, "online")
    await sheet.get_by_role("button", name="Restart").click()
    assert await hub.ended() == RESTART
    await desk.sees(sheet, "Offline")
    await desk.sees(sheet, "Last seen")
    await expect(sheet.get_by_text("Running for")).to_have_count(0)
    await photo(desk.page, "offline")
    assert await desk.axe() == []
    await hub.start()
    await desk.sees(sheet, "Online")
    await expect(facts.get_by_text("it was told to restart")).to_be_visible()
    await expect(facts.get_by_text("less than a minute")).to_be_visible()
    assert await uptime() < 60_000


async def test_a_hub_that_went_meanwhile_is_told_of_in_the_open_dialog(
    desk: Desk, farm: Farm, sheet: Locator, hub: HubProcess
) -> None:
    page = desk.page
    await sheet.get_by_role("button", name="Log", exact=True).click()
    log = page.get_by_role("dialog", name="Log of Shelf")
    await expect(log.get_by_role("region", name="Log")).to_contain_text("online")
    await hub.kill()
    await log.get_by_role("button", name="Fetch again").click()
    await desk.sees(log.get_by_role("alert"), OFFLINE)
    await expect(log.get_by_role("region", name="Log")).to_contain_text("online")  # what was fetched is kept
    await photo(page, "log-offline")
    await log.get_by_role("button", name="Close").click()
    await expect(sheet.get_by_role("button", name="Log", exact=True)).to_be_disabled()
    await hub.start()
    await desk.sees(sheet, "Online")

    await sheet.get_by_role("button", name="Wi-Fi").click()
    await page.get_by_role("button", name="Add network").click()
    form = page.get_by_role("dialog", name="Add a network")
    await form.get_by_label("Wi-Fi name").fill("Werkstatt")
    await form.get_by_label("Wi-Fi password").fill("the right one")
    await hub.kill()
    await form.get_by_role("button", name="Add network").click()
    await desk.sees(form.get_by_role("alert"), OFFLINE)
    await expect(form.get_by_label("Wi-Fi name")).to_have_value("Werkstatt")
    await photo(page, "wifi-offline")
    # Nothing has to be typed again.
    await hub.start()
    await desk.sees(page.locator(f"[data-hub='{farm.hub_ids[-1]}']"), "Online")
    sent = counted(page, "PUT", "/wifi")
    await form.get_by_role("button", name="Add network").dblclick()
    await expect(form).to_have_count(0)
    await expect(page.get_by_role("list", name="Known networks")).to_contain_text("Werkstatt")
    assert len(sent) == 1


async def test_two_people_add_networks_and_both_stay(
    desk: Desk, browser: Browser, farm: Farm, sheet: Locator, hub: HubProcess
) -> None:
    async with Desk.at(browser, farm) as other:
        for one, ssid in ((desk, "Attic"), (other, "Cellar")):
            theirs = await opened(one, farm)
            await theirs.get_by_role("button", name="Wi-Fi").click()
            await expect(one.page.get_by_role("list", name="Known networks")).to_contain_text("In use")
            await one.page.get_by_role("button", name="Add network").click()
            form = one.page.get_by_role("dialog", name="Add a network")
            await form.get_by_label("Wi-Fi name").fill(ssid)
            await form.get_by_label("Wi-Fi password").fill("long enough")
        for one in (desk, other):
            form = one.page.get_by_role("dialog", name="Add a network")
            await form.get_by_role("button", name="Add network").click()
            await expect(form).to_have_count(0)
        stored = json.loads((hub.data_dir / "networks.json").read_text())["networks"]
        assert {"Farm", "Attic", "Cellar"} <= {network["ssid"] for network in stored}
        await photo(other.page, "wifi")
        assert await other.axe() == []
        other.check_quiet()


async def test_it_is_not_released_while_it_is_away_or_a_job_waits(
    desk: Desk, farm: Farm, sheet: Locator, hub: HubProcess
) -> None:
    page, said = desk.page, desk.page.locator("[data-sonner-toast]")
    await sheet.get_by_role("button", name="Release").click()
    sure = page.get_by_role("alertdialog", name="Release Shelf?")
    await hub.kill()
    await sure.get_by_role("button", name="Release hub").click()
    await desk.sees(said.first, "so it cannot be told. Remove it here")
    await photo(page, "release-offline")
    await hub.start()
    await farm.online()
    job = await farm.queue(await farm.upload(), farm.printers[0])
    await sure.get_by_role("button", name="Release hub").click()
    await desk.sees(said.first, "Jobs are on this hub's printers or wait for them.")
    await photo(page, "release-in-use")
    await sure.get_by_role("button", name="Keep it").click()
    await desk.sees(sheet, "Online")
    assert (hub.data_dir / "identity.json").exists()
    await farm.api.post(f"/api/print-jobs/{job}/cancel")
    async with farm.api.live() as live:
        await live.until(lambda now: job not in now.jobs or now.jobs[job].get("status") == "cancelled")


async def test_two_owners_release_it_and_the_slower_one_is_told(
    desk: Desk, browser: Browser, farm: Farm, sheet: Locator, hub: HubProcess
) -> None:
    async with Desk.at(browser, farm) as other:
        await (await opened(other, farm)).get_by_role("button", name="Release").click()
        await sheet.get_by_role("button", name="Release").click()
        sent = counted(desk.page, "POST", "/release")
        await desk.page.get_by_role("button", name="Release hub").dblclick()
        await expect(desk.page.locator(f"[data-hub='{farm.hub_ids[-1]}']")).to_have_count(0)
        assert len(sent) == 1
        await expect(desk.page.get_by_role("dialog")).to_have_count(0)
        # It leaves the other one's page too, with the question about it.
        await expect(other.page.locator(f"[data-hub='{farm.hub_ids[-1]}']")).to_have_count(0)
        await expect(other.page.get_by_role("alertdialog")).to_have_count(0)
        other.check_quiet()
    assert await hub.ended() == RESTART
    await desk.page.goto(f"/printers/{farm.printers[0].id}")
    await desk.sees(desk.page.get_by_role("dialog", name="Marie"), "It has no hub. Edit it, and choose one.")
    await photo(desk.page, "printer-without-hub")
    # The farm's only other hub takes it.
    await desk.page.get_by_role("button", name="Edit").click()
    form = desk.page.get_by_role("dialog", name="Edit Marie")
    await form.get_by_label("Hub", exact=True).select_option(label="Hub 1")
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)
    await farm.online()
    await desk.sees(desk.page.get_by_role("dialog", name="Marie"), "Ready")
