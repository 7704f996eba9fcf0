"""hub/requests.py and hub/answers.py: what printers are told, and what their answers mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_protocol.messages import COMMANDS
from tests.firmware.pure import firmware_module

requests = firmware_module("hub.requests")
answers = firmware_module("hub.answers")

START: dict[str, Any] = {
    "url": "file:///sdcard/cache/f8a1-bracket.gcode.3mf",
    "file": "f8a1-bracket.gcode.3mf",
    "plate": 8,
    "task": "f8a1-bracket",
    "task_id": "73124",
    "use_ams": True,
    "mapping": [0, -1, -1, 5, 128],
}
IDLE: dict[str, Any] = {"state": "idle", "model": "C12"}


def request(command: str, args: dict[str, Any], status: dict[str, Any] | None = None) -> Any:
    COMMANDS[command].check(args, "args")
    return requests.request(command, args, "20417", status or IDLE)


def test_a_start_carries_everything_that_a_printer_wants() -> None:
    assert request("start", START) == {
        "print": {
            "command": "project_file",
            "sequence_id": "20417",
            "param": "Metadata/plate_8.gcode",
            "url": "file:///sdcard/cache/f8a1-bracket.gcode.3mf",
            "file": "f8a1-bracket.gcode.3mf",
            "md5": "",
            "subtask_name": "f8a1-bracket",
            "project_id": "73124",
            "task_id": "73124",
            "subtask_id": "73124",
            "profile_id": "0",
            "bed_type": "auto",
            "bed_leveling": True,
            "auto_bed_leveling": 1,
            "flow_cali": False,
            "extrude_cali_flag": 0,
            "extrude_cali_manual_mode": 0,
            "vibration_cali": False,
            "layer_inspect": False,
            "timelapse": False,
            "nozzle_offset_cali": 0,
            "use_ams": True,
            "ams_mapping": [0, -1, -1, 5, 128],
            "ams_mapping2": [
                {"ams_id": 0, "slot_id": 0},
                {"ams_id": 255, "slot_id": 255},
                {"ams_id": 255, "slot_id": 255},
                {"ams_id": 1, "slot_id": 1},
                {"ams_id": 128, "slot_id": 0},
            ],
            "cfg": "0",
        }
    }


@pytest.mark.parametrize(
    ("changes", "model", "expected"),
    [
        ({"layer_inspect": True}, "C12", {"layer_inspect": False}),
        ({"layer_inspect": True}, "BL-P001", {"layer_inspect": True}),
        ({"vibration_cali": True}, "N7", {"vibration_cali": False}),
        ({"vibration_cali": True}, "N2S", {"vibration_cali": True}),
        ({"bed_leveling": False, "flow_cali": True}, "C12", {"auto_bed_leveling": 0, "extrude_cali_flag": 1}),
        ({}, "O1D", {"nozzle_offset_cali": 2}),
        # An external spool is -1 in the flat list on every model; the second list names it.
        (
            {"mapping": [-1], "use_ams": False},
            "C12",
            {"use_ams": False, "ams_mapping": [-1], "ams_mapping2": [{"ams_id": 255, "slot_id": 0}]},
        ),
        ({"mapping": [254]}, "C12", {"ams_mapping": [-1], "ams_mapping2": [{"ams_id": 255, "slot_id": 0}]}),
        (
            {"mapping": [254, 255]},
            "O1D",
            {"ams_mapping": [-1, -1], "ams_mapping2": [{"ams_id": 254, "slot_id": 0}, {"ams_id": 255, "slot_id": 0}]},
        ),
    ],
)
def test_a_start_fits_the_model(changes: dict[str, Any], model: str, expected: dict[str, Any]) -> None:
    body = request("start", {**START, **changes}, {"state": "idle", "model": model})["print"]
    assert {key: body[key] for key in expected} == expected
    booleans = ("bed_leveling", "flow_cali", "vibration_cali", "layer_inspect", "timelapse", "use_ams")
    assert all(isinstance(body[key], bool) for key in booleans), "a number in their place is misread"


@pytest.mark.parametrize("number", ["0", "2147483648", "12a"])
def test_a_job_number_that_printers_misread_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="task_id"):
        request("start", {**START, "task_id": number})


TRAYS = [{"id": 2, "max": 260}, {"id": 254, "max": 240}]
BODIES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("pause", {}, IDLE, {"command": "pause", "param": ""}),
    ("resume", {}, IDLE, {"command": "resume", "param": ""}),
    ("stop", {}, IDLE, {"command": "stop", "param": ""}),
    (
        "clean_error",
        {},
        {**IDLE, "error": 50348044, "task_id": "7"},
        {"command": "clean_print_error", "subtask_id": "7", "print_error": 50348044},
    ),
    ("speed", {"level": 3}, IDLE, {"command": "print_speed", "param": "3"}),
    ("temperature", {"nozzle": 210, "bed": 60}, IDLE, {"command": "gcode_line", "param": "M104 S210\nM140 S60\n"}),
    ("temperature", {"bed": 0}, IDLE, {"command": "gcode_line", "param": "M140 S0\n"}),
    ("fan", {"fan": "chamber", "percent": 100}, IDLE, {"command": "gcode_line", "param": "M106 P3 S255\n"}),
    ("home", {}, IDLE, {"command": "gcode_line", "param": "G28\n"}),
    ("gcode", {"lines": "G28 ; all\nM400"}, IDLE, {"command": "gcode_line", "param": "G28 ; all\nM400\n"}),
    ("calibrate", {"option": 14}, IDLE, {"command": "calibration", "option": 14}),
    ("skip_objects", {"objects": [89, 111]}, IDLE, {"command": "skip_objects", "obj_list": [89, 111]}),
    ("ams_control", {"action": "resume"}, IDLE, {"command": "ams_control", "param": "resume"}),
    ("ams_change", {"tray": 255}, IDLE, {"command": "unload_filament"}),
    (
        "ams_change",
        {"tray": 255},
        {**IDLE, "ams": [{"id": 0}], "nozzle": 31.5, "tray": 2, "trays": TRAYS},
        {
            "command": "ams_change_filament",
            "ams_id": 255,
            "slot_id": 255,
            "target": 255,
            "curr_temp": 31,
            "tar_temp": 260,
        },
    ),
    (
        "ams_change",
        {"tray": 6, "nozzle": 250},
        IDLE,
        {"command": "ams_change_filament", "ams_id": 1, "slot_id": 2, "target": 6, "curr_temp": 0, "tar_temp": 250},
    ),
    (
        "ams_change",
        {"tray": 254},
        {**IDLE, "trays": TRAYS},
        {"command": "ams_change_filament", "ams_id": 255, "slot_id": 0, "target": 254, "curr_temp": 0, "tar_temp": 240},
    ),
    (
        "ams_tray",
        {"tray": 6, "type": "PETG", "color": "#1f8b4c", "profile": "GFG99", "min": 230, "max": 260},
        IDLE,
        {
            "command": "ams_filament_setting",
            "ams_id": 1,
            "slot_id": 2,
            "tray_id": 2,
            "tray_info_idx": "GFG99",
            "setting_id": "",
            "tray_color": "1F8B4CFF",
            "nozzle_temp_min": 230,
            "nozzle_temp_max": 260,
            "tray_type": "PETG",
        },
    ),
    (
        "ams_tray",
        {"tray": 254, "type": "PLA", "color": "#FFFFFF", "min": 190, "max": 230},
        IDLE,
        {
            "command": "ams_filament_setting",
            "ams_id": 255,
            "slot_id": 0,
            "tray_id": 254,
            "tray_info_idx": "",
            "setting_id": "",
            "tray_color": "FFFFFFFF",
            "nozzle_temp_min": 190,
            "nozzle_temp_max": 230,
            "tray_type": "PLA",
        },
    ),
]


@pytest.mark.parametrize(("name", "args", "status", "body"), BODIES)
def test_commands_as_the_printer_takes_them(
    name: str, args: dict[str, Any], status: dict[str, Any], body: dict[str, Any]
) -> None:
    assert request(name, args, status) == {"print": {**body, "sequence_id": "20417"}}


def test_light_and_refresh_go_where_no_signature_is_asked() -> None:
    assert request("light", {"on": True})["system"]["led_mode"] == "on"
    assert request("refresh", {})["pushing"]["command"] == "pushall"


def test_every_command_of_the_protocol_has_a_request_and_every_request_is_json() -> None:
    known = {name for name, *_ in BODIES} | {"start", "light", "refresh"}
    assert known == set(COMMANDS)
    for name, args, status, _ in BODIES:
        json.dumps(request(name, args, status))


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("temperature", {}),
        ("gcode", {"lines": "G28 X"}),
        ("gcode", {"lines": "M400\n g28 z ; home"}),
        ("ams_tray", {"tray": 1, "type": "PLA", "color": "1234567", "min": 1, "max": 2}),
        ("ams_tray", {"tray": 1, "type": "PLA", "color": "#12345G", "min": 1, "max": 2}),
    ],
)
def test_what_a_printer_must_not_be_sent(name: str, args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        request(name, args)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"result": "success", "reason": "success"}, None, ""),
        ({"result": "SUCCESS", "reason": "SUCCESS"}, None, ""),
        ({}, None, ""),
        ({"result": 0}, None, ""),
        ({"result": "failed", "reason": "mqtt message verify failed", "err_code": 84033543}, "locked", None),
        ({"err_code": 84033548}, "locked", None),
        ({"reason": "MQTT message verify failed"}, "locked", None),
        ({"result": "fail", "reason": "tray is empty"}, "rejected", "tray is empty"),
        ({"result": "failed"}, "rejected", "The printer refused the command (failed)."),
        ({"err_code": 83902468}, "rejected", "The printer refused the command (0500_4004)."),
        ({"errno": -2}, "rejected", "The printer refused the command (-2)."),
    ],
)
def test_what_an_answer_means(body: dict[str, Any], code: str | None, message: str | None) -> None:
    report = {"print": {"command": "pause", "sequence_id": 20417, **body}}
    [(section, command, sequence, found, said)] = answers.answers(report)
    assert (section, command, sequence, found) == ("print", "pause", "20417", code)
    assert message is None or said == message


def test_telemetry_is_no_answer() -> None:
    assert answers.answers({"print": {"command": "push_status"}, "system": [], "x": {"command": "y"}}) == []


@pytest.mark.parametrize(
    ("name", "args", "status", "seen"),
    [
        ("start", START, {"state": "prepare", "task_id": "73124"}, True),
        ("start", START, {"state": "running", "task": "f8a1-bracket"}, True),
        ("start", START, {"state": "running", "task_id": "1", "task": "other"}, False),
        ("start", START, {"state": "finish", "task_id": "73124"}, False),
        ("pause", {}, {"state": "pause"}, True),
        ("stop", {}, {"state": "running"}, False),
        ("stop", {}, {"state": "failed"}, True),
        ("temperature", {"nozzle": 210}, {"state": "idle", "nozzle_target": 210.0}, True),
        ("skip_objects", {"objects": [1, 2]}, {"state": "running", "skipped": [2, 3]}, False),
        ("home", {}, {"state": "idle"}, False),
    ],
)
def test_effects_that_a_status_shows(name: str, args: dict[str, Any], status: dict[str, Any], seen: bool) -> None:
    assert requests.happened(name, args, status) is seen
