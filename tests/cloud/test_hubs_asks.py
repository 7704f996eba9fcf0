"""Files and pictures through everything that is real: bus, WebSocket, the hub's firmware, and virtual printers."""

import asyncio
import base64
import functools
import hashlib
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from cloud.hubs.budget import SocketBudget
from cloud.printing.asks import (
    Answer,
    Ask,
    CancelAsk,
    CommandAsk,
    Progress,
    RemoveAsk,
    SnapshotAsk,
    UploadAsk,
    ask_subject,
    decode_answer,
    decode_progress,
    encode,
    transfer_subject,
)
from cloud.storage import printers as printer_queries
from cloud.storage.tenant import TenantStore
from tests.cloud.hub_kit import HubCloud, hub_cloud
from tests.tools.virtual_printer_driver import own_address
from tools.hub import HubProcess
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTENT = os.urandom(1_000_003)
PLACE = "/cache/some.gcode.3mf"


class Site:
    """A cloud, its hub and the printers behind it."""

    def __init__(self, cloud: HubCloud, hub: HubProcess, farm: VirtualFarm, ids: list[str]) -> None:
        self.cloud = cloud
        self.hub = hub
        self.farm = farm
        self.p1s, self.x1c = ids
        self.sha256 = ""

    @property
    def printer(self) -> RunningPrinter:
        return self.farm.printers[0]

    async def ask(self, ask: Ask) -> Answer:
        data = await self.cloud.bus.request(ask_subject(self.cloud.hub), encode(ask), 60)
        return decode_answer(data)

    async def upload(self, transfer: str, **changes: Any) -> Answer:
        values = {
            "printer_id": self.p1s,
            "sha256": self.sha256,
            "size": len(CONTENT),
            "remote_path": PLACE,
            "own": True,
        }
        return await self.ask(UploadAsk(transfer_id=transfer, **{**values, **changes}))

    async def progress(self, transfer: str) -> Progress:
        """The first progress of a transfer that is under way."""
        first: asyncio.Future[Progress] = asyncio.get_running_loop().create_future()

        def note(_: str, data: bytes) -> None:
            if not first.done() and decode_progress(data).sent:
                first.set_result(decode_progress(data))

        subscription = self.cloud.bus.subscribe(transfer_subject(transfer), note)
        try:
            return await asyncio.wait_for(first, 20)
        finally:
            subscription.close()

    async def online(self, count: int) -> None:
        await self.cloud.watcher.until("online", self.cloud.hub, count=count)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    specs = [PrinterSpec(model="P1S"), PrinterSpec(model="X1C")]
    async with VirtualFarm.start(specs, address=own_address()) as farm, hub_cloud(folder, beat_ms=1000) as cloud:
        scoped = TenantStore(cloud.store, cloud.tenant)
        for one in cloud.printers:
            await scoped.write(functools.partial(printer_queries.delete_printer, printer_id=one))
        ids = [
            await cloud.add_printer(
                one.serial,
                one.address,
                one.access_code,
                model=one.code,
                mqtt_port=one.ports["mqtt"],
                ftps_port=one.ports["ftps"],
                camera_port=one.ports.get("camera", 6000),
                cert_sha256=one.fingerprint,
            )
            for one in farm.printers
        ]
        url = f"ws://127.0.0.1:{cloud.port}/hub/v1/link"
        async with HubProcess(folder / "hub", cloud.hub, cloud.key, url) as hub:
            site = Site(cloud, hub, farm, ids)
            for one in ids:
                await cloud.watcher.until("status", one)
            site.sha256 = (await cloud.blobs.put(_stream(CONTENT), 2**21)).sha256
            yield site


async def _stream(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def stored(printer: RunningPrinter) -> str | None:
    """The hash of what the printer holds in our place."""
    file = (await printer.control.files()).get(PLACE)
    return None if file is None else file.sha256


async def test_a_file_arrives_whole_and_is_removed_again(site: Site) -> None:
    answer = await site.upload("trf_1")
    assert answer.ok, answer
    assert answer.data["bytes"] == len(CONTENT)
    assert answer.data["kbps"] > 0
    assert await stored(site.printer) == hashlib.sha256(CONTENT).hexdigest()
    for _ in range(2):
        assert (await site.ask(RemoveAsk(printer_id=site.p1s, remote_path=PLACE))).ok
        assert await stored(site.printer) is None
    assert site.cloud.session.tunnels.count <= 2


async def test_progress_is_told_and_the_same_transfer_asked_twice_is_one(site: Site) -> None:
    await site.printer.control.fault(throttle_kbps=1500)
    try:
        progress = asyncio.create_task(site.progress("trf_2"))
        await asyncio.sleep(0)
        answers = await asyncio.gather(site.upload("trf_2"), site.upload("trf_2"))
        assert (await progress).size == len(CONTENT)
        assert answers[0].ok
        assert answers[0] == answers[1]
    finally:
        await site.printer.control.fault(throttle_kbps=0)


async def test_a_cancelled_upload_ends_at_once_and_frees_everything(site: Site) -> None:
    await site.printer.control.fault(throttle_kbps=50)
    try:
        progress = asyncio.create_task(site.progress("trf_3"))
        uploading = asyncio.create_task(site.upload("trf_3"))
        await progress
        assert (await site.ask(CancelAsk(transfer_id="trf_3"))).ok
        assert (await asyncio.wait_for(uploading, 5)).code == "cancelled"
    finally:
        await site.printer.control.fault(throttle_kbps=0)
    assert (await site.ask(CancelAsk(transfer_id="trf_3"))).ok  # nothing there any more
    assert (await until_free(site, "trf_4")).ok


async def until_free(site: Site, transfer: str) -> Answer:
    """Upload; a printer that has not noticed yet that its last client left is asked again, as printing does."""
    async with asyncio.timeout(40):
        n = 0
        while (answer := await site.upload(f"{transfer}_{n}")).code in ("busy", "no_socket"):
            n += 1
            await asyncio.sleep(0.3)
    return answer


async def test_a_command_and_a_status_pass_a_slow_upload(site: Site) -> None:
    await site.printer.control.fault(throttle_kbps=300)
    try:
        progress = asyncio.create_task(site.progress("trf_5"))
        uploading = asyncio.create_task(site.upload("trf_5"))
        await progress
        loop = asyncio.get_running_loop()
        waits = []
        for n in range(10):
            started = loop.time()
            ask = CommandAsk(printer_id=site.x1c, id=f"cmd_{n}", name="light", args={"on": bool(n % 2)})
            assert (await site.ask(ask)).ok
            waits.append(loop.time() - started)
        assert sorted(waits)[5] < 0.5, waits
        assert not uploading.done()
        assert (await uploading).ok
    finally:
        await site.printer.control.fault(throttle_kbps=0)


async def test_two_uploads_share_the_one_pair_of_sockets_in_turn(site: Site) -> None:
    budget = site.cloud.session.budget
    spare = SocketBudget.of(10, 2) - 2
    await budget.acquire(spare, 1)  # as with six printers: a single pair is left
    try:
        answers = await asyncio.gather(site.upload("trf_6"), site.upload("trf_7", printer_id=site.x1c))
    finally:
        budget.release(spare)
    assert [answer.ok for answer in answers] == [True, True], answers


async def test_a_picture_from_a_camera(site: Site) -> None:
    answers = await asyncio.gather(*(site.ask(SnapshotAsk(printer_id=site.p1s)) for _ in range(2)))
    for answer in answers:
        assert answer.ok, answer
        assert base64.b64decode(answer.data["jpeg"]).startswith(b"\xff\xd8")
    assert (await site.ask(SnapshotAsk(printer_id=site.x1c))).code == "no_camera"


async def test_what_cannot_be_done_has_its_code(site: Site) -> None:
    assert (await site.upload("trf_8", printer_id="prn_of_nobody")).code == "unknown_printer"
    assert (await site.upload("trf_9", sha256="../../etc/passwd")).code == "missing"
    assert (await site.upload("trf_10", sha256="0" * 64)).code == "missing"
    assert (await site.upload("trf_11", size=5)).code == "missing"
    assert (await site.ask(RemoveAsk(printer_id="prn_x", remote_path=PLACE))).code == "unknown_printer"
    await site.printer.control.fault(storage="full")
    try:
        assert (await site.upload("trf_12")).code == "storage"
    finally:
        await site.printer.control.fault(storage="ok")


async def test_a_certificate_pinned_later_counts_at_once_and_a_wrong_one_gets_no_password(site: Site) -> None:
    scoped = TenantStore(site.cloud.store, site.cloud.tenant)

    async def pin(sha256: str) -> None:
        await scoped.write(lambda tx: printer_queries.update_printer(tx, site.p1s, {"cert_sha256": sha256}))

    await pin("11" * 32)
    assert (await site.upload("trf_13")).code == "cert_changed"
    await pin(site.printer.fingerprint)
    assert (await until_free(site, "trf_14")).ok


async def test_a_hub_killed_in_mid_upload_is_told_and_the_next_try_succeeds(site: Site) -> None:
    seen = sum(words[0] == "online" for words in site.cloud.watcher.said)
    await site.printer.control.fault(throttle_kbps=50)
    try:
        progress = asyncio.create_task(site.progress("trf_15"))
        uploading = asyncio.create_task(site.upload("trf_15"))
        await progress
        await site.hub.kill()
        answer = await asyncio.wait_for(uploading, 10)
        assert (answer.ok, answer.code) == (False, "offline")
    finally:
        await site.printer.control.fault(throttle_kbps=0)
    await site.hub.start()
    await site.online(seen + 1)
    assert (await until_free(site, "trf_16")).ok
    assert await stored(site.printer) == hashlib.sha256(CONTENT).hexdigest()
