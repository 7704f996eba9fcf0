"""`make demo` as somebody tries it: look at the farm, then pair the second hub by its label, and add what it finds."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tools.demo import FOUND, PRINTERS, WIFI, WIFI_PASSWORD
from tools.virtual_printer.harness import may_use_standard_ports

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Demo:
    """What it printed."""

    url: str
    email: str
    password: str
    label: str


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Demo]:
    """The command itself, ended by Ctrl-C."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.demo", stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(120):
            while "DEMO READY" not in said:
                line = (await process.stdout.readline()).decode()
                assert line, f"the demo ended:\n{said}"
                said += line
        label = re.search(r"\S+/p#\w+", said)
        assert label is not None, said
        url, email, password = said.split("DEMO READY ")[1].split()
        yield Demo(url, email, password, label[0])
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            await process.wait()
    assert process.returncode == 0


async def test_the_demo_can_be_tried(browser: Browser, built: Path) -> None:
    async with running() as demo, await browser.new_context(base_url=demo.url) as context:
        page = await context.new_page()
        await page.goto(demo.label)  # scanned before anybody is signed in
        await page.get_by_label("E-mail").fill(demo.email)
        await page.get_by_label("Password").fill(demo.password)
        await page.get_by_role("button", name="Sign in").click()
        if await page.evaluate("'bluetooth' in navigator"):
            await page.get_by_role("button", name="Without Bluetooth").click()
        async with context.expect_page() as opened:
            await page.get_by_role("link", name="Open the hub's page").click()
        hub = await opened.value
        await hub.get_by_label("Wi-Fi network").select_option(WIFI)
        await hub.get_by_label("Password", exact=True).fill(WIFI_PASSWORD)
        await hub.get_by_role("button", name="Connect").click()
        await expect(page.get_by_role("heading", name="The hub is connected")).to_be_visible(timeout=30_000)
        printers = list(PRINTERS)
        if may_use_standard_ports():
            found = page.locator("[data-found]", has_text=FOUND.name)
            await found.get_by_role("button", name=FOUND.name).click()
            await found.get_by_label("Access code").fill(FOUND.access_code)
            await found.get_by_role("button", name="Add printer").click()
            await expect(found).to_contain_text("Added", timeout=40_000)
            printers.append(FOUND)
        await page.goto("/")
        for printer in printers:
            card = page.get_by_role("article", name=printer.name)
            await expect(card).to_contain_text(re.compile("Printing|Ready|clear|Finished"), timeout=30_000)
        await page.goto("/hubs")
        await expect(page.locator("[data-hub]", has_text="Online")).to_have_count(2)
