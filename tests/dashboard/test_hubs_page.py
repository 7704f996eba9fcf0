"""Hubs by hand: how they are, blinking, logs, moving printers, replacing a dead one, as owner and as a viewer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.cloud.test_hub_releases import command, packed
from tests.dashboard.desk import Desk
from tests.dashboard.test_accounts_pages import LOOKS, invited, wrong_with
from tools.farm.farm import Farm
from tools.virtual_printer.spec import PrinterSpec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PRINTERS = [PrinterSpec(model="P1S", name="Marie", speed=1), PrinterSpec(model="A1", name="Ada", speed=1)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spare(farm: Farm) -> str:
    """A second hub without printers, which never connects."""
    made = await farm.api.post("/api/hubs/", {"name": "Spare"})
    hub_id: str = made["id"]
    return hub_id


@pytest_asyncio.fixture(loop_scope="module")
async def viewer(farm: Farm, browser: Browser) -> AsyncIterator[Desk]:
    async with invited(browser, farm, "viewer", "looker@example.org") as one:
        yield one


async def test_a_hub_tells_how_it_is(desk: Desk, farm: Farm, spare: str) -> None:
    page = desk.page
    await page.goto("/hubs")
    row = page.locator(f"[data-hub='{farm.hub_ids[0]}']")
    await expect(row).to_contain_text("Online")
    await expect(row).to_contain_text("2 printers")
    await row.get_by_role("link").click()
    sheet = page.get_by_role("dialog", name="Hub 1")
    await expect(sheet).to_contain_text("Firmware")
    await expect(sheet.get_by_role("link", name="Marie")).to_be_visible()
    await sheet.get_by_role("button", name="Rename").click()
    form = page.get_by_role("dialog", name="Rename Hub 1")
    await form.get_by_label("Name").fill("Shelf")
    await form.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog", name="Shelf")).to_be_visible()
    assert await desk.axe() == []


async def test_printers_are_moved(desk: Desk, farm: Farm, spare: str) -> None:
    page = desk.page
    await page.goto(f"/hubs/{farm.hub_ids[0]}")
    await page.get_by_role("button", name="Move printers").click()
    form = page.get_by_role("dialog", name=re.compile("^Move printers"))
    await form.get_by_label("Ada").uncheck()
    await form.get_by_label("To").select_option(spare)
    assert await desk.axe() == []
    await form.get_by_role("button", name="Move 1 printer").click()
    await expect(form).to_have_count(0)
    await expect(page.get_by_role("dialog").get_by_role("link", name="Marie")).to_have_count(0)
    assert (await farm.api.get(f"/api/printers/{farm.printers[0].id}"))["hub_id"] == spare


async def test_an_offline_hub_is_replaced_with_its_printers(desk: Desk, farm: Farm, spare: str) -> None:
    page = desk.page
    await page.goto(f"/hubs/{spare}")
    sheet = page.get_by_role("dialog", name="Spare")
    await expect(sheet.get_by_role("button", name="Blink")).to_be_disabled()
    await sheet.get_by_role("button", name="Replace").click()
    form = page.get_by_role("dialog", name="Replace Spare")
    await expect(form.get_by_role("link", name="Pair a new hub in its place")).to_have_attribute(
        "href", f"/p?replaces={spare}"
    )
    await form.get_by_label("Or a hub that is here already").select_option(farm.hub_ids[0])
    await form.get_by_role("button", name="Replace hub").click()
    await expect(page.locator(f"[data-hub='{spare}']")).to_have_count(0)
    assert (await farm.api.get(f"/api/printers/{farm.printers[0].id}"))["hub_id"] == farm.hub_ids[0]


async def test_a_release_is_offered_and_the_farm_chooses_how(desk: Desk, farm: Farm, tmp_path: Path) -> None:
    code, words = await command(
        farm.cloud.data, "add-release", str(packed(tmp_path, "9.9.9")), "--percentage", "0"
    )  # by nobody's turn: it is told here
    assert code == 0, words
    page = desk.page
    await page.goto("/hubs")
    section = page.locator("section", has=page.get_by_role("heading", name="Firmware updates"))
    await expect(section).to_contain_text("9.9.9")
    await section.get_by_role("combobox", name="Releases").select_option("beta")
    await expect(section.get_by_role("combobox", name="Releases")).to_have_value("beta")
    await section.get_by_label("Updated").select_option("25")
    await expect(section.get_by_label("Updated")).to_have_value("25")
    assert await desk.axe() == []
    wish = await farm.api.get("/api/hub-rollout")
    assert (wish["channel"], wish["percentage"]) == ("beta", 25)
    await page.goto(f"/hubs/{farm.hub_ids[0]}")
    await page.get_by_role("button", name="Update to 9.9.9").click()
    # Signed by nobody whom this hub trusts: it says so, and stays as it is.
    await desk.sees(page.get_by_role("dialog"), "The update failed", within=30)
    await expect(page.locator(f"[data-hub='{farm.hub_ids[0]}']")).to_contain_text("Online")


async def test_a_viewer_looks_only(viewer: Desk, farm: Farm) -> None:
    page = viewer.page
    await page.goto(f"/hubs/{farm.hub_ids[0]}")
    sheet = page.get_by_role("dialog")
    await expect(sheet).to_contain_text("Firmware")
    await expect(sheet.get_by_role("button")).to_have_count(1)  # Close


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]}-{look[1][0]}")
async def test_pages_are_accessible_and_fit(
    farm: Farm, browser: Browser, look: tuple[str, tuple[int, int]], spare: str
) -> None:
    assert await wrong_with(browser, farm, look, ["/hubs", f"/hubs/{farm.hub_ids[0]}", "/p", "/signup"]) == {}
