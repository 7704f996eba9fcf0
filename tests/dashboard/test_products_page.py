"""Products by hand: made, given a picture and SKUs, linked to a file, looked at by a viewer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.dashboard.desk import DESKTOP, PHONE, Desk
from tests.dashboard.test_accounts_pages import LOOKS, invited, wrong_with
from tests.e2e.steps import sample
from tools.farm.farm import Farm
from tools.virtual_printer.spec import PrinterSpec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PRINTERS = [PrinterSpec(model="P1S", name="Marie", speed=1)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def product(farm: Farm) -> str:
    """A product with a low SKU and a file that is not linked yet."""
    await farm.upload(sample("C12", seconds=600), "Hook.gcode.3mf")
    red = {"sku": "HOOK-R", "color": "Red", "hex_code": "#D42A2A", "price": 1250, "low_stock_threshold": 5}
    made = await farm.api.post("/api/products/", {"name": "Wall hook", "category": "Home", "skus": [red]})
    product_id: str = made["id"]
    return product_id


@pytest_asyncio.fixture(loop_scope="module")
async def viewer(farm: Farm, browser: Browser) -> AsyncIterator[Desk]:
    async with invited(browser, farm, "viewer", "looker@example.org") as one:
        yield one


async def test_a_product_is_made_and_gets_its_skus(desk: Desk, product: str) -> None:
    page = desk.page
    await page.goto("/products")
    await page.get_by_role("button", name="Add product").click()
    new = page.get_by_role("dialog", name="Add a product")
    await new.get_by_label("Name").fill("Lamp")
    await new.get_by_label("Category").fill("Light")
    await new.get_by_role("button", name="Add product").click()
    sheet = page.get_by_role("dialog", name="Lamp")
    await sheet.get_by_role("button", name="Add SKU").click()
    form = page.get_by_role("dialog", name="Add a SKU")
    await form.get_by_label("SKU").fill("LAMP-W")
    await form.get_by_label("Price").fill("24,9")
    await form.get_by_label("Low below").fill("2")
    assert await desk.axe() == []
    await form.get_by_role("button", name="Add SKU").click()
    await expect(sheet.locator("[data-sku]")).to_contain_text("24.90")
    await page.keyboard.press("Escape")
    await expect(page.locator("[data-product]", has_text="Lamp")).to_contain_text("1 SKU")
    await page.get_by_label("Category").select_option("Home")
    await expect(page.locator("[data-product]")).to_have_count(1)


async def test_a_file_is_linked_and_unlinked(desk: Desk, product: str) -> None:
    await desk.page.goto(f"/products/{product}")
    await desk.page.get_by_label("Link a print file").select_option(label="Hook")
    await desk.page.get_by_role("button", name="Unlink Hook").click()
    await expect(desk.page.get_by_role("button", name="Unlink Hook")).to_have_count(0)


async def test_a_picture_is_taken(desk: Desk, product: str) -> None:
    page = desk.page
    await page.goto(f"/products/{product}")
    picture = await page.screenshot(clip={"x": 0, "y": 0, "width": 64, "height": 48})
    file = {"name": "hook.png", "mimeType": "image/png", "buffer": picture}
    await page.get_by_label("Choose a picture").set_input_files(file)  # type: ignore[arg-type]
    await expect(page.get_by_role("img", name="Picture of Wall hook")).to_be_visible()


async def test_a_viewer_is_offered_nothing_to_change(viewer: Desk, product: str) -> None:
    page = viewer.page
    await page.goto(f"/products/{product}")
    sheet = page.get_by_role("dialog", name="Wall hook")
    await expect(sheet.locator("[data-sku]")).to_contain_text("HOOK-R")
    await expect(sheet.get_by_role("button")).to_have_count(1)  # Close
    assert await viewer.axe() == []


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]}-{look[1][0]}")
async def test_pages_are_accessible_and_fit(
    farm: Farm, browser: Browser, product: str, look: tuple[str, tuple[int, int]]
) -> None:
    paths = ["/products", "/products?q=none", f"/products/{product}"]
    assert {DESKTOP, PHONE} >= {look[1]}
    assert await wrong_with(browser, farm, look, paths) == {}


async def test_more_products_than_one_page_are_all_reached(desk: Desk, farm: Farm, product: str) -> None:
    page, cards = desk.page, desk.page.locator("[data-product]")
    for number in range(105):
        sku = {"sku": f"MANY-{number}", "color": "Red", "stock_level": number}
        await farm.api.post("/api/products/", {"name": f"Many {number:03}", "category": "Many", "skus": [sku]})
    await page.goto("/products?category=Many")
    await expect(cards).to_have_count(48)
    pages = page.get_by_role("navigation", name="Pages")
    await expect(pages).to_contain_text("1–48 of 105")
    await pages.get_by_role("button", name="More").click()
    await pages.get_by_role("button", name="More").click()
    await expect(cards).to_have_count(9)
    await expect(cards.last).to_contain_text("1 SKU · 104 in stock")
    await expect(pages.get_by_role("button", name="More")).to_be_disabled()
    await page.go_back()
    await expect(cards).to_have_count(48)
    await page.get_by_label("Search products").fill("MANY 10")
    await expect(cards).to_have_count(5)
    await expect(cards.first).to_contain_text("Many 100")


async def test_a_swatch_is_cleared(desk: Desk, farm: Farm, product: str) -> None:
    await desk.page.goto(f"/products/{product}")
    await desk.page.get_by_role("button", name="Edit HOOK-R").click()
    form = desk.page.get_by_role("dialog", name="Edit HOOK-R")
    await form.get_by_role("button", name="No swatch").click()
    await expect(form.get_by_text("none")).to_be_visible()
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)
    assert (await farm.api.get(f"/api/products/{product}"))["skus"][0]["hex_code"] is None
