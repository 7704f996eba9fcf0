"""The command line: `run` printers, `ctl` running ones."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import aiohttp

from tools.virtual_printer.actions import ACTIONS
from tools.virtual_printer.client import ControlError, PrinterControl
from tools.virtual_printer.control import serve
from tools.virtual_printer.farm import Farm
from tools.virtual_printer.models import MODELS
from tools.virtual_printer.spec import PrinterSpec, from_json


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    # `run` may be left out: it is what one nearly always wants.
    verb = [] if given[:1] and given[0] in ("run", "ctl", "-h", "--help") else ["run"]
    options = _parser().parse_args([*verb, *given])
    if options.verb == "ctl":
        return asyncio.run(_control(options))
    try:
        specs = _specs(options)
    except (ValueError, OSError) as error:
        print(f"virtual_printer: {error}", file=sys.stderr)
        return 2
    return asyncio.run(_run(options, specs))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.virtual_printer", description="Virtual Bambu Lab printers.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="run printers until Ctrl-C")
    run.add_argument(
        "--printer",
        action="append",
        default=[],
        metavar="MODEL[:SERIAL[:CODE]]",
        help=f"add a printer; models: {', '.join(MODELS)}",
    )
    run.add_argument(
        "--config", type=Path, help='JSON file ("-": first line of standard input): {"printers": [{"model": …}, …]}'
    )
    run.add_argument("--speed", type=float, help="how much faster than real time they print")
    run.add_argument("--address", default="127.0.0.1", help="address of printers without their own")
    run.add_argument(
        "--standard-ports",
        action="store_true",
        help="ports 8883, 990, 6000, 3000, 3002, each printer on its own 127.0.77.x",
    )
    run.add_argument("--fault", action="append", default=[], metavar="NAME=VALUE", help="on all")
    run.add_argument("--folder", type=Path, help="keep storages here (default: temporary)")
    run.add_argument("--certificates", type=Path, help="keep the RSA key here (certificates follow from it)")
    run.add_argument("--control-port", type=int, default=0, help="port of the control API")
    run.add_argument("--announce", metavar="HOST:PORT", help="send NOTIFY datagrams there")
    run.add_argument("--announce-interval", type=float, default=5.0)
    run.add_argument("--search", metavar="HOST:PORT", help="answer M-SEARCH datagrams there (port 0: any)")
    run.add_argument("--lifeline", action="store_true", help="end when standard input ends")
    ctl = verbs.add_parser("ctl", help="look into running printers and break them")
    ctl.add_argument("--url", required=True, help="control URL (the ready line names it)")
    ctl.add_argument("serial", nargs="?", help="leave out to list the printers")
    ctl.add_argument("action", nargs="?", default="state", help=f"state, files, journal, fault, {', '.join(ACTIONS)}")
    ctl.add_argument("arguments", nargs="*", metavar="NAME=VALUE")
    return parser


def _specs(options: argparse.Namespace) -> list[PrinterSpec]:
    specs: list[PrinterSpec] = []
    if options.config:
        # A line of standard input leaves no file with access codes behind, however the parent ends.
        text = sys.stdin.readline() if str(options.config) == "-" else options.config.read_text()
        data = json.loads(text)
        if not isinstance(data, dict) or not isinstance(data.get("printers"), list):
            raise ValueError(f'{options.config} must hold {{"printers": [...]}}')
        specs += [from_json(entry) for entry in data["printers"]]
    for text in options.printer:
        model, serial, code = [*text.split(":"), "", ""][:3]
        specs.append(PrinterSpec(model=model, serial=serial, access_code=code))
    if not specs:
        raise ValueError("no printers: give --printer or --config")
    faults = _pairs(options.fault)
    for spec in specs:
        spec.faults = {**spec.faults, **faults}
        if options.speed:
            spec.speed = options.speed
    return specs


def _pairs(texts: list[str]) -> dict[str, Any]:
    """NAME=VALUE pairs; the value is JSON where it can be read as such, else text."""
    pairs: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} is not NAME=VALUE")
        try:
            pairs[name] = json.loads(value)
        except ValueError:
            pairs[name] = value
    return pairs


async def _run(options: argparse.Namespace, specs: list[PrinterSpec]) -> int:
    told = _told_to_end(lifeline=options.lifeline)
    farm = Farm(options.folder, options.certificates)
    runner = None
    try:
        for spec in specs:
            farm.add(spec, address=options.address, standard_ports=options.standard_ports)
        runner, url = await serve(farm, options.control_port)
        if options.announce:
            host, _, port = options.announce.rpartition(":")
            farm.announce(host, int(port), options.announce_interval)
        searched = 0
        if options.search:
            host, _, port = options.search.rpartition(":")
            searched = await farm.answer_searches(host, int(port))
        ready = [printer.announcement() for printer in farm.printers.values()]
        print(json.dumps({"ready": True, "control": url, "search": searched, "printers": ready}), flush=True)
        await told.wait()
    except (OSError, ValueError) as error:
        print(f"virtual_printer: {error}", file=sys.stderr)
        return 1
    finally:
        if runner is not None:
            await runner.cleanup()
        await farm.close()
    return 0


def _told_to_end(*, lifeline: bool) -> asyncio.Event:
    """Set on SIGINT, SIGTERM or, with `lifeline`, at the end of standard input (the parent is gone).

    Listens from the start: whoever reads the ready line may send a signal at once.
    """
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    if lifeline:
        thread = threading.Thread(target=_watch_lifeline, args=(loop, told), daemon=True)
        thread.start()
    return told


def _watch_lifeline(loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> None:
    """Wait in a thread: standard input may be a pipe, a file or a terminal, and only pipes can be polled."""
    while os.read(0, 4096):
        pass
    try:
        loop.call_soon_threadsafe(told.set)
    except RuntimeError:
        return  # the loop has ended already, which is what was wanted


async def _control(options: argparse.Namespace) -> int:
    async with aiohttp.ClientSession() as session:
        try:
            answer = await _ask(session, options)
        except (ControlError, ValueError, aiohttp.ClientError) as error:
            print(f"virtual_printer: {error}", file=sys.stderr)
            return 1
    print(json.dumps(answer, indent=2))
    return 0


async def _ask(session: aiohttp.ClientSession, options: argparse.Namespace) -> Any:
    url = options.url.rstrip("/")
    if not options.serial:
        async with session.get(f"{url}/printers") as answer:
            return await answer.json()
    printer = PrinterControl(session, url, options.serial)
    arguments = _pairs(options.arguments)
    if options.action == "state":
        return await printer.state()
    if options.action == "files":
        return [vars(entry) for entry in (await printer.files()).values()]
    if options.action == "journal":
        return await printer.journal()
    if options.action == "fault":
        await printer.fault(**arguments)
        return (await printer.state())["faults"]
    return await printer.do(options.action, **arguments)
