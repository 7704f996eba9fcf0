"""A person in front of the dashboard: a browser page, signed in, that remembers what the page complained about."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, expect

from tools import dashboard
from tools.farm.farm import EMAIL, Farm, FarmPrinter

Theme = Literal["light", "dark"]

DESKTOP = (1440, 900)
PHONE = (390, 844)
# A page that comes from the network of this machine only; prints and hubs take seconds.
PATIENCE_MS = 20_000

AXE = dashboard.FOLDER / "node_modules" / "axe-core" / "axe.min.js"
# What the browser itself notes when an answer is an error or a socket is refused; the pages show these to the person.
_EXPECTED = re.compile(r"Failed to load resource|WebSocket connection to")


@dataclass
class Desk:
    """`page` is signed in unless `at(..., signed_in=False)`."""

    page: Page
    farm: Farm
    complaints: list[str] = field(default_factory=list)

    @classmethod
    @contextlib.asynccontextmanager
    async def at(
        cls,
        browser: Browser,
        farm: Farm,
        *,
        size: tuple[int, int] = DESKTOP,
        theme: Theme = "light",
        signed_in: bool = True,
        touch: bool = False,
        agent: str | None = None,
    ) -> AsyncIterator[Desk]:
        """Sit down; the context and all its pages end with the block."""
        context = await browser.new_context(
            base_url=farm.cloud.url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme=theme,
            reduced_motion="reduce",
            has_touch=touch,
            locale="en-GB",
            user_agent=agent,
        )
        context.set_default_timeout(PATIENCE_MS)
        desk = cls(await context.new_page(), farm)
        desk.page.on("console", desk._listen)
        desk.page.on("pageerror", lambda error: desk.complaints.append(str(error)))
        try:
            if signed_in:
                await desk.sign_in()
            yield desk
        finally:
            await context.close()

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _EXPECTED.search(message.text):
            self.complaints.append(message.text)

    def check_quiet(self) -> None:
        """No error, no warning, no violated content policy on any page so far."""
        assert self.complaints == []

    async def sign_in(self) -> None:
        """Through the form, as a person does."""
        await self.page.goto("/login")
        await self.page.get_by_label("E-mail").fill(EMAIL)
        await self.page.get_by_label("Password").fill(self.farm.password)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.get_by_role("heading", name="Printers", level=1)).to_be_visible()

    def card(self, printer: FarmPrinter) -> Locator:
        """The card of a printer in the grid."""
        return self.page.locator(f"[data-printer='{printer.id}']")

    def job(self, job_id: str) -> Locator:
        """The row of a job."""
        return self.page.locator(f"[data-job='{job_id}']")

    async def sees(self, locator: Locator, text: str | re.Pattern[str], *, within: float = 20) -> None:
        """Wait until the text stands there; seconds."""
        await expect(locator).to_contain_text(text, timeout=within * 1000)

    async def axe(self) -> list[str]:
        """What axe finds wrong with the page as it stands now, one line each."""
        if not await self.page.evaluate("'axe' in window"):
            # Through the debugger, not as a script element: the content policy stays as it is.
            await self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = await self.page.evaluate("axe.run({resultTypes: ['violations']})")
        return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]
