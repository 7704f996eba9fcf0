"""The pages before one is signed in: links with a secret behind the `#`, signing up, what the provider said."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.dashboard.desk import PATIENCE_MS
from tools.farm.cloud import CloudProcess

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

# What a token must never be taken for: the name of a parameter without a value.
TOKENS = ["token", "token=abc", "a-_Z09"]
TITLES = {"setup": "Set up your farm", "reset": "Choose a new password", "invite": "This invitation cannot be used"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CloudProcess]:
    """A cloud where everybody may sign up; no mail leaves it, so that links stand in its log."""
    fresh = CloudProcess(
        tmp_path_factory.mktemp("doors") / "cloud",
        "",
        "",
        settings={"PRINTFARM_DEMO_EMAIL": "", "PRINTFARM_DEMO_PASSWORD": "", "PRINTFARM_SIGNUP": "open"},
    )
    fresh.data.mkdir()
    await fresh.start()
    yield fresh
    await fresh.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, cloud: CloudProcess) -> AsyncIterator[Page]:
    context = await browser.new_context(base_url=cloud.url, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    yield await context.new_page()
    await context.close()


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("door", TITLES)
async def test_a_token_is_taken_as_it_stands(page: Page, door: str, token: str) -> None:
    await page.goto(f"/{door}#{token}")
    await expect(page.get_by_role("heading", name=TITLES[door])).to_be_visible()
    assert "#" not in page.url, "the token leaves the address bar"
    await page.reload()
    await expect(page.get_by_role("heading", name=TITLES[door])).to_be_visible()


@pytest.mark.parametrize("door", TITLES)
async def test_a_link_without_its_token_says_so(page: Page, door: str) -> None:
    await page.goto(f"/{door}")
    await expect(page.get_by_role("heading", name="This link is not complete")).to_be_visible()


async def test_somebody_signs_up_and_starts_his_farm(page: Page, cloud: CloudProcess) -> None:
    await page.goto("/login")
    await page.get_by_role("link", name="Sign up").click()
    await expect(page.get_by_role("heading", name="Start your own farm")).to_be_visible()
    await page.get_by_label("Farm").fill("Shop floor")
    await page.get_by_label("E-mail").fill("ada@example.org")
    await page.get_by_role("button", name="Send the link").click()
    await expect(page.get_by_role("status")).to_contain_text("good for a day")
    link = await _logged(cloud, r"/invite#[\w-]+")
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Start Shop floor")).to_be_visible()
    await page.get_by_label("Your name").fill("Ada")
    await page.get_by_label("Password").fill("a long enough password")
    await page.get_by_role("button", name="Start the farm").click()
    await expect(page.get_by_role("heading", name="No printers yet")).to_be_visible()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("oidc_state", "took too long"),
        ("oidc_refused", "cannot be trusted"),
        ("oidc_unavailable", "does not answer"),
        ("not_invited", "Ask an owner"),
        ("<b>odd</b>", "did not work"),
    ],
)
async def test_what_the_provider_refused_is_told(page: Page, code: str, sentence: str) -> None:
    await page.goto(f"/login?error={code}")
    await expect(page.get_by_role("alert")).to_contain_text(sentence)


async def _logged(cloud: CloudProcess, pattern: str) -> str:
    """What the server's log says, as soon as it does."""
    async with asyncio.timeout(20):
        while not (found := re.findall(pattern, Path(cloud.log).read_text())):
            await asyncio.sleep(0.05)
    return str(found[-1])
