"""hub/bambu.py and hub/trays.py: what reports of real and of broken printers become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_protocol.status import STATUS
from tests.firmware.micropython import ROOT, run_code
from tests.firmware.pure import firmware_module

bambu = firmware_module("hub.bambu")

SAMPLES = ROOT.parent / "shared" / "samples" / "reports"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"NO SAMPLES of real printers at {SAMPLES}")


def sample(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The full report and the version answer of a real printer, as on the wire."""
    data = json.loads((SAMPLES / f"{name}.json").read_text())
    report = data.get("push_all") or data["pushall"]
    version = data["get_version"]
    return (
        report if "print" in report else {"print": report},
        version if "info" in version else {"info": version},
    )


def status_of(*reports: dict[str, Any], serial: str = "01P00A000000001") -> dict[str, Any]:
    """The checked status after some reports."""
    state = bambu.new_state(serial)
    for report in reports:
        bambu.merge(state, report)
    status: dict[str, Any] = bambu.normalise(state)
    STATUS.check(status, "status")
    return status


def push(**fields: Any) -> dict[str, Any]:
    return {"print": {"command": "push_status", "msg": 1, **fields}}


def tray(status: dict[str, Any], number: int) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in status["trays"] if entry["id"] == number)
    return found


# ---- real printers ------------------------------------------------------------------------------------------------

EXPECTED: dict[str, dict[str, Any]] = {
    "p1p": {
        "model": "C11",
        "firmware": "01.07.00.00",
        "state": "failed",
        "stage": -1,
        "task": "Fidget Collection",
        "remaining": 759 * 60,
        "layers": 70,
        "nozzle": 21.2,
        "light": False,
        "wifi": -53,
        "nozzle_type": "hardened_steel",
        "control": "unknown",
        "storage": "ok",
        "tray": 0,
    },
    "a1": {
        "model": "N2S",
        "state": "idle",
        "stage": -1,
        "tray": 255,
        "ams": [{"id": 0, "kind": "AMS lite", "humidity": 5, "temp": 0.0}],
    },
    "x1c_four_ams": {
        "model": "BL-P001",
        "state": "finish",
        "percent": 100,
        "task_id": "702384465",
        "layers": 480,
        "chamber": 25,
        "control": "locked",
        "file": "/data/Metadata/plate_1.gcode",
        "light": True,
    },
    "h2d": {
        "model": "O1D",
        "state": "running",
        "stage": 14,
        "nozzle": 264,
        "nozzle_target": 225,
        "bed": 100,
        "bed_target": 100,
        "chamber": 48,
        "tray": 128,
        "remaining": 115 * 60,
        "control": "locked",
        "nozzle_type": "HS01",
        "storage": "ok",
    },
}


@needs_samples
@pytest.mark.parametrize("name", EXPECTED)
def test_reports_of_real_printers_become_one_vocabulary(name: str) -> None:
    status = status_of(*sample(name), serial="")
    assert {key: status.get(key) for key in EXPECTED[name]} == EXPECTED[name]
    if name in ("p1p", "a1"):
        assert "chamber" not in status, "a dummy constant of machines without the sensor"


@needs_samples
def test_filament_of_a_real_printer_with_four_units() -> None:
    status = status_of(*sample("x1c_four_ams"), serial="")
    assert [unit["kind"] for unit in status["ams"]] == ["AMS", "AMS", "AMS 2 Pro", "AMS HT"]
    assert [entry["id"] for entry in status["trays"]] == [*range(12), 128, 254]
    first = tray(status, 0)
    assert (first["type"], first["color"], first["profile"], first["name"]) == ("PLA", "#000000", "GFA01", "PLA Matte")
    assert (first["remain"], first["min"], first["max"], first["loaded"]) == (93, 190, 230, True)
    assert not tray(status, 254)["loaded"]


@needs_samples
@pytest.mark.parametrize("name", EXPECTED)
async def test_both_interpreters_make_the_same_of_a_report_and_its_differences(name: str, tmp_path: Path) -> None:
    report, version = sample(name)
    reports = [
        version,
        report,
        push(mc_percent=43, ams={"tray_now": "1"}),
        push(ams={"ams": [{"id": "0", "temp": "31.3"}]}),
    ]
    (tmp_path / "reports.json").write_text(json.dumps(reports))
    finished = await run_code(
        """
import json, sys
from hub import bambu
from shared_protocol.status import STATUS
state = bambu.new_state("")
for report in json.load(open(sys.argv[1])):
    bambu.merge(state, report)
status = bambu.normalise(state)
STATUS.check(status, "status")
print(json.dumps(status))
""",
        str(tmp_path / "reports.json"),
    )
    assert json.loads(finished.out) == json.loads(json.dumps(status_of(*reports, serial="")))


# ---- merging ------------------------------------------------------------------------------------------------------

FULL = {
    "print": {
        "command": "push_status",
        "msg": 0,
        "gcode_state": "RUNNING",
        "stg_cur": 0,
        "mc_percent": 37,
        "mc_remaining_time": 81,
        "layer_num": 52,
        "total_layer_num": 145,
        "nozzle_diameter": "0.4",
        "bed_temper": 55.1,
        "chamber_temper": 5,
        "cooling_fan_speed": "15",
        "hms": [{"attr": 50331904, "code": 65543}],
        "s_obj": [89],
        "home_flag": 263,
        "lights_report": [{"node": "work_light", "mode": "off"}, {"node": "chamber_light", "mode": "flashing"}],
        "ams": {
            "ams_exist_bits": "3",
            "tray_exist_bits": "13",
            "tray_now": "0",
            "ams": [
                {
                    "id": "0",
                    "humidity": "4",
                    "temp": "27.3",
                    "info": "1101",
                    "tray": [
                        {
                            "id": "0",
                            "tray_type": "PLA",
                            "tray_color": "1F8B4CFF",
                            "remain": 64,
                            "tray_info_idx": "GFA00",
                        },
                        {"id": "1", "tray_type": "PETG", "tray_color": "f5f5f5ff", "remain": -1},
                        {"id": "2"},
                        {"id": "3"},
                    ],
                },
                {"id": "1", "humidity": "5", "temp": "26", "tray": [{"id": "0", "tray_type": "ABS"}]},
            ],
        },
        "vt_tray": {"id": "254", "tray_type": "TPU", "tray_color": "000000FF"},
    }
}


def test_absent_keys_are_unchanged_and_lists_replace() -> None:
    status = status_of(FULL, push(mc_percent=38), push(hms=[], s_obj=[]))
    assert (status["percent"], status["state"], status["layer"]) == (38, "running", 52)
    assert status["hms"] == [] and status["skipped"] == []
    assert status["light"] is True and status["fan_part"] == 100 and status["storage"] == "ok"


def test_units_and_trays_are_merged_by_their_ids() -> None:
    status = status_of(
        FULL,
        push(ams={"tray_now": "1"}),
        push(ams={"ams": [{"id": "1", "temp": "28.5"}]}),
        push(ams={"ams": [{"id": 0, "tray": [{"id": 1, "remain": "55"}]}]}),
    )
    assert status["tray"] == 1
    assert status["ams"][1] == {"id": 1, "humidity": 5, "temp": 28.5}
    assert tray(status, 0)["type"] == "PLA"
    assert tray(status, 1) == {"id": 1, "loaded": True, "type": "PETG", "color": "#F5F5F5", "remain": 55}
    assert tray(status, 4)["type"] == "ABS"
    assert tray(status, 254)["type"] == "TPU"


@pytest.mark.parametrize("reduced", [{"id": "1"}, {"id": "1", "state": 9}])
def test_a_tray_reduced_to_its_id_is_empty(reduced: dict[str, Any]) -> None:
    status = status_of(FULL, push(ams={"tray_exist_bits": "11", "ams": [{"id": "0", "tray": [reduced]}]}))
    assert tray(status, 1) == {"id": 1, "loaded": False, "type": "", "color": ""}
    assert tray(status, 0)["loaded"] is True


def test_a_unit_that_is_unplugged_goes_with_its_trays() -> None:
    status = status_of(FULL, push(ams={"ams_exist_bits": "1"}))
    assert [unit["id"] for unit in status["ams"]] == [0]
    assert [entry["id"] for entry in status["trays"]] == [0, 1, 2, 3, 254]


def test_answers_to_commands_are_never_taken_for_state() -> None:
    echo = {"print": {"command": "extrusion_cali_get", "nozzle_diameter": "0.8", "result": "success"}}
    state = bambu.new_state("")
    assert bambu.merge(state, FULL)
    assert not bambu.merge(state, echo)
    assert bambu.normalise(state)["nozzle_diameter"] == 0.4


@pytest.mark.parametrize(
    ("body", "full"),
    [
        ({"msg": 0, "gcode_state": "IDLE"}, True),
        ({"msg": 0}, False),
        ({"msg": 1, "gcode_state": "IDLE", "bed_temper": 1, "ams": {}}, False),
        ({"gcode_state": "IDLE", "bed_temper": 1, "ams": {}}, True),
        ({"gcode_state": "IDLE"}, False),
        (None, False),
    ],
)
def test_what_counts_as_a_full_report(body: object, full: bool) -> None:
    assert bambu.is_full(body) is full


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"gcode_state": "RUNNING", "stg_cur": 0}, {"stage": 0}),
        ({"gcode_state": "IDLE", "stg_cur": 0}, {"stage": -1}),
        ({"gcode_state": "IDLE", "stg_cur": 255}, {"stage": -1}),
        ({"gcode_state": "PRINTING"}, {"state": "unknown"}),
        ({"mc_remaining_time": "12"}, {"remaining": 720}),
        ({"layer_num": "not a number", "mc_percent": 140}, {"layer": None, "percent": None}),
        ({"print_error": -2147483648}, {"error": 0x80000000}),
        ({"print_error": 50348044}, {"error": 0x0300400C}),
        ({"cooling_fan_speed": "7"}, {"fan_part": 50}),
        ({"big_fan1_speed": "8"}, {"fan_aux": 50}),
        ({"chamber_temper": 60 * 65536 + 48}, {"chamber": 48}),
        ({"wifi_signal": "-61dBm"}, {"wifi": -61}),
        ({"home_flag": -1066934785}, {"storage": "ok"}),
        ({"home_flag": 0}, {"storage": "none"}),
        ({"home_flag": 0x300}, {"storage": "readonly"}),
        ({"home_flag": 0, "aux": "2D02004"}, {"storage": "abnormal"}),
        ({"sdcard": "HAS_SDCARD_NORMAL"}, {"storage": "ok"}),
        ({"sdcard": False}, {"storage": "none"}),
        ({"fun": "3EC1AFFF9CFF"}, {"control": "locked"}),
        ({"fun": "3EC18FFF9CFF"}, {"control": "ok"}),
        ({"fun": "3EC18FFF9CFF", "hms": [{"attr": 83887360, "code": 65543}]}, {"control": "locked"}),
        ({"subtask_name": 17, "subtask_id": 4711}, {"task": "17", "task_id": "4711"}),
        ({"subtask_name": "\ud83d\ude00 \ud83d"}, {"task": "😀 "}),
        (
            {"vir_slot": [{"id": "255", "tray_type": "PLA"}]},
            {"trays": [{"id": 254, "loaded": True, "type": "PLA", "color": ""}]},
        ),
    ],
)
def test_single_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    status = status_of(push(**fields), serial="")
    assert {key: status.get(key) for key in expected} == expected


def test_the_serial_number_suggests_a_model_until_the_printer_has_spoken() -> None:
    assert status_of(serial="03900A000000001")["model"] == "N2S"
    version = {
        "info": {"command": "get_version", "module": [{"name": "ota", "product_name": "Bambu Lab X1E", "sw_ver": "1"}]}
    }
    assert status_of(version, serial="03900A000000001")["model"] == "C13"


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ({"name": "ota", "product_name": "Bambu Lab X1-Carbon"}, "BL-P001"),
        ({"name": "ota", "product_name": "Bambu Lab H2D Pro"}, "O1E"),
        ({"name": "esp32", "project_name": "C12"}, "C12"),
        ({"name": "ap", "hw_ver": "AP02"}, "C13"),
        ({"name": "rv1126", "hw_ver": "AP05"}, "BL-P001"),
        ({"name": "ota", "product_name": "Bambu Lab Z9"}, None),
    ],
)
def test_the_model_is_found_in_the_modules(module: dict[str, Any], code: str | None) -> None:
    assert status_of({"info": {"command": "get_version", "module": [module]}}, serial="").get("model") == code


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"print":{"subtask_name":"a\xff\xfeb"}}', {"print": {"subtask_name": "a??b"}}),
        (b"[1]", None),
        (b"", None),
        (b"{", None),
        (b"[" * 1000, None),
    ],
)
async def test_payloads_that_are_not_json_or_not_utf8(payload: bytes, expected: object) -> None:
    finished = await run_code(
        f"import json\nfrom hub import bambu\nprint(json.dumps(bambu.parse(memoryview({payload!r}))))"
    )
    assert json.loads(finished.out) == expected


# ---- whatever comes -----------------------------------------------------------------------------------------------

KEYS = sorted(
    {*FULL["print"], "fun", "aux", "vir_slot", "device", "extruder", "info", "nozzle", "airduct", "parts", "func"}
    | {
        "temp",
        "snow",
        "id",
        "tray",
        "ams",
        "state",
        "print_error",
        "wifi_signal",
        "sdcard",
        "subtask_name",
        "subtask_id",
    }
    | {"gcode_file", "spd_lvl", "bed", "ctc", "module", "name", "sw_ver", "tray_color", "tray_type", "mode", "node"}
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["RUNNING", "0", "15", "255", "ffffffffff", "-48dBm", "9" * 400, "1e9", "nan", "0.4", "\ud83d"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)
REPORTS = st.dictionaries(
    st.sampled_from(["print", "info", "system", "camera", "x"]),
    st.dictionaries(st.sampled_from([*KEYS, "command", "msg", "result", "err_code", "reason", "sequence_id"]), VALUES)
    | VALUES,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(REPORTS, max_size=4))
def test_no_report_raises_or_makes_a_status_that_the_protocol_refuses(reports: list[Any]) -> None:
    state = bambu.new_state("01P00A000000001")
    bambu.merge(state, FULL)
    for report in reports:
        for section in ("print", "info"):
            if isinstance(report.get(section), dict):
                report[section].setdefault("command", "push_status" if section == "print" else "get_version")
        bambu.merge(state, report)
        firmware_module("hub.answers").answers(report)
        status = bambu.normalise(state)
        STATUS.check(status, "status")
        json.dumps(status).encode()


async def test_random_reports_under_the_real_interpreter_within_a_small_heap() -> None:
    finished = await run_code(
        f"KEYS = {KEYS!r}\n"
        """
import gc, json, random
from hub import answers, bambu
from shared_protocol.status import STATUS
random.seed(20261122)
ODD = ("RUNNING", "IDLE", "0", "15", "255", "ffffffffff", "-48dBm", "9" * 400, "1e9", "nan", "", "a" * 500, "\\ud83d",
       True, False, None, -1, 0, 1, 255, 2 ** 70, -2 ** 40, 1e30, 3.5, float("inf"), float("nan"))
def value(depth):
    kind = random.randrange(4)
    if depth and kind == 0:
        return [value(depth - 1) for _ in range(random.randrange(5))]
    if depth and kind == 1:
        return {random.choice(KEYS): value(depth - 1) for _ in range(random.randrange(8))}
    return random.choice(ODD)
def report():
    made = {}
    for section in ("print", "info", "system"):
        body = {random.choice(KEYS): value(5) for _ in range(30)}
        body["command"] = random.choice(("push_status", "push_status", "get_version", "pause", value(1)))
        made[section] = random.choice((body, body, body, value(2)))
    return made
state = bambu.new_state("01P00A000000001")
for i in range(600):
    one = report()
    bambu.merge(state, one)
    answers.answers(one)
    status = bambu.normalise(state)
    STATUS.check(status, "status")
    json.dumps(status)
    one = None
    if i == 300:
        gc.collect()
        before = gc.mem_alloc()
gc.collect()
print(gc.mem_alloc() - before < 16000)
""",
        heap="256k",
    )
    assert finished.out.strip() == "True"
