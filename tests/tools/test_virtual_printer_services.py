"""Camera, detect, announcements, the control API, the command line, and how the process ends."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
import pytest_asyncio

from tests.tools.virtual_printer_driver import Mqtt, client_context, make_3mf, own_address, start_request, upload
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm, certificate_cache, may_use_standard_ports
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def farm() -> AsyncIterator[VirtualFarm]:
    specs = [PrinterSpec(model="P1S", speed=60, name="Shelf 2"), PrinterSpec(model="X1C")]
    async with VirtualFarm.start(specs, address=own_address()) as running:
        yield running


@pytest.fixture
def p1s(farm: VirtualFarm) -> RunningPrinter:
    return farm.printers[0]


# Camera


async def look(printer: RunningPrinter, code: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect and log in as a viewer."""
    reader, writer = await asyncio.open_connection(printer.address, printer.ports["camera"], ssl=client_context())
    writer.write(struct.pack("<IIQ32s32s", 0x40, 0x3000, 0, b"bblp", code.encode()))
    await writer.drain()
    return reader, writer


async def test_the_camera_sends_frames_that_change_with_the_header_alone(p1s: RunningPrinter) -> None:
    await p1s.control.wait(camera_viewers=0)
    reader, writer = await look(p1s, p1s.access_code)
    frames = []
    async with asyncio.timeout(20):
        for _ in range(7):
            # One read returns one TLS record at first: the header must come alone.
            header = await reader.read(65536)
            assert len(header) == 16
            size, *rest = struct.unpack("<IIII", header)
            assert rest == [0, 1, 0]
            frames.append(await reader.readexactly(size))
    writer.transport.abort()
    assert len(set(frames)) == len(frames)
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: frames are not decoded")
    for frame in frames:
        picture = image.open(io.BytesIO(frame))
        picture.load()
        assert picture.size == (640, 360)
        assert picture.convert("RGB").getpixel((320, 284))[0] > 150  # the plate


async def test_a_wrong_code_sees_nothing(p1s: RunningPrinter) -> None:
    reader, writer = await look(p1s, "00000000")
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.transport.abort()


async def test_only_one_viewer(p1s: RunningPrinter) -> None:
    await p1s.control.wait(camera_viewers=0)
    reader, writer = await look(p1s, p1s.access_code)
    async with asyncio.timeout(10):
        await reader.readexactly(16)
        second, second_writer = await look(p1s, p1s.access_code)
        with pytest.raises((EOFError, OSError)):
            await second.readexactly(16)
    second_writer.transport.abort()
    writer.transport.abort()


async def test_an_x1_has_no_jpeg_camera(farm: VirtualFarm) -> None:
    assert "camera" not in farm.printers[1].ports


# Detect and announcements


@pytest.mark.parametrize("service", ["detect", "detect_tls"])
async def test_detect_says_who_it_is(p1s: RunningPrinter, service: str) -> None:
    tls = client_context() if service == "detect_tls" else None
    reader, writer = await asyncio.open_connection(p1s.address, p1s.ports[service], ssl=tls)
    body = json.dumps({"login": {"command": "detect", "sequence_id": "20000"}}).encode()
    writer.write(b"\xa5\xa5" + struct.pack("<H", len(body) + 6) + body + b"\xa7\xa7")
    async with asyncio.timeout(10):
        head = await reader.readexactly(4)
        length = struct.unpack("<2sH", head)[1]
        answer = await reader.readexactly(length - 4)
    writer.transport.abort()
    assert head[:2] == b"\xa5\xa5"
    assert answer.endswith(b"\xa7\xa7")
    login = json.loads(answer[:-2])["login"]
    assert (login["id"], login["model"], login["name"]) == (p1s.serial, "C12", "Shelf 2")


async def test_announcements_name_every_printer() -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setblocking(False)
        listener.bind((own_address(), 0))
        host, port = listener.getsockname()
        specs = [PrinterSpec(model="A1"), PrinterSpec(model="H2D")]
        async with VirtualFarm.start(
            specs, address=own_address(), announce=f"{host}:{port}", announce_interval=0.1
        ) as farm:
            heard: dict[str, str] = {}
            async with asyncio.timeout(20):
                while len(heard) < 2:
                    text = (await loop.sock_recv(listener, 4096)).decode()
                    assert text.startswith("NOTIFY * HTTP/1.1\r\n")
                    assert text.endswith("\r\n\r\n")
                    headers = dict(line.split(": ", 1) for line in text.strip().split("\r\n")[1:])
                    assert headers["Location"] == own_address()
                    heard[headers["USN"]] = headers["DevModel.bambu.com"]
            assert heard == {farm.printers[0].serial: "N2S", farm.printers[1].serial: "O1D"}


# Strangers at the door


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("service", ["mqtt", "ftps", "camera", "detect", "detect_tls"])
async def test_garbage_does_not_disturb(p1s: RunningPrinter, service: str, encrypted: bool) -> None:
    """Neither bytes that are no TLS nor nonsense inside it. (The harness fails when the process logs a traceback.)"""
    luck = random.Random(service)
    for _ in range(8):
        tls = client_context() if encrypted and service != "detect" else None
        _, writer = await asyncio.open_connection(p1s.address, p1s.ports[service], ssl=tls)
        try:
            writer.write(
                luck.choice([luck.randbytes(300), b"GET / HTTP/1.1\r\n\r\n", b"USER bblp\r\nRNTO \0\r\n", b"\x10"])
            )
            await writer.drain()
        except OSError:
            pass  # it may have hung up already
        writer.transport.abort()
    async with Mqtt.session(p1s) as client:
        assert await client.report(msg=0)


# Control API


async def test_the_control_api_answers_errors_as_json(farm: VirtualFarm, p1s: RunningPrinter) -> None:
    base = f"{farm.control_url}/printers"
    async with aiohttp.ClientSession() as session:
        for method, path, body, status in [
            ("GET", "/NOBODY", None, 404),
            ("GET", f"/{p1s.serial}/files/content?path=/none", None, 404),
            ("GET", f"/{p1s.serial}/wait?colour=red", None, 400),
            ("PATCH", f"/{p1s.serial}/faults", "not json", 400),
            ("PATCH", f"/{p1s.serial}/faults", "[]", 400),
            ("POST", f"/{p1s.serial}/actions/set_tray", '{"slot": 99, "tray": null}', 400),
            ("POST", f"/{p1s.serial}/actions/set_tray", '{"slot": 254, "tray": {"smell": 1}}', 400),
        ]:
            async with session.request(method, base + path, data=body) as answer:
                assert answer.status == status, path
                assert "error" in await answer.json()
        async with session.get(base) as answer:
            listed = await answer.json()
    assert [entry["serial"] for entry in listed] == [printer.serial for printer in farm.printers]
    assert p1s.access_code not in json.dumps(listed)


async def test_the_journal_never_holds_the_access_code(p1s: RunningPrinter) -> None:
    await upload(p1s, "/x.gcode.3mf", make_3mf())
    async with Mqtt.session(p1s) as client:
        await client.request("system", "get_access_code")
    assert p1s.access_code not in json.dumps(await p1s.control.journal())
    assert p1s.access_code not in repr(p1s)


# The process


async def spawn(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.virtual_printer", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip


async def started(*arguments: str) -> tuple[asyncio.subprocess.Process, dict[str, object]]:
    process = await spawn("run", "--certificates", str(certificate_cache()), "--address", own_address(), *arguments)
    assert process.stdout is not None
    async with asyncio.timeout(30):
        return process, json.loads(await process.stdout.readline())


async def ended(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(15):
        output, errors = await process.communicate()
    assert b"Traceback" not in errors
    assert output == b""
    assert process.returncode is not None
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    process, _ = await started("--printer", "P1S:01P00A123456789:abcd1234", "--printer", "A1 mini")
    process.send_signal(number)
    assert await ended(process) == 0


async def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed cannot clean up; the printers notice that their standard input ended."""
    program = (
        "import asyncio, sys\n"
        "from tools.virtual_printer.harness import VirtualFarm\n"
        "from tools.virtual_printer.spec import PrinterSpec\n"
        "async def main():\n"
        "    async with VirtualFarm.start([PrinterSpec()], address=sys.argv[1]) as farm:\n"
        "        print(farm.pid, flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, own_address(),
        stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert parent.stdout is not None
    async with asyncio.timeout(60):
        child = psutil.Process(int(await parent.stdout.readline()))
        parent.kill()
        await parent.wait()
        await asyncio.to_thread(child.wait, 15)
    assert not child.is_running()


async def test_the_command_line_controls_running_printers() -> None:
    serial = "01P00A123456789"
    process, ready = await started("--printer", f"P1S:{serial}:abcd1234", "--speed", "60", "--fault", "busy=true")

    async def ctl(*arguments: str) -> tuple[int, str]:
        tool = await spawn("ctl", "--url", str(ready["control"]), *arguments)
        output, errors = await tool.communicate()
        return tool.returncode or 0, (output or errors).decode()

    try:
        listed, fault, action, wrong = await asyncio.gather(
            ctl(),
            ctl(serial, "fault", "silent=true", "storage=full"),
            ctl(serial, "set_tray", "slot=254", 'tray={"type": "PLA"}'),
            ctl(serial, "explode"),
        )
    finally:
        process.terminate()
        assert await ended(process) == 0
    assert json.loads(listed[1])[0]["serial"] == serial
    assert json.loads(fault[1]) == {"busy": True, "silent": True, "storage": "full"}
    assert action == (0, "{}\n")
    assert wrong[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--printer", "Voron"],
        ["run", "--printer", "P1S", "--fault", "silent"],
        ["run", "--config", "/none"],
    ],
)
async def test_a_wrong_command_line_says_why(arguments: list[str]) -> None:
    process = await spawn(*arguments)
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    assert process.returncode == 2
    assert output == b""
    assert errors.startswith(b"virtual_printer: ")


async def test_storage_and_certificate_survive_a_restart(tmp_path: Path) -> None:
    spec = PrinterSpec(model="P1S")
    fingerprints = []
    for _ in range(2):
        async with VirtualFarm.start([spec], address=own_address(), folder=tmp_path) as farm:
            printer = farm.printers[0]
            fingerprints.append(printer.fingerprint)
            if not await printer.control.files():
                await upload(printer, "/kept.gcode.3mf", make_3mf())
            assert "/kept.gcode.3mf" in await printer.control.files()
    assert fingerprints[0] == fingerprints[1]


async def test_files_can_be_there_from_the_start(tmp_path: Path) -> None:
    source = tmp_path / "local.3mf"
    source.write_bytes(make_3mf(seconds=60))
    spec = PrinterSpec(model="P1S", speed=120, files={"/model/there.gcode.3mf": str(source)})
    async with VirtualFarm.start([spec], address=own_address()) as farm:
        printer = farm.printers[0]
        async with Mqtt.session(printer) as client:
            await client.request("print", **start_request("/model/there.gcode.3mf"))
        await printer.control.wait(gcode_state="FINISH")


@pytest.mark.skipif(not may_use_standard_ports(), reason="may not bind port 990: standard ports not checked")
async def test_two_processes_with_standard_ports_never_share_an_address() -> None:
    specs = [PrinterSpec(model="P1S"), PrinterSpec(model="A1")]
    async with (
        VirtualFarm.start(specs, standard_ports=True) as one,
        VirtualFarm.start([PrinterSpec(model="X1C")], standard_ports=True) as other,
    ):
        printers = one.printers + other.printers
        assert len({printer.address for printer in printers}) == 3
        assert all(printer.ports["mqtt"] == 8883 and printer.ports["ftps"] == 990 for printer in printers)
        await one.printers[0].control.do("power_off")
        async with VirtualFarm.start([PrinterSpec()], standard_ports=True) as third:
            assert third.printers[0].address not in {printer.address for printer in printers}
        await one.printers[0].control.do("power_on")
        async with Mqtt.session(one.printers[0]) as client:
            assert await client.report(msg=0)


async def test_thirty_printers_in_one_process() -> None:
    models = ["P1S", "A1", "X1C", "P2S", "H2D"] * 6
    async with VirtualFarm.start([PrinterSpec(model=model) for model in models], address=own_address()) as farm:

        async def first_report(printer: RunningPrinter) -> str:
            async with Mqtt.session(printer) as client:
                return str((await client.report(msg=0))["gcode_state"])

        assert await asyncio.gather(*map(first_report, farm.printers)) == ["IDLE"] * 30
