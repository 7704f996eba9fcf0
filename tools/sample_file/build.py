"""Puts the members together into one `.gcode.3mf`, byte for byte the same for the same spec."""

import hashlib
import io
import random
import zipfile
from collections.abc import Iterator
from typing import Final

from tools.sample_file import documents, gcode
from tools.sample_file.padding import padding, padding_lines
from tools.sample_file.parts import PARTS
from tools.sample_file.pictures import View, draw
from tools.sample_file.spec import SampleSpec, SpecError

_WHEN: Final = (2026, 4, 3, 14, 51, 0)
_PICTURES: Final[tuple[tuple[str, View, int], ...]] = (
    ("Metadata/plate_{}.png", "plate", 512),
    ("Metadata/plate_{}_small.png", "plate", 128),
    ("Metadata/plate_no_light_{}.png", "no_light", 512),
    ("Metadata/top_{}.png", "top", 512),
    ("Metadata/pick_{}.png", "pick", 512),
)


class _Pipe(io.RawIOBase):
    """Takes bytes but cannot seek: so the zip gets data descriptors, as slicers write them."""

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]
        self.data += data
        return len(data)


def build_sample(spec: SampleSpec) -> bytes:
    """The finished file. Raises SpecError when the wanted size is smaller than the content."""
    if spec.part not in PARTS:
        raise SpecError(f"no part is called {spec.part!r}; there are {', '.join(sorted(PARTS))}")
    if spec.bed not in documents.BEDS:
        raise SpecError(f"no bed is called {spec.bed!r}; there are {', '.join(documents.BEDS)}")
    bare = _pack(spec, 0)
    if not spec.size_kb:
        return bare
    missing = spec.size_kb * 1024 - len(bare)
    if missing < 0:
        raise SpecError(f"the file already has {len(bare) // 1024 + 1} KiB without padding")
    lines = padding_lines(missing // len(spec.plates), str(spec.seed), incompressible=spec.incompressible)
    return _pack(spec, lines)


def _pack(spec: SampleSpec, pad_lines: int) -> bytes:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        for name, data in _members(spec, pad_lines):
            info = zipfile.ZipInfo(name, _WHEN)
            info.create_system = 0
            # Pictures are stored: printers show them without inflating.
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return bytes(pipe.data)


def _members(spec: SampleSpec, pad_lines: int) -> Iterator[tuple[str, str | bytes]]:
    colors = tuple(filament.color for filament in spec.filaments)
    yield "[Content_Types].xml", documents.CONTENT_TYPES
    for index in spec.all_plates:
        ids = gcode.plate_ids(spec, index).ids
        for name, view, size in _PICTURES:
            yield name.format(index), draw(spec.part, colors, view, size, ids)
    yield "3D/3dmodel.model", documents.model(spec)
    yield "Metadata/project_settings.config", documents.project_settings(spec)
    for index in sorted(spec.plates):
        yield from _plate(spec, index, pad_lines)
    yield "Metadata/_rels/model_settings.config.rels", documents.settings_relations(spec)
    yield "Metadata/model_settings.config", documents.model_settings(spec)
    yield "Metadata/slice_info.config", documents.slice_info(spec)
    yield "Metadata/filament_sequence.json", documents.filament_sequence(spec)
    yield "_rels/.rels", documents.package_relations(spec)


def _plate(spec: SampleSpec, index: int, pad_lines: int) -> Iterator[tuple[str, str | bytes]]:
    plate = gcode.plate_ids(spec, index)
    program = _program(spec, plate, pad_lines)
    digest = hashlib.md5(program, usedforsecurity=False).hexdigest().upper()
    yield f"Metadata/plate_{index}.json", documents.plate_json(spec, plate)
    yield f"Metadata/plate_{index}.gcode.md5", digest
    yield f"Metadata/plate_{index}.gcode", program


def _program(spec: SampleSpec, plate: gcode.PlateIds, pad_lines: int) -> bytes:
    source = random.Random(f"{spec.seed}/{plate.index}")
    program = bytearray("\n".join([*gcode.header(spec, plate), *gcode.start(spec), ""]).encode())
    written = 0
    for number, lines in enumerate(gcode.layers(spec, plate), 1):
        program += "\n".join([*lines, ""]).encode()
        # Spread evenly, so that a file's position says something about the print's.
        due = pad_lines * number // spec.layers - written
        program += padding(due, source, incompressible=spec.incompressible)
        written += due
    return bytes(program + "\n".join(gcode.end()).encode())
