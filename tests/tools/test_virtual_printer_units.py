"""The parts that need no network: reports and their differences, specifications, print files, storage, packets."""

from __future__ import annotations

import copy
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.tools.virtual_printer_driver import make_3mf
from tools.virtual_printer import mqtt_packets as mq
from tools.virtual_printer.certificates import obtain, replacement
from tools.virtual_printer.faults import Faults
from tools.virtual_printer.models import MODELS, file_fits, find_model
from tools.virtual_printer.printfile import PrintFileError, first_plate, read_plate
from tools.virtual_printer.reports import difference, full_report
from tools.virtual_printer.spec import AmsSpec, PrinterSpec, TraySpec, from_json, to_json
from tools.virtual_printer.starting import colour_changes, runout_error, runout_hms, storage_path
from tools.virtual_printer.state import Machine
from tools.virtual_printer.storage import Storage, StorageError
from tools.virtual_printer.versions import modules

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"
ADDRESS = "127.0.77.1"


def merge(base: dict[str, Any], change: dict[str, Any]) -> None:
    """The merge rules of clients: objects by key, lists replaced, AMS units and trays by id."""
    for key, value in change.items():
        old = base.get(key)
        if key in ("ams", "tray") and isinstance(value, list):
            known = {item["id"]: item for item in old or []}
            for item in value:
                if key == "tray":  # a tray comes whole, or reduced when it is empty
                    known[item["id"]] = item
                else:
                    merge(known.setdefault(item["id"], {}), item)
            base[key] = list(known.values())
        elif isinstance(value, dict) and isinstance(old, dict):
            merge(old, value)
        else:
            base[key] = copy.deepcopy(value)


def shake(machine: Machine, luck: random.Random) -> None:
    """Change some of the state, as life does."""
    machine.gcode_state = luck.choice(["IDLE", "RUNNING", "PAUSE"])
    machine.job.percent = luck.randrange(101)
    machine.job.skipped = luck.sample(range(9), luck.randrange(3))
    machine.bed.target = float(luck.randrange(100))
    machine.bed.step(luck.random() * 10)
    machine.lights["chamber_light"] = luck.choice(["on", "off"])
    machine.hms = [(0x07002000, 0x00020001)] if luck.random() < 0.3 else []
    for unit in machine.units:
        for slot in range(len(unit.trays)):
            if luck.random() < 0.3:
                tray = None if luck.random() < 0.5 else TraySpec(color=f"{luck.randrange(1 << 24):06X}")
                machine.set_filament(unit.global_slot(slot), tray)


@pytest.mark.parametrize("whole_ams", [False, True])
@pytest.mark.parametrize("model", list(MODELS))
def test_differences_merged_by_the_rules_give_the_full_report(model: str, whole_ams: bool) -> None:
    machine = Machine(PrinterSpec(model=model, ams=[AmsSpec(), AmsSpec(kind="ams_ht", trays=[None])]))
    client = full_report(machine, ADDRESS, 1000)
    client = copy.deepcopy(client)
    last = copy.deepcopy(client)
    luck = random.Random(7)
    for _ in range(40):
        shake(machine, luck)
        now = copy.deepcopy(full_report(machine, ADDRESS, 1000))
        merge(client, difference(last, now, whole_ams=whole_ams))
        assert client == now
        last = now


@pytest.mark.parametrize("model", list(MODELS))
def test_nothing_changed_is_no_difference(model: str) -> None:
    machine = Machine(PrinterSpec(model=model))
    report = full_report(machine, ADDRESS, 1)
    assert difference(report, copy.deepcopy(report), whole_ams=False) == {}


SAMPLE_OF = {"P1P": "p1p", "A1": "a1", "X1C": "x1c_four_ams", "H2D": "h2d"}


@pytest.mark.parametrize(("model", "name"), SAMPLE_OF.items())
def test_the_fields_have_the_types_of_a_real_report(model: str, name: str) -> None:
    path = SAMPLES / "reports" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{path} is not there: reports are not compared with real ones")
    captured = json.loads(path.read_text())
    real = captured.get("pushall", captured.get("push_all"))
    real = real.get("print", real)
    tray = TraySpec(remain=50)
    ours = full_report(Machine(PrinterSpec(model=model, ams=[AmsSpec([tray] * 4)])), ADDRESS, 1)
    problems = list(_mismatches(ours, real, ""))
    assert problems == []
    missing = {key for key in set(real) - set(ours) if not isinstance(real[key], int)} - _NOT_IMITATED
    assert missing == {"command", "sequence_id"} & missing


_NOT_IMITATED = {"mc_print_line_number", "info", "t_utc"}
"""Counters and clocks nobody reads."""


def _mismatches(ours: Any, real: Any, where: str) -> Any:
    """Where a value's type differs from the captured one (int and float are the same thing in JSON)."""
    if isinstance(ours, dict) and isinstance(real, dict):
        for key in ours.keys() & real.keys():
            yield from _mismatches(ours[key], real[key], f"{where}.{key}")
    elif isinstance(ours, list) and isinstance(real, list):
        if ours and real:
            yield from _mismatches(ours[0], real[0], f"{where}[0]")
    elif _kind(ours) is not _kind(real):
        yield f"{where}: {ours!r} but really {real!r}"


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


@pytest.mark.parametrize(("model", "style"), [("P1S", "product_name"), ("X1C", "product_name"), ("A1", "project_name")])
def test_version_modules_name_the_model(model: str, style: str) -> None:
    machine = Machine(PrinterSpec(model=model, ams=[AmsSpec(), AmsSpec(kind="ams_2_pro")]))
    ota, *rest = modules(machine)
    assert ota[style] == (machine.model.product_name if style == "product_name" else machine.model.code)
    assert [entry["name"] for entry in rest if "/" in entry["name"]] == [
        "ams_f1/0" if model == "A1" else "ams/0",
        "n3f/1",
    ]


def test_models_are_found_by_any_spelling() -> None:
    for text in ("a1mini", "A1 Mini", "a1-mini", "N1"):
        assert find_model(text).name == "A1 mini"
    with pytest.raises(ValueError, match="unknown printer model"):
        find_model("Ender")
    assert file_fits(find_model("P1S"), "BL-P002")
    assert not file_fits(find_model("P1S"), "N2S")
    assert not file_fits(find_model("A1"), "N1")
    assert file_fits(find_model("A1"), "")


def test_a_specification_survives_json() -> None:
    spec = PrinterSpec(
        model="x1c", trays=[TraySpec("PETG", "#00ff00"), None], external=TraySpec(), faults={"busy": True}
    )
    assert from_json(json.loads(json.dumps(to_json(spec)))) == PrinterSpec(**{**vars(spec), "trays": []})
    assert spec.ams[0].trays[1:] == [None] * 3
    assert spec.access_code not in repr(spec)


@pytest.mark.parametrize(
    "data",
    [
        {"modle": "P1S"},
        {"model": "Prusa"},
        {"speed": 0},
        {"ams": [{"trays": [{"colour": "red"}]}]},
        {"trays": [{"color": "red"}]},
    ],
)
def test_a_wrong_specification_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        from_json(data)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///sdcard/model/a%20b.3mf", ("file", "/model/a b.3mf")),
        ("file:///mnt/sdcard/a.3mf", ("file", "/a.3mf")),
        ("file:///media/usb0/a.3mf", ("file", "/a.3mf")),
        ("file:///elsewhere/a.3mf", ("file", "/elsewhere/a.3mf")),
        ("ftp://a.3mf", ("ftp", "/a.3mf")),
        ("ftp:///cache/a.3mf", ("ftp", "/cache/a.3mf")),
        ("ftp:///sdcard/a.3mf", ("ftp", "/sdcard/a.3mf")),
        ("brtc://emmc/a.3mf", ("", "")),
        ("", ("", "")),
    ],
)
def test_urls(url: str, expected: tuple[str, str]) -> None:
    assert storage_path(url) == expected


def test_runout_codes_name_the_unit_and_the_slot() -> None:
    assert runout_error(6) == 0x07018011
    assert runout_hms(6) == (0x07012200, 0x00020001)
    assert runout_error(128) == 0x07808011
    assert runout_error(254) == 0x03008004
    assert [colour_changes((1, 5), share / 6) for share in range(6)] == [1, 5, 1, 5, 1, 5]
    assert colour_changes((), 0.5) == 255


def test_plates_are_read_by_their_number(tmp_path: Path) -> None:
    path = tmp_path / "f.3mf"
    path.write_bytes(make_3mf(seconds=6757, layers=145, plate=8, filaments=(1, 4), objects=(3041,)))
    plate = read_plate(path, "Metadata/plate_8.gcode")
    assert (plate.seconds, plate.layers, plate.filament_ids, plate.object_ids) == (6757.0, 145, (1, 4), (3041,))
    assert first_plate(path) == "Metadata/plate_8.gcode"
    with pytest.raises(PrintFileError) as wrong:
        read_plate(path, "Metadata/plate_1.gcode")
    assert wrong.value.code == 0x05004003


def test_a_file_without_prediction_is_timed_by_its_gcode(tmp_path: Path) -> None:
    path = tmp_path / "orca.3mf"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Metadata/plate_1.gcode", "; model printing time: 1h 2m 3s; total estimated time: 1h 5m 3s\n")
    assert read_plate(path, "Metadata/plate_1.gcode").seconds == 3903
    path.write_bytes(b"PK\x03\x04 damaged")
    assert first_plate(path) == ""


@given(some.text(max_size=40))
def test_no_path_leads_out_of_the_storage(text: str) -> None:
    storage = Storage.__new__(Storage)
    storage.root = Path("/storage")
    cleaned = text.replace("\0", "")
    assert str(storage.local(storage.absolute(cleaned, "/cache"))).startswith("/storage")
    assert ".." not in Path(storage.absolute(cleaned)).parts


def test_storage_operations(tmp_path: Path) -> None:
    storage = Storage(tmp_path, 1000)
    storage.make_directory("/jobs")
    storage.local("/jobs/a.3mf").write_bytes(b"x" * 100)
    assert (storage.used(), storage.free()) == (100, 900)
    for work in (
        lambda: storage.make_directory("/jobs"),
        lambda: storage.remove_directory("/jobs"),
        lambda: storage.delete("/jobs"),
        lambda: storage.rename("/none", "/b"),
        lambda: storage.list("/none"),
        lambda: storage.size("/none"),
    ):
        with pytest.raises(StorageError) as refused:
            work()
        assert refused.value.code == 550
    storage.clear()
    assert list(storage.files()) == []


@given(some.binary(max_size=200))
def test_no_bytes_upset_the_packet_parsers(body: bytes) -> None:
    for parse in (
        mq.parse_connect,
        lambda data: mq.parse_publish(2, data),
        lambda data: mq.parse_topics(data, with_qos=True),
    ):
        try:
            parse(body)
        except mq.MqttError:
            continue


@pytest.mark.parametrize(
    ("pattern", "topic", "covers"),
    [
        ("device/A/report", "device/A/report", True),
        ("device/a/report", "device/A/report", False),
        ("device/+/report", "device/A/report", True),
        ("device/#", "device/A/report", True),
        ("#", "device/A/report", True),
        ("device/A", "device/A/report", False),
        ("device/A/report/x", "device/A/report", False),
    ],
)
def test_topic_filters(pattern: str, topic: str, covers: bool) -> None:
    assert mq.matches(pattern, topic) is covers


@given(some.integers(min_value=0, max_value=400_000))
def test_packet_lengths(size: int) -> None:
    data = mq.packet(mq.PUBLISH, 0, bytes(size))
    length = shift = 0
    for at in range(1, 5):
        length |= (data[at] & 0x7F) << shift
        shift += 7
        if not data[at] & 0x80:
            break
    assert length == size == len(data) - at - 1


def test_certificates_depend_on_key_and_serial_only(tmp_path: Path) -> None:
    first, again, other = (obtain(serial, tmp_path) for serial in ("A", "A", "B"))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert replacement("A").fingerprint != first.fingerprint
    assert "PRIVATE" not in repr(first)
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


def test_faults_know_what_is_wrong() -> None:
    faults = Faults()
    faults.apply({"flood": 5, "require_session_reuse": None, "storage": "full"})
    assert faults.changed() == {"flood": 5, "storage": "full"}
    with pytest.raises(ValueError, match="unknown fault"):
        faults.apply({"busy": True, "nope": 1})
    assert faults.busy is False


def test_every_switch_and_action_is_documented() -> None:
    from tools.virtual_printer.actions import ACTIONS

    text = (Path(__file__).resolve().parents[2] / "tools" / "virtual_printer" / "README.md").read_text()
    missing = [name for name in [*Faults().as_json(), *ACTIONS] if f"`{name}`" not in text]
    assert missing == []
