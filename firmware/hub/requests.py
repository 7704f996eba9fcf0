"""Commands of the cloud -> requests to a printer, and how a status shows their effect. Pure: no input or output.
Needed only while a command is under way.

Commands and their arguments are those of `shared_protocol.messages.COMMANDS`; what the printer takes is in the
reference of its protocol, section 3. Booleans stay JSON booleans: a printer misreads numbers in their place.
"""

from hub.models import DUAL_NOZZLE, LIDAR, NO_VIBRATION_CALIBRATION
from hub.trays import unit_of

from shared_protocol.status import BUSY, EXTERNAL_TRAY, NO_TRAY, READY

_FAN_PORTS = {"part": 1, "aux": 2, "chamber": 3}
_HT = 128


def request(name: str, args: dict, sequence: str, status: dict) -> dict:  # type: ignore[type-arg]
    """The message for command *name* with checked *args*, given the printer's *status*.

    *sequence* is decimal text: printers hang on others. Raises ValueError, with the reason, for arguments that
    this printer must not be sent, and KeyError for an unknown name.
    """
    section, body = _BUILDERS[name](args, status)
    body["sequence_id"] = sequence
    return {section: body}


def _print(command: str, **fields: object) -> tuple:  # type: ignore[type-arg]
    fields["command"] = command
    return "print", fields


def _gcode(lines: str) -> tuple:  # type: ignore[type-arg]
    return _print("gcode_line", param=lines if lines.endswith("\n") else lines + "\n")


def _start(args: dict, status: dict) -> tuple:  # type: ignore[type-arg]
    model = status.get("model")
    dual = model in DUAL_NOZZLE
    levelling = args.get("bed_leveling", True)
    flow = args.get("flow_cali", False)
    number = args["task_id"]
    if not number.isdigit() or not 0 < int(number) <= 0x7FFFFFFF:
        # Larger ones are clamped by the printer, so that the job looks like an old one and never starts.
        raise ValueError("task_id is not a number of 1 to 2147483647")
    # 254 and 255 in the flat list mean "no AMS mapping" to the printer: external spools are -1 there.
    flat = [tray if tray < EXTERNAL_TRAY else -1 for tray in args["mapping"]]
    return _print(
        "project_file",
        param="Metadata/plate_%d.gcode" % args["plate"],
        url=args["url"],
        file=args["file"],
        md5="",  # not checked
        subtask_name=args["task"],
        project_id=number,
        task_id=number,
        subtask_id=number,
        profile_id="0",
        bed_type=args.get("bed_type", "auto"),
        bed_leveling=levelling,
        auto_bed_leveling=1 if levelling else 0,
        flow_cali=flow,
        extrude_cali_flag=1 if flow else 0,
        extrude_cali_manual_mode=0,
        vibration_cali=args.get("vibration_cali", False) and model not in NO_VIBRATION_CALIBRATION,
        layer_inspect=args.get("layer_inspect", False) and model in LIDAR,
        timelapse=args.get("timelapse", False),
        nozzle_offset_cali=2 if dual else 0,  # automatic
        use_ams=args["use_ams"],
        ams_mapping=flat,
        ams_mapping2=[_slot(tray, args["use_ams"], dual) for tray in args["mapping"]],
        cfg="0",
    )


def _slot(tray: int, use_ams: bool, dual: bool) -> dict:  # type: ignore[type-arg]
    if tray >= EXTERNAL_TRAY:
        return {"ams_id": tray if dual else 255, "slot_id": 0}
    if tray < 0:
        # Without the AMS every filament comes from the external spool; with it, -1 is one that is not used.
        return {"ams_id": 255, "slot_id": 255 if use_ams else 0}
    return {"ams_id": unit_of(tray), "slot_id": 0 if tray >= _HT else tray % 4}


def _clean_error(args: dict, status: dict) -> tuple:  # type: ignore[type-arg]
    error = status.get("error", 0)
    return _print("clean_print_error", subtask_id=status.get("task_id", "0"), print_error=error)


def _light(args: dict, status: dict) -> tuple:  # type: ignore[type-arg]
    return "system", {
        "command": "ledctrl",
        "led_node": "chamber_light",
        "led_mode": "on" if args["on"] else "off",
        "led_on_time": 500,
        "led_off_time": 500,
        "loop_times": 1,
        "interval_time": 0,
    }


def _temperature(args: dict, status: dict) -> tuple:  # type: ignore[type-arg]
    lines = []
    if "nozzle" in args:
        lines.append("M104 S%d" % args["nozzle"])
    if "bed" in args:
        lines.append("M140 S%d" % args["bed"])
    if not lines:
        raise ValueError("neither nozzle nor bed temperature given")
    return _gcode("\n".join(lines))


def _fan(args: dict, status: dict) -> tuple:  # type: ignore[type-arg]
    return _gcode("M106 P%d S%d" % (_FAN_PORTS[args["fan"]], args["percent"] * 255 // 100))


def _raw_gcode(args: dict, status: dict) -> tuple:  # type: ignore[type-arg]
    for line in args["lines"].split("\n"):
        words = line.split(";")[0].upper().split()
        if words and words[0].startswith("G28") and words != ["G28"]:
            # Homing single axes drives the nozzle into the bed on some models.
            raise ValueError("G28 is allowed only as a whole, without axes")
    return _gcode(args["lines"])


def _ams_change(args: dict, status: dict) -> tuple:  # type: ignore[type-arg]
    tray = args["tray"]
    if tray == NO_TRAY and not status.get("ams"):
        return _print("unload_filament")
    now = int(status.get("nozzle", 0))
    wanted = args.get("nozzle") or _feeding_temperature(tray, status)
    if tray == NO_TRAY:
        unit, slot = 255, 255
    elif tray == EXTERNAL_TRAY:
        unit, slot = 255, 0
    else:
        unit, slot = unit_of(tray), 0 if tray >= _HT else tray % 4
    return _print("ams_change_filament", ams_id=unit, slot_id=slot, target=tray, curr_temp=now, tar_temp=wanted)


def _feeding_temperature(tray: int, status: dict) -> int:  # type: ignore[type-arg]
    # Unloading needs the heat of what is loaded, loading that of what comes.
    which = status.get("tray", NO_TRAY) if tray == NO_TRAY else tray
    for known in status.get("trays", ()):
        if known["id"] == which and known.get("max"):
            return known["max"]
    return 220


def _ams_tray(args: dict, status: dict) -> tuple:  # type: ignore[type-arg]
    tray = args["tray"]
    color = args["color"]
    if len(color) != 7 or color[0] != "#" or any(digit not in "0123456789abcdefABCDEF" for digit in color[1:]):
        raise ValueError("colour is not #RRGGBB")
    if tray >= EXTERNAL_TRAY:
        unit, slot, where = (tray if status.get("model") in DUAL_NOZZLE else 255), 0, tray
    else:
        unit = unit_of(tray)
        slot = where = 0 if tray >= _HT else tray % 4
    return _print(
        "ams_filament_setting",
        ams_id=unit,
        slot_id=slot,
        tray_id=where,  # of the slot, not over all units
        tray_info_idx=args.get("profile", ""),
        setting_id="",
        tray_color=color[1:].upper() + "FF",
        nozzle_temp_min=args["min"],
        nozzle_temp_max=args["max"],
        tray_type=args["type"],
    )


_BUILDERS = {
    "start": _start,
    "pause": lambda args, status: _print("pause", param=""),
    "resume": lambda args, status: _print("resume", param=""),
    "stop": lambda args, status: _print("stop", param=""),
    "clean_error": _clean_error,
    "refresh": lambda args, status: ("pushing", {"command": "pushall", "version": 1, "push_target": 1}),
    "speed": lambda args, status: _print("print_speed", param=str(args["level"])),
    "light": _light,
    "temperature": _temperature,
    "fan": _fan,
    "home": lambda args, status: _gcode("G28"),
    "gcode": _raw_gcode,
    "calibrate": lambda args, status: _print("calibration", option=args["option"]),
    "skip_objects": lambda args, status: _print("skip_objects", obj_list=args["objects"]),
    "ams_change": _ams_change,
    "ams_control": lambda args, status: _print("ams_control", param=args["action"]),
    "ams_tray": _ams_tray,
}


def happened(name: str, args: dict, status: dict) -> bool:  # type: ignore[type-arg]
    """Whether a status shows what the command wanted: printers do not answer every command they obey."""
    seen = _EFFECTS.get(name)
    return seen is not None and bool(seen(args, status))


def _started(args: dict, status: dict) -> bool:  # type: ignore[type-arg]
    ours = status.get("task_id") == args["task_id"] or status.get("task") == args["task"]
    return ours and status["state"] in BUSY


def _heated(args: dict, status: dict) -> bool:  # type: ignore[type-arg]
    return all(status.get(which + "_target") == args[which] for which in ("nozzle", "bed") if which in args)


def _set(args: dict, status: dict) -> bool:  # type: ignore[type-arg]
    for tray in status.get("trays", ()):
        if tray["id"] == args["tray"]:
            return tray["type"] == args["type"] and tray["color"] == args["color"].upper()
    return False


_EFFECTS = {
    "start": _started,
    "pause": lambda args, status: status["state"] == "pause",
    "resume": lambda args, status: status["state"] == "running",
    "stop": lambda args, status: status["state"] in READY,
    "clean_error": lambda args, status: status.get("error") == 0,
    "speed": lambda args, status: status.get("speed") == args["level"],
    "light": lambda args, status: status.get("light") == args["on"],
    "temperature": _heated,
    "skip_objects": lambda args, status: all(one in status.get("skipped", ()) for one in args["objects"]),
    "ams_change": lambda args, status: status.get("tray") == args["tray"],
    "ams_tray": _set,
}
