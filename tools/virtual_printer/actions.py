"""What somebody standing at the printer (or pulling its plug) does: actions of the control API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tools.virtual_printer import state as st
from tools.virtual_printer.printer import Printer
from tools.virtual_printer.spec import TraySpec
from tools.virtual_printer.starting import JobPlan

Arguments = dict[str, Any]
Answer = dict[str, Any]


async def perform(printer: Printer, name: str, arguments: Arguments) -> Answer:
    """Do action `name`. Raises KeyError for an unknown action, ValueError for bad arguments or a state in which
    the action cannot be done."""
    return await ACTIONS[name](printer, arguments)


async def _cancel(printer: Printer, arguments: Arguments) -> Answer:
    _must(printer.engine.stop(), "nothing to cancel")
    return {}


async def _pause(printer: Printer, arguments: Arguments) -> Answer:
    _must(printer.engine.pause(), "nothing is running")
    return {}


async def _resume(printer: Printer, arguments: Arguments) -> Answer:
    done = printer.engine.resume() or printer.engine.resume_interrupted()
    _must(done, "nothing is paused")
    return {}


async def _dismiss(printer: Printer, arguments: Arguments) -> Answer:
    if printer.machine.print_error == st.ERROR_POWER_LOSS:
        printer.engine.interrupted = None
    printer.machine.print_error = 0
    printer.reporter.changed()
    return {}


async def _tap(printer: Printer, arguments: Arguments) -> Answer:
    _must(not printer.machine.busy, "a job is running")
    printer.machine.gcode_state = "IDLE"
    printer.reporter.changed()
    return {}


async def _start(printer: Printer, arguments: Arguments) -> Answer:
    """Start a job on the screen: a file of the storage, or an invented one of `seconds` and `layers`."""
    _must(not printer.machine.busy and not printer.engine.active, "a job is running")
    path = arguments.get("path")
    if path:
        _must(printer.storage.is_file(str(path)), "no such file")
        request = {"param": arguments.get("param", "Metadata/plate_1.gcode")}
        printer.commands.start_file(str(path), request, origin="screen")
        return {}
    name = str(arguments.get("name", "screen job"))
    plan = JobPlan(
        name=name,
        path=f"/{name}.gcode.3mf",
        gcode_file="/data/Metadata/plate_1.gcode" if printer.model.gcode_file_is_path else f"{name}.gcode.3mf",
        seconds=float(arguments.get("seconds", 600)),
        layers=int(arguments.get("layers", 50)),
        slots=(st.EXTERNAL,),
    )
    printer.journal.start(plan.path, "started", origin="screen", name=name)
    printer.engine.start_ready(plan)
    return {}


async def _runout(printer: Printer, arguments: Arguments) -> Answer:
    _must(printer.engine.runout(), "nothing is running")
    return {}


async def _fail(printer: Printer, arguments: Arguments) -> Answer:
    """FAILED with `error` (a print_error number), optionally with an HMS entry [attr, code]."""
    hms = arguments.get("hms")
    printer.engine.fail(int(arguments.get("error", st.ERROR_CLOGGED)), tuple(hms) if hms else None)
    return {}


async def _set_tray(printer: Printer, arguments: Arguments) -> Answer:
    """Put filament into a slot (`slot`: global number or 254) or take it out (`tray` null)."""
    tray = arguments.get("tray")
    try:
        filament = None if tray is None else TraySpec(**tray)
    except TypeError as error:
        raise ValueError(str(error)) from error
    printer.machine.set_filament(int(arguments["slot"]), filament)
    if filament is not None:
        printer.machine.drop_runout()
    printer.reporter.changed()
    return {}


async def _hms(printer: Printer, arguments: Arguments) -> Answer:
    """Replace the HMS list: `entries` is a list of [attr, code]."""
    printer.machine.hms = [(int(attr), int(code)) for attr, code in arguments["entries"]]
    printer.reporter.changed()
    return {}


async def _put_file(printer: Printer, arguments: Arguments) -> Answer:
    """Somebody copies a file of `size` bytes to `path`, with the card in another machine."""
    path = str(arguments["path"])
    printer.storage.check_name(path)
    printer.storage.local(path).write_bytes(bytes(int(arguments.get("size", 0))))
    printer.storage_changed()
    return {}


async def _drop(printer: Printer, arguments: Arguments) -> Answer:
    return {"dropped": await printer.drop_connections()}


async def _rotate(printer: Printer, arguments: Arguments) -> Answer:
    await printer.rotate_access_code(str(arguments.get("code", "")))
    return {"access_code": printer.access_code}


async def _certificate(printer: Printer, arguments: Arguments) -> Answer:
    await printer.replace_certificate()
    return {"fingerprint": printer.certificate.fingerprint}


async def _power_off(printer: Printer, arguments: Arguments) -> Answer:
    await printer.power_off()
    return {}


async def _power_on(printer: Printer, arguments: Arguments) -> Answer:
    printer.power_on()
    return {}


async def _power_cycle(printer: Printer, arguments: Arguments) -> Answer:
    """Off, `seconds` later on again."""
    await printer.power_off()
    await asyncio.sleep(float(arguments.get("seconds", 0.5)))
    printer.power_on()
    return {}


async def _reset(printer: Printer, arguments: Arguments) -> Answer:
    await printer.reset()
    return {}


async def _clear_journal(printer: Printer, arguments: Arguments) -> Answer:
    printer.journal.clear()
    return {}


def _must(done: bool, otherwise: str) -> None:
    if not done:
        raise ValueError(otherwise)


ACTIONS: dict[str, Callable[[Printer, Arguments], Awaitable[Answer]]] = {
    "cancel": _cancel,
    "pause": _pause,
    "resume": _resume,
    "dismiss_error": _dismiss,
    "tap": _tap,
    "start": _start,
    "runout": _runout,
    "fail": _fail,
    "set_tray": _set_tray,
    "set_hms": _hms,
    "put_file": _put_file,
    "drop_connections": _drop,
    "rotate_access_code": _rotate,
    "replace_certificate": _certificate,
    "power_off": _power_off,
    "power_on": _power_on,
    "power_cycle": _power_cycle,
    "clear_journal": _clear_journal,
    "reset": _reset,
}
