"""Filament: AMS units, their trays and the external spools, as reports bring them and as the status shows them.

A tray's number is `ams_id * 4 + slot`; an AMS HT (128 and up) has one slot, which is called as the unit; 254 and
255 are the external spools. Kept are `state["units"]` and `state["trays"]`, both by number.
"""

from hub.lenient import degrees, hexadecimal, integer, items, keep, section, text

_AMS_KINDS = {1: "AMS", 2: "AMS lite", 3: "AMS 2 Pro", 4: "AMS HT"}
_A2L_BUILT_IN = 16
_HT = 128

EXTERNAL = 254

MAX_UNITS = 12
MAX_TRAYS = 40

_TEXTS = (("tray_type", "type", 32), ("tray_info_idx", "profile", 32), ("tray_sub_brands", "name", 48))
_NUMBERS = (
    ("remain", "remain", -1, 100),
    ("nozzle_temp_min", "min", 0, 500),
    ("nozzle_temp_max", "max", 0, 500),
)


def merge_units(state: dict, body: dict) -> None:  # type: ignore[type-arg]
    ams = section(body, "ams")
    for key in ("ams_exist_bits", "tray_exist_bits"):
        if key in ams:
            keep(state, key, hexadecimal(ams[key]))
    if "tray_now" in ams:
        keep(state, "tray_now", integer(ams["tray_now"], 0, 255))
    for raw in items(ams.get("ams"), MAX_UNITS):
        number = integer(raw.get("id"), 0, 255)
        if number is not None and (number in state["units"] or len(state["units"]) < MAX_UNITS):
            _merge_unit(state, number, raw)
    exist = state.get("ams_exist_bits")
    if exist is not None and "ams_exist_bits" in ams:
        for number in list(state["units"]):
            bit = number if number < 4 else number - _HT + 4
            if bit >= 0 and not exist >> bit & 1:
                del state["units"][number]
                for tray in [tray for tray in state["trays"] if tray < 254 and unit_of(tray) == number]:
                    del state["trays"][tray]


def _merge_unit(state: dict, number: int, raw: dict) -> None:  # type: ignore[type-arg]
    unit = state["units"].setdefault(number, {})
    if "humidity" in raw:
        keep(unit, "humidity", integer(raw["humidity"], 0, 100))
    if "temp" in raw:
        keep(unit, "temp", degrees(raw["temp"]))
    kind = hexadecimal(raw.get("info"))
    if kind is not None:
        keep(unit, "kind", _AMS_KINDS.get(kind & 15))
    for tray in items(raw.get("tray"), 4):
        slot = integer(tray.get("id"), 0, 3)
        if slot is not None:
            _merge_tray(state, tray_id(number, slot), tray)


def tray_id(unit: int, slot: int) -> int:
    """The number of a slot over all units: an AMS HT has one slot, which is called as the unit."""
    return unit if unit >= _HT else unit * 4 + slot


def unit_of(tray: int) -> int:
    """The unit of a tray number."""
    return tray if tray >= _HT else tray // 4


def _merge_tray(state: dict, where: int, raw: dict) -> None:  # type: ignore[type-arg]
    trays = state["trays"]
    if where > 255 or (where not in trays and len(trays) >= MAX_TRAYS):
        return
    if all(key in ("id", "state") for key in raw):
        trays[where] = {"type": "", "color": ""}  # reduced to its id: empty, or nothing is known of it
        return
    tray = trays.setdefault(where, {"type": "", "color": ""})
    for key, kept, limit in _TEXTS:
        if key in raw:
            keep(tray, kept, text(raw[key], limit))
    for key, kept, low, high in _NUMBERS:
        if key in raw:
            keep(tray, kept, integer(raw[key], low, high))
    if "tray_color" in raw:
        keep(tray, "color", _color(raw["tray_color"]))


def _color(value: object) -> str:
    if isinstance(value, str) and len(value) == 8 and hexadecimal(value):  # all zero: no spool known
        return "#" + value[:6].upper()
    return ""


def merge_external(state: dict, body: dict) -> None:  # type: ignore[type-arg]
    slots = items(body.get("vir_slot"), 2)
    for raw in slots:
        where = integer(raw.get("id"), 254, 255)
        if where is not None:
            # The only external spool of a machine with one nozzle is 254 in everything that names trays.
            _merge_tray(state, 254 if len(slots) == 1 else where, raw)
    if not slots and "vt_tray" in body and 255 not in state["trays"]:
        raw = section(body, "vt_tray")
        if raw:
            _merge_tray(state, 254, raw)


def normalise(state: dict, status: dict) -> None:  # type: ignore[type-arg]
    if state["units"]:
        units = []
        for number in sorted(state["units"]):
            unit = {"id": number}
            keep(unit, "kind", state["kinds"].get(number))
            unit.update(state["units"][number])
            units.append(unit)
        status["ams"] = units
    if state["trays"]:
        exist = state.get("tray_exist_bits")
        trays = []
        for where in sorted(state["trays"]):
            tray = {"id": where}
            tray.update(state["trays"][where])
            bit = _exist_bit(where)
            # Whether a slot is filled tells only this bit map; the external spool has none.
            tray["loaded"] = bool(tray["type"]) if exist is None or bit is None else bool(exist >> bit & 1)
            trays.append(tray)
        status["trays"] = trays
    if "tray_now" in state:
        status["tray"] = state["tray_now"]


def _exist_bit(tray: int) -> "int | None":
    if tray >= EXTERNAL:
        return None
    if tray >= _HT:
        return 16 + tray - _HT
    if tray // 4 == _A2L_BUILT_IN:
        return 24 + tray % 4
    return tray
