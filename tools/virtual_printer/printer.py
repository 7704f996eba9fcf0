"""One virtual printer: its parts put together, its ports opened, its power switched."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tools.virtual_printer import certificates
from tools.virtual_printer import state as st
from tools.virtual_printer.camera import Camera
from tools.virtual_printer.commands import Commands
from tools.virtual_printer.detect import Detector
from tools.virtual_printer.faults import Faults
from tools.virtual_printer.ftps import FtpsServer
from tools.virtual_printer.job import JobEngine
from tools.virtual_printer.journal import Journal
from tools.virtual_printer.models import find_model
from tools.virtual_printer.mqtt import Broker
from tools.virtual_printer.reporter import Reporter
from tools.virtual_printer.spec import PrinterSpec
from tools.virtual_printer.storage import Storage
from tools.virtual_printer.wire import Port

STANDARD_PORTS = {"mqtt": 8883, "ftps": 990, "camera": 6000, "detect": 3000, "detect_tls": 3002}
_STEP = 0.25


class Printer:
    """Created switched off; `power_on` opens its ports."""

    def __init__(self, spec: PrinterSpec, folder: Path, certificate_folder: Path) -> None:
        self.spec = spec
        self.model = find_model(spec.model)
        self.access_code = spec.access_code
        self.faults = Faults()
        self.faults.apply(spec.faults)
        self.journal = Journal()
        self.machine = st.Machine(spec)
        self.storage = Storage(folder, spec.storage_bytes)
        self.certificate = certificates.obtain(spec.serial, certificate_folder)
        self.context = certificates.server_context(self.certificate)
        self.broker = Broker(self)
        self.reporter = Reporter(self)
        self.engine = JobEngine(self)
        self.commands = Commands(self)
        self.ftps = FtpsServer(self)
        self.camera = Camera(self)
        self.detector = Detector(self)
        self.gate = asyncio.Event()
        self.address = ""
        self.ports: dict[str, Port] = {}
        self.powered = False
        self.free_bytes = self.storage.free()
        self._tasks: list[asyncio.Task[None]] = []
        self._changes: set[asyncio.Event] = set()
        for path, source in spec.files.items():
            self.storage.put(path, Path(source))
        self.faults_changed()

    @property
    def report_topic(self) -> str:
        return f"device/{self.spec.serial}/report"

    @property
    def request_topic(self) -> str:
        return f"device/{self.spec.serial}/request"

    def bind(self, address: str, ports: dict[str, int]) -> None:
        """Take an address and its ports (0: any). OSError, with nothing kept, when one of them is taken."""
        handlers = {
            "mqtt": self.broker.serve,
            "ftps": self.ftps.serve,
            "detect": self.detector.serve_plain,
            "detect_tls": self.detector.serve_tls,
            # Models without a JPEG camera have a private tunnel on this port, which nobody needs: refused.
            **({"camera": self.camera.serve} if self.model.jpeg_camera else {}),
        }
        bound: dict[str, Port] = {}
        try:
            for name, handler in handlers.items():
                bound[name] = Port(address, ports.get(name, 0), handler, self.gate)
                bound[name].claim()
        except OSError:
            for port in bound.values():
                port.release()
            raise
        self.address, self.ports = address, bound

    def power_on(self) -> None:
        """Boot: IDLE, and the prompt of an interrupted job when there was one."""
        if self.powered:
            return
        self.powered = True
        self.journal.event("power_on")
        self.machine.gcode_state, self.machine.stage = "IDLE", self.model.idle_stage
        if self.engine.interrupted is not None and self.faults.resume_prompt:
            self.machine.print_error = st.ERROR_POWER_LOSS
        elif self.engine.interrupted is not None:
            self.engine.interrupted = None
        for port in self.ports.values():
            port.open()
        self._tasks = [
            asyncio.create_task(self.reporter.run()),
            asyncio.create_task(self._live()),
        ]
        self.reporter.changed()
        if self.faults.ghost_print:
            self.commands.print_newest_file()

    async def power_off(self) -> None:
        """Power loss: every connection cut, every port refusing, heaters off; certificate and storage stay."""
        if not self.powered:
            return
        self.powered = False
        self.journal.event("power_off")
        self.engine.power_loss()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for port in self.ports.values():
            await port.shut()
        await self.ftps.close()
        previous = self.machine
        self.machine = st.Machine(self.spec)
        # Spools stay where they are and keep what the printer knew of them.
        self.machine.units, self.machine.external = previous.units, previous.external
        self.faults_changed()

    async def close(self) -> None:
        await self.power_off()
        for port in self.ports.values():
            await port.close()

    async def drop_connections(self) -> int:
        """Cut every open connection (all services) without a goodbye; returns how many there were."""
        counts = [await port.cut() for port in self.ports.values()]
        self.journal.event("connections_dropped", count=sum(counts))
        return sum(counts)

    async def rotate_access_code(self, code: str = "") -> None:
        """A new access code, as after toggling LAN-only mode; open sessions end."""
        self.access_code = code or secrets.token_hex(4)
        self.journal.event("access_code_changed")
        await self.drop_connections()

    async def reset(self) -> None:
        """As new: healthy, idle, empty storage, empty journal, the code it began with; switched on."""
        await self.power_off()
        self.engine.interrupted = None
        self.faults = Faults()
        self.faults.apply(self.spec.faults)
        self.access_code = self.spec.access_code
        self.storage.clear()
        for path, source in self.spec.files.items():
            self.storage.put(path, Path(source))
        self.machine = st.Machine(self.spec)
        self.faults_changed()
        self.journal.clear()
        self.power_on()

    async def replace_certificate(self) -> None:
        """Another key and certificate, as after a board swap (or as an impostor would have); sessions end."""
        self.certificate = certificates.replacement(self.spec.serial)
        self.context = certificates.server_context(self.certificate)
        self.journal.event("certificate_changed")
        await self.drop_connections()

    def faults_changed(self) -> None:
        """Make the switches take effect that show in the state or in open connections."""
        machine, faults = self.machine, self.faults
        machine.storage_ok = faults.storage != "missing"
        machine.locked = not (faults.developer_mode and faults.lan_only)
        if not machine.locked:
            machine.drop_hms(st.HMS_UNAUTHORISED)
        if faults.frozen:
            self.gate.clear()
        else:
            self.gate.set()
        self.storage_changed()
        self.broker.apply_drip()
        self.ftps.faults_changed()
        if self.powered:
            self.reporter.changed()

    def storage_changed(self) -> None:
        """Recompute the free space shown in reports."""
        self.free_bytes = 0 if self.faults.storage != "ok" else self.storage.free()

    def wake_waiters(self) -> None:
        """Something changed that a caller of `changes` may wait for."""
        for event in self._changes:
            event.set()

    @contextlib.asynccontextmanager
    async def changes(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set at every state change, for as long as the block lasts."""
        event = asyncio.Event()
        self._changes.add(event)
        try:
            yield event
        finally:
            self._changes.discard(event)

    def announcement(self) -> dict[str, Any]:
        """What somebody must know to connect: the ready line's entry. Contains the access code."""
        return {
            "serial": self.spec.serial,
            "model": self.model.name,
            "code": self.model.code,
            "name": self.spec.name,
            "address": self.address,
            "ports": {name: port.port for name, port in self.ports.items()},
            "access_code": self.access_code,
            "fingerprint": self.certificate.fingerprint,
        }

    async def _live(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(_STEP)
            now = time.monotonic()
            self.machine.step((now - last) * self.spec.speed)
            last = now
