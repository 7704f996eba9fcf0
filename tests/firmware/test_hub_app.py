"""The whole hub: the firmware as it is flashed, virtual printers on one side, a scripted cloud on the other."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from shared_protocol import status
from tests.firmware.conftest import check_log
from tests.firmware.fake_cloud import KEY, FakeCloud, Hub, document
from tests.firmware.links import entry_of
from tests.firmware.micropython import run_code
from tests.firmware.test_tunnel import Tunnel
from tests.tools.virtual_printer_driver import make_3mf, own_address
from tools.hub import HubProcess
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm
from tools.virtual_printer.spec import PrinterSpec, TraySpec

MIX = ("P1S", "A1", "X1C", "P1P", "A1 mini", "P2S")
TRAYS = [TraySpec(color="1F8B4C", remain=64), TraySpec("PETG", color="F5F5F5"), None, None]
FILE = "part.gcode.3mf"


def mixed(count: int, **more: Any) -> list[PrinterSpec]:
    return [
        PrinterSpec(model=MIX[n % len(MIX)], trays=list(TRAYS), report_phase=n / count, **more) for n in range(count)
    ]


def job(folder: Path) -> dict[str, str]:
    (folder / "part").write_bytes(make_3mf(seconds=100, layers=10))
    return {f"/{FILE}": str(folder / "part")}


def start_args(task_id: str = "73124") -> dict[str, Any]:
    return {
        "url": f"file:///sdcard/{FILE}",
        "file": FILE,
        "plate": 1,
        "task": "part",
        "task_id": task_id,
        "use_ams": True,
        "mapping": [0],
    }


def entries(printers: list[RunningPrinter], **more: Any) -> list[dict[str, Any]]:
    return [entry_of(printer, f"p{n}", **more) for n, printer in enumerate(printers, 1)]


def merged(link: Hub) -> dict[str, dict[str, Any]]:
    """Every printer's status as a cloud knows it from the messages of this connection."""
    known: dict[str, dict[str, Any]] = {}
    for message in link.all("status"):
        if message["full"]:
            known[message["printer"]] = {}
        status.merge(known[message["printer"]], message["data"])
    return known


async def known(hub: Hub, ident: str, /, limit: float = 20.0, **fields: Any) -> dict[str, Any]:
    """Wait until a printer's status has these fields."""

    def reached() -> bool:
        now = merged(hub).get(ident, {})
        return all(now.get(name) == value for name, value in fields.items())

    try:
        async with asyncio.timeout(limit):
            await hub.until(reached)
    except TimeoutError:
        raise AssertionError(f"{ident} never had {fields}: {merged(hub).get(ident)}") from None
    return merged(hub)[ident]


@contextlib.asynccontextmanager
async def sink(address: str, seen: Callable[[bytes], None]) -> AsyncIterator[int]:
    async def drink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            seen(data)
        writer.close()

    server = await asyncio.start_server(drink, address, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def acknowledge(link: Hub) -> None:
    """Be a cloud that stores every event."""
    done = 0
    while True:
        await link.until(lambda: len(link.all("event")) > done)  # noqa: B023 - awaited at once
        for event in link.all("event")[done:]:
            await link.send("ack", boot=event["boot"], n=event["n"])
            done += 1


async def test_six_printers_a_print_and_an_upload_in_416_kilobytes(cloud: FakeCloud, tmp_path: Path) -> None:
    async with (
        VirtualFarm.start(mixed(6, speed=20, files=job(tmp_path)), address=own_address()) as farm,
        HubProcess(tmp_path / "data", "hub1", KEY, cloud.url, heap="416k", stats=True) as hub,
    ):
        cloud.welcome = {"config": document(1, *entries(farm.printers)), "status_ms": 200}
        link = await cloud.hub()
        for n in range(1, 7):
            await known(link, f"p{n}", link="online", state="idle", limit=40)
        acks = asyncio.create_task(acknowledge(link))
        result = await link.command("start-1", "start", "p1", args=start_args(), expect=["idle", "finish"])
        assert result["ok"], result
        received = bytearray()
        data = bytes(range(256)) * 16_000
        async with sink(farm.printers[1].address, received.extend) as port:
            carried = Tunnel(link, 1)
            await carried.open(port, "p2")
            await carried.send(data)
            await carried.close()
            assert await carried.closed() == "done"
            carried.stop()
            async with asyncio.timeout(10):
                while len(received) < len(data):
                    await asyncio.sleep(0.01)
        assert received == data
        await known(link, "p1", state="finish", task="part", limit=60)
        moves = [(e["data"]["from"], e["data"]["to"]) for e in link.all("event", name="state", printer="p1")]
        assert moves[0][0] == "idle" and moves[-1] == ("running", "finish"), moves
        assert all(a[1] == b[0] for a, b in itertools.pairwise(moves)), "no move is missing"
        for n in range(1, 7):
            assert (await link.command(f"light-{n}", "light", f"p{n}", args={"on": True}))["ok"]
        figures = await hub.wait_for_stats()
        assert figures["printers"] == 6 and figures["online"] and figures["heap_live"] < 416 * 1024
        acks.cancel()
        journal = await farm.printers[0].control.journal()
        assert list(journal["starts_per_file"].values()) == [1]
    check_log(hub)
    assert not any("memory" in line.lower() for line in hub.lines), list(hub.lines)


async def test_twelve_printers_in_twice_the_heap(cloud: FakeCloud, tmp_path: Path) -> None:
    async with (
        VirtualFarm.start(mixed(12), address=own_address()) as farm,
        HubProcess(tmp_path / "data", "hub1", KEY, cloud.url, heap="768k", sockets=16, printers=12, stats=True) as hub,
    ):
        link = await cloud.hub()
        await link.configure(1, *entries(farm.printers))
        for n in range(1, 13):
            await known(link, f"p{n}", link="online", limit=60)
        for n in range(1, 13):
            assert (await link.command(f"c{n}", "refresh", f"p{n}"))["ok"]
        assert (await hub.wait_for_stats())["printers"] == 12
    check_log(hub)


async def test_a_print_that_ends_while_the_cloud_is_away(cloud: FakeCloud, hub: HubProcess, tmp_path: Path) -> None:
    spec = PrinterSpec(model="P1S", speed=60, files=job(tmp_path), trays=list(TRAYS), report_interval=0.2)
    async with VirtualFarm.start([spec], address=own_address()) as farm:
        link = await cloud.hub()
        await link.configure(1, *entries(farm.printers))
        await known(link, "p1", link="online", state="idle")
        assert (await link.command("c1", "start", args=start_args(), expect=["idle"]))["ok"]
        await cloud.stop()
        await farm.printers[0].control.wait(gcode_state="FINISH", within=60)
        await cloud.start()
        link = await cloud.hub()
        await known(link, "p1", state="finish", task_id="73124")
        states = [event["data"]["to"] for event in link.all("event", name="state")]
        assert states[-1] == "finish" and states.count("finish") == 1, states
        kinds = [message["kind"] for message in link.log]
        assert kinds.index("status") > max(n for n, kind in enumerate(kinds[: len(states) + 1]) if kind == "event")


async def test_a_hub_killed_in_the_middle_of_a_print_starts_nothing_twice(
    cloud: FakeCloud, hub: HubProcess, tmp_path: Path
) -> None:
    spec = PrinterSpec(model="P1S", speed=5, files=job(tmp_path), trays=list(TRAYS), report_interval=0.2)
    async with VirtualFarm.start([spec], address=own_address()) as farm:
        link = await cloud.hub()
        await link.configure(1, *entries(farm.printers))
        await known(link, "p1", link="online", state="idle")
        first = await link.command("c1", "start", args=start_args(), expect=["idle"])
        assert first["ok"]
        await hub.kill()
        await farm.printers[0].control.wait(gcode_state="RUNNING", within=30)
        await hub.start()
        link = await cloud.hub()
        again = await link.command("c1", "start", args=start_args(), expect=["idle"])
        assert again == first
        running = await known(link, "p1", state="running", task_id="73124")
        assert running["link"] == "online"
        other = await link.command("c2", "start", args=start_args("9"), expect=["idle", "running"])
        assert other["code"] == "busy"
        await farm.printers[0].control.wait(gcode_state="FINISH", within=60)
        await known(link, "p1", state="finish")
        assert list((await farm.printers[0].control.starts_per_file()).values()) == [1]


def pin_of(printer: RunningPrinter) -> str:
    return printer.fingerprint.replace(":", "").lower()


async def test_the_pin_survives_a_reboot_and_a_changed_certificate_is_told(
    cloud: FakeCloud, hub: HubProcess, tmp_path: Path
) -> None:
    spec = PrinterSpec(model="P1S", serial="01P00A000000001", access_code="abcd1234", report_interval=0.2)
    async with VirtualFarm.start([spec], address=own_address(), certificates=tmp_path / "one") as farm:
        link = await cloud.hub()
        await link.configure(1, *entries(farm.printers))
        first = (await known(link, "p1", link="online"))["cert"]
        assert first == pin_of(farm.printers[0])
    await hub.kill()
    await hub.start()
    async with VirtualFarm.start([spec], address=own_address(), certificates=tmp_path / "two") as farm:
        link = await cloud.hub()
        await link.configure(2, *entries(farm.printers))
        seen = await known(link, "p1", link="cert_changed")
        assert seen["cert"] == pin_of(farm.printers[0]) != first
        # The user trusts the new one.
        await link.configure(3, *entries(farm.printers, cert=seen["cert"]))
        await known(link, "p1", link="online")


async def test_a_pin_that_comes_back_from_the_cloud_changes_nothing(cloud: FakeCloud, hub: HubProcess) -> None:
    """The cloud stores what it was told and sends it back: no reason to touch a connection that stands."""
    async with VirtualFarm.start([PrinterSpec(model="P1S", report_interval=0.2)], address=own_address()) as farm:
        link = await cloud.hub()
        await link.configure(1, *entries(farm.printers))
        cert = (await known(link, "p1", link="online"))["cert"]
        await link.configure(2, *entries(farm.printers, cert=cert))
        assert (await link.command("c1", "refresh"))["ok"]
        assert len(link.all("status", full=True)) == 1
        await link.configure(3, *entries(farm.printers))
        await link.until(lambda: len(link.all("status", full=True)) == 2)
        await known(link, "p1", link="online")


async def test_a_wrong_code_is_told_and_a_right_one_taken_over(cloud: FakeCloud, hub: HubProcess) -> None:
    async with VirtualFarm.start([PrinterSpec(model="A1", report_interval=0.2)], address=own_address()) as farm:
        link = await cloud.hub()
        await link.configure(1, *entries(farm.printers, code="wrongone"))
        await known(link, "p1", link="auth_failed")
        assert (await link.command("c1", "pause"))["code"] == "auth_failed"
        await link.send("config", config=document(2, *entries(farm.printers)))
        await known(link, "p1", link="online")
        await link.send("config", config=document(3, *entries(farm.printers, off=True)))
        await known(link, "p1", link="off")
    assert "wrongone" not in "\n".join(hub.lines)


async def test_quick_changes_never_open_two_sessions(cloud: FakeCloud, hub: HubProcess) -> None:
    """A small printer tolerates few clients: while one link is replaced by the next, there is one."""
    spec = PrinterSpec(model="P1S", report_interval=0.2, faults={"max_clients": 1})
    async with VirtualFarm.start([spec], address=own_address()) as farm:
        link = await cloud.hub()
        for revision in range(1, 8):
            more = {"off": True} if revision % 3 == 0 else {"code": f"wrong{revision:03}"} if revision % 3 == 1 else {}
            await link.send("config", config=document(revision, *entries(farm.printers, **more)))
        await link.send("config", config=document(8, *entries(farm.printers)))
        await known(link, "p1", link="online", limit=30)
        assert (await link.command("c1", "refresh"))["ok"]


async def test_status_is_paced_and_what_matters_is_told_at_once(cloud: FakeCloud, hub: HubProcess) -> None:
    spec = PrinterSpec(model="X1C", report_interval=0.1)
    async with VirtualFarm.start([spec], address=own_address()) as farm:
        link = await cloud.hub()
        await link.send("pace", status_ms=600_000)
        await link.configure(1, *entries(farm.printers))
        await known(link, "p1", link="online")
        before = len(link.all("status"))
        await asyncio.sleep(1)
        assert len(link.all("status")) - before <= 1, "temperatures wait for their turn"
        assert (await link.command("c1", "light", args={"on": True}))["ok"]
        await link.send("pace", status_ms=100)
        await known(link, "p1", light=True)
        before = len(link.all("status"))
        await link.send("pace", status_ms=600_000)
        await farm.printers[0].control.fault(frozen=True)
        await known(link, "p1", link="offline", limit=60)
        assert len(link.all("status")) - before < 5


async def test_terminated_politely_it_ends_at_once_and_leaves_good_files(cloud: FakeCloud, tmp_path: Path) -> None:
    hub = HubProcess(tmp_path / "data", "hub1", KEY, cloud.url)
    async with hub:
        await cloud.hub()
        async with asyncio.timeout(5):
            await hub.stop()
        assert not hub.running
        await hub.start()
        await cloud.hub()
    check_log(hub)


async def test_a_hub_that_hung_and_goes_on_finds_its_way_back(cloud: FakeCloud, hub: HubProcess) -> None:
    cloud.welcome = {"beat_ms": 200, "dead_ms": 600}
    link = await cloud.hub()
    async with hub.frozen():
        await asyncio.sleep(1.0)
        await link.connection.close()
    again = await cloud.hub()
    assert again.hello["boot"] == link.hello["boot"]


async def test_a_part_that_falls_is_told_and_started_again() -> None:
    program = """
import asyncio
import hub.life
hub.life.RESTART_MS = 5
count = [0]
async def part():
    count[0] += 1
    if count[0] == 1:
        raise ValueError("first")
    if count[0] == 2:
        return
    await asyncio.sleep(60)
async def main():
    task = asyncio.create_task(hub.life.supervise("part", part))
    for _ in range(500):
        await asyncio.sleep_ms(2)
        if count[0] == 3:
            break
    assert count[0] == 3
    task.cancel()
asyncio.run(main())
"""
    finished = await run_code(program, heap="1M")  # sources, whose compiler needs room that a board does not spend
    assert "part: fault: " in finished.out and "ValueError: first" in finished.out
    assert "part: ended" in finished.out
