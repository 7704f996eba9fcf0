"""Reports: the full picture in each family's shape, and the differences P1 and A1 send.

Shapes follow captured reports of real printers; field meanings are in the wire reference, section 2.
"""

from __future__ import annotations

import math
import socket
import struct
from typing import Any

from tools.virtual_printer.report_ams import ams_object, external_spool
from tools.virtual_printer.report_new import new_protocol
from tools.virtual_printer.state import SPEED_PERCENT, Machine

Report = dict[str, Any]

_BASE_HOME_FLAG = 0x3 | 1 << 4 | 1 << 11 | 1 << 15 | 1 << 17 | 1 << 18


def full_report(machine: Machine, address: str, free_bytes: int) -> Report:
    """Every field of section `print`, without `command`, `msg` and `sequence_id`."""
    report = _common(machine, address)
    report.update(_job(machine))
    report["storage"] = {"free": free_bytes, "total": machine.spec.storage_bytes}
    if machine.units:
        report["ams"] = ams_object(machine)
    else:
        report["ams"] = {"ams": [], "ams_exist_bits": "0", "tray_exist_bits": "0", "tray_now": "255"}
    report["vt_tray"] = external_spool(machine, "255" if machine.model.new_protocol else "254")
    if machine.model.new_protocol:
        report.update(new_protocol(machine))
    return report


def difference(old: Report, new: Report, *, whole_ams: bool) -> Report:
    """Only the keys that changed. Inside `ams` only the changed units and trays, unless `whole_ams`."""
    changed: Report = {}
    for key, value in new.items():
        before = old.get(key)
        if value == before:
            continue
        if key == "ams" and not whole_ams and isinstance(before, dict):
            changed[key] = _ams_difference(before, value)
        elif isinstance(value, dict) and isinstance(before, dict):
            changed[key] = {name: item for name, item in value.items() if before.get(name) != item}
        else:
            changed[key] = value
    return changed


def _ams_difference(old: Report, new: Report) -> Report:
    changed = {name: item for name, item in new.items() if name != "ams" and old.get(name) != item}
    before = {unit["id"]: unit for unit in old.get("ams", [])}
    units = []
    for unit in new["ams"]:
        last = before.get(unit["id"])
        if unit == last:
            continue
        if last is None:
            units.append(unit)
            continue
        part = {name: item for name, item in unit.items() if name != "tray" and last.get(name) != item}
        trays = [tray for tray in unit["tray"] if tray not in last["tray"]]
        units.append({"id": unit["id"], **part, **({"tray": trays} if trays else {})})
    if units:
        changed["ams"] = units
    return changed


def _common(machine: Machine, address: str) -> Report:
    model = machine.model
    fans = machine.fans
    report: Report = {
        "upgrade_state": _upgrade_state(machine),
        "ipcam": _ipcam(machine, address),
        "xcam": dict(machine.xcam),
        "upload": {"status": "idle", "progress": 0, "message": ""},
        "net": {"conf": 16, "info": [{"ip": _little_endian(address), "mask": 16777215}]},
        "nozzle_temper": round(machine.nozzle.current, 2),
        "nozzle_target_temper": machine.nozzle.target,
        "bed_temper": round(machine.bed.current, 2),
        "bed_target_temper": machine.bed.target,
        "chamber_temper": round(machine.chamber.current) if model.chamber_sensor else 5,
        "heatbreak_fan_speed": str(fans["heatbreak"]),
        "cooling_fan_speed": str(fans["cooling"]),
        "big_fan1_speed": str(fans["aux"]),
        "big_fan2_speed": str(fans["chamber"]),
        "fan_gear": fans["cooling"] | fans["aux"] << 8 | fans["chamber"] << 16,
        "ams_status": machine.ams_state,
        "ams_rfid_status": 0,
        "hw_switch_state": 1 if machine.tray_now != 255 else 0,
        "spd_mag": SPEED_PERCENT[machine.speed_level],
        "spd_lvl": machine.speed_level,
        "lifecycle": "product",
        "wifi_signal": f"{machine.wifi_dbm}dBm",
        "home_flag": home_flag(machine),
        "sdcard": machine.storage_ok,
        "force_upgrade": False,
        "nozzle_diameter": machine.spec.nozzle_diameter,
        "nozzle_type": "hardened_steel" if model.new_protocol else "stainless_steel",
        "hms": [{"attr": attr, "code": code} for attr, code in machine.hms],
        "online": {"ahb": bool(machine.units), "rfid": False, "version": 7},
        "lights_report": [{"node": node, "mode": mode} for node, mode in machine.lights.items()],
    }
    if not model.new_protocol:
        report |= {"cali_version": 0, "k": "0.0200", "flag3": 31, "filam_bak": []}
        report["mess_production_state"] = "active"
    return report


def _job(machine: Machine) -> Report:
    job = machine.job
    minutes = math.ceil(job.remaining_seconds / 60)
    return {
        "gcode_state": machine.gcode_state,
        "print_error": machine.print_error,
        "stg_cur": machine.stage,
        "stg": list(job.stages),
        "mc_percent": job.percent,
        "mc_remaining_time": minutes,
        "mc_print_stage": "2" if machine.gcode_state in ("RUNNING", "PAUSE") else "1",
        "mc_print_sub_stage": 0,
        "layer_num": job.layer,
        "total_layer_num": job.total_layers,
        "gcode_file": job.gcode_file,
        "gcode_file_prepare_percent": job.prepare_percent,
        "gcode_start_time": job.start_time,
        "subtask_name": job.subtask_name,
        "project_id": job.project_id,
        "profile_id": job.profile_id,
        "task_id": job.task_id,
        "subtask_id": job.subtask_id,
        "print_type": job.print_type,
        "s_obj": list(job.skipped),
        "fail_reason": "0",
        "mc_print_error_code": "0",
        "queue_number": 0,
        "queue_total": 0,
        "queue_est": 0,
        "queue_sts": 0,
    }


def home_flag(machine: Machine) -> int:
    """Bits 8-9 are the storage's state; new firmware sends the number as a signed 32-bit one."""
    flag = _BASE_HOME_FLAG | (1 << 8 if machine.storage_ok else 0)
    if machine.model.new_protocol:
        flag |= 1 << 30 | 1 << 31
        return flag - (1 << 32)
    return flag


def _ipcam(machine: Machine, address: str) -> Report:
    report: Report = {"ipcam_dev": "1", **machine.ipcam, "tutk_server": "disable", "mode_bits": 3}
    if machine.model.new_protocol:
        # Nobody serves RTSPS here, so the report says what a printer with LAN live view off says.
        report["rtsp_url"] = "disable"
    else:
        report["resolution"] = ""
    return report


def _upgrade_state(machine: Machine) -> Report:
    return {
        "sequence_id": 0,
        "progress": "",
        "status": "IDLE",
        "consistency_request": False,
        "dis_state": 0,
        "err_code": 0,
        "force_upgrade": False,
        "message": "",
        "module": "",
        "new_version_state": 2,
        "new_ver_list": [],
        "sn": machine.spec.serial,
    }


def _little_endian(address: str) -> int:
    return int(struct.unpack("<I", socket.inet_aton(address))[0])
