"""The printing room on a real SQLite database and a real bus, with a hub and printers that obey a script."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.bus import LocalBus, Subscription
from cloud.catalog.sliced import Filament, Plate
from cloud.printing import attempt, attempts, seen, settling, transfer
from cloud.printing.asks import (
    Answer,
    CancelAsk,
    CommandAsk,
    FilesFound,
    ListFilesAsk,
    Progress,
    RemoteFile,
    RemoveAsk,
    SnapshotAsk,
    UploadAsk,
    ask_subject,
    decode_ask,
    encode,
    transfer_subject,
)
from cloud.printing.engine import Printing
from cloud.printing.orders import NewJob
from cloud.printing.starting import Patience
from cloud.printing.views import View
from cloud.storage import accounts, files, hubs, ids, migrations, printers
from cloud.storage.store import Store
from cloud.storage.tenant import TenantStore, TenantTx
from shared_protocol.status import BUSY, READY

PATIENCE = Patience(accept=0.6, run=1.5, error=0.15, repeat=0.1)
WHITE_PLA = {"id": 0, "loaded": True, "type": "PLA", "color": "#FFFFFF"}


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with shorter patience."""
    monkeypatch.setattr(seen, "GRACE", 0.3)
    monkeypatch.setattr(settling, "GRACE", 0.3)
    monkeypatch.setattr(transfer, "PAUSES", (0.02, 0.02))
    monkeypatch.setattr(transfer, "OFFLINE_SECONDS", 1.0)
    monkeypatch.setattr(attempt, "ONLINE_SECONDS", 2.0)
    monkeypatch.setattr(attempt, "ERROR_SECONDS", 0.5)
    monkeypatch.setattr(attempts, "STOP_EVERY", 0.2)
    monkeypatch.setattr(attempts, "_COOLDOWN", (0.2,))
    monkeypatch.setattr(attempts, "_AGAIN", 0.1)


class ScriptedPrinter:
    """A printer and its hub's link to it, as the hub's messages show them."""

    def __init__(self, farm: "Farm", printer_id: str) -> None:
        self.id = printer_id
        self._farm = farm
        self.status: dict[str, Any] = {
            "link": "online",
            "state": "idle",
            "control": "ok",
            "storage": "ok",
            "error": 0,
            "percent": 0,
            "task": "",
            "task_id": "0",
            "nozzle_diameter": 0.4,
            "trays": [dict(WHITE_PLA)],
        }
        self.files: dict[str, str] = {}
        self.commands: list[str] = []
        self.starts: list[dict[str, Any]] = []
        """Arguments of every start that was carried out, once each."""
        self.results: dict[str, Answer] = {}
        self.on_start: Callable[[ScriptedPrinter, dict[str, Any]], Answer] = run_it
        self.on_upload: list[str] = []
        """Codes with which the next uploads fail."""
        self.upload_gate: asyncio.Event | None = None
        """When set, an upload waits half-way until the event is set, or until it is cancelled."""
        self.uploading = asyncio.Event()
        self.uploads = 0

    def say(self, **changes: Any) -> None:
        """Something changed at the printer; the hub tells it when it can."""
        before = dict(self.status)
        self.status.update(changes)
        if before["state"] != self.status["state"]:
            self._farm.hub_of(self).event(self, before["state"])
        self._farm.hub_of(self).tell(self, changes)

    def begin(self, args: dict[str, Any]) -> None:
        """The print really begins."""
        ours = {"task": args["task"], "task_id": args["task_id"], "error": 0, "percent": 0}
        self.say(state="prepare", **ours)
        self.say(state="running")

    def finish(self) -> None:
        self.say(state="finish", percent=100)

    def stop(self) -> None:
        if self.status["state"] in BUSY:
            self.say(state="failed", error=0x0300400C, percent=0)

    def obey(self, ask: CommandAsk) -> Answer:
        """At most once an id, as hubs promise."""
        if ask.id not in self.results:
            self.results[ask.id] = self._do(ask)
        return self.results[ask.id]

    def _do(self, ask: CommandAsk) -> Answer:
        self.commands.append(ask.name)
        state = self.status["state"]
        if ask.expect is not None and state not in ask.expect:
            return Answer(ok=False, code="wrong_state")
        if ask.name == "start":
            if state not in READY:
                return Answer(ok=False, code="busy")
            return self.on_start(self, ask.args)
        if self.status["control"] == "locked":
            return Answer(ok=False, code="locked")
        if ask.name == "stop":
            self.stop()
        elif ask.name == "pause":
            self.say(state="pause")
        elif ask.name == "resume":
            self.say(state="running")
        elif ask.name == "clean_error":
            self.say(error=0)
        return Answer(ok=True)


def run_it(printer: ScriptedPrinter, args: dict[str, Any]) -> Answer:
    """A healthy start."""
    printer.starts.append(args)
    asyncio.get_running_loop().call_soon(printer.begin, args)
    return Answer(ok=True)


def ack_only(printer: ScriptedPrinter, args: dict[str, Any]) -> Answer:
    """Acknowledged, and nothing happens."""
    printer.starts.append(args)
    return Answer(ok=True)


def refuse(code: str, message: str = "") -> Callable[[ScriptedPrinter, dict[str, Any]], Answer]:
    """The hub says no."""
    return lambda _printer, _args: Answer(ok=False, code=code, message=message)


def run_unheard(printer: ScriptedPrinter, args: dict[str, Any]) -> Answer:
    """It starts, and the answer is lost."""
    run_it(printer, args)
    return Answer(ok=False, code="no_answer")


def answer_error(error: int, **also: Any) -> Callable[[ScriptedPrinter, dict[str, Any]], Answer]:
    """Acknowledged, then refused by a print_error."""

    def start(printer: ScriptedPrinter, args: dict[str, Any]) -> Answer:
        printer.starts.append(args)
        asyncio.get_running_loop().call_soon(lambda: printer.say(error=error, **also))
        return Answer(ok=True)

    return start


class ScriptedHub:
    """The node's half of a hub: answers asks, keeps events while the cloud is away."""

    def __init__(self, farm: "Farm", hub_id: str) -> None:
        self.id = hub_id
        self.boot = ids.random_text(8)
        self._farm = farm
        self._n = 0
        self._outbox: list[tuple[int, ScriptedPrinter, dict[str, Any]]] = []
        self._told = asyncio.Event()
        self._responder: Subscription | None = None
        self._delivery: asyncio.Task[None] | None = None
        self._transfers: dict[str, asyncio.Event] = {}
        self.online = False

    def connect(self) -> None:
        """Online, events delivered first, then a full status of each printer."""
        self.online = True
        mine = [one for one in self._farm.printers if self._farm.hub_of(one) is self]
        self._farm.room.observer.hub_online(self.id, self._farm.tenant_id, [one.id for one in mine])
        self._responder = self._farm.bus.respond(ask_subject(self.id), self._answer)
        self._told.set()
        self._delivery = asyncio.create_task(self._deliver())
        for one in mine:
            self.tell(one, one.status, full=True)

    async def disconnect(self) -> None:
        if self.online:
            self.online = False
            assert self._responder is not None and self._delivery is not None
            self._responder.close()
            self._delivery.cancel()
            await asyncio.gather(self._delivery, return_exceptions=True)
            self._farm.room.observer.hub_offline(self.id)

    def event(self, printer: ScriptedPrinter, before: str) -> None:
        now = printer.status
        self._n += 1
        data = {"from": before, "to": now["state"], "task": now["task"], "task_id": now["task_id"], "file": ""}
        data |= {"error": now["error"], "percent": now["percent"], "layer": 0}
        self._outbox.append((self._n, printer, data))
        self._told.set()

    def tell(self, printer: ScriptedPrinter, changes: dict[str, Any], *, full: bool = False) -> None:
        if self.online:
            self._farm.room.observer.status(printer.id, full, msgspec.json.decode(msgspec.json.encode(changes)))

    @property
    def delivered(self) -> bool:
        """Every event is in the database."""
        return not self._outbox

    async def _deliver(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            while self._outbox:
                n, printer, data = self._outbox[0]
                await self._farm.room.observer.event(
                    hub_id=self.id, boot=self.boot, n=n, name="state", printer_id=printer.id, data=data
                )
                self._outbox.pop(0)

    async def _answer(self, data: bytes) -> bytes:
        return encode(await self._do(decode_ask(data)))

    async def _do(self, ask: CommandAsk | UploadAsk | CancelAsk | RemoveAsk | ListFilesAsk | SnapshotAsk) -> Answer:
        if isinstance(ask, CancelAsk):
            if ask.transfer_id in self._transfers:
                self._transfers[ask.transfer_id].set()
            return Answer(ok=True)
        printer = self._farm.printer(ask.printer_id or "")
        if isinstance(ask, CommandAsk):
            return printer.obey(ask)
        if isinstance(ask, RemoveAsk):
            printer.files.pop(ask.remote_path, None)
            return Answer(ok=True)
        if isinstance(ask, ListFilesAsk):
            files = [RemoteFile(path=path, size=1, modified=None) for path in sorted(printer.files)]
            return Answer(ok=True, data=msgspec.to_builtins(FilesFound(files=files, complete=True)))
        if isinstance(ask, SnapshotAsk):
            return Answer(ok=True, data={"jpeg": "/9j/2Q=="})
        return await self._upload(printer, ask)

    async def _upload(self, printer: ScriptedPrinter, ask: UploadAsk) -> Answer:
        printer.uploads += 1
        if printer.on_upload:
            return Answer(ok=False, code=printer.on_upload.pop(0))
        self._farm.bus.publish(transfer_subject(ask.transfer_id), encode(Progress(sent=ask.size // 2, size=ask.size)))
        printer.files[ask.remote_path] = "half"
        printer.uploading.set()
        if printer.upload_gate is not None:
            cancelled = self._transfers[ask.transfer_id] = asyncio.Event()
            waiting = [asyncio.ensure_future(one.wait()) for one in (cancelled, printer.upload_gate)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in waiting:
                one.cancel()
            if cancelled.is_set():
                return Answer(ok=False, code="cancelled")
        printer.files[ask.remote_path] = ask.sha256
        return Answer(ok=True, data={"bytes": ask.size, "seconds": 0.1, "kbps": 1.0})


class Farm:
    """Database, bus, hub and printers; `room` is the Printing under test, replaced by restart()."""

    def __init__(self, store: Store, url: str) -> None:
        self.store = store
        self.url = url
        self.bus = LocalBus()
        self.room = Printing(store, self.bus, patience=PATIENCE, sweep=0.5)
        self.tenant_id = ""
        self.hubs: list[ScriptedHub] = []
        self.printers: list[ScriptedPrinter] = []
        self._hub_of: dict[str, ScriptedHub] = {}
        self.file_id = ""

    @property
    def tenant(self) -> TenantStore:
        return TenantStore(self.store, self.tenant_id)

    def hub_of(self, printer: ScriptedPrinter) -> ScriptedHub:
        return self._hub_of[printer.id]

    def printer(self, printer_id: str) -> ScriptedPrinter:
        return next(one for one in self.printers if one.id == printer_id)

    async def build(self, models: Sequence[str]) -> None:
        self.tenant_id = await self.store.write(lambda tx: accounts.create_tenant(tx, "Farm"))
        hub_id = ids.new("hub")
        await self.tenant.write(lambda tx: hubs.create(tx, hub_id=hub_id, name="Hub", key_hash="x"))
        self.hubs.append(ScriptedHub(self, hub_id))
        for model in models:
            printer = await self.tenant.write(partial(self._add_printer, model=model, hub_id=hub_id))
            self.printers.append(ScriptedPrinter(self, printer.id))
            self._hub_of[printer.id] = self.hubs[0]
        self.file_id = await self.add_file()

    async def add_file(self, *, model: str | None = "C12", filaments: Sequence[Filament] | None = None) -> str:
        chosen = filaments or [Filament(slot=1, type="PLA", color="#FFFFFF", grams=5.0, meters=1.0, profile="GFA00")]
        plate = Plate(
            index=8,
            seconds=600,
            grams=5.0,
            layers=100,
            model_id=model,
            nozzle_diameters=[0.4],
            bed_type=None,
            filaments=list(chosen),
            objects=[],
            skippable=False,
            gcode_bytes=10,
            gcode_md5="0" * 32,
            thumbnail=None,
            thumbnail_small=None,
            slicer_warnings=[],
        )
        file = {
            "name": "bracket (v2).gcode.3mf",
            "sha256": hashlib.sha256(b"content").hexdigest(),
            "file_size_bytes": 1000,
            "printer_model_id": model,
            "flags": [],
            "plates": [msgspec.to_builtins(plate)],
            "created_at": "2026-01-01T00:00:00.000Z",
            "created_by": "usr_1",
        }
        row = await self.tenant.write(lambda tx: files.FILES.create(tx, file))
        return str(row["id"])

    async def queue(self, **order: Any) -> str:
        """One job; its id."""
        new = NewJob(**{"print_file_id": self.file_id, **order})
        return str((await self.room.jobs.create(self.tenant, new, actor="usr_1"))[0]["id"])

    async def job(self, job_id: str) -> View:
        return await self.room.jobs.get(self.tenant, job_id)

    async def reaches(self, job_id: str, *statuses: str, seconds: float = 10.0) -> View:
        """Wait until the job has one of these statuses; fails with its history."""
        view: View = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    view = await self.job(job_id)
                    if view["status"] in statuses:
                        return view
                    await asyncio.sleep(0.01)
        told = [(line["to_status"], line["reason"]) for line in view["history"]]
        raise AssertionError(f"{view['status']} instead of {statuses}: {told}, waits: {view['waiting_reason']}")

    async def until(self, true: Callable[[], Any], seconds: float = 10.0) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.01)

    async def clear(self, printer: ScriptedPrinter) -> None:
        """Somebody takes the print off, when all that was reported has arrived."""
        await self.until(lambda: self.hub_of(printer).delivered)
        await self.room.jobs.clear_plate(self.tenant, printer.id, actor="usr_1")

    def cleared(self, printer: ScriptedPrinter) -> bool:
        view = self.room.live.view(printer.id)
        assert view is not None
        return bool(view["cleared"])

    async def kill_cloud(self) -> None:
        """As kill -9: nothing is said to anybody, memory is gone. (Tasks are ended, for they share our process.)"""
        for hub in self.hubs:
            await hub.disconnect()
        await self.room.stop()

    async def start_cloud(self) -> None:
        """Another life of the cloud on the same database."""
        self.room = Printing(self.store, self.bus, patience=PATIENCE, sweep=0.5)
        await self.room.start()

    async def _add_printer(self, tx: TenantTx, *, model: str, hub_id: str) -> printers.Printer:
        number = len(self.printers) + 1
        values = {
            "id": ids.new("prn"),
            "hub_id": hub_id,
            "name": f"Printer {number}",
            "model": model,
            "ip_address": f"192.0.2.{number}",
            "serial_number": f"SERIAL{number}",
            "access_code_enc": "sealed",
            "nozzle_size": 0.4,
        }
        return await printers.create(tx, values)


@contextlib.asynccontextmanager
async def running_farm(where: Path | str, *models: str, connect: bool = True) -> AsyncIterator[Farm]:
    """A farm with printers of these models, P1S when none is named, in this folder or in this database."""
    url = where if isinstance(where, str) else f"sqlite:///{where}/farm.db"
    await migrations.migrate(url)
    store = await Store.open(url)
    farm = Farm(store, url)
    await farm.bus.start()
    try:
        await farm.build(models or ("C12",))
        await farm.room.start()
        if connect:
            farm.hubs[0].connect()
        yield farm
    finally:
        for hub in farm.hubs:
            await hub.disconnect()
        await farm.room.stop()
        await farm.bus.drain()
        await store.close()
