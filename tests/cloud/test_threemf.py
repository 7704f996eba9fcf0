"""Reading sliced files: of real slicers, and generated ones of every shape."""

from pathlib import Path

import pytest

from cloud.catalog import sliced
from cloud.catalog.sliced import Filament, PrintObject
from cloud.catalog.threemf import ThreeMFError, read_threemf, read_thumbnail
from tests.cloud.zipcraft import pack, real_sample, sample_members
from tools.sample_file import PRESETS, FilamentUse, SampleSpec, build_sample

GCODE = "Metadata/plate_1.gcode"
INFO = "Metadata/slice_info.config"
SETTINGS = "Metadata/project_settings.config"


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file.gcode.3mf"
    path.write_bytes(data)
    return path


def test_a_real_p1s_file() -> None:
    file = read_threemf(real_sample("p1s_one_filament.gcode.3mf"))
    assert (file.slicer, file.slicer_version) == ("BambuStudio", "02.05.00.66")
    assert (file.model_id, file.model_name, file.flags) == ("C12", "P1S", [])
    (plate,) = file.plates
    assert (plate.index, plate.seconds, plate.grams, plate.layers) == (1, 1958, 10.18, 88)
    assert plate.filaments == [
        Filament(slot=3, type="PETG-CF", color="#2850E0", grams=10.18, meters=3.39, profile="GFG98")
    ]
    assert plate.objects == [
        PrintObject(id=208, name="decoy_shell.step"),
        PrintObject(id=230, name="decoy_base.step"),
    ]
    assert plate.skippable
    assert plate.nozzle_diameters == [0.4]
    assert plate.bed_type == "textured_plate"
    assert plate.gcode_md5 == "BBE681F703ED4D4B86AA818CAF4004BC"
    assert plate.gcode_bytes == 1859240
    assert plate.thumbnail == "Metadata/plate_1.png"
    assert plate.slicer_warnings == ["bed_temperature_too_high_than_filament"]


def test_a_real_file_without_model_id_is_accepted_and_flagged() -> None:
    file = read_threemf(real_sample("orca_no_model_id.gcode.3mf"))
    assert file.flags == [sliced.NO_MODEL_ID]
    assert (file.model_id, file.model_name) == ("C12", "P1S")  # from the slicer's settings
    (plate,) = file.plates
    assert plate.layers == 25  # its gcode has no header
    assert [filament.slot for filament in plate.filaments] == [3]
    assert plate.seconds == 300


def test_a_real_project_that_is_not_sliced_is_refused_with_help() -> None:
    with pytest.raises(ThreeMFError, match="Export plate sliced file") as caught:
        read_threemf(real_sample("not_sliced_four_plates.3mf"))
    assert caught.value.code == "not_sliced"


def test_a_real_thumbnail() -> None:
    path = real_sample("p1s_one_filament.gcode.3mf")
    large, small = read_thumbnail(path, 1), read_thumbnail(path, 1, "small")
    assert large is not None
    assert small is not None
    assert len(large) == 11329
    assert len(small) == 4575
    assert read_thumbnail(path, 2) is None


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_reads_back_as_it_was_specified(name: str, tmp_path: Path) -> None:
    spec = PRESETS[name]
    file = read_threemf(write(tmp_path, build_sample(spec)))
    assert file.model_id == spec.model
    assert file.model_name == spec.printer.name
    assert file.flags == []
    assert [plate.index for plate in file.plates] == list(spec.plates)
    for plate in file.plates:
        assert (plate.seconds, plate.layers) == (spec.seconds, spec.layers)
        assert plate.grams == pytest.approx(sum(item.grams for item in spec.filaments))
        assert [(f.slot, f.type, f.color, f.grams) for f in plate.filaments] == [
            (f.slot, f.type, f.color, f.grams) for f in spec.filaments
        ]
        assert plate.nozzle_diameters == [spec.nozzle] * spec.printer.nozzles
        assert plate.skippable is spec.label_objects
        assert plate.objects


def test_only_the_sliced_plates_of_a_project_are_printable(tmp_path: Path) -> None:
    spec = SampleSpec(plates=(2, 4), project_plates=4, layers=2)
    path = write(tmp_path, build_sample(spec))
    file = read_threemf(path)
    assert [plate.index for plate in file.plates] == [2, 4]
    assert file.plates[0].objects[0].id != file.plates[1].objects[0].id
    assert read_thumbnail(path, 1) is not None  # pictures are there for all plates


def test_filament_slots_are_sparse(tmp_path: Path) -> None:
    used = (FilamentUse(4, "PETG", "#FFFFFF", 3), FilamentUse(1, "PLA", "#1F8B4C", 12.5))
    file = read_threemf(write(tmp_path, build_sample(SampleSpec(filaments=used, layers=2))))
    assert [(f.slot, f.type) for f in file.plates[0].filaments] == [(1, "PLA"), (4, "PETG")]


@pytest.mark.parametrize("weight", ["", "nan", "-1", "inf", "1e400", "ten"])
def test_numbers_that_make_no_sense_are_missing(weight: str, tmp_path: Path) -> None:
    members = sample_members()
    info = members[INFO].decode()
    info = info.replace('key="weight" value="12.50"', f'key="weight" value="{weight}"')
    info = info.replace('key="prediction" value="600"', f'key="prediction" value="{weight}"')
    info = info.replace('identify_id="200"', f'identify_id="{weight}"')
    members[INFO] = info.encode()
    (plate,) = read_threemf(write(tmp_path, pack(members))).plates
    assert plate.grams == 12.5  # the sum of the filaments
    assert plate.seconds == 600  # from the gcode's header
    assert plate.objects == []


def test_a_plate_without_slice_info_is_read_from_its_gcode(tmp_path: Path) -> None:
    members = sample_members(SampleSpec(layers=3, filaments=(FilamentUse(4, "PETG", "#AABBCC", 3),)))
    del members[INFO]
    file = read_threemf(write(tmp_path, pack(members)))
    assert file.flags == [sliced.NO_MODEL_ID, sliced.NO_SLICE_INFO]
    assert file.model_id == "C12"
    (plate,) = file.plates
    assert (plate.seconds, plate.layers, plate.grams) == (600, 3, 3.0)
    assert plate.filaments == [Filament(slot=4, type="PETG", color="#AABBCC", grams=3.0, meters=0.982, profile="GFG00")]


def test_no_model_anywhere(tmp_path: Path) -> None:
    members = sample_members()
    members[INFO] = members[INFO].replace(b'value="C12"', b'value=""')
    del members[SETTINGS]
    file = read_threemf(write(tmp_path, pack(members)))
    assert (file.model_id, file.model_name) == (None, None)
    assert file.flags == [sliced.NO_MODEL_ID, sliced.UNKNOWN_MODEL]


def test_a_model_of_tomorrow_is_kept_and_flagged(tmp_path: Path) -> None:
    members = sample_members()
    members[INFO] = members[INFO].replace(b'value="C12"', b'value="Z99"')
    file = read_threemf(write(tmp_path, pack(members)))
    assert (file.model_id, file.model_name, file.flags) == ("Z99", None, [sliced.UNKNOWN_MODEL])


@pytest.mark.parametrize("settings", [b"", b"{", b"[]", b'{"a":' + b"[" * 100_000, b"\xff\xfe"])
def test_damaged_settings_do_not_matter(settings: bytes, tmp_path: Path) -> None:
    members = sample_members() | {SETTINGS: settings, "Metadata/plate_1.json": settings}
    file = read_threemf(write(tmp_path, pack(members)))
    assert file.flags == [sliced.SETTINGS_UNREADABLE]
    assert (file.model_id, file.plates[0].bed_type) == ("C12", None)


@pytest.mark.parametrize("stated", [None, b""])
def test_a_missing_checksum_is_flagged(stated: bytes | None, tmp_path: Path) -> None:
    members = sample_members()
    del members[f"{GCODE}.md5"]
    if stated is not None:
        members[f"{GCODE}.md5"] = stated
    assert read_threemf(write(tmp_path, pack(members))).flags == [sliced.NO_MD5]


def test_a_lower_case_checksum_with_a_newline_is_the_same(tmp_path: Path) -> None:
    members = sample_members()
    members[f"{GCODE}.md5"] = members[f"{GCODE}.md5"].lower() + b"\n"
    assert read_threemf(write(tmp_path, pack(members))).flags == []


def test_sliced_by_its_own_word_but_without_program(tmp_path: Path) -> None:
    members = sample_members()
    del members[GCODE]
    with pytest.raises(ThreeMFError, match="Slice it again") as caught:
        read_threemf(write(tmp_path, pack(members)))
    assert caught.value.code == "no_gcode"


def test_an_empty_program(tmp_path: Path) -> None:
    with pytest.raises(ThreeMFError) as caught:
        read_threemf(write(tmp_path, pack(sample_members() | {GCODE: b""})))
    assert caught.value.code == "no_gcode"


def test_some_other_archive(tmp_path: Path) -> None:
    with pytest.raises(ThreeMFError) as caught:
        read_threemf(write(tmp_path, pack({"letter.txt": b"hello"})))
    assert caught.value.code == "not_a_3mf"


def test_orca_names_itself_and_its_time_differently(tmp_path: Path) -> None:
    members = sample_members()
    members[GCODE] = (
        b"; HEADER_BLOCK_START\n; generated by OrcaSlicer 2.3.1 on 2026-04-03 at 10:00:00\n"
        b"; total layer number: 7\n; estimated printing time (normal mode) = 1h 2m 3s\n; HEADER_BLOCK_END\nG28\n"
    )
    del members[f"{GCODE}.md5"]
    members[INFO] = members[INFO].replace(b'key="prediction"', b'key="was_prediction"')
    file = read_threemf(write(tmp_path, pack(members)))
    assert (file.slicer, file.slicer_version) == ("OrcaSlicer", "2.3.1")
    assert (file.plates[0].layers, file.plates[0].seconds) == (7, 3723)


def test_a_picture_that_is_no_png_is_not_given_out(tmp_path: Path) -> None:
    members = sample_members() | {"Metadata/plate_1.png": b"<svg onload='alert(1)'/>"}
    assert read_thumbnail(write(tmp_path, pack(members)), 1) is None


def test_a_missing_file_is_not_the_uploaders_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_threemf(tmp_path / "nowhere.3mf")
