"""Every page in both themes and on phone and desktop: accessible, within the screen, quiet, steady, and by keyboard."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.dashboard.desk import DESKTOP, PHONE, Desk, Theme
from tests.e2e.steps import green_trays, sample
from tools.farm.farm import Farm
from tools.virtual_printer.spec import PrinterSpec, TraySpec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PRINTERS = [
    PrinterSpec(model="P1S", name="Marie", speed=1, trays=green_trays()),
    PrinterSpec(model="X1C", name="Nikola", speed=1, trays=[TraySpec("PLA", "FFFFFF"), TraySpec("PETG", "F2C230")]),
    PrinterSpec(model="A1 mini", name="Ada", speed=1, access_code="12345678"),
]
LOOKS: list[tuple[Theme, tuple[int, int]]] = [("light", DESKTOP), ("dark", DESKTOP), ("light", PHONE), ("dark", PHONE)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pages(farm: Farm) -> dict[str, str]:
    """Addresses of all pages, on a farm with something to show in each."""
    file = await farm.upload(sample("C12", seconds=3600, plates=(1, 2)), "Plate pair.gcode.3mf")
    running = await farm.queue(file, farm.printers[0])
    await farm.queue(file, farm.printers[0])  # waits for the first
    held = await farm.queue(file, None, hold=True)
    over = await farm.queue(file, farm.printers[1], hold=True)
    await farm.api.post(f"/api/print-jobs/{over}/cancel")
    # A printer whose code somebody got wrong.
    await farm.api.patch(f"/api/printers/{farm.printers[2].id}", {"access_code": "87654321"})
    async with farm.api.live() as live:
        await live.until(lambda now: now.printers[farm.printers[2].id].get("link") == "auth_failed", 60)
        await live.until(lambda now: now.jobs[running]["status"] == "printing", 60)
    return {
        "printers": "/",
        "printers filtered to none": "/?q=nothing-has-this-name",
        "printer printing": f"/printers/{farm.printers[0].id}",
        "printer with a wrong code": f"/printers/{farm.printers[2].id}",
        "no such printer": "/printers/prn_none",
        "queue": "/jobs",
        "history": "/jobs?view=history",
        "job printing": f"/jobs/{running}",
        "job held": f"/jobs/{held}",
        "job cancelled": f"/jobs/{over}",
        "files": "/files",
        "file to queue": f"/files/{file['id']}",
        "hubs": "/hubs",
        "nowhere": "/no/such/page",
        "login": "/login",
        "set-up": "/setup#token",
        "set-up without its token": "/setup",
    }


@pytest_asyncio.fixture(loop_scope="module", params=LOOKS, ids=lambda look: f"{look[0]}-{look[1][0]}")
async def look(request: pytest.FixtureRequest, farm: Farm, browser: Browser) -> AsyncIterator[Desk]:
    """The same person with each theme and screen."""
    theme, size = request.param
    async with Desk.at(browser, farm, theme=theme, size=size, touch=size == PHONE) as one:
        yield one
        one.check_quiet()


async def settle(page: Page) -> None:
    """Wait until everything that was asked for is there."""
    await page.wait_for_load_state("networkidle")
    await expect(page.get_by_label("Loading", exact=False)).to_have_count(0)
    await page.evaluate("document.fonts.ready.then(() => true)")


@pytest.mark.timeout(300)
async def test_every_page_is_accessible_and_fits(look: Desk, pages: dict[str, str]) -> None:
    wrong: dict[str, list[str]] = {}
    for name, path in pages.items():
        await look.page.goto(path)
        await settle(look.page)
        found = await look.axe()
        if await look.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append("wider than the screen")
        if found:
            wrong[name] = found
    assert wrong == {}


async def test_forms_are_accessible(look: Desk, pages: dict[str, str]) -> None:
    page = look.page
    await page.goto("/")
    await page.get_by_role("button", name="Add printer").click()
    await expect(page.get_by_role("dialog", name="Add a printer")).to_be_visible()
    await page.get_by_text("Network ports").click()
    assert await look.axe() == []
    await page.keyboard.press("Escape")
    await page.goto("/hubs")
    await page.get_by_role("button", name="Add hub").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await look.axe() == []


async def test_nothing_jumps_while_a_page_loads(desk: Desk, pages: dict[str, str]) -> None:
    await desk.page.add_init_script(
        """window.shift = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
        }).observe({ type: 'layout-shift', buffered: true });"""
    )
    for path in ("/", "/jobs", "/files", "/hubs"):
        await desk.page.goto(path)
        await settle(desk.page)
        assert await desk.page.evaluate("window.shift") < 0.1, path


async def test_targets_on_a_phone_are_large_enough(farm: Farm, browser: Browser, pages: dict[str, str]) -> None:
    async with Desk.at(browser, farm, size=PHONE, touch=True) as phone:
        for path in ("/", "/jobs", "/files", f"/printers/{farm.printers[0].id}"):
            await phone.page.goto(path)
            await settle(phone.page)
            small = await phone.page.evaluate(
                """[...document.querySelectorAll('button, select, nav a, input:not([type=radio], [type=checkbox])')]
                .filter((one) => one.checkVisibility() && !one.closest('[aria-hidden=true]'))
                .map((one) => [one.outerHTML.slice(0, 120), one.getBoundingClientRect()])
                .filter(([, box]) => box.width > 1 && (box.height < 44 || box.width < 44))
                .map(([html, box]) => `${box.width}x${box.height} ${html}`)"""
            )
            assert small == [], path
            if "printer" not in path:  # a sheet covers the bar
                await expect(phone.page.get_by_role("navigation", name="Main")).to_be_visible()


async def test_a_phone_knows_which_pages_stand_under_more(farm: Farm, browser: Browser) -> None:
    async with Desk.at(browser, farm, size=PHONE, touch=True) as phone:
        more = phone.page.get_by_role("button", name="More")
        await phone.page.goto("/settings/profile")
        await expect(more).to_have_attribute("aria-current", "page")
        await phone.page.goto("/jobs")
        await expect(more).not_to_have_attribute("aria-current", "page")


async def test_the_grid_is_reached_by_keyboard(desk: Desk, pages: dict[str, str]) -> None:
    page = desk.page
    await page.goto("/")
    await settle(page)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("/")
    search = page.get_by_role("searchbox", name="Search printers")
    await expect(search).to_be_focused()
    await page.keyboard.type("marie")
    await expect(page.locator("[data-printer]")).to_have_count(1)
    await expect(page).to_have_url(re.compile(r"\?q=marie$"))
    link = page.get_by_role("link", name="Marie")
    await link.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Marie")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page).to_have_url(re.compile(r"/\?q=marie$"))


async def test_counts_filter_and_live_in_the_address(desk: Desk, farm: Farm, pages: dict[str, str]) -> None:
    page = desk.page
    await page.goto("/")
    await page.get_by_role("button", name="1 Need help").click()
    await expect(page.locator("[data-printer]")).to_have_count(1)
    await expect(desk.card(farm.printers[2])).to_contain_text("Wrong access code")
    await page.reload()
    await expect(page.locator("[data-printer]")).to_have_count(1)
    await page.get_by_role("button", name="1 Need help").click()
    await expect(page.locator("[data-printer]")).to_have_count(3)
    await page.get_by_label("Order").select_option("name")
    await expect(page.locator("[data-printer] h2")).to_have_text(["Ada", "Marie", "Nikola"])
    await expect(page).to_have_url(re.compile(r"\?sort=name$"))


async def test_the_theme_is_remembered_before_the_first_paint(desk: Desk) -> None:
    page = desk.page
    await page.goto("/")
    await page.get_by_role("radio", name="Dark").check(force=True)
    await expect(page.locator("html")).to_have_class("dark")
    await page.reload(wait_until="commit")
    await expect(page.locator("html")).to_have_class("dark")
    await page.get_by_role("radio", name="As the system").check(force=True)
    await expect(page.locator("html")).not_to_have_class("dark")
