"""Bad days as the person sees them: the cloud away and back, a printer without power, a dead hub, a wrong code."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, expect

from tests.dashboard.desk import Desk
from tests.e2e.steps import green_trays
from tools.farm.farm import Farm
from tools.virtual_printer.spec import PrinterSpec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PRINTERS = [
    PrinterSpec(model="P1S", name="Marie", trays=green_trays()),
    PrinterSpec(model="A1", name="Ada", trays=green_trays()),
]


async def test_a_cloud_that_restarts_is_noticed_and_forgiven(desk: Desk, farm: Farm) -> None:
    page = desk.page
    await desk.sees(desk.card(farm.printers[0]), "Ready")
    await farm.cloud.kill()
    banner = page.get_by_role("status").filter(has_text="Reconnecting")
    await expect(banner).to_contain_text(re.compile(r"as of \d\d:\d\d"), timeout=10_000)
    await expect(page.locator("[data-stale]")).to_have_count(1)
    # What was known stays on the page, grey, rather than nothing.
    await expect(desk.card(farm.printers[0])).to_contain_text("Marie")
    assert await desk.axe() == []
    await farm.cloud.start()
    await expect(banner).to_have_count(0, timeout=40_000)
    await expect(page.locator("[data-stale]")).to_have_count(0)
    await desk.sees(desk.card(farm.printers[0]), "Ready", within=40)


async def test_a_printer_without_power_is_soon_offline(desk: Desk, farm: Farm) -> None:
    printer = farm.printers[1]
    card = desk.card(printer)
    await desk.sees(card, "Ready", within=40)
    await printer.control.do("power_off")
    # Promised are 10 s; the rest is for a busy test machine.
    await expect(card).to_have_attribute("data-state", "offline", timeout=15_000)
    await expect(card).to_contain_text(re.compile(r"as of \d\d:\d\d"))
    await printer.control.do("power_on")
    await desk.sees(card, "Ready", within=60)


async def test_a_hub_that_dies_is_said_of_its_printers_and_itself(desk: Desk, farm: Farm) -> None:
    await desk.sees(desk.card(farm.printers[0]), "Ready", within=40)
    await farm.hub.kill()
    await desk.sees(desk.card(farm.printers[0]), "Hub offline", within=12)
    await desk.page.goto("/hubs")
    await desk.sees(desk.page.locator("[data-hub]"), "Offline", within=15)
    await farm.hub.start()
    await desk.sees(desk.page.locator("[data-hub]"), "Online", within=40)
    await desk.page.goto("/")
    await desk.sees(desk.card(farm.printers[0]), "Ready", within=60)


async def test_a_wrong_access_code_is_said_and_corrected_and_never_shown(desk: Desk, farm: Farm) -> None:
    printer, page = farm.printers[0], desk.page
    code = printer.real.access_code
    seen: list[str] = []
    page.on("response", lambda answer: seen.append(answer.url))
    await farm.api.patch(f"/api/printers/{printer.id}", {"access_code": "00000000"})
    await desk.sees(desk.card(printer), "Wrong access code", within=60)
    await page.get_by_role("link", name="Marie").click()
    await page.get_by_role("button", name="Enter the access code").click()
    form = page.get_by_role("dialog", name="Edit Marie")
    field = form.get_by_label("Access code")
    await expect(field).to_have_value("")
    await expect(field).to_have_attribute("placeholder", "unchanged")
    await field.fill(code)
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)
    await desk.sees(desk.card(printer), "Ready", within=60)
    assert code not in await page.content()
    assert all(code not in address for address in seen)


async def test_a_printer_is_disconnected_and_connected(desk: Desk, farm: Farm) -> None:
    printer, page = farm.printers[1], desk.page
    await page.goto(f"/printers/{printer.id}")
    sheet = page.get_by_role("dialog", name="Ada")
    await sheet.get_by_role("button", name="Disconnect").click()
    await desk.sees(sheet, "Disconnected by a person", within=30)
    await sheet.get_by_role("button", name="Connect", exact=True).click()
    await desk.sees(sheet, "Ready", within=40)


async def test_two_people_see_the_same(desk: Desk, farm: Farm, browser: Browser) -> None:
    async with Desk.at(browser, farm, theme="dark") as other:
        await other.page.goto(f"/printers/{farm.printers[0].id}")
        await other.page.get_by_role("button", name="Edit").click()
        form = other.page.get_by_role("dialog", name="Edit Marie")
        await form.get_by_label("Name").fill("Marie Curie")
        await form.get_by_label("Place").fill("Shelf B")
        await form.get_by_role("button", name="Save").click()
        await desk.sees(desk.card(farm.printers[0]), "Marie Curie")
        await desk.sees(desk.card(farm.printers[0]), "Shelf B")
        other.check_quiet()


async def test_who_is_signed_out_elsewhere_is_asked_to_sign_in(desk: Desk) -> None:
    page = desk.page
    await page.context.request.post("/api/auth/logout", headers={"origin": page.url.rstrip("/")})
    await expect(page).to_have_url(re.compile(r"/login"), timeout=20_000)
