"""The pairing page in Chromium: from a label to a printer, over Web Bluetooth, by access point, and what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from shared_protocol import messages, pairing
from tests.dashboard.bluetooth import ARGUMENTS, Air, choosing, in_the_air
from tests.dashboard.conftest import ARGUMENTS as USUAL
from tests.dashboard.conftest import CHROMIUM
from tests.dashboard.desk import PHONE, Desk
from tests.dashboard.test_accounts_pages import invited
from tests.dashboard.unpaired_hub import UnpairedHub
from tools import dashboard
from tools.farm import farm as farms
from tools.farm.cloud import free_port
from tools.farm.farm import EMAIL, Farm
from tools.virtual_printer.harness import VirtualFarm, may_use_standard_ports
from tools.virtual_printer.spec import PrinterSpec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PRINTERS = [PrinterSpec(model="P1S", name="Marie", speed=1)]
WIFI = {"Farm": "secret123"}
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/19.0 Mobile/15E148 Safari/604.1"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(built: Path) -> AsyncIterator[Browser]:
    """A Chromium with Bluetooth."""
    if not CHROMIUM.exists():
        pytest.skip(f"NO BROWSER: {CHROMIUM} is not there (PRINTFARM_CHROMIUM names another), nothing was tested")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*USUAL, *ARGUMENTS])
        yield running
        await running.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def farm(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Farm]:
    async with farms.start(tmp_path_factory.mktemp("farm"), PRINTERS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def phone(farm: Farm, browser: Browser) -> AsyncIterator[Desk]:
    """A signed-in person with a phone; the page must not complain."""
    async with Desk.at(browser, farm, size=PHONE, touch=True) as one:
        yield one
        one.check_quiet()


async def photo(page: Page, name: str) -> None:
    """A picture for people to look at, when they want one."""
    if folder := os.environ.get("PRINTFARM_SHOTS"):
        await page.screenshot(path=Path(folder) / f"pair-{name}.png", full_page=True)


async def give(page: Page, ssid: str, password: str, button: str = "Connect") -> None:
    await page.get_by_label("Wi-Fi name").fill(ssid)
    await page.get_by_label("Wi-Fi password").fill(password)
    await page.get_by_role("button", name=button).click()


def connected(page: Page) -> Locator:
    return page.get_by_role("heading", name="The hub is connected")


@contextlib.asynccontextmanager
async def beside(browser: Browser, page: Page, hub: UnpairedHub) -> AsyncIterator[tuple[Air, list[int]]]:
    """In range of the hub, and taking it from every list."""
    async with hub.switched_on(), in_the_air(browser, hub, hub.name) as air, choosing(page) as lists:
        yield air, lists


class Label:
    """A label whose hub is not here."""

    def __init__(self) -> None:
        self.secret = secrets.token_bytes(pairing.SECRET_BYTES)
        self.label = pairing.base32(self.secret)
        self.device = pairing.device_of(pairing.proof_of(self.secret))


# ---- the label


async def test_the_secret_leaves_the_address_and_survives_logging_in(farm: Farm, browser: Browser) -> None:
    device = Label()
    async with Desk.at(browser, farm, size=PHONE, signed_in=False) as desk:
        page = desk.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url + (request.post_data or "")))
        await page.goto(f"/p#{device.label}")
        await expect(page.get_by_label("E-mail")).to_be_visible()
        await page.get_by_label("E-mail").fill(EMAIL)
        await page.get_by_label("Password").fill(farm.password)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name=f"Connect {pairing.shown(device.device)}")).to_be_visible()
        assert page.url == farm.cloud.url + "/p"
        await page.reload()
        await expect(page.get_by_role("heading", name="Connect")).to_be_visible()
        told = "".join(part for part in asked if not part.endswith(f"/p#{device.label}"))
        assert device.label not in told and device.secret.hex() not in told
        assert device.label not in farm.cloud.log.read_text()
        desk.check_quiet()


async def test_a_label_is_typed_by_hand(phone: Desk) -> None:
    device = Label()
    page = phone.page
    await page.goto("/hubs")
    await page.get_by_role("button", name="Add hub").click()
    await page.get_by_role("link", name="Type the label").click()
    field = page.get_by_label("Characters on the label")
    for typed, sentence in (("ABC", "has 26 characters; these are 3"), (device.label[:-1] + "0", "stands on no label")):
        await field.fill(typed)
        await page.keyboard.press("Enter")
        await expect(page.get_by_text(re.compile(sentence))).to_be_visible()
    await photo(page, "label-wrong")
    assert await phone.axe() == []
    label = device.label.lower()
    await field.fill(f"{label[:8]}-{label[8:16]} {label[16:]}")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=f"Connect {pairing.shown(device.device)}")).to_be_visible()


async def test_only_owners_pair(farm: Farm, browser: Browser) -> None:
    async with invited(browser, farm, "operator", "operator@example.org") as desk:
        await desk.page.goto(f"/p#{Label().label}")
        await expect(desk.page.get_by_role("heading", name="Only owners add hubs")).to_be_visible()


# ---- Bluetooth


async def test_wrong_then_right_without_a_new_scan(phone: Desk, browser: Browser, tmp_path: Path) -> None:
    page = phone.page
    hub = UnpairedHub(tmp_path / "hub", {"Werkstatt Süd": "längeres Wort"})
    async with beside(browser, page, hub) as (air, lists):
        await page.goto(f"/p#{hub.label}")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await photo(page, "wifi")
        assert await phone.axe() == []
        await give(page, "Werkstatt", "längeres Wort")
        await expect(page.get_by_role("alert")).to_contain_text("no network of this name")
        await photo(page, "no-network")
        assert await phone.axe() == []
        await give(page, "Werkstatt Süd", "kürzeres Wort", "Try again")
        await expect(page.get_by_role("alert")).to_contain_text("refuses this password")
        await expect(page.get_by_label("Wi-Fi password")).to_be_focused()
        hub.in_range({"Werkstatt Süd": "längeres Wort"}, dhcp=False)
        await give(page, "Werkstatt Süd", "längeres Wort", "Try again")
        await expect(page.get_by_role("alert")).to_contain_text("no address")
        hub.in_range({"Werkstatt Süd": "längeres Wort"})
        await page.get_by_role("button", name="Try again").click()
        await expect(connected(page)).to_be_visible()
        assert lists == [1], "the hub is chosen once"
        assert air.trouble == []


async def test_a_closed_list_and_another_hub_in_range(phone: Desk, browser: Browser, tmp_path: Path) -> None:
    wanted, page = Label(), phone.page
    async with UnpairedHub(tmp_path / "hub", WIFI).switched_on() as other, in_the_air(browser, other, other.name):
        await page.goto(f"/p#{wanted.label}")
        async with choosing(page, None) as lists:
            await give(page, "Farm", "secret123")
            async with asyncio.timeout(10):
                while not lists:
                    await asyncio.sleep(0.02)
            await expect(page.get_by_role("button", name="Connect")).to_be_enabled()
        async with choosing(page):
            await page.get_by_role("button", name="Connect").click()
            await expect(page.get_by_role("alert")).to_contain_text(pairing.shown(other.device))
        assert json.loads(await other.info())["state"] == "ready", "another hub is given nothing"


async def test_a_hub_with_an_owner(phone: Desk, browser: Browser, tmp_path: Path) -> None:
    page = phone.page
    hub = UnpairedHub(tmp_path / "first", WIFI)
    async with beside(browser, page, hub):
        await page.goto(f"/p#{hub.label}")
        await give(page, "Farm", "secret123")
        await expect(connected(page)).to_be_visible()
    await page.evaluate("sessionStorage.clear()")
    await page.goto("/jobs")
    await page.goto(f"/p#{hub.label}")
    await expect(page.get_by_role("heading", name="This hub is yours already")).to_be_visible()
    await photo(page, "own")
    assert await phone.axe() == []
    # Its button was held: it has forgotten everything, and counts.
    again = UnpairedHub(tmp_path / "second", WIFI, epoch=1, label=hub.label)
    async with beside(browser, page, again):
        await page.get_by_role("button", name="I have reset it").click()
        await give(page, "Farm", "secret123")
        await expect(connected(page)).to_be_visible()


async def test_by_keyboard_alone(desk: Desk, browser: Browser, tmp_path: Path) -> None:
    page = desk.page
    hub = UnpairedHub(tmp_path / "hub", WIFI)
    async with beside(browser, page, hub):
        await page.goto(f"/p#{hub.label}")
        await expect(page.get_by_label("Wi-Fi name")).to_be_focused()
        await page.keyboard.type("Farm")
        await page.keyboard.press("Tab")
        await page.keyboard.type("secret123")
        await page.keyboard.press("Enter")
        await expect(connected(page)).to_be_visible()
    await page.get_by_role("button", name="A printer is not in the list").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Address")).to_be_focused()
    await page.keyboard.type("192.168.1.9")
    await page.get_by_label("Access code").fill("12345678")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("not connected just now")
    assert await desk.axe() == []


# ---- without Bluetooth


async def test_an_iphone_goes_by_the_access_point(farm: Farm, browser: Browser, tmp_path: Path) -> None:
    async with (
        UnpairedHub(tmp_path / "hub", WIFI).switched_on() as hub,
        Desk.at(browser, farm, size=PHONE, touch=True, agent=IPHONE) as desk,
    ):
        page = desk.page
        # What an iPhone does not have.
        await page.add_init_script("delete Navigator.prototype.bluetooth")
        await page.goto(f"/p#{hub.label}")
        await expect(page.get_by_text(hub.name)).to_be_visible()
        await expect(page.locator("code")).to_have_text(pairing.passphrase_of(hub.secret))
        link = await page.get_by_role("link", name="Open the hub's page").get_attribute("href")
        assert link is not None and link.startswith("http://192.168.4.1/#t=")
        assert hub.label not in link
        await photo(page, "access-point")
        assert await desk.axe() == []
        assert not await page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        # The hub's page, which its own network would show at 192.168.4.1.
        there = await page.context.new_page()
        await there.goto(link.replace("http://192.168.4.1", hub.page))
        await there.get_by_label("Wi-Fi network").select_option("Farm")
        await there.get_by_label("Password", exact=True).fill("wrong one")
        await there.get_by_role("button", name="Connect").click()
        await expect(there.get_by_role("alert")).to_contain_text("does not accept that password")
        await there.get_by_label("Password", exact=True).fill("secret123")
        await there.get_by_role("button", name="Connect").click()
        # A phone may load the page anew when one comes back to it.
        await page.reload()
        await expect(connected(page)).to_be_visible()
        desk.check_quiet()


# ---- to the end


@pytest.mark.skipif(not may_use_standard_ports(), reason="may not bind port 990, where a printer that is found must be")
async def test_from_plugged_in_to_a_live_card(farm: Farm, browser: Browser, phone: Desk, tmp_path: Path) -> None:
    """A hub out of its box and a printer that announces itself. What was measured is printed: `-s` shows it."""
    page, port = phone.page, free_port()
    new = PrinterSpec(model="A1 mini", name="Grace", access_code="12345678")
    unpaired = UnpairedHub(tmp_path / "hub", WIFI)
    announcing = VirtualFarm.start([new], standard_ports=True, announce=f"127.0.0.1:{port}", announce_interval=0.5)
    async with announcing as virtual:
        plugged = time.monotonic()
        async with beside(browser, page, unpaired):
            await page.goto(f"/p#{unpaired.label}")
            await give(page, "Farm", "secret123")
            await expect(connected(page)).to_be_visible()
        paired = time.monotonic() - plugged
        async with unpaired.paired(discovery=port) as hub:
            await hub.wait_for("online")
            row = page.locator(f"[data-found='{virtual.printers[0].serial}']")
            await row.get_by_role("button", name="Grace").click()
            await photo(page, "found")
            assert await phone.axe() == []
            await row.get_by_label("Access code").fill("87654321")
            await row.get_by_role("button", name="Add printer").click()
            await expect(row.get_by_role("alert")).to_contain_text("Wrong access code")
            await photo(page, "wrong-code")
            wrong = time.monotonic()
            await row.get_by_label("Access code").fill("12345678")
            await row.get_by_role("button", name="Add printer").click()
            await phone.sees(row, "Added", within=40)  # printers are given time before they prove anything
            await page.get_by_role("link", name="See them live").click()
            card = page.locator("[data-printer]", has_text="Grace")
            await phone.sees(card, re.compile("Ready|Idle"))
            await photo(page, "live")
            print(f"plugged in -> paired {paired:.1f} s; code typed -> live {time.monotonic() - wrong:.1f} s")
            await page.goto("/hubs")
            await expect(page.locator("[data-hub]", has_text=pairing.shown(unpaired.device))).to_contain_text("Online")
        assert unpaired.label not in farm.cloud.log.read_text()


# ---- words


async def test_every_code_has_its_sentence() -> None:
    words = (dashboard.FOLDER / "src" / "pair" / "words.ts").read_text()
    failures, probes = words.split("export const PROBE_FAILURES")
    for codes, text in ((pairing.CODES, failures), (messages.PROBE_CODES, probes)):
        assert [code for code in codes if not re.search(rf"^\s+{code}:", text, re.MULTILINE)] == []
