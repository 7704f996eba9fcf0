"""Reports of a printer -> what we keep of them -> the normalised status. Pure: no input or output.

`new_state(serial)` makes what is kept: a small part of the reports, already as numbers and text, since a whole
report takes three times its text in memory. `merge` puts a report in, `normalise` makes the status of
`shared_protocol.status` (without the fields of the connection: link, problem, cert). Nothing raises, whatever
the printer sends. The reports are described in the reference of the protocol, sections 2, 9 and 10.
"""

import json

from hub import trays
from hub.lenient import degrees, hexadecimal, integer, items, keep, number, section, text
from hub.models import NO_CHAMBER_SENSOR, by_serial, versions

from shared_protocol.status import NO_TRAY, STATES

_UINT32 = 0xFFFFFFFF

# Report key -> (kept as, reader, low, high). Scalars overwrite, an absent key is unchanged.
_NUMBERS = (
    ("stg_cur", "stage", -1, 1000),
    ("mc_percent", "percent", 0, 100),
    ("mc_remaining_time", "minutes", 0, 10**5),
    ("layer_num", "layer", 0, 10**6),
    ("total_layer_num", "layers", 0, 10**6),
    ("spd_lvl", "speed", 1, 4),
    ("home_flag", "home_flag", -(1 << 31), _UINT32),
)
_TEMPERATURES = (
    ("nozzle_temper", "nozzle"),
    ("nozzle_target_temper", "nozzle_target"),
    ("bed_temper", "bed"),
    ("bed_target_temper", "bed_target"),
)
_TEXTS = (
    ("gcode_file", "file", 255),
    ("subtask_name", "task", 255),
    ("subtask_id", "task_id", 32),
    ("nozzle_type", "nozzle_type", 32),
)
_FANS = (("cooling_fan_speed", "fan_part"), ("big_fan1_speed", "fan_aux"), ("big_fan2_speed", "fan_chamber"))
_AIR_PARTS = ("fan_part", "fan_aux", "fan_chamber")  # by `func` of device.airduct.parts
_COPIED = (
    ("model", "firmware", "percent", "layer", "layers", "file", "task", "task_id", "error", "speed", "light", "wifi")
    + tuple(kept for _, kept in _TEMPERATURES)
    + _AIR_PARTS
    + ("nozzle_diameter", "nozzle_type", "hms", "skipped")
)
_STORAGES = ("none", "ok", "abnormal", "readonly")

_NOT_VERIFIED = {"attr": 0x05000500, "code": 0x00010007}
_SECURED = 1 << 29  # in `fun`: commands must be signed


def new_state(serial: str) -> dict:  # type: ignore[type-arg]
    """What is known of a printer before it has said anything."""
    state: "dict" = {"units": {}, "trays": {}, "nozzles": {}, "kinds": {}, "hms": [], "skipped": []}
    model = by_serial(serial)
    if model:
        state["model"] = model
    return state


def parse(payload: "bytes | memoryview") -> "dict | None":  # type: ignore[type-arg]
    """A report's JSON, or None. Printers put bytes into it that are not UTF-8.

    MemoryError (of a document nested thousands deep, say) is the caller's to weather.
    """
    for attempt in range(2):
        try:
            report = json.loads(payload)  # type: ignore[type-var]
            return report if isinstance(report, dict) else None
        except UnicodeError:
            if not attempt:
                payload = bytes(byte if byte < 128 else 63 for byte in payload)
        except (ValueError, RuntimeError):
            return None  # RuntimeError: nested without end
    return None


def merge(state: dict, report: dict) -> bool:  # type: ignore[type-arg]
    """Put one report into *state*; False when it was none (an answer to a command, or something else)."""
    info = section(report, "info")
    if info.get("command") == "get_version":
        state.update(versions(info))
        return True
    body = section(report, "print")
    if not is_status(body):
        return False
    for merge_part in (_merge_scalars, _merge_lists, trays.merge_units, trays.merge_external, _merge_device):
        merge_part(state, body)
    if is_full(body):
        state["full"] = True
    return True


def is_status(body: dict) -> bool:  # type: ignore[type-arg]
    """True for telemetry; an answer to a command echoes parameters that are not the printer's state."""
    return body.get("command") == "push_status" or ("command" not in body and "gcode_state" in body)


def is_full(body: object) -> bool:  # type: ignore[type-arg]
    """True when a status holds everything the printer has to say."""
    if not isinstance(body, dict):
        return False
    if "msg" in body:
        return body["msg"] == 0 and "gcode_state" in body
    return "gcode_state" in body and "bed_temper" in body and "ams" in body


def _merge_scalars(state: dict, body: dict) -> None:  # type: ignore[type-arg]
    for key, kept, low, high in _NUMBERS:
        if key in body:
            keep(state, kept, integer(body[key], low, high))
    for key, kept in _TEMPERATURES:
        if key in body:
            keep(state, kept, degrees(body[key]))
    for key, kept, limit in _TEXTS:
        if key in body:
            keep(state, kept, text(body[key], limit))
    for key, kept in _FANS:
        if key in body:
            gear = integer(body[key], 0, 15)
            keep(state, kept, None if gear is None else (gear * 10 + 7) // 15 * 10)
    _merge_special(state, body)


def _merge_special(state: dict, body: dict) -> None:  # type: ignore[type-arg]
    if "gcode_state" in body:
        word = (text(body["gcode_state"], 16) or "").lower()
        keep(state, "state", word if word in STATES else "unknown")
    if "print_error" in body:
        error = integer(body["print_error"], -(1 << 31), _UINT32)
        keep(state, "error", None if error is None else error & _UINT32)
    if "nozzle_diameter" in body:
        keep(state, "nozzle_diameter", number(body["nozzle_diameter"], 0, 2))
    if "chamber_temper" in body:
        keep(state, "chamber", degrees(_low_half(body["chamber_temper"])))
    if "wifi_signal" in body:
        signal = text(body["wifi_signal"], 16) or ""
        keep(state, "wifi", integer(signal.replace("dBm", "").strip(), -120, 0))
    if "sdcard" in body:
        card = body["sdcard"]
        state["card"] = card is True or (isinstance(card, str) and card.endswith("NORMAL"))
    for key in ("fun", "aux"):
        if key in body:
            keep(state, key, hexadecimal(body[key]))


def _low_half(value: object) -> object:
    # Newer machines pack target << 16 | current into one number.
    if isinstance(value, int) and value > 0xFFFF:
        return value & 0xFFFF
    return value


def _high_half(value: object) -> "int | None":
    if isinstance(value, int) and value > 0xFFFF:
        return value >> 16
    return None


def _merge_lists(state: dict, body: dict) -> None:  # type: ignore[type-arg]
    # These replace: an empty list clears.
    if isinstance(body.get("hms"), list):
        entries = []
        for entry in items(body["hms"], 16):
            attr, code = integer(entry.get("attr"), 0, _UINT32), integer(entry.get("code"), 0, _UINT32)
            if attr is not None and code is not None:
                entries.append({"attr": attr, "code": code})
        keep(state, "hms", entries)
    if isinstance(body.get("s_obj"), list):
        found = [integer(item, 0, 0x7FFFFFFF) for item in body["s_obj"][:64]]
        keep(state, "skipped", [item for item in found if item is not None])
    for light in items(body.get("lights_report"), 16):
        if light.get("node") == "chamber_light":
            state["light"] = light.get("mode") in ("on", "flashing")


def _merge_device(state: dict, body: dict) -> None:  # type: ignore[type-arg]
    device = section(body, "device")
    if not device:
        return
    extruder = section(device, "extruder")
    if "state" in extruder:
        bits = integer(extruder["state"], 0, _UINT32)
        keep(state, "nozzle_now", None if bits is None else bits >> 4 & 15)
    for raw in items(extruder.get("info"), 4):
        which = integer(raw.get("id"), 0, 15)
        if which is not None:
            nozzle = state["nozzles"].setdefault(which, {})
            for key in ("temp", "snow"):
                if key in raw:
                    keep(nozzle, key, integer(raw[key], 0, _UINT32))
    for raw in items(section(device, "nozzle").get("info"), 4):
        which = integer(raw.get("id"), 0, 15)
        if which is not None:
            nozzle = state["nozzles"].setdefault(which, {})
            keep(nozzle, "diameter", number(raw.get("diameter"), 0, 2))
            keep(nozzle, "type", text(raw.get("type"), 32))
    for key, kept in (("bed", "bed"), ("ctc", "chamber")):
        packed = section(section(device, key), "info").get("temp")
        keep(state, kept, degrees(_low_half(packed)))
        if kept == "bed":
            keep(state, "bed_target", degrees(_high_half(packed)))
    for part in items(section(device, "airduct").get("parts"), 8):
        which = integer(part.get("func"), 0, 2)
        if which is not None:
            keep(state, _AIR_PARTS[which], integer(part.get("state"), 0, 100))


def locked_now(state: dict) -> bool:  # type: ignore[type-arg]
    """Whether the printer itself says that it refuses unsigned commands: Developer Mode is off."""
    return _NOT_VERIFIED in state["hms"] or bool(state.get("fun", 0) & _SECURED)


def _control(state: dict) -> str:  # type: ignore[type-arg]
    if locked_now(state) or state.get("denied"):
        return "locked"
    # Small models do not tell: what they obeyed shows.
    return "ok" if "fun" in state or state.get("obeyed") else "unknown"


def normalise(state: dict) -> dict:  # type: ignore[type-arg]
    """The status, in the terms of `shared_protocol.status`."""
    status = {"state": state.get("state", "unknown")}
    for name in _COPIED:
        if name in state:
            status[name] = state[name]
    status["control"] = _control(state)
    stage = state.get("stage")
    if stage is not None:
        # 255 is idle on small printers; the A1 says 0, which is printing, also when it is idle.
        idle = stage == 255 or (stage == 0 and status["state"] in ("idle", "finish", "failed"))
        status["stage"] = -1 if idle else stage
    if "minutes" in state:
        status["remaining"] = state["minutes"] * 60
    if "chamber" in state and state.get("model") not in NO_CHAMBER_SENSOR:
        status["chamber"] = state["chamber"]
    status["storage"] = _storage(state)
    trays.normalise(state, status)
    if state["nozzles"]:
        _normalise_nozzle(state, status)
    return status


def _storage(state: dict) -> str:  # type: ignore[type-arg]
    if "aux" in state:
        return _STORAGES[state["aux"] >> 12 & 3]
    if "home_flag" in state:
        return _STORAGES[state["home_flag"] >> 8 & 3]
    if "card" in state:
        return "ok" if state["card"] else "none"
    return "unknown"


def _normalise_nozzle(state: dict, status: dict) -> None:  # type: ignore[type-arg]
    nozzle = state["nozzles"].get(state.get("nozzle_now", 0), {})
    if len(state["nozzles"]) == 1 and "nozzle" in status:
        return  # the plain fields say the same, and partial reports hold only those
    # With two nozzles the plain fields may mean the one that is not in use.
    if "temp" in nozzle:
        keep(status, "nozzle", degrees(_low_half(nozzle["temp"])))
        status["nozzle_target"] = degrees(_high_half(nozzle["temp"])) or 0
    if "diameter" in nozzle:
        status["nozzle_diameter"] = nozzle["diameter"]
    if nozzle.get("type"):
        status["nozzle_type"] = nozzle["type"]
    if "snow" in nozzle:
        unit, slot = nozzle["snow"] >> 8 & 255, nozzle["snow"] & 255
        if slot == 255:
            status["tray"] = NO_TRAY
        else:
            status["tray"] = trays.tray_id(unit, slot & 3)
