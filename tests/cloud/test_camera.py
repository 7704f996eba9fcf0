"""Camera frames from virtual printers, and from cameras that misbehave."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cloud.printing import camera as camera_module
from cloud.printing.camera import Camera, CameraError, greeting
from cloud.printing.printer_tls import Target
from tests.cloud.tcp_streams import Tunnels
from tests.tools.virtual_printer_driver import own_address
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def printer() -> AsyncIterator[RunningPrinter]:
    async with VirtualFarm.start([PrinterSpec(model="P1S")], address=own_address()) as running:
        yield running.printers[0]


@pytest_asyncio.fixture(loop_scope="module")
async def camera() -> AsyncIterator[Camera]:
    made = Camera()
    yield made
    await made.close()


def target(printer: RunningPrinter, *, access_code: str = "", certificate: str = "") -> Target:
    return Target(
        port=printer.ports["camera"],
        access_code=access_code or printer.access_code,
        certificate=certificate or printer.fingerprint,
    )


async def test_a_frame_is_a_whole_jpeg(printer: RunningPrinter, camera: Camera) -> None:
    frame = await camera.snapshot("one", Tunnels(printer.address), target(printer))
    assert frame.startswith(b"\xff\xd8")
    assert frame.endswith(b"\xff\xd9")


async def test_two_who_ask_at_once_share_one_viewer(printer: RunningPrinter, camera: Camera) -> None:
    tunnels = Tunnels(printer.address)
    frames = await asyncio.gather(*(camera.snapshot("one", tunnels, target(printer)) for _ in range(2)))
    assert frames[0] == frames[1]
    assert len(tunnels.opened) == 1


async def test_a_wrong_code_is_told_apart(printer: RunningPrinter, camera: Camera) -> None:
    with pytest.raises(CameraError) as refused:
        await camera.snapshot("one", Tunnels(printer.address), target(printer, access_code="wrong"))
    assert refused.value.code == "auth_failed"


async def test_no_code_goes_to_an_unknown_certificate(printer: RunningPrinter, camera: Camera) -> None:
    with pytest.raises(CameraError) as refused:
        await camera.snapshot("one", Tunnels(printer.address), target(printer, certificate="11" * 32))
    assert refused.value.code == "cert_changed"


async def test_a_camera_that_hangs_is_given_up(
    printer: RunningPrinter, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_module, "SECONDS", 0.5)
    await printer.control.fault(tls_hang=True)
    try:
        with pytest.raises(CameraError) as refused:
            await camera.snapshot("one", Tunnels(printer.address), target(printer))
    finally:
        await printer.control.fault(tls_hang=False)
    assert refused.value.code == "no_frame"


async def test_the_greeting_has_the_printers_layout() -> None:
    sent = greeting("12345678")
    assert len(sent) == 80
    assert struct.unpack("<IIII", sent[:16]) == (0x40, 0x3000, 0, 0)
    assert sent[16:48].rstrip(b"\0") == b"bblp"
    assert sent[48:].rstrip(b"\0") == b"12345678"


def _framed(picture: bytes) -> bytes:
    return struct.pack("<IIII", len(picture), 0, 1, 0) + picture


def _picture(name: bytes) -> bytes:
    return b"\xff\xd8" + name + b"\xff\xd9"


async def test_old_frames_that_were_waiting_are_skipped() -> None:
    reader = asyncio.StreamReader()
    for name in (b"old1", b"old2", b"old3"):
        reader.feed_data(_framed(_picture(name)))
    asyncio.get_running_loop().call_later(0.5, reader.feed_data, _framed(_picture(b"fresh")))
    frames: list[bytes] = []
    assert await camera_module._fresh(reader, frames) == _picture(b"fresh")
    assert len(frames) == 4


@pytest.mark.parametrize("sent", [_framed(b"not a picture"), struct.pack("<IIII", 2**31, 0, 1, 0)])
async def test_what_is_no_picture_is_refused(sent: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(sent)
    with pytest.raises(CameraError):
        await camera_module._fresh(reader, [])
