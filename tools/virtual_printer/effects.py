"""What commands other than starting a print do to the printer, and what is answered beside the echo."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tools.virtual_printer import state as st
from tools.virtual_printer.spec import TraySpec

if TYPE_CHECKING:
    from tools.virtual_printer.printer import Printer

Request = dict[str, Any]
SUCCESS: Request = {"result": "success", "reason": "success"}
_FAN = {1: "cooling", 2: "aux", 3: "chamber"}
_WORD = re.compile(r"([A-Z])(-?\d+(?:\.\d+)?)")


def printing(printer: Printer, request: Request) -> Request:
    """Section `print`. An unknown command is echoed: without a result on P1/A1, as a failure on the others."""
    name = str(request.get("command") or "")
    effect = _PRINT.get(name)
    if effect is None:
        if printer.model.reporting == "diff":
            return {}
        return {"result": "failed", "reason": "unknown command"}
    answer = effect(printer, request)
    printer.reporter.changed()
    return SUCCESS if answer is None else answer


def other(printer: Printer, section: str, request: Request) -> Request | None:
    """Sections `system`, `camera`, `xcam`, `upgrade`; anything else is not answered."""
    effect = _OTHER.get(section)
    if effect is None:
        return None
    answer = effect(printer, request)
    printer.reporter.changed()
    return answer


def _pause(printer: Printer, request: Request) -> None:
    printer.engine.pause()


def _resume(printer: Printer, request: Request) -> None:
    if not printer.engine.resume():
        printer.engine.resume_interrupted()


def _stop(printer: Printer, request: Request) -> None:
    if printer.engine.interrupted is not None:
        _dismiss(printer, request)
    printer.engine.stop()


def _dismiss(printer: Printer, request: Request) -> None:
    """clean_print_error and its relatives: the error goes, the state stays; an interrupted job is given up."""
    machine = printer.machine
    if machine.print_error == st.ERROR_POWER_LOSS:
        printer.engine.interrupted = None
    machine.print_error = 0


def _ignore(printer: Printer, request: Request) -> None:
    printer.engine.resume()


def _speed(printer: Printer, request: Request) -> Request | None:
    level = str(request.get("param") or "")
    if level not in ("1", "2", "3", "4"):
        return {"result": "fail", "reason": "invalid speed level"}
    printer.machine.speed_level = int(level)
    return None


def _skip(printer: Printer, request: Request) -> Request | None:
    wanted = request.get("obj_list")
    plan = printer.engine.plan
    if plan is None or not isinstance(wanted, list):
        return {"result": "fail", "reason": "no job is running"}
    if any(identity not in plan.object_ids for identity in wanted):
        return {"result": "fail", "reason": "unknown object"}
    skipped = printer.machine.job.skipped
    skipped.extend(identity for identity in wanted if identity not in skipped)
    return None


def _gcode(printer: Printer, request: Request) -> Request | None:
    text = request.get("param")
    if not isinstance(text, str):
        return {"result": "fail", "reason": "invalid gcode"}
    for line in text.splitlines():
        _gcode_line(printer, line.split(";")[0].strip().upper())
    return None


def _gcode_line(printer: Printer, line: str) -> None:
    machine = printer.machine
    code = line.split(" ", maxsplit=1)[0]
    words = {letter: float(number) for letter, number in _WORD.findall(line[len(code) :])}
    if code in ("M104", "M109"):
        machine.nozzle.target = words.get("S", 0.0)
    elif code in ("M140", "M190"):
        machine.bed.target = words.get("S", 0.0)
    elif code == "M141" and machine.model.chamber_sensor:
        machine.chamber.target = words.get("S", 0.0)
    elif code in ("M106", "M107"):
        fan = _FAN.get(int(words.get("P", 1)))
        if fan is not None:
            power = words.get("S", 255.0) if code == "M106" else 0.0
            machine.fans[fan] = round(min(255.0, max(0.0, power)) * 15 / 255)


def _bed_temperature(printer: Printer, request: Request) -> None:
    printer.machine.bed.target = float(request.get("temp") or 0)


def _nozzle_temperature(printer: Printer, request: Request) -> None:
    left = request.get("extruder_index") == 1 and printer.model.dual_nozzle
    heater = printer.machine.nozzle_left if left else printer.machine.nozzle
    heater.target = float(request.get("target_temp") or 0)


def _change_filament(printer: Printer, request: Request) -> Request | None:
    target = request.get("target")
    machine = printer.machine
    if type(target) is not int or not (target in (st.EXTERNAL, st.NONE) or machine.find_slot(target)):
        return {"result": "fail", "reason": "invalid target"}
    if machine.busy and machine.gcode_state != "PAUSE":
        return {"result": "fail", "reason": "printer is busy"}
    machine.tray_now = machine.tray_target = target
    return None


def _unload(printer: Printer, request: Request) -> Request | None:
    return _change_filament(printer, {"target": st.NONE})


def _filament_setting(printer: Printer, request: Request) -> Request | None:
    """What is in a slot, told by the user. `tray_id` is the slot; 255/254 means the external spool."""
    machine = printer.machine
    unit, slot = request.get("ams_id"), request.get("slot_id", request.get("tray_id"))
    if unit in (st.EXTERNAL, st.NONE):
        number = st.EXTERNAL
    elif type(unit) is int and type(slot) is int:
        number = unit if unit >= 128 else unit * 4 + slot
    else:
        return {"result": "fail", "reason": "invalid tray"}
    if number != st.EXTERNAL and machine.filament_in(number) is None:
        return {"result": "fail", "reason": "tray is empty"}
    try:
        tray = TraySpec(
            type=str(request.get("tray_type") or ""),
            color=str(request.get("tray_color") or "FFFFFFFF"),
            info_idx=str(request.get("tray_info_idx") or ""),
            nozzle_temp_min=int(request.get("nozzle_temp_min") or 0),
            nozzle_temp_max=int(request.get("nozzle_temp_max") or 0),
        )
    except (ValueError, TypeError):
        return {"result": "fail", "reason": "invalid filament"}
    machine.set_filament(number, tray)
    return None


def _ams_control(printer: Printer, request: Request) -> Request | None:
    what = request.get("param")
    if what == "resume":
        printer.engine.resume()
    elif what not in ("pause", "reset", "done", "abort"):
        return {"result": "fail", "reason": "invalid param"}
    return None


def _ams_user_setting(printer: Printer, request: Request) -> None:
    names = {
        "startup_read_option": "power_on_flag",
        "tray_read_option": "insert_flag",
        "calibrate_remain_flag": "calibrate_remain_flag",
    }
    for key, flag in names.items():
        if isinstance(request.get(key), bool):
            printer.machine.options[flag] = request[key]


def _drying(printer: Printer, request: Request) -> Request | None:
    for unit in printer.machine.units:
        if unit.id == request.get("ams_id") and unit.kind in ("ams_2_pro", "ams_ht"):
            hours = request.get("duration") if request.get("mode") == 1 else 0
            unit.dry_minutes = int(hours or 0) * 60
            return None
    return {"result": "fail", "reason": "this AMS cannot dry"}


def _calibration_list(printer: Printer, request: Request) -> Request:
    return {**SUCCESS, "filaments": []}


def _nothing(printer: Printer, request: Request) -> None:
    """Accepted, without any effect that shows in a report."""


_PRINT: dict[str, Callable[[Printer, Request], Request | None]] = {
    "pause": _pause,
    "resume": _resume,
    "stop": _stop,
    "clean_print_error": _dismiss,
    "idle_ignore": _dismiss,
    "ignore": _ignore,
    "print_speed": _speed,
    "skip_objects": _skip,
    "gcode_line": _gcode,
    "set_bed_temp": _bed_temperature,
    "set_nozzle_temp": _nozzle_temperature,
    "ams_change_filament": _change_filament,
    "unload_filament": _unload,
    "ams_filament_setting": _filament_setting,
    "ams_control": _ams_control,
    "ams_user_setting": _ams_user_setting,
    "ams_filament_drying": _drying,
    "ams_get_rfid": _nothing,
    "extrusion_cali_get": _calibration_list,
    "print_option": _nothing,
    "buzzer_ctrl": _nothing,
    "calibration": _nothing,
}


def _system(printer: Printer, request: Request) -> Request | None:
    # bambulabs_api sends the light without `command` and without `led_node`.
    if request.get("command") in ("ledctrl", None) and "led_mode" in request:
        node, mode = str(request.get("led_node") or "chamber_light"), request.get("led_mode")
        if mode not in ("on", "off", "flashing"):
            return {"result": "fail", "reason": "invalid mode"}
        if node in printer.machine.lights:
            printer.machine.lights[node] = str(mode)
        return SUCCESS
    if request.get("command") == "uiop":
        if request.get("name") == "print_error" and request.get("action") == "close":
            _dismiss(printer, request)
        return SUCCESS
    return None if request.get("command") is None else SUCCESS


def _camera(printer: Printer, request: Request) -> Request | None:
    settings = {
        "ipcam_record_set": ("ipcam_record", "control"),
        "ipcam_timelapse": ("timelapse", "control"),
        "ipcam_resolution_set": ("resolution", "resolution"),
    }
    found = settings.get(str(request.get("command")))
    if found is None:
        return None
    printer.machine.ipcam[found[0]] = str(request.get(found[1]) or "")
    return {"result": 0}


def _xcam(printer: Printer, request: Request) -> Request | None:
    module, control = request.get("module_name"), request.get("control")
    if request.get("command") != "xcam_control_set" or not isinstance(control, bool):
        return {"result": "fail", "reason": "invalid"}
    printer.machine.xcam[str(module)] = control
    if "halt_print_sensitivity" in request:
        printer.machine.xcam["halt_print_sensitivity"] = str(request["halt_print_sensitivity"])
    return SUCCESS


def _upgrade(printer: Printer, request: Request) -> Request | None:
    if request.get("command") == "get_history":
        return {**SUCCESS, "firmware_optional": []}
    return {"result": "fail", "reason": "not supported"}


_OTHER: dict[str, Callable[[Printer, Request], Request | None]] = {
    "system": _system,
    "camera": _camera,
    "xcam": _xcam,
    "upgrade": _upgrade,
}
