"""`make demo`: a whole farm on this machine, with a print under way. Ctrl-C ends everything and leaves nothing behind.

Cloud, one hub (the real firmware on the Unix port of MicroPython, with a heap limit) and four virtual printers. Beside
them a second hub out of its box waits to be paired by whoever tries the demo, and to find a fifth printer.
`--port N` serves on a fixed port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TypeVar

from tools import dashboard
from tools.farm import farm as farms
from tools.farm.cloud import free_port
from tools.farm.new_hub import NewHub
from tools.sample_file import PRESETS
from tools.virtual_printer.harness import VirtualFarm, may_use_standard_ports
from tools.virtual_printer.spec import PrinterSpec, TraySpec

T = TypeVar("T")

SPEED = 30.0  # printers' clocks: a print of half an hour takes a minute

PRINTERS = (
    PrinterSpec(
        model="P1S",
        name="Shelf 1",
        speed=SPEED,
        trays=[TraySpec("PLA", "1F8B4C", remain=64), TraySpec("PETG", "F5F5F5"), TraySpec("PLA", "101014"), None],
    ),
    PrinterSpec(
        model="A1",
        name="Window",
        speed=SPEED,
        trays=[TraySpec("PLA", "FFFFFF"), TraySpec("PETG", "2850E0"), None, None],
    ),
    PrinterSpec(
        model="X1C",
        name="Shelf 2",
        speed=SPEED,
        trays=[TraySpec("PLA", "161616"), TraySpec("PLA", "F2C230", remain=31), TraySpec("ABS", "202020"), None],
    ),
    # No pink filament here: the vase waits, and says for what.
    PrinterSpec(
        model="A1 mini", name="Mini", speed=SPEED, trays=[TraySpec("PLA", "2850E0"), TraySpec("PLA", "F2C230")]
    ),
)

# What the second hub finds: a network to join, and a printer that announces itself.
WIFI, WIFI_PASSWORD = "Workshop", "printfarm"
FOUND = PrinterSpec(
    model="A1 mini", name="Door", access_code="12345678", speed=SPEED, trays=[TraySpec("PLA", "C12E1F")]
)

# Queued at the start, in this order: name of the file and which of the ready-made samples it is.
FILES = (
    ("Shelf bracket.gcode.3mf", "bracket_p1s"),
    ("Parts case.gcode.3mf", "case_a1"),
    ("Door sign.gcode.3mf", "sign_x1c"),
    ("Vase.gcode.3mf", "vase_a1mini"),
)


# What is made of the first file, and sold.
PRODUCT = {
    "name": "Shelf bracket",
    "category": "Brackets",
    "skus": [
        {"sku": "BRACKET-GREEN", "color": "Green", "hex_code": "#1F8B4C", "filament_type": "PLA", "price": 1490},
        {"sku": "BRACKET-BLACK", "color": "Black", "hex_code": "#101014", "filament_type": "PLA", "price": 1490},
    ],
}


async def populate(farm: farms.Farm) -> str:
    """Upload and queue the samples, and make a product of the first; returns the job that is to be seen printing."""
    jobs, files = [], []
    for name, preset in FILES:
        files.append(await farm.upload(PRESETS[preset], name))
        jobs.append(await farm.queue(files[-1]))
    await farm.api.create("/api/products/", PRODUCT | {"print_file_id": files[0]["id"]})
    return jobs[0]


async def switch_on(boxed: NewHub, stack: contextlib.AsyncExitStack) -> None:
    """Plug in the hub that belongs to nobody; where this user may, a printer is there that announces itself to it."""
    extra = {}
    if may_use_standard_ports():
        port = free_port()
        extra["PF_DISCOVERY"] = str(port)
        announced = VirtualFarm.start([FOUND], standard_ports=True, announce=f"127.0.0.1:{port}", announce_interval=1.0)
        await stack.enter_async_context(announced)
    hub = boxed.process(extra=extra)
    hub.restarts = True  # as a board does once it is paired
    await hub.start()
    stack.push_async_callback(hub.stop)
    await hub.wait_for("page on")


async def run(folder: Path, port: int) -> None:
    """Start everything, say so, and stay until interrupted."""
    began = time.monotonic()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    say("building the dashboard")
    await asyncio.to_thread(dashboard.build)
    say("starting cloud, hubs and virtual printers")
    boxed = NewHub(folder / "boxed", {WIFI: WIFI_PASSWORD})
    settings = {"PRINTFARM_HUB_PAGE": f"{boxed.page}/"}
    async with contextlib.AsyncExitStack() as stack:
        whole = farms.start(folder, PRINTERS, port=port, settings=settings)
        farm = await unless(stop, asyncio.create_task(stack.enter_async_context(whole)))
        if farm is None:
            return
        job = await populate(farm)
        await unless(stop, asyncio.create_task(switch_on(boxed, stack)))
        async with farm.api.live() as live:
            printing = asyncio.create_task(live.until(lambda now: now.jobs.get(job, {}).get("status") == "printing"))
            await unless(stop, printing)
        if not stop.is_set():
            say(f"ready after {time.monotonic() - began:.1f} s; Ctrl-C ends it")
            print(f"\n  Dashboard  {farm.cloud.url}\n  E-mail     {farms.EMAIL}\n  Password   {farm.password}\n")
            print(f"  A second hub waits to be paired; its label says\n             {farm.cloud.url}/p#{boxed.label}")
            found = f"; the found printer's access code is {FOUND.access_code}" if may_use_standard_ports() else ""
            print(f"  Go on without Bluetooth. Wi-Fi {WIFI}, password {WIFI_PASSWORD}{found}\n")
            print(f"DEMO READY {farm.cloud.url} {farms.EMAIL} {farm.password}", flush=True)
            await stop.wait()
        say("stopping")


async def unless(stop: asyncio.Event, task: asyncio.Task[T]) -> T | None:
    """The task's result, or None when the user has had enough; then the task is cancelled and over."""
    waiter = asyncio.create_task(stop.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if task.done():
        return task.result()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return None


def say(text: str) -> None:
    """Progress goes to stderr, the result to stdout."""
    print(f"demo: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Run a whole farm on this machine.")
    parser.add_argument("--port", type=int, default=0, help="port of the dashboard (default: any free one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="printfarm-demo-") as folder:
        asyncio.run(run(Path(folder), options.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
