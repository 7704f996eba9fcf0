"""The fields only newer firmware sends (X1, P2S, H2): bit strings, `device`, `vir_slot`, job details.

Much of it never changes; it is sent all the same, because size and depth are part of what a client must bear.
"""

from __future__ import annotations

import copy
import math
from typing import Any

from tools.virtual_printer.models import COMMAND_SECURITY_BIT
from tools.virtual_printer.report_ams import external_spool
from tools.virtual_printer.state import Machine

Report = dict[str, Any]

_TOOL = {"color": "", "diameter": 0.4000000059604645, "id": 8978432}
_STEP = {
    "clock_in": False,
    "est_time": 0,
    "idx": 0,
    "print_then": False,
    "proc_list": [],
    "step_type": 1,
    "tool_info": _TOOL,
    "type": 137,
}
_NEVER_CHANGING: Report = {
    "2D": {
        "bs": {"bi": [_STEP], "total_time": 0},
        "cond": 14,
        "cur_stage": {"clock_in_time": 0, "idx": 0, "left_time": 0, "process": 0, "state": 0},
        "first_confirm": False,
        "makeable": False,
        "material": {"cur_id_list": [], "state": 0, "tar_id": "", "tar_name": ""},
    },
    "ap_err": 0,
    "aux_part_fan": True,
    "batch_id": 0,
    "canvas_id": 0,
    "care": [{"id": part, "info": "1864"} for part in ("lr", "fa", "ls", "cr", "ld")],
    "design_id": "",
    "job_attr": 17,
    "maintain": 3,
    "mc_action": 255,
    "mc_err": 0,
    "mc_stage": 1,
    "model_id": "",
    "print_gcode_action": 255,
    "print_real_action": 0,
    "queue": 0,
    "xcam_status": "0",
}


def _job_details(machine: Machine) -> Report:
    tools = ["HS01"] * (2 if machine.model.dual_nozzle else 1)
    stage = {
        "clock_in": False,
        "color": [""] * len(tools),
        "diameter": [0.4000000059604645] * len(tools),
        "est_time": 0,
        "heigh": 0,
        "idx": 0,
        "platform": "",
        "print_then": False,
        "proc_list": [],
        "tool": tools,
        "type": 2,
    }
    return {
        "job": {"cur_stage": {"idx": 0, "state": 2}, "stage": [stage]},
        "file": machine.job.gcode_file,
        "mapping": [32768],
        "prepare_per": 100 if machine.gcode_state == "RUNNING" else 0,
    }


def new_protocol(machine: Machine) -> Report:
    """What X1, P2S and H2 add to a full report."""
    fun = int(machine.model.fun, 16)
    if machine.locked:
        fun |= COMMAND_SECURITY_BIT
    storage = 1 if machine.storage_ok else 0
    light = 1 if machine.lights["chamber_light"] == "on" else 0
    slots = ("254", "255") if machine.model.dual_nozzle else ("255",)
    return {
        **copy.deepcopy(_NEVER_CHANGING),
        **_job_details(machine),
        "fun": f"{fun:X}",
        "aux": f"{storage << 12 | 0x2800004:X}",
        "cfg": f"{machine.speed_level << 8 | light << 7 | 1 << 16 | 1 << 18:X}",
        "stat": "46258008",
        "ver": "20018",
        "device": _device(machine),
        "vir_slot": [external_spool(machine, slot) for slot in slots],
        "3D": {"layer_num": machine.job.layer, "total_layer_num": machine.job.total_layers},
        "job_id": machine.job.task_id,
        "lan_task_id": "0",
        "remain_time": math.ceil(machine.job.remaining_seconds / 60),
        "percent": machine.job.percent,
        "plate_cnt": 1,
        "plate_id": 1,
        "plate_idx": 1,
        "stg_cd": 0,
        "state": 4 if machine.busy else 6,
        "err": "0",
    }


def _device(machine: Machine) -> Report:
    heaters = [machine.nozzle, machine.nozzle_left] if machine.model.dual_nozzle else [machine.nozzle]
    slot = machine.tray_now
    coded = 65279 if slot in (254, 255) else (slot << 8 if slot >= 128 else slot // 4 << 8 | slot % 4)
    diameter = float(machine.spec.nozzle_diameter)
    return {
        "airduct": {
            "modeCur": 0,
            "modeList": [{"ctrl": [16, 32, 48], "modeId": 0, "off": [96]}],
            "parts": [
                {"func": index, "id": 16 * (index + 1), "range": 6553600, "state": state * 100 // 15}
                for index, state in enumerate((machine.fans["cooling"], machine.fans["aux"], machine.fans["chamber"]))
            ],
        },
        "bed": {"info": {"temp": _packed(machine.bed.current, machine.bed.target)}, "state": 0},
        "bed_temp": _packed(machine.bed.current, machine.bed.target),
        "ctc": {"info": {"temp": _packed(machine.chamber.current, machine.chamber.target)}, "state": 0},
        "extruder": {
            "info": [
                {
                    "filam_bak": [],
                    "hnow": index,
                    "hpre": index,
                    "htar": index,
                    "id": index,
                    "info": 8,
                    "snow": coded if index == 0 else 65279,
                    "spre": coded if index == 0 else 65279,
                    "star": coded if index == 0 else 65279,
                    "stat": 0,
                    "temp": _packed(heater.current, heater.target),
                }
                for index, heater in enumerate(heaters)
            ],
            "state": len(heaters),
        },
        "ext_tool": {"calib": 2, "low_prec": True, "mount": 0, "th_temp": 0, "type": ""},
        "fan": 0,
        "laser": {"power": 0},
        "nozzle": {
            "exist": (1 << len(heaters)) - 1,
            "info": [
                {"diameter": diameter, "id": index, "tm": 0, "type": "HS01", "wear": 0} for index in range(len(heaters))
            ],
            "state": 0,
        },
        "plate": {"base": 1, "cali2d_id": "", "cur_id": "", "mat": 1, "tar_id": ""},
        "type": 1,
    }


def _packed(current: float, target: float) -> int:
    """Current temperature in the low 16 bits, target in the high ones; without a target the plain number."""
    return round(target) << 16 | round(current)
