"""The main job by hand: upload, queue, watch, pause, resume, stop, clear the bed. On a desktop and on a phone."""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.dashboard.desk import PHONE, Desk
from tests.e2e.steps import GREEN, green_trays, sample
from tools.farm.farm import Farm
from tools.sample_file import build_sample
from tools.virtual_printer.spec import PrinterSpec, TraySpec

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PRINTERS = [
    PrinterSpec(model="P1S", name="Marie", speed=200, trays=green_trays()),
    PrinterSpec(model="A1", name="Ada", speed=60, trays=green_trays()),
    PrinterSpec(model="X1C", name="Nikola", speed=400, trays=[TraySpec("PLA", "FFFFFF")]),
]

# As a desktop's file manager does: the page gets the events, the bytes are made inside it.
DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  for (const kind of ['dragenter', 'dragover', 'drop'])
    document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
}"""


async def test_a_wrong_password_is_said_and_the_way_back_is_kept(farm: Farm, browser: Browser) -> None:
    async with Desk.at(browser, farm, signed_in=False) as desk:
        page = desk.page
        await page.goto("/files")
        await expect(page).to_have_url(re.compile(r"/login\?next=%2Ffiles$"))
        await page.get_by_label("E-mail").fill("owner@demo.printfarm.local")
        await page.get_by_label("Password").fill("not the password")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("wrong")
        await page.get_by_label("Password").fill(farm.password)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Files", level=1)).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        await page.goto("/")
        await expect(page).to_have_url(re.compile(r"/login$"))
        desk.check_quiet()


async def test_from_a_dropped_file_to_a_cleared_bed(desk: Desk, farm: Farm) -> None:
    page, printer = desk.page, farm.printers[0]
    await page.goto("/")
    await desk.sees(desk.card(printer), "Ready")
    data = build_sample(sample("C12", seconds=900, plates=(1, 2)))
    await page.evaluate(DROP, ["Wandhalter größer.gcode.3mf", base64.b64encode(data).decode()])

    uploads = page.get_by_role("region", name="Uploads")
    await desk.sees(uploads, "Wandhalter größer.gcode.3mf")
    await uploads.get_by_role("button", name="Print it").click()
    dialog = page.get_by_role("dialog", name="Print Wandhalter größer")
    await dialog.get_by_text("Plate 2", exact=True).click()
    await desk.sees(dialog, "12.5 g")
    await dialog.get_by_role("radio", name=re.compile("^Marie")).check()
    await dialog.get_by_role("button", name="Add to queue").click()
    await expect(dialog).to_have_count(0)
    await uploads.get_by_role("button", name="Dismiss all").click()
    await expect(uploads).to_have_count(0)

    card = desk.card(printer)
    await desk.sees(card, "Printing", within=60)
    await desk.sees(card, "Wandhalter größer")
    await desk.sees(card, re.compile(r"left · done \d\d:\d\d"))
    await desk.sees(card, re.compile(r"[1-9]\d*/\d+"), within=40)  # layers
    picture = card.locator("img")
    assert await picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 512
    assert int(await card.get_by_role("progressbar").get_attribute("aria-valuenow") or 0) >= 0

    await desk.sees(card, "Finished, clear bed", within=60)
    clear = card.get_by_role("button", name="Bed cleared: Marie")
    await clear.click()
    await card.get_by_role("button", name="Cleared – undo").click()
    await expect(clear).to_be_visible()
    assert (await farm.api.get(f"/api/printers/{printer.id}"))["cleared"] is False
    await clear.click()
    await desk.sees(card, "Ready")
    assert (await farm.api.get(f"/api/printers/{printer.id}"))["cleared"] is True

    await page.goto("/jobs?view=history")
    await page.get_by_role("link", name=re.compile("Wandhalter größer")).click()
    story = page.get_by_role("dialog", name="Wandhalter größer")
    for step in ("Waiting", "Reserved", "Sending file", "Starting", "Printing", "Completed"):
        await desk.sees(story.get_by_role("listitem").filter(has_text=step).first, step)


async def test_pause_resume_and_stop(desk: Desk, farm: Farm) -> None:
    printer = farm.printers[1]
    file = await farm.upload(sample("N2S", seconds=3600), "Long one.gcode.3mf")
    job = await farm.queue(file, printer)
    page = desk.page
    await page.goto(f"/printers/{printer.id}")
    sheet = page.get_by_role("dialog", name="Ada")
    await desk.sees(sheet, "Printing", within=60)
    await sheet.get_by_role("button", name="Pause").click()
    await desk.sees(sheet, "Paused")
    await printer.control.wait(gcode_state="PAUSE")
    await sheet.get_by_role("button", name="Resume").click()
    await desk.sees(sheet, "Printing")

    await sheet.get_by_text("Sport", exact=True).click()
    await expect(sheet.get_by_role("radio", name="Sport")).to_be_checked()
    light = sheet.get_by_role("button", name=re.compile("Light"))
    before = await light.get_attribute("aria-pressed")
    await light.click()
    await expect(light).to_have_attribute("aria-pressed", "false" if before == "true" else "true")

    camera = sheet.get_by_role("img", name="Camera of Ada")
    assert await camera.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 100
    await sheet.get_by_role("button", name="Take a new picture").click()

    await sheet.get_by_role("button", name="Stop").click()
    question = page.get_by_role("alertdialog")
    await expect(question.get_by_role("button", name="Keep it")).to_be_focused()
    await page.keyboard.press("Escape")
    assert (await farm.job(job))["status"] == "printing"
    await sheet.get_by_role("button", name="Stop").click()
    await question.get_by_role("button", name="Stop the print").click()
    await desk.sees(sheet, "Stopped, clear bed", within=30)
    async with asyncio.timeout(30):  # the printer says it first, then the job is settled
        while (await farm.job(job))["status"] != "cancelled":
            await asyncio.sleep(0.1)
    await sheet.get_by_role("button", name="Bed cleared: Ada").click()
    await desk.sees(sheet, "Ready")


async def test_a_job_says_why_it_waits_and_can_be_released_and_cancelled(desk: Desk, farm: Farm) -> None:
    file = await farm.upload(sample("BL-P001", seconds=600), "Green thing.gcode.3mf")
    page = desk.page
    await page.goto(f"/files/{file['id']}")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="One copy more").click()
    await dialog.get_by_role("radio", name=re.compile("^Nikola")).check()
    await dialog.get_by_text("Options", exact=True).click()
    await dialog.get_by_role("switch", name="Hold until I release it").check()
    await dialog.get_by_role("button", name="Queue 2 copies").click()
    await page.get_by_role("button", name="Show jobs").click()

    rows = page.locator("[data-job]").filter(has_text="Green thing")
    await expect(rows).to_have_count(2)
    await desk.sees(rows.first, "On hold")
    await rows.first.get_by_role("button", name="Release").click()
    # Nikola has white only: the reason is in words, and nothing was started.
    waiting = rows.filter(has_text="Waiting")
    await desk.sees(waiting, re.compile("PLA", re.IGNORECASE), within=30)
    await desk.sees(waiting, re.compile("needs green PLA", re.IGNORECASE))
    assert GREEN not in await waiting.inner_text(), "colours have names"
    await waiting.get_by_role("button", name="Cancel").click()
    await expect(rows).to_have_count(1)
    await rows.get_by_role("button", name="Cancel").click()
    await expect(rows).to_have_count(0)


async def test_a_file_that_cannot_be_printed_says_why(desk: Desk, tmp_path: Path) -> None:
    page = desk.page
    await page.goto("/files")
    (tmp_path / "model.stl").write_text("solid nothing")
    (tmp_path / "broken.gcode.3mf").write_bytes(b"PK\x03\x04 and no more")
    await page.get_by_label("Choose sliced files").set_input_files(
        [tmp_path / "model.stl", tmp_path / "broken.gcode.3mf"]
    )
    uploads = page.get_by_role("region", name="Uploads")
    await desk.sees(uploads.get_by_role("listitem").filter(has_text="model.stl"), "Only sliced files")
    await desk.sees(uploads.get_by_role("listitem").filter(has_text="broken"), "not a 3MF file")
    assert await desk.axe() == []
    await uploads.get_by_role("button", name="Dismiss all").click()


async def test_an_upload_can_be_cancelled(desk: Desk, farm: Farm) -> None:
    page = desk.page
    await page.goto("/files")
    # A slow line, so that there is something to cancel.
    session = await page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20_000}
    await session.send("Network.emulateNetworkConditions", slow)
    data = build_sample(sample("C12", size_kb=2000, seed=7))
    await page.evaluate(DROP, ["Cancel me.gcode.3mf", base64.b64encode(data).decode()])
    uploads = page.get_by_role("region", name="Uploads")
    await expect(uploads.get_by_role("progressbar")).to_be_visible()
    await uploads.get_by_role("button", name="Cancel Cancel me.gcode.3mf").click()
    await expect(uploads).to_have_count(0)
    files = await farm.api.get("/api/files/")
    assert all(file["name"] != "Cancel me.gcode.3mf" for file in files["items"])


async def test_one_tap_on_a_phone(farm: Farm, browser: Browser) -> None:
    printer = farm.printers[0]
    await farm.queue(await farm.upload(sample("C12", seconds=60), "Tiny.gcode.3mf"), printer)
    async with Desk.at(browser, farm, size=PHONE, touch=True) as phone:
        card = phone.card(printer)
        await phone.sees(card, "Finished, clear bed", within=60)
        button = card.get_by_role("button", name="Bed cleared: Marie")
        box = await button.bounding_box()
        assert box is not None and box["height"] >= 56 and box["width"] >= 300, "the largest button there is"
        await button.tap()
        await phone.sees(card, "Ready")
        phone.check_quiet()
