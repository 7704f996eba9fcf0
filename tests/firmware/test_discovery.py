"""Printers are found on the network and tried, and every way of failing has its own code and sentence."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from shared_protocol.messages import PROBE_CODES
from tests.firmware.conftest import check_log
from tests.firmware.fake_cloud import KEY, FakeCloud, Hub
from tests.firmware.links import entry_of
from tests.firmware.micropython import run_code
from tests.firmware.test_life import order
from tests.firmware.tls_servers import server_context
from tests.tools.virtual_printer_driver import own_address
from tools.hub import HubProcess
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm
from tools.virtual_printer.spec import PrinterSpec

QUICK = """
import main, hub.discovery, hub.probe, hub.detect
hub.discovery.WINDOW_MS = 1500
hub.probe.SETTLE_MS = 300
hub.detect.PORT = {port}
main.main()
"""


NOWHERE = {"PF_SEARCH": "127.0.0.1:9"}


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def quick(port: int = 3000) -> list[str]:
    return ["-c", "import sys, hub.life\nhub.life.TIGHT = False\n" + QUICK.format(port=port)]


def spec(model: str = "P1S", **more: Any) -> PrinterSpec:
    return PrinterSpec(model=model, name="Regal 2 ä", access_code="12345678", report_interval=0.2, **more)


# ---- announcements ---------------------------------------------------------------------------------------------


async def test_printers_that_call_are_told_to_the_cloud_and_again_when_something_changed(
    cloud: FakeCloud, tmp_path: Path
) -> None:
    port = free_port()
    specs = [spec(), spec("X1C")]
    async with (
        HubProcess(tmp_path / "data", "hub1", KEY, cloud.url, discovery=port, extra=NOWHERE) as hub,
        VirtualFarm.start(specs, address=own_address(), announce=f"127.0.0.1:{port}", announce_interval=0.1) as farm,
    ):
        link = await cloud.hub()
        await link.until(lambda: any(len(found["printers"]) == 2 for found in link.all("found")))
        newest = {entry["serial"]: entry for entry in link.all("found")[-1]["printers"]}
        for printer in farm.printers:
            assert newest[printer.serial] == {
                "serial": printer.serial,
                "host": printer.address,
                "model": printer.code,
                "name": "Regal 2 ä",
                "firmware": newest[printer.serial]["firmware"],
            }
        count = len(link.all("found"))
        await link.connection.close()
        again = await cloud.hub()
        assert len((await again.wait("found"))["printers"]) == 2, "a new connection hears of them too"
        assert count <= 4, "only news is told"
    check_log(hub)


async def test_a_crowd_that_no_message_holds_does_not_cut_the_hub_off(cloud: FakeCloud, tmp_path: Path) -> None:
    """Anybody in the network may call himself thirty-two printers with names of the longest letters."""
    port = free_port()
    async with HubProcess(
        tmp_path / "data", "hub1", KEY, cloud.url, discovery=port, extra=NOWHERE, program=quick()
    ) as hub:
        link = await cloud.hub()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            async with asyncio.timeout(20):
                while not any("too_large" in line for line in hub.lines):
                    for number in range(32):
                        sock.sendto(crowd(number), ("127.0.0.1", port))
                    await asyncio.sleep(0.1)
        assert (await order(link, "i1", "identify", seconds=1))["ok"]
        check_log(hub)


def crowd(number: int) -> bytes:
    long = "\N{PRINTER}"
    return (
        "NOTIFY * HTTP/1.1\r\nNT: urn:bambulab-com:device:3dprinter:1\r\n"
        f"USN: 01P00A0000000{number:02}\r\nLocation: 10.0.0.{number + 1}\r\n"
        f"DevModel.bambu.com: {long * 32}\r\nDevName.bambu.com: {long * 64}\r\nDevVersion.bambu.com: {long * 32}\r\n"
    ).encode()


async def test_the_cloud_asks_and_printers_answer(cloud: FakeCloud, tmp_path: Path) -> None:
    async with VirtualFarm.start([spec()], address=own_address(), search="127.0.0.1:0") as farm:
        search = {"PF_SEARCH": f"127.0.0.1:{farm.search_port}"}
        async with HubProcess(
            tmp_path / "data", "hub1", KEY, cloud.url, discovery=free_port(), extra=search, program=quick()
        ) as hub:
            link = await cloud.hub()
            first = await link.wait("found")
            assert [entry["serial"] for entry in first["printers"]] == [farm.printers[0].serial]
            count = len(link.all("found"))
            assert (await order(link, "d1", "discover"))["ok"]
            await link.wait("found", count + 1)
        check_log(hub)


async def test_without_announcements_the_detect_service_is_asked(cloud: FakeCloud, tmp_path: Path) -> None:
    address = own_address()
    async with VirtualFarm.start([spec()], address=address) as farm:
        around = {"PF_SEARCH": "127.0.0.1:9", "PF_ADDRESS": address.rsplit(".", 1)[0] + ".254"}
        program = quick(farm.printers[0].ports["detect"])
        async with HubProcess(
            tmp_path / "data", "hub1", KEY, cloud.url, discovery=free_port(), extra=around, program=program
        ) as hub:
            link = await cloud.hub()
            async with asyncio.timeout(60):
                while not link.all("found"):
                    await asyncio.sleep(0.1)
            assert link.all("found")[-1]["printers"][0]["serial"] == farm.printers[0].serial
        check_log(hub)


@pytest.mark.parametrize(
    ("datagram", "serial"),
    [
        (b"NOTIFY * HTTP/1.1\nusn: 01P00A000000001\nNT: urn:bambulab-com:device:3dprinter:1\nlocation:10.0.0.9\n", 1),
        (b"HTTP/1.1 200 OK\r\nST: urn:bambulab-com:device:3dprinter:1\r\nUSN: uuid:01P00A000000001::x\r\n"
         b"Location: 10.0.0.9\r\nDevName.bambu.com: \xff\x01ab\r\n\r\n", 1),
        (b"NOTIFY * HTTP/1.1\r\nNT: urn:bambulab-com:device:3dprinter:1\r\nUSN: 01P00A000000001\r\n"
         b"Location: printer.example\r\n\r\n", 0),
        (b"NOTIFY * HTTP/1.1\r\nNT: urn:bambulab-com:device:3dprinter:1\r\nUSN: a b\r\nLocation: 10.0.0.9\r\n\r\n", 0),
        (b"NOTIFY * HTTP/1.1\r\nNT: upnp:rootdevice\r\nUSN: 01P00A000000001\r\nLocation: 10.0.0.9\r\n\r\n", 0),
        (b"M-SEARCH * HTTP/1.1\r\nST: urn:bambulab-com:device:3dprinter:1\r\n\r\n", 0),
        (b"NOTIFY * HTTP/1.1\r\nNT: urn:bambulab-com:device:3dprinter:1\r\nNTS: ssdp:byebye\r\n"
         b"USN: 01P00A000000001\r\nLocation: 10.0.0.9\r\n\r\n", 0),
        (b"", 0),
        (b"\xff" * 900, 0),
    ],
)  # fmt: skip
async def test_what_counts_as_an_announcement(datagram: bytes, serial: int) -> None:
    program = f"""
from hub.discovery import announced
found = announced({datagram!r})
assert (found is not None) == {bool(serial)}, found
if found:
    assert (found["serial"], found["host"]) == ("01P00A000000001", "10.0.0.9"), found
    assert found["name"] in ("", "ab"), found
"""
    await run_code(program)


async def test_the_list_has_an_end_and_forgets_who_was_not_heard_of() -> None:
    program = """
import time, hub.discovery
from hub.discovery import Discovery
class Cloud:
    found = {}
now = [0]
class Clock:
    ticks_ms = staticmethod(lambda: now[0])
    ticks_diff = time.ticks_diff
hub.discovery.time = Clock
discovery = Discovery(None, Cloud, None)
for number in range(40):
    now[0] += 1
    entry = {"serial": "01P00A%09d" % number, "host": "10.0.0.1", "model": "", "name": "", "firmware": ""}
    assert discovery.note(entry)
assert len(Cloud.found) == 16 and "01P00A%09d" % 39 in Cloud.found and "01P00A%09d" % 23 not in Cloud.found
assert not discovery.note(entry), "the same is no news"
entry["host"] = "10.0.0.2"
assert discovery.note(entry)
now[0] += hub.discovery.KEPT_MS - 10
discovery.note(entry)
now[0] += 100
discovery._forget_old()
assert list(Cloud.found) == [entry["serial"]]
"""
    await run_code(program)


# ---- probe -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def probed(cloud: FakeCloud, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[dict[str, Any]]]]:
    """Try a printer with the command `probe`; the hub's log must show no code."""
    hubs: list[HubProcess] = []
    links: list[Hub] = []

    async def probe(printer: RunningPrinter, **changes: Any) -> dict[str, Any]:
        hub = HubProcess(tmp_path / "data", "hub1", KEY, cloud.url, program=quick(printer.ports["detect"]))
        hubs.append(hub)
        await hub.start()
        links.append(await cloud.hub())
        args = {"host": printer.address, "port": printer.ports["mqtt"], "code": printer.access_code} | changes
        await links[0].send("command", id="p1", name="probe", args=args, ttl_ms=60_000)
        async with asyncio.timeout(30):
            while not links[0].all("result"):
                await asyncio.sleep(0.05)
        result = links[0].all("result")[0]
        if not result["ok"]:
            assert result["code"] in PROBE_CODES and len(result["message"]) > 20
        return result

    yield probe
    for hub in hubs:
        await hub.kill()
        check_log(hub)


@pytest.mark.parametrize("model", ["P1S", "X1C", "A1 mini", "H2D"])
async def test_a_good_printer_tells_who_it_is(probed: Any, model: str) -> None:
    async with VirtualFarm.start([spec(model)], address=own_address()) as farm:
        printer = farm.printers[0]
        result = await probed(printer, serial=printer.serial)
        cert = printer.fingerprint.replace(":", "").lower()
        assert result["data"] == {"serial": printer.serial, "model": printer.code, "cert": cert}
        journal = await printer.control.journal()
        assert not journal["starts_per_file"]


async def test_the_serial_number_need_not_be_known(probed: Any) -> None:
    async with VirtualFarm.start([spec()], address=own_address()) as farm:
        assert (await probed(farm.printers[0]))["data"]["serial"] == farm.printers[0].serial


async def test_a_wrong_code(probed: Any) -> None:
    async with VirtualFarm.start([spec()], address=own_address()) as farm:
        result = await probed(farm.printers[0], code="12345670")
        assert result["code"] == "auth_failed" and "access code" in result["message"]


async def test_another_printer_than_expected(probed: Any) -> None:
    async with VirtualFarm.start([spec()], address=own_address()) as farm:
        result = await probed(farm.printers[0], serial="01P00A999999999")
        assert result["code"] == "wrong_serial" and farm.printers[0].serial in result["message"]


@pytest.mark.parametrize("model", ["P1S", "X1C", "H2D", "A1"])
async def test_developer_mode_off_and_lan_only_off_are_told_apart(probed: Any, model: str) -> None:
    async with VirtualFarm.start([spec(model, faults={"developer_mode": False})], address=own_address()) as farm:
        assert (await probed(farm.printers[0]))["code"] == "developer_mode_off"


async def test_a_printer_that_belongs_to_the_makers_cloud(probed: Any) -> None:
    async with VirtualFarm.start([spec(faults={"lan_only": False})], address=own_address()) as farm:
        assert (await probed(farm.printers[0]))["code"] == "lan_only_off"


async def test_nobody_there(probed: Any) -> None:
    async with VirtualFarm.start([spec()], address=own_address()) as farm:
        port = farm.printers[0].ports["mqtt"]
        await farm.printers[0].control.do("power_off")
        assert (await probed(farm.printers[0], port=port))["code"] == "unreachable"


async def test_what_is_no_printer_does_not_get_the_code(probed: Any) -> None:
    heard = bytearray()

    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(4096))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with VirtualFarm.start([spec()], address=own_address()) as farm:
        server = await asyncio.start_server(web, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert (await probed(farm.printers[0], host="127.0.0.1", port=port))["code"] == "not_a_printer"
    assert b"12345678" not in heard


async def test_another_tls_server_is_no_printer_either(probed: Any) -> None:
    heard = bytearray()

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(4096))
        writer.transport.abort()

    async with VirtualFarm.start([spec()], address=own_address()) as farm:
        server = await asyncio.start_server(broker, "127.0.0.1", 0, ssl=server_context("router.local"))
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert (await probed(farm.printers[0], host="127.0.0.1", port=port))["code"] == "not_a_printer"
    assert b"12345678" not in heard


async def test_a_printer_of_this_hub_is_not_tried_a_second_time(cloud: FakeCloud, hub: HubProcess) -> None:
    async with VirtualFarm.start([spec()], address=own_address()) as farm:
        link = await cloud.hub()
        entry = entry_of(farm.printers[0])
        await link.configure(1, entry)
        args = {"host": entry["host"], "port": entry["port"], "code": entry["code"]}
        assert (await order(link, "p1", "probe", **args))["code"] == "busy"
        args["host"] = "printer.example"
        assert (await order(link, "p2", "probe", **args))["code"] == "invalid"
