"""Accounts by hand: invitation, second step, keys, people, the farm's settings, the audit log; and as a viewer."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.async_api import Browser, expect

from tests.dashboard.desk import DESKTOP, PHONE, Desk, Theme
from tools.farm.farm import EMAIL, Farm
from tools.virtual_printer.spec import PrinterSpec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PRINTERS = [PrinterSpec(model="P1S", name="Marie", speed=1)]
LOOKS: list[tuple[Theme, tuple[int, int]]] = [("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE), ("dark", PHONE)]
PARTS = ["profile", "api-keys", "people", "farm", "audit"]
PASSWORD = "a long enough password"


@contextlib.asynccontextmanager
async def invited(browser: Browser, farm: Farm, role: str, email: str) -> AsyncIterator[Desk]:
    """Somebody who came in by an invitation, in front of the dashboard."""
    made = await farm.api.post("/api/invitations/", {"email": email, "role": role})
    async with Desk.at(browser, farm, signed_in=False) as desk:
        page = desk.page
        await page.goto("/invite#" + made["link"].partition("#")[2])
        await expect(page.get_by_text(f"You come in as {role}")).to_be_visible()
        assert "#" not in page.url, "the token leaves the address bar"
        assert await desk.axe() == []
        await page.get_by_label("Your name").fill(email.partition("@")[0])
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Join the farm").click()
        await expect(page.get_by_role("heading", name="Printers", level=1)).to_be_visible()
        yield desk
        desk.check_quiet()


async def wrong_with(
    browser: Browser, farm: Farm, look: tuple[Any, tuple[int, int]], paths: list[str]
) -> dict[str, list[str]]:
    """What axe and the width of the screen say against each page."""
    wrong: dict[str, list[str]] = {}
    shots = os.environ.get("PRINTFARM_SHOTS")
    theme, size = look
    async with Desk.at(browser, farm, theme=theme, size=size, touch=size == PHONE) as desk:
        for path in paths:
            await desk.page.goto(path)
            await desk.page.wait_for_load_state("networkidle")
            found = await desk.axe()
            if await desk.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                found.append("wider than the screen")
            if found:
                wrong[path] = found
            if shots:
                name = re.sub(r"\W+", "-", path).strip("-")
                await desk.page.screenshot(path=Path(shots) / f"{name}-{theme}-{size[0]}.png", full_page=True)
        desk.check_quiet()
    return wrong


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]}-{look[1][0]}")
async def test_settings_are_accessible_and_fit(
    farm: Farm, browser: Browser, look: tuple[Theme, tuple[int, int]]
) -> None:
    doors = ["/login", "/login?error=odd", "/forgot", "/signup", "/reset#token", "/reset", "/invite#token", "/invite"]
    assert await wrong_with(browser, farm, look, [f"/settings/{part}" for part in PARTS] + doors) == {}


async def test_who_forgot_his_password_gets_a_neutral_answer(farm: Farm, browser: Browser) -> None:
    async with Desk.at(browser, farm, signed_in=False) as desk:
        await desk.page.goto("/login")
        await desk.page.get_by_role("link", name="Forgot password?").click()
        await desk.page.get_by_label("E-mail").fill("nobody@example.org")
        await desk.page.get_by_role("button", name="Send the link").click()
        await expect(desk.page.get_by_role("heading", name="Look at your mail")).to_be_visible()


async def test_an_owner_invites_and_takes_back(desk: Desk) -> None:
    page = desk.page
    await page.goto("/settings/people")
    await page.get_by_role("button", name="Invite", exact=True).click()
    form = page.get_by_role("dialog")
    await form.get_by_label("E-mail").fill("ada@example.org")
    await form.get_by_role("button", name="Invite").click()
    await expect(page.get_by_role("dialog").locator("code")).to_contain_text("/invite#")
    assert await desk.axe() == []
    await page.get_by_role("button", name="Done").click()
    await page.get_by_role("button", name="Take the invitation of ada@example.org back").click()
    await expect(page.locator("[data-invitation]")).to_have_count(0)


async def test_an_owner_changes_a_role_and_switches_off(desk: Desk, farm: Farm, browser: Browser) -> None:
    async with invited(browser, farm, "operator", "grace@example.org"):
        pass
    await desk.page.goto("/settings/people")
    row = desk.page.locator("[data-person]", has_text="grace@example.org")
    await row.get_by_label("Role of grace").select_option("viewer")
    await expect(row.get_by_label("Role of grace")).to_have_value("viewer")
    await expect(row.get_by_label("Role of grace")).to_be_enabled()
    await row.get_by_role("button", name="Switch off").click()
    await desk.page.get_by_role("alertdialog").get_by_role("button", name="Switch off").click()
    await expect(row).to_contain_text("switched off")


async def test_the_second_step(farm: Farm, browser: Browser) -> None:
    async with invited(browser, farm, "operator", "alan@example.org") as desk:
        page = desk.page
        await page.goto("/settings/profile")
        await page.get_by_role("button", name="Switch on").click()
        await page.get_by_role("dialog").get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("img", name="QR code")).to_be_visible()
        assert await desk.axe() == []
        secret = await page.get_by_role("dialog").locator("code").inner_text()
        await page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret.replace(" ", "")).now())
        await page.get_by_role("dialog").get_by_role("button", name="Switch on").click()
        await expect(page.get_by_role("dialog", name="Your recovery codes")).to_be_visible()
        recovery = await page.get_by_role("dialog").get_by_role("listitem").first.inner_text()
        await page.get_by_role("button", name="I have saved them").click()
        await page.get_by_role("button", name="Sign out", exact=True).last.click()
        await page.get_by_label("E-mail").fill("alan@example.org")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        code = page.get_by_label("Code", exact=True)
        await expect(code).to_be_focused()
        await code.fill("000000")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("code is wrong")
        await code.fill(recovery)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Printers", level=1)).to_be_visible()


async def test_the_key_of_a_program_is_shown_once(desk: Desk) -> None:
    page = desk.page
    await page.goto("/settings/api-keys")
    await page.get_by_role("button", name="New key").click()
    await page.get_by_label("Name").fill("Shop")
    await page.get_by_role("button", name="Create key").click()
    await expect(page.get_by_text("Choose at least one thing")).to_be_visible()
    await page.get_by_label("Products").select_option("read")
    await page.get_by_label("system on the Pi").check()
    assert await desk.axe() == []
    await page.get_by_role("button", name="Create key").click()
    key = await page.get_by_role("dialog").locator("code").inner_text()
    await page.get_by_role("button", name="I have saved it").click()
    row = page.locator("[data-api-key]")
    await expect(row).to_contain_text("Products (read) · answers as on the Pi")
    assert key not in await page.content()
    await row.get_by_role("button", name="End Shop").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="End key").click()
    await expect(row).to_have_count(0)


async def test_settings_that_changed_meanwhile_are_loaded_again(desk: Desk, farm: Farm) -> None:
    page = desk.page
    await page.goto("/settings/farm")
    await expect(page.get_by_label("Time zone")).to_be_visible()
    await farm.api.patch("/api/settings/", {"name": "Harbour farm"})
    await page.get_by_label("Time zone").fill("Europe/Berlin")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Somebody else changed the settings")).to_be_visible()
    await expect(page.get_by_label("Name")).to_have_value("Harbour farm")
    await page.get_by_label("Time zone").fill("Europe/Berlin")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("settings are saved")).to_be_visible()
    assert (await farm.api.get("/api/settings/"))["settings"]["time_zone"] == "Europe/Berlin"


async def test_the_audit_log_tells_and_filters(desk: Desk) -> None:
    page = desk.page
    await page.goto("/settings/audit")
    await expect(page.locator("summary").first).to_be_visible()
    await page.locator("summary").first.click()
    await expect(page.locator("details[open]")).to_contain_text("request")
    await page.get_by_label("Action").fill("nothing_like_this")
    await expect(page.get_by_text("Nothing matches")).to_be_visible()
    await expect(page.get_by_role("link", name="CSV")).to_have_attribute("href", re.compile("action=nothing_like"))


async def test_a_viewer_sees_his_own_settings_only(farm: Farm, browser: Browser) -> None:
    async with invited(browser, farm, "viewer", "vera@example.org") as desk:
        page = desk.page
        await page.get_by_role("link", name="Settings").click()
        links = page.get_by_role("navigation", name="Settings").get_by_role("link")
        await expect(links).to_have_text(["Profile", "API keys"])
        assert await desk.axe() == []
        await page.goto("/settings/people")
        await expect(page.get_by_text("Only an owner of the farm sees this")).to_be_visible()
        assert EMAIL not in await page.content()
