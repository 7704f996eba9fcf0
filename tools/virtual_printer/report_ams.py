"""The `ams` object and the external spool of a report."""

from __future__ import annotations

from typing import Any

from tools.virtual_printer.spec import TraySpec
from tools.virtual_printer.state import Machine, Unit

_KIND_NUMBER = {"ams": 1, "ams_lite": 2, "ams_2_pro": 3, "ams_ht": 4}
_NO_TAG = "0000000000000000"


def ams_object(machine: Machine) -> dict[str, Any]:
    """`print.ams`: units, trays and the bit fields (hex text) that say what is present."""
    exist = read = bbl = present = 0
    for unit in machine.units:
        present |= 1 << (unit.id if unit.id < 128 else unit.id - 128 + 4)
        for slot, tray in enumerate(unit.trays):
            bit = 1 << (unit.id * 4 + slot if unit.id < 128 else unit.id - 128 + 16)
            if tray is not None:
                exist |= bit
                read |= bit
                bbl |= bit if tray.tag_uid != _NO_TAG else 0
    return {
        "ams": [_unit(machine, unit) for unit in machine.units],
        "ams_exist_bits": f"{present:x}",
        "tray_exist_bits": f"{exist:x}",
        "tray_is_bbl_bits": f"{bbl:x}",
        "tray_read_done_bits": f"{read:x}",
        "tray_reading_bits": "0",
        "tray_now": str(machine.tray_now),
        "tray_pre": str(machine.tray_now),
        "tray_tar": str(machine.tray_target),
        "version": machine.ams_version,
        **machine.options,
    }


def external_spool(machine: Machine, identity: str) -> dict[str, Any]:
    """The spool that is not in an AMS: `vt_tray`, or an entry of `vir_slot`."""
    tray = machine.external
    if tray is None:
        tray = TraySpec(type="", color="00000000", remain=0, weight=0)
    return tray_object(machine, identity, tray)


def _unit(machine: Machine, unit: Unit) -> dict[str, Any]:
    report: dict[str, Any] = {"id": str(unit.id), "humidity": str(unit.humidity)}
    report["temp"] = f"{unit.temp:.1f}"
    if machine.model.new_protocol:
        report["humidity_raw"] = str(20 + 10 * (5 - unit.humidity))
        report["dry_time"] = unit.dry_minutes
        report["info"] = f"{0x1000 | _KIND_NUMBER[unit.kind]:X}"
    report["tray"] = [
        _empty(machine, slot) if tray is None else tray_object(machine, str(slot), tray)
        for slot, tray in enumerate(unit.trays)
    ]
    return report


def _empty(machine: Machine, slot: int) -> dict[str, Any]:
    # New firmware adds a state; old firmware sends the bare id.
    return {"id": str(slot), "state": 9} if machine.model.new_protocol else {"id": str(slot)}


def tray_object(machine: Machine, identity: str, tray: TraySpec) -> dict[str, Any]:
    """One tray with filament, in the spelling of the printer's family."""
    report: dict[str, Any] = {
        "id": identity,
        "remain": tray.remain,
        "cali_idx": -1,
        "tag_uid": tray.tag_uid,
        "tray_id_name": "",
        "tray_info_idx": tray.info_idx,
        "tray_type": tray.type,
        "tray_sub_brands": tray.brand,
        "tray_color": tray.color,
        "tray_weight": str(tray.weight if tray.tag_uid != _NO_TAG else 0),
        "tray_diameter": "1.75",
        "bed_temp_type": "0",
        "bed_temp": "0",
        "nozzle_temp_max": str(tray.nozzle_temp_max),
        "nozzle_temp_min": str(tray.nozzle_temp_min),
        "xcam_info": "000000000000000000000000",
        "tray_uuid": tray.tray_uuid,
        "ctype": 0,
        "cols": [tray.color],
    }
    if machine.model.new_protocol:
        report |= {"drying_temp": "55", "drying_time": "8", "total_len": 330000, "state": 11}
    else:
        report |= {"tray_temp": "0", "tray_time": "0", "k": 0.02, "n": 1}
    return report
