"""The first day: the set-up link, an empty farm that teaches, the first hub and the first printer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.dashboard.desk import PATIENCE_MS
from tools.farm.cloud import CloudProcess

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CloudProcess]:
    """A cloud that starts for the first time."""
    folder: Path = tmp_path_factory.mktemp("first")
    fresh = CloudProcess(folder / "cloud", "", "", settings={"PRINTFARM_DEMO_EMAIL": "", "PRINTFARM_DEMO_PASSWORD": ""})
    fresh.data.mkdir()
    await fresh.start()
    yield fresh
    await fresh.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(browser: Browser, cloud: CloudProcess) -> AsyncIterator[Page]:
    context = await browser.new_context(base_url=cloud.url, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    yield await context.new_page()
    await context.close()


async def test_the_link_in_the_log_makes_the_owner(page: Page, cloud: CloudProcess) -> None:
    found = re.search(r"(/setup#[\w-]+)", cloud.log.read_text())
    assert found, cloud.tail()
    await page.goto(found[1])
    await expect(page.get_by_role("heading", name="Set up your farm")).to_be_visible()
    assert "#" not in page.url, "the token leaves the address bar"
    await page.get_by_label("Your name").fill("Grace")
    await page.get_by_label("E-mail").fill("grace@example.org")
    await page.get_by_label("Password").fill("correct horse")
    await page.get_by_role("button", name="Create the owner").click()
    await expect(page.get_by_role("heading", name="No printers yet")).to_be_visible()


async def test_empty_pages_say_what_belongs_there(page: Page) -> None:
    for path, title in {
        "/files": "Drop a sliced file here",
        "/jobs": "Nothing is queued",
        "/hubs": "No hub yet",
    }.items():
        await page.goto(path)
        await expect(page.get_by_role("heading", name=title)).to_be_visible()


async def test_the_key_of_a_hub_is_shown_once(page: Page) -> None:
    await page.goto("/hubs")
    await page.get_by_role("button", name="Add hub").click()
    await page.get_by_text("Set up by hand, with a key").click()
    await page.get_by_label("Name").fill("Workshop")
    await page.get_by_role("button", name="Create its key").click()
    key = page.get_by_role("dialog").locator("code")
    await expect(key).to_have_text(re.compile(r"^pfh_\w+"))
    text = await key.inner_text()
    await page.get_by_role("button", name="I have saved it").click()
    row = page.locator("[data-hub]")
    await expect(row).to_contain_text("Workshop")
    await expect(row).to_contain_text("never connected")
    await page.reload()
    await expect(row).to_contain_text("Workshop")
    assert text not in await page.content()

    await row.get_by_role("link").click()
    await page.get_by_role("button", name="New key").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Make a new key").click()
    await expect(key).to_have_text(re.compile(r"^pfh_\w+"))
    assert await key.inner_text() != text
    await page.get_by_role("button", name="I have saved it").click()


async def test_the_first_printer(page: Page) -> None:
    await page.goto("/")
    await page.get_by_role("button", name="Add a printer").click()
    form = page.get_by_role("dialog", name="Add a printer")
    await form.get_by_label("Name").fill("Marie")
    await form.get_by_label("Model").select_option("C12")
    await form.get_by_label("Address").fill("192.168.1.999")
    await form.get_by_label("Serial number").fill("01p00a000000001")
    await form.get_by_label("Access code").fill("12345678")
    await form.get_by_role("button", name="Add printer").click()
    await expect(form.get_by_text("This is not an IP address.").first).to_be_visible()
    await form.get_by_label("Address").fill("127.0.0.99")
    await form.get_by_role("button", name="Add printer").click()
    await expect(form).to_have_count(0)
    card = page.locator("[data-printer]")
    await expect(card).to_contain_text("Marie")
    await expect(card).to_contain_text("Hub offline")
    assert "12345678" not in await page.content()
    await page.get_by_role("link", name="Marie").click()
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_role("dialog", name="Edit Marie").get_by_role("button", name="Remove").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Remove printer").click()
    await expect(page.get_by_role("heading", name="No printers yet")).to_be_visible()
