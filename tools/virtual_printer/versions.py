"""The answer to `info.get_version`: modules, serials, versions."""

from __future__ import annotations

from typing import Any

from tools.virtual_printer.state import Machine

_AMS_MODULES = {
    "ams": ("ams", "AMS08", "00.00.06.49", "AMS"),
    "ams_lite": ("ams_f1", "AMS_F102", "00.00.07.94", "AMS lite"),
    "ams_2_pro": ("n3f", "N3F05", "02.00.19.68", "AMS 2 Pro"),
    "ams_ht": ("n3s", "N3S05", "02.00.19.67", "AMS HT"),
}


def modules(machine: Machine) -> list[dict[str, Any]]:
    """Every module as the printer lists it. The model shows as `product_name` or `project_name` of `ota`."""
    model, serial = machine.model, machine.spec.serial
    ota = _module("ota", machine.spec.firmware, "OTA", serial) | {"flag": 3, "visible": True}
    if model.module_style == "project_name":
        ota["project_name"] = model.code
    else:
        ota["product_name"] = model.product_name
    name, hardware = model.ap_module
    board = _module(name, "01.11.35.43", hardware, serial)
    if model.module_style == "project_name" or name == "esp32":
        board["project_name"] = model.code
    found = [ota, board, _module("mc", "00.00.29.75", "MC07", "N/A")]
    found.append(_module("th", "00.00.09.95", "TH09", "N/A"))
    if machine.units and model.new_protocol:
        found.append(_module("ahb", "00.00.00.43", "AHB01", "N/A"))
    for unit in machine.units:
        kind, hardware, version, product = _AMS_MODULES[unit.kind]
        entry = _module(f"{kind}/{unit.id}", version, hardware, f"00600A{unit.id:03d}{serial[-6:]}")
        if model.module_style == "product_name":
            entry["product_name"] = f"{product} ({unit.id % 128 + 1})"
        found.append(entry)
    return found


def _module(name: str, version: str, hardware: str, serial: str) -> dict[str, Any]:
    return {
        "name": name,
        "sw_ver": version,
        "hw_ver": hardware,
        "loader_ver": "00.00.00.00",
        "sn": serial,
        "flag": 0,
    }
