"""The bad days: every part is killed, cut off or refuses, while a print is under way. What the user sees is stated."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.steps import green_trays, printed_once, sample, until
from tools.farm.client import ApiError
from tools.farm.farm import Farm, is_online
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = [
    "cloud killed",
    "hub killed early",
    "hub killed late",
    "power cut",
    "locked",
    "wrong code",
]
HUBS = 2
PRINTERS = [PrinterSpec(model="P1S", name=name, speed=60, trays=green_trays()) for name in NAMES[:4]] + [
    PrinterSpec(model="X1C", name="locked", speed=60, trays=green_trays(), faults={"developer_mode": False}),
    PrinterSpec(model="A1", name="wrong code", speed=60, trays=green_trays()),
]


def of(farm: Farm, name: str) -> int:
    return NAMES.index(name)


async def test_the_cloud_is_killed_and_restarted_in_mid_print(farm: Farm) -> None:
    printer = farm.printers[of(farm, "cloud killed")]
    async with farm.api.live() as live:
        job = await farm.queue(await farm.upload(sample(seconds=600)), printer)
        await until(live, job, "printing")
    await farm.cloud.kill()
    await farm.cloud.start()
    async with farm.api.live() as live:
        await live.until(lambda now: is_online(now, printer.id))
        assert live.jobs[job]["status"] == "printing"
        await until(live, job, "completed")
    await printed_once(printer)
    assert [row["to_status"] for row in (await farm.job(job))["history"]].count("printing") == 1


async def test_a_print_that_ends_while_the_cloud_is_away_is_settled(farm: Farm) -> None:
    printer = farm.printers[of(farm, "cloud killed")]
    await farm.clear(printer)
    async with farm.api.live() as live:
        job = await farm.queue(await farm.upload(sample(seconds=400)), printer)
        await until(live, job, "printing")
    await farm.cloud.kill()
    await printer.control.wait(gcode_state="FINISH", within=60)
    await farm.cloud.start()
    async with farm.api.live() as live:
        await until(live, job, "completed")
        await live.until(lambda now: now.printers[printer.id].get("cleared") is False)
    await printed_once(printer)


async def test_the_hub_is_killed_in_mid_upload(farm: Farm) -> None:
    printer = farm.printers[of(farm, "hub killed early")]
    await printer.control.fault(throttle_kbps=300)
    async with farm.api.live() as live:
        file = await farm.upload(sample(seconds=300, size_kb=1500, incompressible=True))
        job = await farm.queue(file, printer)
        await until(live, job, "uploading")
        await live.until(lambda now: (now.jobs[job].get("upload_percent") or 0) > 10)
        await farm.hubs[printer.hub].kill()
        # The user sees the printers offline within seconds, and the job waiting for its hub.
        await live.until(lambda now: now.printers[printer.id]["hub"] == "offline", limit=12)
        await farm.hubs[printer.hub].start()
        await printer.control.fault(throttle_kbps=0)
        await until(live, job, "completed")
    await printed_once(printer)


async def test_the_hub_is_killed_in_mid_print(farm: Farm) -> None:
    printer = farm.printers[of(farm, "hub killed late")]
    async with farm.api.live() as live:
        job = await farm.queue(await farm.upload(sample(seconds=600)), printer)
        await until(live, job, "printing")
        await farm.hubs[printer.hub].kill()
        await live.until(lambda now: now.printers[printer.id]["hub"] == "offline", limit=12)
        assert live.jobs[job]["status"] == "printing", "printers print on without a hub; so does the job"
        await farm.hubs[printer.hub].start()
        await live.until(lambda now: is_online(now, printer.id))
        await until(live, job, "completed")
    await printed_once(printer)


async def test_the_printer_loses_power_in_mid_print(farm: Farm) -> None:
    printer = farm.printers[of(farm, "power cut")]
    async with farm.api.live() as live:
        job = await farm.queue(await farm.upload(sample(seconds=1200)), printer)
        await until(live, job, "printing")
        await printer.control.do("power_off")
        await live.until(lambda now: now.printers[printer.id].get("link") == "offline", limit=12)
        assert live.jobs[job]["status"] == "printing", "it may come back: nothing is decided yet"
        await printer.control.do("power_on")
        ended = await until(live, job, "failed", limit=90)
        assert "power" in ended["failure_reason"].lower()
        await live.until(lambda now: now.printers[printer.id].get("cleared") is False)
    await printed_once(printer)


async def test_developer_mode_is_off(farm: Farm) -> None:
    printer = farm.printers[of(farm, "locked")]
    async with farm.api.live() as live:
        await live.until(lambda now: now.printers[printer.id].get("control") == "locked")
        job = await farm.queue(await farm.upload(sample("BL-P001", seconds=120)), printer)
        told = await live.until(lambda now: now.jobs[job].get("waiting_reason") or now.jobs[job].get("failure_reason"))
        assert "Developer Mode" in told
        # Switched on at the printer, the job goes on by itself.
        await printer.control.fault(developer_mode=True)
        await until(live, job, "completed", limit=90)
    assert list((await printer.control.starts_per_file()).values()) == [1]


async def test_the_access_code_is_wrong(farm: Farm) -> None:
    printer = farm.printers[of(farm, "wrong code")]
    async with farm.api.live() as live:
        answer = await printer.control.do("rotate_access_code")
        await live.until(lambda now: now.printers[printer.id].get("link") == "auth_failed", limit=30)
        assert "access code" in live.printers[printer.id]["problem"].lower()
        job = await farm.queue(await farm.upload(sample("N2S", seconds=120)), printer)
        told = await live.until(lambda now: now.jobs[job].get("waiting_reason"))
        assert "access code" in told.lower()
        await farm.api.patch(f"/api/printers/{printer.id}", {"access_code": answer["access_code"]})
        await until(live, job, "completed", limit=90)
    shown = await farm.api.get(f"/api/printers/{printer.id}")
    assert answer["access_code"] not in str(shown)


async def test_the_printer_is_off_all_the_time(farm: Farm) -> None:
    body = {
        "name": "off",
        "model": "C12",
        "ip_address": "127.0.0.1",
        "serial_number": "01P00A999999999",
        "access_code": "00000000",
        "hub_id": farm.hub_ids[0],
        "mqtt_port": 9,
        "ftps_port": 9,
    }
    printer = await farm.api.post("/api/printers/", body)
    async with farm.api.live() as live:
        await live.until(lambda now: now.printers.get(printer["id"], {}).get("link") == "offline")
        file = await farm.upload(sample(seconds=120))
        made = await farm.api.post("/api/print-jobs/", {"print_file_id": file["id"], "printer_id": printer["id"]})
        job = made["items"][0]["id"] if "items" in made else made["id"]
        told = await live.until(lambda now: now.jobs.get(job, {}).get("waiting_reason"))
        assert "offline" in told.lower() or "off" in told.lower()
        assert live.jobs[job]["status"] == "queued", "a queued job is never lost"
        await farm.api.post(f"/api/print-jobs/{job}/cancel")
        await until(live, job, "cancelled")
    with pytest.raises(ApiError) as caught:
        await farm.api.post(f"/api/printers/{printer['id']}/light", {"on": True})
    assert caught.value.status in {409, 503}
    await farm.api.delete(f"/api/printers/{printer['id']}")


async def test_nothing_secret_is_in_the_logs(farm: Farm) -> None:
    await asyncio.sleep(0)
    text = farm.cloud.log.read_text(errors="replace")
    for printer in farm.printers:
        assert printer.real.access_code not in text
    assert farm.password not in text
