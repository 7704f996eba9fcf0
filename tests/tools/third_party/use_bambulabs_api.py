"""Drives a printer with bambulabs_api: status, upload, list, start, pause, resume, light, gcode, stop, delete, camera.

Arguments: address, access code, serial, path of a print file, `camera` or `none`.
Prints one JSON object with what the client saw.
"""

import base64
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bambulabs_api

PATIENCE = 30.0


def until(what: str, seen: Callable[[], Any], wanted: Any) -> Any:
    """Poll a getter of the client until it shows `wanted`."""
    deadline = time.monotonic() + PATIENCE
    while (value := seen()) != wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} is {value!r}, not {wanted!r}")
        time.sleep(0.05)
    return value


def frame(printer: Any) -> bytes:
    """The first picture of the camera."""
    deadline = time.monotonic() + PATIENCE
    while printer.camera_client.last_frame is None:
        if time.monotonic() > deadline:
            raise SystemExit("no camera frame")
        time.sleep(0.05)
    return base64.b64decode(printer.get_camera_frame())


def main() -> None:
    address, code, serial, path, camera = sys.argv[1:]
    printer: Any = bambulabs_api.Printer(address, code, serial)
    printer.mqtt_start()
    seen: dict[str, Any] = {}
    try:
        until("ready", printer.mqtt_client_ready, True)
        states = [until("state", lambda: printer.get_state().name, "IDLE")]
        with Path(path).open("rb") as file:
            seen["upload"] = printer.upload_file(file, "third.gcode.3mf")
        seen["listing"] = [line.split()[-1] for line in printer.ftp_client.list_directory("/")[1]]
        seen["started"] = printer.start_print("third.gcode.3mf", 1, use_ams=False)
        states.append(until("state", lambda: printer.get_state().name, "RUNNING"))
        if camera == "camera":
            printer.camera_start()
            seen["frame"] = base64.b64encode(frame(printer)).decode()
        printer.pause_print()
        states.append(until("state", lambda: printer.get_state().name, "PAUSE"))
        printer.resume_print()
        states.append(until("state", lambda: printer.get_state().name, "RUNNING"))
        printer.turn_light_off()
        until("light", printer.get_light_state, "off")
        printer.gcode("M140 S60")
        printer.stop_print()
        states.append(until("state", lambda: printer.get_state().name, "FAILED"))
        seen["deleted"] = printer.delete_file("third.gcode.3mf")
        seen["states"] = states
        seen["name"] = printer.subtask_name()
    finally:
        printer.camera_client.alive = False
        printer.mqtt_stop()
    print(json.dumps(seen))


main()
