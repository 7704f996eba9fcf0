"""Uploads by our own FTPS to virtual printers: whole files, broken ones, and every habit of real machines."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cloud.printing import ftp_session, ftps
from cloud.printing.ftps import FtpsClient, FtpsError, Uploaded
from cloud.printing.printer_tls import Target
from tests.cloud.tcp_streams import Tunnels
from tests.tools.virtual_printer_driver import own_address
from tools.virtual_printer.certificates import replacement, server_context
from tools.virtual_printer.faults import Faults
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTENT = os.urandom(700_001)
Switch = Callable[..., Awaitable[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def farm() -> AsyncIterator[VirtualFarm]:
    specs = [PrinterSpec(model=model) for model in ("P1S", "A1", "X1C", "P2S")]
    async with VirtualFarm.start(specs, address=own_address()) as running:
        yield running


@pytest.fixture
def p1s(farm: VirtualFarm) -> RunningPrinter:
    return farm.printers[0]


@pytest_asyncio.fixture(loop_scope="module")
async def faults(farm: VirtualFarm) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """faults(printer, name=value, …); afterwards the printer is healthy again."""
    touched: list[tuple[RunningPrinter, list[str]]] = []

    async def switch(printer: RunningPrinter, **values: Any) -> None:
        touched.append((printer, list(values)))
        await printer.control.fault(**values)

    yield switch
    healthy = Faults().as_json()
    for printer, names in touched:
        await printer.control.fault(**{name: healthy[name] for name in names})


@pytest_asyncio.fixture(loop_scope="module")
async def client() -> AsyncIterator[FtpsClient]:
    made = FtpsClient(threads=4)
    yield made
    made.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


def target(printer: RunningPrinter, **changes: Any) -> Target:
    values: dict[str, Any] = {
        "port": printer.ports["ftps"],
        "access_code": printer.access_code,
        "certificate": printer.fingerprint,
        "clear_data": printer.model.startswith("A1"),
    }
    return Target(**{**values, **changes})


async def put(
    client: FtpsClient, printer: RunningPrinter, source: Path, path: str, *, on: Target | None = None, **options: Any
) -> Uploaded:
    """Upload; a printer that still has its hands full with what an earlier test left hanging is asked again."""
    async with asyncio.timeout(30):
        while True:
            try:
                tunnels = Tunnels(printer.address)
                return await client.upload(tunnels, on or target(printer), source, len(CONTENT), path, **options)
            except FtpsError as error:
                if error.code != "busy":
                    raise
                await asyncio.sleep(0.2)


@pytest.mark.parametrize("place", [0, 1, 2, 3], ids=["P1S", "A1", "X1C", "P2S"])
async def test_a_file_arrives_whole_on_every_family(
    farm: VirtualFarm, client: FtpsClient, source: Path, place: int
) -> None:
    printer = farm.printers[place]
    told: list[int] = []
    result = await put(client, printer, source, "/cache/whole.gcode.3mf", progress=told.append)
    assert result.bytes == len(CONTENT)
    stored = (await printer.control.files())["/cache/whole.gcode.3mf"]
    assert stored.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert told[-1] == len(CONTENT)
    assert told == sorted(told)


async def test_the_root_takes_files_too(farm: VirtualFarm, client: FtpsClient, source: Path) -> None:
    await put(client, farm.printers[3], source, "/root.gcode.3mf")
    assert "/root.gcode.3mf" in await farm.printers[3].control.files()


async def test_removing_a_file_and_removing_it_again(p1s: RunningPrinter, client: FtpsClient, source: Path) -> None:
    await put(client, p1s, source, "/cache/gone.gcode.3mf")
    for _ in range(2):
        await client.remove(Tunnels(p1s.address), target(p1s), "/cache/gone.gcode.3mf")
        assert "/cache/gone.gcode.3mf" not in await p1s.control.files()


@pytest.mark.parametrize("place", [0, 1, 2, 3], ids=["P1S", "A1", "X1C", "P2S"])
async def test_files_are_listed_on_every_family(farm: VirtualFarm, client: FtpsClient, place: int) -> None:
    printer = farm.printers[place]
    await printer.control.do("put_file", path="/model/größer (2).3mf", size=321)
    found = await client.list(Tunnels(printer.address), target(printer), ["/model", "/nowhere", "/"])
    assert found.complete
    listed = {file.path: (file.size, file.modified is not None) for file in found.files}
    assert listed["/model/größer (2).3mf"] == (321, True)
    assert "/model" not in listed


async def test_a_listing_without_end_is_cut_and_says_so(
    p1s: RunningPrinter, client: FtpsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        await p1s.control.do("put_file", path=f"/model/many-{number:02}.3mf", size=number)
    ask = (Tunnels(p1s.address), target(p1s), ["/model"])
    with monkeypatch.context() as few:
        few.setattr(ftps, "MAX_FILES", 10)
        found = await client.list(*ask)
        assert (len(found.files), found.complete) == (10, False)
    with monkeypatch.context() as short:
        short.setattr(ftps, "_MAX_LISTING", 700)
        found = await client.list(*ask)
        assert 0 < len(found.files) < 40
        assert not found.complete
    assert (await client.list(*ask)).complete


async def test_nothing_of_another_name_is_overwritten(p1s: RunningPrinter, client: FtpsClient, source: Path) -> None:
    await put(client, p1s, source, "/cache/mine.gcode.3mf")
    with pytest.raises(FtpsError) as refused:
        await put(client, p1s, source, "/cache/mine.gcode.3mf")
    assert refused.value.code == "exists"
    await put(client, p1s, source, "/cache/mine.gcode.3mf", own=True)


async def test_a_wrong_code_is_told_apart(p1s: RunningPrinter, client: FtpsClient, source: Path) -> None:
    with pytest.raises(FtpsError) as refused:
        await put(client, p1s, source, "/cache/x.gcode.3mf", on=target(p1s, access_code="wrong-code"))
    assert refused.value.code == "auth_failed"
    assert "wrong-code" not in str(refused.value.args)


@pytest.mark.parametrize("pinned", ["00" * 32, ""], ids=["another", "none yet"])
async def test_no_password_goes_to_an_unknown_certificate(
    p1s: RunningPrinter, client: FtpsClient, source: Path, pinned: str
) -> None:
    before = (await p1s.control.journal())["counters"]
    with pytest.raises(FtpsError) as refused:
        await put(client, p1s, source, "/cache/x.gcode.3mf", on=target(p1s, certificate=pinned))
    assert refused.value.code == "cert_changed"
    after = (await p1s.control.journal())["counters"]
    assert {name: n for name, n in after.items() if "login" in name} == {
        name: n for name, n in before.items() if "login" in name
    }


@pytest.mark.parametrize("storage", ["missing", "full"])
async def test_storage_that_is_missing_or_full(
    p1s: RunningPrinter, client: FtpsClient, source: Path, faults: Switch, storage: str
) -> None:
    await faults(p1s, storage=storage)
    with pytest.raises(FtpsError) as refused:
        await put(client, p1s, source, f"/cache/{storage}.gcode.3mf")
    assert refused.value.code == "storage"


async def test_a_426_after_the_last_byte_is_believed_only_with_the_right_size(
    p1s: RunningPrinter, client: FtpsClient, source: Path, faults: Switch
) -> None:
    await faults(p1s, abort_after_complete=True)
    assert (await put(client, p1s, source, "/cache/benign.gcode.3mf")).bytes == len(CONTENT)


@pytest.mark.parametrize("lie", [False, True], ids=["426", "226"])
async def test_false_upload_success_is_found_out(
    p1s: RunningPrinter, client: FtpsClient, source: Path, faults: Switch, lie: bool
) -> None:
    await faults(p1s, truncate_upload_at=100_000, lie_about_upload=lie)
    with pytest.raises(FtpsError) as refused:
        await put(client, p1s, source, f"/cache/short{lie}.gcode.3mf")
    assert refused.value.code in ("incomplete", "broken")


async def test_a_227_with_a_zero_address_is_ignored(
    p1s: RunningPrinter, client: FtpsClient, source: Path, faults: Switch
) -> None:
    await faults(p1s, pasv_zero_address=True)
    await put(client, p1s, source, "/cache/zero.gcode.3mf")


async def test_a_late_226_is_waited_for(p1s: RunningPrinter, client: FtpsClient, source: Path, faults: Switch) -> None:
    await faults(p1s, reply_delay=2.0)
    assert (await put(client, p1s, source, "/cache/late.gcode.3mf")).seconds >= 2.0


async def test_silence_after_the_last_byte_is_settled_by_another_connection(
    p1s: RunningPrinter, client: FtpsClient, source: Path, faults: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ftp_session, "REPLY_SECONDS", 1.0)
    await faults(p1s, reply_delay=4.0)
    await put(client, p1s, source, "/cache/silent.gcode.3mf")
    assert (await p1s.control.files())["/cache/silent.gcode.3mf"].size == len(CONTENT)


async def test_an_a1_whose_encrypted_data_hangs_gets_clear_data_and_keeps_it(
    farm: VirtualFarm, client: FtpsClient, source: Path, faults: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    a1 = farm.printers[1]
    monkeypatch.setattr(ftp_session, "HANDSHAKE_SECONDS", 1.0)
    monkeypatch.setattr(ftp_session, "REPLY_SECONDS", 1.5)
    await faults(a1, prot_p_works=False)
    await put(client, a1, source, "/cache/clear.gcode.3mf")
    assert (await a1.control.files())["/cache/clear.gcode.3mf"].size == len(CONTENT)
    again = await put(client, a1, source, "/cache/clear-again.gcode.3mf")
    assert again.seconds < 1.0, "the fallback was not remembered"


async def test_other_models_never_send_a_file_in_the_clear(
    p1s: RunningPrinter, client: FtpsClient, source: Path, faults: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ftp_session, "HANDSHAKE_SECONDS", 1.0)
    monkeypatch.setattr(ftp_session, "REPLY_SECONDS", 1.5)
    await faults(p1s, prot_p_works=False)
    with pytest.raises(FtpsError) as refused:
        await put(client, p1s, source, "/cache/never-clear.gcode.3mf")
    assert refused.value.code in ("timeout", "broken")
    assert "/cache/never-clear.gcode.3mf" not in await p1s.control.files()


async def test_cancelling_closes_the_connections_at_once(
    p1s: RunningPrinter, client: FtpsClient, source: Path, faults: Switch
) -> None:
    await put(client, p1s, source, "/cache/before.gcode.3mf")
    await faults(p1s, stall_upload_at=50_000)
    moving = asyncio.Event()
    tunnels = Tunnels(p1s.address)
    task = asyncio.create_task(
        client.upload(
            tunnels,
            target(p1s),
            source,
            len(CONTENT),
            "/cache/cancelled.gcode.3mf",
            progress=lambda _: moving.set(),
        )
    )
    await asyncio.wait_for(moving.wait(), 10)
    began = asyncio.get_running_loop().time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.get_running_loop().time() - began < 2.0
    assert len(tunnels.opened) == 2


async def test_a_printer_that_does_not_answer_the_handshake_is_given_up(
    p1s: RunningPrinter, client: FtpsClient, source: Path, faults: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ftp_session, "HANDSHAKE_SECONDS", 0.5)
    await faults(p1s, tls_hang=True)
    with pytest.raises(FtpsError) as refused:
        await put(client, p1s, source, "/cache/hang.gcode.3mf")
    assert refused.value.code == "timeout"


async def test_the_whole_transfer_has_a_deadline(
    p1s: RunningPrinter, client: FtpsClient, source: Path, faults: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ftps, "deadline", lambda _size: 1.0)
    await faults(p1s, throttle_kbps=20.0)
    with pytest.raises(FtpsError) as refused:
        await put(client, p1s, source, "/cache/slow.gcode.3mf")
    assert refused.value.code == "timeout"


async def test_a_source_that_is_gone_or_damaged_is_missing(
    p1s: RunningPrinter, client: FtpsClient, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(FtpsError) as gone:
        await put(client, p1s, tmp_path / "nothing", "/cache/nothing.gcode.3mf")
    assert gone.value.code == "missing"
    source.write_bytes(CONTENT[:-1])
    with pytest.raises(FtpsError) as damaged:
        await put(client, p1s, source, "/cache/damaged.gcode.3mf")
    assert damaged.value.code == "missing"
    assert "/cache/damaged.gcode.3mf" not in await p1s.control.files()


async def test_several_printers_at_once(farm: VirtualFarm, client: FtpsClient, source: Path) -> None:
    await asyncio.gather(*(put(client, printer, source, "/cache/all.gcode.3mf") for printer in farm.printers))
    for printer in farm.printers:
        assert (await printer.control.files())["/cache/all.gcode.3mf"].size == len(CONTENT)


async def test_a_closed_port_is_named(p1s: RunningPrinter, client: FtpsClient, source: Path) -> None:
    with pytest.raises(FtpsError) as refused:
        await put(client, p1s, source, "/cache/x.gcode.3mf", on=target(p1s, port=1))
    assert refused.value.code == "refused"


async def test_a_reply_that_is_no_text_is_a_broken_connection(client: FtpsClient, p1s: RunningPrinter) -> None:
    certificate = replacement(p1s.serial)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 gr\xfc\xdf Gott\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server_context(certificate)) as server:
        where = target(p1s, port=server.sockets[0].getsockname()[1], certificate=certificate.fingerprint)
        with pytest.raises(FtpsError) as refused:
            await client.remove(Tunnels("127.0.0.1"), where, "/a.3mf")
    assert refused.value.code == "broken"


async def test_the_access_code_shows_in_no_repr() -> None:
    assert "12345678" not in repr(Target(port=990, access_code="12345678", certificate=""))
