"""Cloud, hubs and virtual printers put together the way a user would: through the API."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.farm.client import WAIT_LIMIT, Client, Live
from tools.farm.cloud import CloudProcess
from tools.hub import HEAP, HubProcess
from tools.sample_file import SampleSpec, build_sample
from tools.virtual_printer.client import PrinterControl
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm
from tools.virtual_printer.spec import PrinterSpec

EMAIL = "owner@demo.printfarm.local"


@dataclass
class FarmPrinter:
    """A printer as the cloud knows it (`id`) and as it really is (`real`)."""

    id: str
    name: str
    hub: int
    real: RunningPrinter = field(repr=False)

    @property
    def control(self) -> PrinterControl:
        """Looks into the virtual printer and breaks it."""
        return self.real.control


@dataclass
class Farm:
    """Everything that runs. `printers` is in the order of the specifications."""

    folder: Path
    cloud: CloudProcess
    virtual: VirtualFarm
    api: Client
    password: str = field(repr=False)
    hubs: list[HubProcess] = field(default_factory=list)
    hub_ids: list[str] = field(default_factory=list)
    printers: list[FarmPrinter] = field(default_factory=list)

    @property
    def hub(self) -> HubProcess:
        """The first hub."""
        return self.hubs[0]

    async def add_hub(self, *, heap: str = HEAP) -> int:
        """Register a hub, hand it its identity and start it; returns its index."""
        index = len(self.hubs)
        made = await self.api.post("/api/hubs/", {"name": f"Hub {index + 1}"})
        data = self.folder / f"hub-{index + 1}"
        data.mkdir()
        hub = HubProcess(data, made["id"], made["key"], self.cloud.hub_url, heap=heap)
        hub.restarts = True
        self.hubs.append(hub)
        self.hub_ids.append(made["id"])
        await hub.start()
        return index

    async def add_printer(self, real: RunningPrinter, hub: int = 0, **changes: Any) -> FarmPrinter:
        """Tell the cloud of a printer."""
        body = {
            "name": real.name,
            "model": real.code,
            "ip_address": real.address,
            "serial_number": real.serial,
            "access_code": real.access_code,
            "hub_id": self.hub_ids[hub],
            "mqtt_port": real.ports["mqtt"],
            "ftps_port": real.ports["ftps"],
            **({"camera_port": real.ports["camera"]} if "camera" in real.ports else {}),
            **changes,
        }
        made = await self.api.post("/api/printers/", body)
        printer = FarmPrinter(made["id"], real.name, hub, real)
        self.printers.append(printer)
        return printer

    async def online(self, *printers: FarmPrinter, limit: float = WAIT_LIMIT) -> None:
        """Wait until these printers (all, when none is named) are connected and reporting."""
        wanted = [printer.id for printer in printers or self.printers]
        async with self.api.live() as live:
            await live.until(lambda now: all(is_online(now, printer_id) for printer_id in wanted), limit)

    async def upload(self, spec: SampleSpec | None = None, name: str = "bracket.gcode.3mf") -> dict[str, Any]:
        """Upload a generated sliced file; the answer is the file's record."""
        path = self.folder / f"{secrets.token_hex(4)}-{name}"
        path.write_bytes(build_sample(spec or SampleSpec()))
        record: dict[str, Any] = await self.api.upload(path, name)
        return record

    async def queue(self, file: dict[str, Any], printer: FarmPrinter | None = None, **changes: Any) -> str:
        """Queue a print; returns the job's id."""
        plate = file["plates"][0]["index"]
        target = {"printer_id": printer.id} if printer else {}
        made = await self.api.post(
            "/api/print-jobs/", {"print_file_id": file["id"], "plate": plate, **target, **changes}
        )
        job_id: str = made["items"][0]["id"] if "items" in made else made["id"]
        return job_id

    async def job(self, job_id: str) -> dict[str, Any]:
        """The job with its history."""
        found: dict[str, Any] = await self.api.get(f"/api/print-jobs/{job_id}")
        return found

    async def clear(self, printer: FarmPrinter) -> None:
        """Somebody emptied the plate."""
        await self.api.post(f"/api/printers/{printer.id}/clear")


def is_online(live: Live, printer_id: str) -> bool:
    """Connected all the way: hub online, printer's link online, a state reported."""
    view = live.printers.get(printer_id, {})
    return view.get("hub") == "online" and view.get("link") == "online" and view.get("state", "unknown") != "unknown"


@contextlib.asynccontextmanager
async def start(
    folder: Path,
    specs: Sequence[PrinterSpec],
    *,
    hubs: int = 1,
    email: str = EMAIL,
    port: int = 0,
    heap: str = HEAP,
    settings: dict[str, str] | None = None,
    wait: bool = True,
) -> AsyncIterator[Farm]:
    """Run a farm for as long as the block lasts; printers are dealt to the hubs in turn."""
    password = secrets.token_urlsafe(9)
    cloud = CloudProcess(folder / "cloud", email, password, port=port, settings=settings)
    cloud.data.mkdir(parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        virtual = await stack.enter_async_context(VirtualFarm.start(specs))
        stack.push_async_callback(cloud.stop)
        await cloud.start()
        api = await stack.enter_async_context(Client(cloud.url))
        await api.login(email, password)
        farm = Farm(folder, cloud, virtual, api, password)
        for _ in range(hubs):
            index = await farm.add_hub(heap=heap)
            stack.push_async_callback(farm.hubs[index].stop)
        for number, real in enumerate(virtual.printers):
            await farm.add_printer(real, number % hubs)
        if wait:
            await farm.online()
        yield farm
