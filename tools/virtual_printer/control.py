"""The control API: JSON over HTTP on loopback, to look inside the printers and to break them while they run.

GET   /printers                               one line a printer
GET   /printers/SERIAL                        state, faults, clients, counters
GET   /printers/SERIAL/files                  every file with size and sha256
GET   /printers/SERIAL/files/content?path=…   a file's bytes
GET   /printers/SERIAL/journal                commands, starts, uploads, states, events
GET   /printers/SERIAL/wait?…&timeout=30      returns when the state is as asked (408 otherwise)
PATCH /printers/SERIAL/faults                 set switches (see faults.py)
POST  /printers/SERIAL/actions/NAME           see actions.py
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from tools.virtual_printer.actions import ACTIONS, perform
from tools.virtual_printer.farm import Farm
from tools.virtual_printer.printer import Printer

_FARM: web.AppKey[Farm] = web.AppKey("farm", Farm)


def state_of(printer: Printer) -> dict[str, Any]:
    """A printer's state as the API shows it; temperatures in °C, remaining time in seconds."""
    machine, job = printer.machine, printer.machine.job
    return {
        "serial": printer.spec.serial,
        "model": printer.model.name,
        "name": printer.spec.name,
        "address": printer.address,
        "ports": {name: port.port for name, port in printer.ports.items()},
        "fingerprint": printer.certificate.fingerprint,
        "powered": printer.powered,
        "gcode_state": machine.gcode_state,
        "stage": machine.stage,
        "print_error": machine.print_error,
        "hms": [list(entry) for entry in machine.hms],
        "subtask_name": job.subtask_name,
        "task_id": job.task_id,
        "mc_percent": job.percent,
        "layer_num": job.layer,
        "total_layer_num": job.total_layers,
        "remaining_seconds": round(job.remaining_seconds, 1),
        "nozzle": {"current": machine.nozzle.current, "target": machine.nozzle.target},
        "bed": {"current": machine.bed.current, "target": machine.bed.target},
        "chamber": {"current": machine.chamber.current, "target": machine.chamber.target},
        "lights": dict(machine.lights),
        "speed_level": machine.speed_level,
        "fans": dict(machine.fans),
        "tray_now": machine.tray_now,
        "skipped": list(job.skipped),
        "clients": printer.broker.clients,
        "camera_viewers": printer.camera.viewers,
        "transferring": printer.ftps.transferring,
        "faults": printer.faults.changed(),
        "counters": dict(printer.journal.counters),
        "starts_per_file": printer.journal.starts_per_file(),
    }


def application(farm: Farm) -> web.Application:
    """The aiohttp application over a farm."""
    app = web.Application(middlewares=[_errors])
    app[_FARM] = farm
    one = "/printers/{serial}"
    app.router.add_get("/printers", _list)
    app.router.add_get(one, _show)
    app.router.add_get(f"{one}/files", _files)
    app.router.add_get(f"{one}/files/content", _content)
    app.router.add_get(f"{one}/journal", _journal)
    app.router.add_get(f"{one}/wait", _wait)
    app.router.add_patch(f"{one}/faults", _faults)
    app.router.add_post(f"{one}/actions/{{name}}", _action)
    return app


async def serve(farm: Farm, port: int = 0) -> tuple[web.AppRunner, str]:
    """Start the API on loopback; returns the runner (to clean up) and its URL."""
    runner = web.AppRunner(application(farm), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, shutdown_timeout=0.5).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@web.middleware
async def _errors(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    except KeyError as error:
        return web.json_response({"error": f"not found: {error.args[0]}"}, status=404)
    return answer


def _printer(request: web.Request) -> Printer:
    return request.app[_FARM].printers[request.match_info["serial"].upper()]


async def _list(request: web.Request) -> web.Response:
    return web.json_response([state_of(item) for item in request.app[_FARM].printers.values()])


async def _show(request: web.Request) -> web.Response:
    return web.json_response(state_of(_printer(request)))


async def _files(request: web.Request) -> web.Response:
    storage = _printer(request).storage
    found = [
        {
            "path": entry.path,
            "size": entry.size,
            "sha256": await asyncio.to_thread(storage.sha256, entry.path),
        }
        for entry in list(storage.files())
    ]
    return web.json_response(found)


async def _content(request: web.Request) -> web.StreamResponse:
    storage, path = _printer(request).storage, request.query["path"]
    if not storage.is_file(path):
        raise KeyError(path)
    return web.FileResponse(storage.local(path))


async def _journal(request: web.Request) -> web.Response:
    return web.json_response(_printer(request).journal.as_json())


async def _wait(request: web.Request) -> web.Response:
    """Wait until every given field equals its value (`a,b` means either); `layer_num`/`mc_percent`: at least."""
    printer = _printer(request)
    wanted = dict(request.query)
    limit = float(wanted.pop("timeout", "30"))
    unknown = set(wanted) - set(state_of(printer))
    if unknown:
        raise ValueError(f"unknown field(s): {', '.join(sorted(unknown))}")
    try:
        async with asyncio.timeout(limit), printer.changes() as changed:
            while not _met(state_of(printer), wanted):
                changed.clear()
                try:
                    # Progress is not announced like a state change: look every now and then.
                    async with asyncio.timeout(0.05):
                        await changed.wait()
                except TimeoutError:
                    continue
    except TimeoutError:
        return web.json_response({"error": "timed out", "state": state_of(printer)}, status=408)
    return web.json_response(state_of(printer))


def _met(state: dict[str, Any], wanted: dict[str, str]) -> bool:
    for name, value in wanted.items():
        if name in ("layer_num", "mc_percent"):
            if state[name] < int(value):
                return False
        elif str(state[name]) not in value.split(","):
            return False
    return True


async def _faults(request: web.Request) -> web.Response:
    printer = _printer(request)
    printer.faults.apply(await _body(request))
    printer.faults_changed()
    return web.json_response(printer.faults.as_json())


async def _action(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in ACTIONS:
        raise KeyError(name)
    return web.json_response(await perform(_printer(request), name, await _body(request)))


async def _body(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    try:
        body = json.loads(text or "{}")
    except ValueError as error:
        raise ValueError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - a bad request
    return body
