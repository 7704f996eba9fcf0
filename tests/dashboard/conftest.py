"""The dashboard in Chromium against the real thing: cloud, hub firmware and virtual printers of the farm fixture."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.dashboard.desk import Desk
from tools import dashboard
from tools.farm import farm as farms
from tools.farm.farm import Farm
from tools.virtual_printer.spec import PrinterSpec

CHROMIUM = Path(os.environ.get("PRINTFARM_CHROMIUM", "/usr/bin/chromium"))
# No request of the browser's own leaves the machine.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def built() -> Path:
    """The built dashboard; bringing it up to date costs nothing when it is."""
    dashboard.build()
    return dashboard.DIST


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(built: Path) -> AsyncIterator[Browser]:
    """One Chromium a module."""
    if not CHROMIUM.exists():
        pytest.skip(f"NO BROWSER: {CHROMIUM} is not there (PRINTFARM_CHROMIUM names another), nothing was tested")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield running
        await running.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def farm(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Farm]:
    """The farm of this module: its printers are the module's PRINTERS."""
    specs: Sequence[PrinterSpec] = request.module.PRINTERS
    async with farms.start(tmp_path_factory.mktemp("farm"), specs) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def desk(farm: Farm, browser: Browser) -> AsyncIterator[Desk]:
    """A signed-in person at a desktop screen; the page must not complain."""
    async with Desk.at(browser, farm) as one:
        yield one
        one.check_quiet()
