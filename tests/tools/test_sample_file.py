"""The generator of sample files: complete, plausible, repeatable."""

import base64
import dataclasses
import hashlib
import io
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from tools.sample_file import PRESETS, FilamentUse, SampleSpec, build_sample
from tools.sample_file.__main__ import main
from tools.sample_file.parts import PARTS
from tools.sample_file.spec import SpecError

TINY = SampleSpec(layers=5)


def archive(spec: SampleSpec) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(build_sample(spec)))


def gcode(spec: SampleSpec, plate: int = 1) -> str:
    with archive(spec) as found:
        return found.read(f"Metadata/plate_{plate}.gcode").decode("ascii")


def pixels(png: bytes) -> tuple[int, list[bytes]]:
    """Side length and RGBA rows of a PNG as written here (8 bits, no filters)."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, packed, side = 8, b"", 0
    while place < len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        body = png[place + 8 : place + 8 + length]
        (crc,) = struct.unpack_from(">I", png, place + 8 + length)
        assert crc == zlib.crc32(kind + body)
        if kind == b"IHDR":
            side = struct.unpack(">IIBBBBB", body)[0]
        packed += body if kind == b"IDAT" else b""
        place += 12 + length
    raw, width = zlib.decompress(packed), side * 4 + 1
    return side, [raw[start + 1 : start + width] for start in range(0, len(raw), width)]


def test_all_members_of_a_real_export_are_there() -> None:
    spec = dataclasses.replace(TINY, plates=(2,), project_plates=3)
    with archive(spec) as found:
        assert found.testzip() is None
        names = set(found.namelist())
        pictures = [info for info in found.infolist() if info.filename.endswith(".png")]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in pictures)
        assert all(info.flag_bits & 0x8 for info in found.infolist())  # data descriptors
    wanted = {
        "[Content_Types].xml",
        "_rels/.rels",
        "3D/3dmodel.model",
        "Metadata/slice_info.config",
        "Metadata/model_settings.config",
        "Metadata/_rels/model_settings.config.rels",
        "Metadata/project_settings.config",
        "Metadata/filament_sequence.json",
        "Metadata/plate_2.gcode",
        "Metadata/plate_2.gcode.md5",
        "Metadata/plate_2.json",
    }
    for plate in (1, 2, 3):
        wanted |= {f"Metadata/plate_{plate}.png", f"Metadata/plate_{plate}_small.png"}
        wanted |= {f"Metadata/{kind}_{plate}.png" for kind in ("plate_no_light", "top", "pick")}
    assert names == wanted


def test_the_checksum_is_upper_case_and_right() -> None:
    with archive(TINY) as found:
        program = found.read("Metadata/plate_1.gcode")
        stated = found.read("Metadata/plate_1.gcode.md5").decode()
    assert stated == hashlib.md5(program, usedforsecurity=False).hexdigest().upper()


def test_the_gcode_has_the_blocks_of_a_slicer() -> None:
    lines = gcode(TINY).splitlines()
    assert lines[0] == "; HEADER_BLOCK_START"
    assert re.fullmatch(r"; BambuStudio \d\d\.\d\d\.\d\d\.\d\d", lines[1])
    assert "; model printing time: 8m 0s; total estimated time: 10m 0s" in lines
    assert "; total layer number: 5" in lines
    blocks = [line for line in lines if re.fullmatch(r"; \w+_BLOCK_\w+", line)]
    assert blocks == [
        "; HEADER_BLOCK_START",
        "; HEADER_BLOCK_END",
        "; CONFIG_BLOCK_START",
        "; CONFIG_BLOCK_END",
        "; EXECUTABLE_BLOCK_START",
        "; EXECUTABLE_BLOCK_END",
    ]
    assert lines[-1] == "; EXECUTABLE_BLOCK_END"
    assert lines[-2] == "M73 P100 R0"


def test_progress_rises_to_the_end_and_layers_are_counted() -> None:
    text = gcode(SampleSpec(layers=60, seconds=3600))
    progress = [(int(p), int(r)) for p, r in re.findall(r"^M73 P(\d+) R(\d+)$", text, re.MULTILINE)]
    assert progress[0] == (0, 60)
    assert progress[-1] == (100, 0)
    percents, minutes = zip(*progress, strict=True)
    assert list(percents) == sorted(set(percents))
    assert list(minutes) == sorted(minutes, reverse=True)
    assert re.findall(r"^M73 L(\d+)$", text, re.MULTILINE) == [str(n) for n in range(1, 61)]
    assert text.count("; CHANGE_LAYER") == 60
    assert "; layer num/total_layer_count: 60/60" in text


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_move_stays_on_the_bed(name: str) -> None:
    spec = PRESETS[name]
    width, depth, height = spec.printer.build_volume
    program = gcode(dataclasses.replace(spec, layers=10), spec.plates[0])
    body = program.split("; CHANGE_LAYER", 1)[1].split("; filament end gcode")[0]
    moves = [line for line in body.splitlines() if line.startswith("G1 X")]
    assert len(moves) > 100
    for axis, limit in (("X", width), ("Y", depth), ("Z", height)):
        values = [float(value) for value in re.findall(rf" {axis}([-.\d]+)", "\n".join(moves))]
        assert all(0 <= value <= limit for value in values)
    assert any(float(e) > 0 for e in re.findall(r" E([-.\d]+)", body))


def test_a_second_colour_is_loaded_where_it_is_used() -> None:
    program = gcode(PRESETS["sign_x1c"])
    assert re.findall(r"^T(\d+)$", program, re.MULTILINE)[0] == "0"
    assert "3" in re.findall(r"^T(\d+)$", program, re.MULTILINE)
    assert "; filament: 1,4" in program


def test_objects_are_labelled_only_when_asked() -> None:
    spec = SampleSpec(part="case", layers=3)
    program = gcode(spec)
    masks = {base64.b64decode(mask)[0] for mask in re.findall(r"^M624 (\S+)$", program, re.MULTILINE)}
    assert masks == {1, 2}
    assert "M624" not in gcode(dataclasses.replace(spec, label_objects=False))


def test_the_same_spec_gives_the_same_bytes() -> None:
    for spec in (TINY, dataclasses.replace(TINY, size_kb=60)):
        assert build_sample(spec) == build_sample(spec)
    padded = dataclasses.replace(TINY, size_kb=60)
    assert build_sample(padded) != build_sample(dataclasses.replace(padded, seed=2))


@pytest.mark.parametrize("size_kb", [100, 1000])
@pytest.mark.parametrize("incompressible", [False, True])
def test_padding_reaches_the_wanted_size(size_kb: int, incompressible: bool) -> None:
    spec = dataclasses.replace(TINY, size_kb=size_kb, incompressible=incompressible, plates=(1, 2))
    data = build_sample(spec)
    assert len(data) == pytest.approx(size_kb * 1024, rel=0.05)
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        info = found.getinfo("Metadata/plate_2.gcode")
        assert (info.compress_size / info.file_size > 0.6) is incompressible


def test_a_wanted_size_below_the_content_is_refused() -> None:
    with pytest.raises(SpecError, match="KiB without padding"):
        build_sample(dataclasses.replace(TINY, size_kb=1))


@pytest.mark.parametrize("part", sorted(PARTS))
def test_the_pictures_show_the_part_in_its_colour(part: str) -> None:
    spec = dataclasses.replace(TINY, part=part, filaments=(FilamentUse(1, "PLA", "#20C040", 5),))
    with archive(spec) as found:
        side, rows = pixels(found.read("Metadata/plate_1.png"))
        small, _ = pixels(found.read("Metadata/plate_1_small.png"))
        _, pick = pixels(found.read("Metadata/pick_1.png"))
        ids = re.findall(rb'identify_id="(\d+)"', found.read("Metadata/slice_info.config"))
    assert (side, small) == (512, 128)
    flat = b"".join(rows)
    solid = [flat[at : at + 3] for at in range(0, len(flat), 4 * 97) if flat[at + 3] == 255]
    assert 0.1 < len(solid) / (side * side / 97) < 0.9
    assert all(green > red and green > blue for red, green, blue in solid)
    # A pixel of the picking mask is an object's id, or nothing.
    mask = b"".join(pick)
    shown = {mask[at : at + 4] for at in range(0, len(mask), 4)} - {bytes(4)}
    assert shown == {int(number).to_bytes(3, "little") + b"\xff" for number in ids}


@pytest.mark.parametrize(
    "change",
    [
        {"model": "Z99"},
        {"plates": ()},
        {"plates": (0,)},
        {"layers": 0},
        {"filaments": ()},
        {"filaments": (FilamentUse(1, "PLA", "#FFFFFF", 1), FilamentUse(1, "PLA", "#000000", 1))},
        {"part": "teapot"},
        {"bed": "Water"},
    ],
)
def test_a_spec_without_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        build_sample(dataclasses.replace(TINY, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "1:PLA", "0:PLA:#FFFFFF:1", "1:PLA:white:1", "1:PLA:#FFFFFF:nan", "x:PLA:#FFFFFF:1"]
)
def test_a_filament_without_sense_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        FilamentUse.parse(text)


def test_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "out.gcode.3mf"
    command = [sys.executable, "-m", "tools.sample_file", str(out), "--model", "N2S", "--plates", "1,3"]
    command += ["--seconds", "600", "--layers", "4", "--filament", "1:PLA:#1F8B4C:12.5"]
    command += ["--filament", "4:PETG:#FFFFFF:3", "--size-kb", "80"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout == f"{out}: {out.stat().st_size} bytes\n"
    wanted = SampleSpec(
        model="N2S",
        plates=(1, 3),
        layers=4,
        filaments=(FilamentUse(1, "PLA", "#1F8B4C", 12.5), FilamentUse(4, "PETG", "#FFFFFF", 3)),
        size_kb=80,
    )
    assert out.read_bytes() == build_sample(wanted)


def test_the_command_line_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.gcode.3mf"
    assert main([str(out), "--model", "Z99"]) == 2
    assert "no printer model has the code 'Z99'" in capsys.readouterr().err
    assert not out.exists()


def test_a_preset_on_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "sign.gcode.3mf"
    assert main([str(out), "--preset", "sign_x1c", "--layers", "6"]) == 0
    assert out.read_bytes() == build_sample(dataclasses.replace(PRESETS["sign_x1c"], layers=6))
