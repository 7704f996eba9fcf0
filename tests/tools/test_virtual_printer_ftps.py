"""Implicit FTPS: the dialogue real printers have, and the ways an upload goes wrong on them."""

from __future__ import annotations

import asyncio
import ftplib
import hashlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from tests.tools.virtual_printer_driver import Ftps, Mqtt, own_address
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTENT = os.urandom(300_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def farm() -> AsyncIterator[VirtualFarm]:
    specs = [PrinterSpec(model=model) for model in ("P1S", "A1", "X1C", "P2S")]
    async with VirtualFarm.start(specs, address=own_address()) as running:
        yield running


@pytest.fixture
def p1s(farm: VirtualFarm) -> RunningPrinter:
    return farm.printers[0]


@pytest_asyncio.fixture(loop_scope="module")
async def broken(p1s: RunningPrinter) -> AsyncIterator[Callable[..., Any]]:
    """Sets fault switches of the P1S; afterwards it is healthy again."""
    switched: list[str] = []

    async def switch(**faults: Any) -> None:
        switched.extend(faults)
        await p1s.control.fault(**faults)

    yield switch
    from tools.virtual_printer.faults import Faults

    healthy = Faults().as_json()
    await p1s.control.fault(**{name: healthy[name] for name in switched})


async def run(printer: RunningPrinter, work: Callable[[Ftps], Any], **options: Any) -> Any:
    def inside() -> Any:
        with Ftps.session(printer, **options) as client:
            return work(client)

    return await asyncio.to_thread(inside)


def refusal(work: Callable[[], Any]) -> str:
    """The reply code a piece of FTP work ends with."""
    with pytest.raises(ftplib.Error) as refused:
        work()
    return str(refused.value)[:3]


async def test_an_upload_arrives_whole(p1s: RunningPrinter) -> None:
    assert (await run(p1s, lambda ftp: ftp.put("/cache/a.gcode.3mf", CONTENT))).startswith("226")
    stored = (await p1s.control.files())["/cache/a.gcode.3mf"]
    assert (stored.size, stored.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert await p1s.control.content("/cache/a.gcode.3mf") == CONTENT
    assert await run(p1s, lambda ftp: ftp.size("/cache/a.gcode.3mf")) == len(CONTENT)
    received = bytearray()
    await run(p1s, lambda ftp: _retrieve(ftp, "/cache/a.gcode.3mf", received))
    assert bytes(received) == CONTENT
    upload = (await p1s.control.journal())["uploads"][-1]
    assert (upload["path"], upload["bytes"], upload["outcome"]) == ("/cache/a.gcode.3mf", len(CONTENT), "complete")


def _retrieve(ftp: Ftps, path: str, into: bytearray) -> None:
    ftp.voidcmd("TYPE I")
    conn = ftp.transfercmd(f"RETR {path}")
    while block := conn.recv(65536):
        into += block
    conn.close()
    ftp.voidresp()


@pytest.mark.parametrize("index", [0, 2, 3])
async def test_without_session_reuse_the_answer_is_522(farm: VirtualFarm, index: int) -> None:
    def work(ftp: Ftps) -> str:
        return refusal(lambda: _stor_and_read_reply(ftp))

    assert await run(farm.printers[index], work, reuse=False) == "522"
    assert "/b.3mf" not in await farm.printers[index].control.files()


def _stor_and_read_reply(ftp: Ftps) -> None:
    conn = None
    try:
        conn = ftp.transfercmd("STOR /b.3mf")
        conn.sendall(b"x" * 1000)
    except OSError:
        pass  # the printer may cut the data socket before or after we see it
    finally:
        if conn is not None:
            conn.close()
    ftp.voidresp()


async def test_an_a1_does_not_ask_for_session_reuse(farm: VirtualFarm) -> None:
    reply = await run(farm.printers[1], lambda ftp: ftp.put("/c.3mf", b"abc"), reuse=False)
    assert reply.startswith("226")


async def test_the_switch_overrides_the_model(p1s: RunningPrinter, broken: Callable[..., Any]) -> None:
    await broken(require_session_reuse=False)
    assert (await run(p1s, lambda ftp: ftp.put("/c.3mf", b"abc"), reuse=False)).startswith("226")


async def test_data_tls_does_not_begin_before_the_150(p1s: RunningPrinter) -> None:
    """A client that shakes hands right after connecting gets no byte until it sends the command."""

    def work(ftp: Ftps) -> None:
        host, port = ftp.makepasv()
        with socket.create_connection((host, port), timeout=5) as data:
            data.sendall(b"\x16\x03\x01")  # the first bytes of a hello
            data.settimeout(0.5)
            with pytest.raises(TimeoutError):
                data.recv(1)

    await run(p1s, work)


async def test_a_wrong_code_is_530(p1s: RunningPrinter) -> None:
    def work() -> str:
        def log_in() -> None:
            with Ftps.session(p1s, code="00000000"):
                pass

        return refusal(log_in)

    assert await asyncio.to_thread(work) == "530"


async def test_nothing_works_before_login(p1s: RunningPrinter) -> None:
    def work() -> str:
        client = Ftps()
        client.connect(p1s.address, p1s.ports["ftps"])
        try:
            return refusal(lambda: client.voidcmd("PASV"))
        finally:
            client.close()

    assert await asyncio.to_thread(work) == "530"


async def test_the_small_commands(p1s: RunningPrinter) -> None:
    def work(ftp: Ftps) -> None:
        assert ftp.pwd() == "/"
        assert ftp.voidcmd("SYST").startswith("215")
        assert "SIZE" in ftp.sendcmd("FEAT")
        assert ftp.voidcmd("NOOP").startswith("200")
        assert ftp.mkd("/jobs") == "/jobs"
        assert refusal(lambda: ftp.mkd("/jobs")) == "550"
        ftp.cwd("jobs")
        assert ftp.pwd() == "/jobs"
        ftp.put("one.3mf", b"12345")
        assert ftp.size("one.3mf") == 5
        ftp.rename("one.3mf", "two.3mf")
        assert refusal(lambda: ftp.size("one.3mf")) == "550"
        assert ftp.delete("/jobs/two.3mf").startswith("250")
        assert refusal(lambda: ftp.delete("/jobs/two.3mf")) == "550"
        ftp.cwd("/")
        assert ftp.rmd("/jobs").startswith("250")
        assert refusal(lambda: ftp.cwd("/jobs")) == "550"
        for refused in ("EPSV", "MLSD", "APPE x", "REST 100", "PORT 1,2,3,4,5,6"):
            assert refusal(partial(ftp.voidcmd, refused)) == "502"
        assert refusal(lambda: ftp.voidcmd("HELP")) == "500"
        assert refusal(lambda: ftp.voidcmd("RNTO x")) == "503"
        assert refusal(lambda: ftp.transfercmd("STOR /../../etc/../no/such/x.3mf")) == "553"
        assert ftp.quit().startswith("221")

    await run(p1s, work)


async def test_nobody_gets_out_of_the_storage(p1s: RunningPrinter) -> None:
    await run(p1s, lambda ftp: ftp.put("/../../../../escaped.3mf", b"x"))
    assert "/escaped.3mf" in await p1s.control.files()


@pytest.mark.parametrize("name", ["a<b.3mf", "a?.3mf", "ends.with.", "a:b", "x" * 256, "tab\tname", "back\\slash"])
async def test_names_a_card_cannot_hold_are_553(p1s: RunningPrinter, name: str) -> None:
    assert await run(p1s, lambda ftp: refusal(lambda: ftp.transfercmd(f"STOR /{name}"))) == "553"


async def test_listings(farm: VirtualFarm, p1s: RunningPrinter) -> None:
    x1c = farm.printers[2]
    for printer in (p1s, x1c):
        await run(printer, lambda ftp: ftp.put("/model/part.3mf", b"123"))

    def names(ftp: Ftps) -> list[str]:
        return _lines(ftp, "NLST /model")

    assert await run(p1s, names) == ["part.3mf"]
    assert await run(x1c, names) == ["/model/part.3mf"]
    lines = await run(p1s, lambda ftp: _lines(ftp, "LIST -a /"))
    assert {line.split()[-1] for line in lines} >= {"cache", "model", "timelapse", "image", "logger"}
    assert all(line.startswith("d") for line in lines if line.endswith("cache"))
    assert await run(p1s, lambda ftp: refusal(lambda: _lines(ftp, "LIST /nowhere"))) == "550"


def _lines(ftp: Ftps, command: str) -> list[str]:
    conn = ftp.transfercmd(command)
    data = b""
    while block := conn.recv(65536):
        data += block
    conn.close()
    ftp.voidresp()
    return data.decode().splitlines()


async def test_epsv_when_the_firmware_has_it(p1s: RunningPrinter, broken: Callable[..., Any]) -> None:
    await broken(epsv=True)
    assert (await run(p1s, lambda ftp: ftp.sendcmd("EPSV"))).startswith("229")


async def test_pasv_with_a_zero_address_still_works(p1s: RunningPrinter, broken: Callable[..., Any]) -> None:
    await broken(pasv_zero_address=True)
    assert "(0,0,0,0," in await run(p1s, lambda ftp: ftp.sendcmd("PASV"))
    assert (await run(p1s, lambda ftp: ftp.put("/z.3mf", b"z"))).startswith("226")


async def test_a_throttled_storage_takes_its_time(p1s: RunningPrinter, broken: Callable[..., Any]) -> None:
    await broken(throttle_kbps=300)
    began = time.monotonic()
    await run(p1s, lambda ftp: ftp.put("/slow.3mf", CONTENT))
    assert 0.9 < time.monotonic() - began < 5
    assert (await p1s.control.files())["/slow.3mf"].size == len(CONTENT)


async def test_missing_storage(p1s: RunningPrinter, broken: Callable[..., Any]) -> None:
    async with Mqtt.session(p1s) as client:
        await broken(storage="missing")
        report = await client.report(sdcard=False)
        assert report["home_flag"] >> 8 & 3 == 0
        assert await run(p1s, lambda ftp: refusal(lambda: ftp.transfercmd("STOR /x.3mf"))) == "553"
        assert await run(p1s, lambda ftp: _lines(ftp, "NLST /")) == []


async def test_a_full_storage_says_552_at_once_or_in_the_middle(
    p1s: RunningPrinter, broken: Callable[..., Any]
) -> None:
    await broken(storage="full")
    assert await run(p1s, lambda ftp: refusal(lambda: ftp.transfercmd("STOR /x.3mf"))) == "552"


async def test_the_storage_fills_up_during_an_upload() -> None:
    spec = PrinterSpec(model="P1S", storage_bytes=100_000)
    async with VirtualFarm.start([spec], address=own_address()) as farm:

        def work(ftp: Ftps) -> str:
            conn = ftp.transfercmd("STOR /big.3mf")
            try:
                for _ in range(100):
                    conn.sendall(b"x" * 10_000)
            except OSError:
                pass
            finally:
                conn.close()
            return refusal(ftp.voidresp)

        assert await run(farm.printers[0], work) == "552"
        assert (await farm.printers[0].control.journal())["uploads"][-1]["outcome"] == "cut"


async def test_426_after_a_complete_upload(p1s: RunningPrinter, broken: Callable[..., Any]) -> None:
    await broken(abort_after_complete=True)

    def work(ftp: Ftps) -> tuple[str, int | None]:
        return refusal(lambda: ftp.put("/benign.3mf", CONTENT)), ftp.size("/benign.3mf")

    assert await run(p1s, work) == ("426", len(CONTENT))


@pytest.mark.parametrize("lie", [False, True])
async def test_a_truncated_upload_shows_in_size(p1s: RunningPrinter, broken: Callable[..., Any], lie: bool) -> None:
    await broken(truncate_upload_at=1000, lie_about_upload=lie)

    def work(ftp: Ftps) -> tuple[str, int | None]:
        if lie:
            return ftp.put("/short.3mf", CONTENT)[:3], ftp.size("/short.3mf")
        conn = ftp.transfercmd("STOR /short.3mf")
        try:
            conn.sendall(CONTENT)
        except OSError:
            pass
        finally:
            conn.close()
        return refusal(ftp.voidresp), ftp.size("/short.3mf")

    assert await run(p1s, work) == ("226" if lie else "426", 1000)


async def test_a_stalled_upload_goes_on_when_the_fault_is_cleared(
    p1s: RunningPrinter, broken: Callable[..., Any]
) -> None:
    await broken(stall_upload_at=1)
    upload = asyncio.create_task(run(p1s, lambda ftp: ftp.put("/stall.3mf", CONTENT)))
    await p1s.control.wait(transferring=1)
    done, _ = await asyncio.wait([upload], timeout=0.5)
    assert not done
    await p1s.control.fault(stall_upload_at=0)
    assert (await upload).startswith("226")


async def test_one_transfer_at_a_time(p1s: RunningPrinter, broken: Callable[..., Any]) -> None:
    await broken(stall_upload_at=1)
    first = asyncio.create_task(run(p1s, lambda ftp: ftp.put("/first.3mf", CONTENT)))
    await p1s.control.wait(transferring=1)
    assert await run(p1s, lambda ftp: refusal(lambda: ftp.transfercmd("STOR /second.3mf"))) == "425"
    await p1s.control.fault(stall_upload_at=0)
    assert (await first).startswith("226")


@pytest.mark.parametrize(("index", "answered"), [(0, False), (2, True)])
async def test_close_notify_is_answered_only_by_some(farm: VirtualFarm, index: int, answered: bool) -> None:
    def work(ftp: Ftps) -> bool:
        ftp.voidcmd("TYPE I")
        conn: Any = ftp.transfercmd("STOR /n.3mf")
        conn.sendall(b"abc")
        conn.settimeout(1.0)
        try:
            conn.unwrap()
            answered = True
        except TimeoutError:
            answered = False
        conn.close()
        assert ftp.voidresp().startswith("226")
        return answered

    assert await run(farm.printers[index], work) is answered


async def test_an_a1_whose_data_tls_hangs_works_with_prot_c(farm: VirtualFarm) -> None:
    a1 = farm.printers[1]
    await a1.control.fault(prot_p_works=False)

    def work(ftp: Ftps) -> str:
        ftp.timeout = 1.0
        with pytest.raises(TimeoutError):
            ftp.transfercmd("STOR /p.3mf")
        return "hung"

    assert await run(a1, work) == "hung"

    def clear(ftp: Ftps) -> str:
        ftp.prot_c()
        return ftp.put("/p.3mf", b"clear")

    assert (await run(a1, clear)).startswith("226")
    await a1.control.fault(prot_p_works=True)


async def test_a_p2s_without_developer_mode_hides_its_storage(farm: VirtualFarm) -> None:
    p2s = farm.printers[3]
    await p2s.control.fault(developer_mode=False)
    assert await run(p2s, lambda ftp: refusal(lambda: ftp.transfercmd("STOR /x.3mf"))) == "553"
    assert await run(p2s, lambda ftp: _lines(ftp, "NLST /")) == []
    await p2s.control.fault(developer_mode=True)
    assert (await run(p2s, lambda ftp: ftp.put("/x.3mf", b"x"))).startswith("226")


async def test_a_client_that_vanishes_in_mid_upload_leaves_the_printer_usable(p1s: RunningPrinter) -> None:
    def vanish(ftp: Ftps) -> None:
        conn = ftp.transfercmd("STOR /gone.3mf")
        conn.sendall(CONTENT[:1000])
        assert ftp.sock is not None
        ftp.sock.close()
        conn.close()

    await run(p1s, vanish)
    await p1s.control.wait(transferring=0)
    assert (await run(p1s, lambda ftp: ftp.put("/after.3mf", b"ok"))).startswith("226")
