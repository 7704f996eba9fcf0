"""Drives a printer with bambu-printer-manager: status, upload (which also parses the file), start, pause, resume, stop.

Arguments: address, access code, serial, path of a print file, folder for its cache. Prints one JSON object.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpm.bambuconfig import BambuConfig  # type: ignore[import-untyped]
from bpm.bambuprinter import BambuPrinter  # type: ignore[import-untyped]
from bpm.bambutools import PlateType  # type: ignore[import-untyped]

PATIENCE = 20.0


def until(what: str, seen: Callable[[], Any], wanted: Any) -> Any:
    """Poll a getter of the client until it shows `wanted`."""
    deadline = time.monotonic() + PATIENCE
    while (value := seen()) != wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} is {value!r}, not {wanted!r}")
        time.sleep(0.05)
    return value


def main() -> None:
    address, code, serial, path, cache = sys.argv[1:]
    config = BambuConfig(hostname=address, access_code=code, serial_number=serial, bpm_cache_path=Path(cache))
    printer: Any = BambuPrinter(config=config)
    printer.start_session()
    seen: dict[str, Any] = {}
    try:
        states = [until("state", lambda: printer.printer_state.gcode_state, "IDLE")]
        seen["model"] = printer.config.printer_model.name
        listing = printer.upload_sdcard_file(path, "/third.gcode.3mf")
        seen["listing"] = [child["name"] for child in listing["children"]]
        seen["units"] = len(printer.printer_state.ams_units)
        printer.print_3mf_file("/third.gcode.3mf", 1, PlateType.AUTO, False, "")
        states.append(until("state", lambda: printer.printer_state.gcode_state, "RUNNING"))
        printer.pause_printing()
        states.append(until("state", lambda: printer.printer_state.gcode_state, "PAUSE"))
        printer.resume_printing()
        states.append(until("state", lambda: printer.printer_state.gcode_state, "RUNNING"))
        printer.light_state = False
        until("light", lambda: printer.light_state, False)
        printer.stop_printing()
        states.append(until("state", lambda: printer.printer_state.gcode_state, "FAILED"))
        seen["states"] = states
    finally:
        printer.quit()
    print(json.dumps(seen))


main()
