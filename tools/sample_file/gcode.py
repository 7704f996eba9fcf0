"""The printing program of one plate: header, settings, start sequence, layers with real moves, end.

Structure and comments as slicers write them: reference/bambu.md §8.4.
"""

import base64
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tools.sample_file.parts import PARTS, Body, Outline, extent
from tools.sample_file.spec import SampleSpec

SLICER: Final = "BambuStudio"
SLICER_VERSION: Final = "02.05.00.66"
_PREPARE_SHARE: Final = 0.2
"""Share of the total time that heating and levelling take."""
_EXTRUSION: Final = 0.0333
"""mm of 1.75 mm filament per mm of 0.42 × 0.2 mm line."""
_INFILL_SPACING: Final = 6.0


@dataclass(frozen=True, slots=True)
class PlateIds:
    """The objects of one plate, in order: what `skip_objects` names."""

    index: int
    ids: tuple[int, ...]


def plate_ids(spec: SampleSpec, index: int) -> PlateIds:
    """Ids are unique over all plates, as slicers number them."""
    count = len(PARTS[spec.part]())
    return PlateIds(index, tuple(200 + 100 * (index - 1) + 22 * place for place in range(count)))


def settings_of(spec: SampleSpec) -> dict[str, object]:
    """The slicer's settings: numbers are strings, arrays are per filament slot."""
    used = {filament.slot: filament for filament in spec.filaments}
    slots = [used.get(slot) for slot in range(1, spec.slots + 1)]
    types = [item.type if item else "PLA" for item in slots]
    name = f"Bambu Lab {spec.printer.name}"
    width, depth, height = spec.printer.build_volume
    return {
        "curr_bed_type": spec.bed,
        "filament_colour": [item.color if item else "#FFFFFF" for item in slots],
        "filament_density": [str(item.density if item else 1.24) for item in slots],
        "filament_diameter": ["1.75"] * spec.slots,
        "filament_ids": [item.profile if item else "GFA00" for item in slots],
        "filament_settings_id": [f"Generic {kind} @BBL" for kind in types],
        "filament_type": types,
        "from": "project",
        "layer_height": f"{spec.layer_height:g}",
        "name": "project_settings",
        "nozzle_diameter": [f"{spec.nozzle:g}"] * spec.printer.nozzles,
        "print_settings_id": f"{spec.layer_height:.2f}mm Standard @BBL",
        "printable_area": ["0x0", f"{width}x0", f"{width}x{depth}", f"0x{depth}"],
        "printable_height": str(height),
        "printer_model": name,
        "printer_settings_id": f"{name} {spec.nozzle:g} nozzle",
        "printer_technology": "FFF",
        "printer_variant": f"{spec.nozzle:g}",
        "sparse_infill_density": "15%",
        "version": SLICER_VERSION,
        "wall_loops": "2",
    }


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, secs = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "m"), (secs, "s")]
    return " ".join(f"{amount}{unit}" for amount, unit in parts if amount or unit == "s")


def header(spec: SampleSpec, plate: PlateIds) -> list[str]:
    """HEADER_BLOCK and CONFIG_BLOCK."""
    used = sorted(spec.filaments, key=lambda filament: filament.slot)
    lengths = ",".join(f"{item.meters * 1000:.2f}" for item in used)
    volumes = ",".join(f"{item.meters * 1000 * 2.4053:.2f}" for item in used)
    printing = round(spec.seconds * (1 - _PREPARE_SHARE))
    settings = settings_of(spec)
    lines = [
        "; HEADER_BLOCK_START",
        f"; {SLICER} {SLICER_VERSION}",
        f"; model printing time: {_duration(printing)}; total estimated time: {_duration(spec.seconds)}",
        f"; total layer number: {spec.layers}",
        f"; total filament length [mm] : {lengths}",
        f"; total filament volume [cm^3] : {volumes}",
        f"; total filament weight [g] : {','.join(f'{item.grams:.2f}' for item in used)}",
        f"; model label id: {','.join(map(str, plate.ids))}",
        f"; filament_density: {_joined(settings['filament_density'])}",
        f"; filament_diameter: {_joined(settings['filament_diameter'])}",
        f"; max_z_height: {spec.layers * spec.layer_height:.2f}",
        f"; filament: {','.join(str(item.slot) for item in used)}",
        "; HEADER_BLOCK_END",
        "",
        "; CONFIG_BLOCK_START",
    ]
    lines += [f"; {key} = {_joined(value)}" for key, value in settings.items()]
    return [*lines, "; CONFIG_BLOCK_END", ""]


def _joined(value: object) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def start(spec: SampleSpec) -> list[str]:
    """Begin of the EXECUTABLE_BLOCK: heat, clean, level, load the first filament."""
    first = spec.filaments[0].slot - 1
    minutes = math.ceil(spec.seconds / 60)
    return [
        "; EXECUTABLE_BLOCK_START",
        f"M73 P0 R{minutes}",
        f";===== machine: {spec.printer.name} =====",
        "M201 X20000 Y20000 Z500 E5000",
        "M203 X500 Y500 Z20 E30",
        "M1002 gcode_claim_action : 2",
        "M140 S65 ;set bed temp",
        "M190 S65 ;wait for bed temp",
        "M104 S220",
        *_load(first),
        "M1002 gcode_claim_action : 14",
        "M109 S200",
        "G28",
        "M1002 gcode_claim_action : 1",
        "G29 A",
        "M400",
        "M109 S220",
        "G90",
        "M83",
        "M1002 gcode_claim_action : 0",
    ]


def _load(index: int) -> list[str]:
    return [f"M620 S{index}A   ; switch material if AMS exist", f"T{index}", f"M621 S{index}A"]


def end() -> list[str]:
    """End of the program; nothing may follow the last line."""
    return [
        "; filament end gcode",
        "M106 S0",
        "M104 S0 ; turn off hotend",
        "M140 S0 ; turn off bed",
        "G1 X65 Y245 F12000",
        "M400",
        "M73 P100 R0",
        "; EXECUTABLE_BLOCK_END",
        "",
    ]


def layers(spec: SampleSpec, plate: PlateIds) -> Iterator[list[str]]:
    """The lines of each layer, bottom to top."""
    program = _Program(spec, plate)
    for number in range(1, spec.layers + 1):
        yield program.layer(number)


def _mask(bits: int) -> str:
    """Objects of a layer or line as M624 names them: a little-endian bit mask, base64."""
    return base64.b64encode(bits.to_bytes(8, "little")).decode()


class _Program:
    """State of the printing program from layer to layer: the loaded filament and the progress shown."""

    def __init__(self, spec: SampleSpec, plate: PlateIds) -> None:
        self._spec = spec
        self._plate = plate
        self._objects = PARTS[spec.part]()
        x0, y0, x1, y1 = extent(self._objects)
        width, depth, _ = spec.printer.build_volume
        fit = min(1.0, 0.9 * width / (x1 - x0), 0.9 * depth / (y1 - y0))
        self._scale = fit
        self._shift = (width / 2 - fit * (x0 + x1) / 2, depth / 2 - fit * (y0 + y1) / 2)
        self._loaded = spec.filaments[0].slot
        self._percent = 0

    def layer(self, number: int) -> list[str]:
        spec = self._spec
        z = number * spec.layer_height
        lines = [
            "; CHANGE_LAYER",
            f"; Z_HEIGHT: {z:g}",
            f"; LAYER_HEIGHT: {spec.layer_height:g}",
            f"; layer num/total_layer_count: {number}/{spec.layers}",
            "; update layer progress",
            f"M73 L{number}",
            f"M991 S0 P{number - 1} ;notify layer change",
            *self._progress(number),
            f"G1 Z{z:.3f} F1200",
        ]
        middle = (number - 0.5) / spec.layers
        for place, item in enumerate(self._objects):
            bodies = [body for body in item.bodies if body.bottom <= middle < body.top]
            lines += self._object(place, bodies, number)
        return lines

    def _progress(self, number: int) -> list[str]:
        done = _PREPARE_SHARE + (1 - _PREPARE_SHARE) * (number - 1) / self._spec.layers
        percent = int(done * 100)
        if percent == self._percent:
            return []
        self._percent = percent
        return [f"M73 P{percent} R{math.ceil(self._spec.seconds * (1 - done) / 60)}"]

    def _object(self, place: int, bodies: list[Body], number: int) -> list[str]:
        if not bodies:
            return []
        label = self._plate.ids[place]
        lines = [f"; OBJECT_ID: {label}"]
        if self._spec.label_objects:
            lines += [f"; start printing object, unique label id: {label}", f"M624 {_mask(1 << place)}"]
        for body in bodies:
            lines += self._body(body, number)
        if self._spec.label_objects:
            lines += [f"; stop printing object, unique label id: {label}", "M625"]
        return lines

    def _body(self, body: Body, number: int) -> list[str]:
        filaments = self._spec.filaments
        slot = filaments[body.filament % len(filaments)].slot
        lines = []
        if slot != self._loaded:
            lines += [";===== change filament =====", *_load(slot - 1)]
            self._loaded = slot
        kx, ky = self._shift
        outline = tuple((x * self._scale + kx, y * self._scale + ky) for x, y in body.outline)
        lines += ["; FEATURE: Outer wall", "; LINE_WIDTH: 0.42", *_loop(outline)]
        if not body.hole:
            lines += ["; FEATURE: Sparse infill", *_infill(outline, number)]
        return lines


def _loop(outline: Outline) -> list[str]:
    x0, y0 = outline[0]
    lines = [f"G1 X{x0:.3f} Y{y0:.3f} F30000", "G1 E.8 F1800", "G1 F9000"]
    for (ax, ay), (bx, by) in zip(outline, [*outline[1:], outline[0]], strict=True):
        lines.append(f"G1 X{bx:.3f} Y{by:.3f} E{math.hypot(bx - ax, by - ay) * _EXTRUSION:.5f}")
    return [*lines, "G1 E-.8 F1800"]


def _infill(outline: Outline, number: int) -> list[str]:
    """Parallel lines clipped to the outline, shifted from layer to layer so that they cross."""
    ys = [y for _, y in outline]
    lines = ["G1 F15000"]
    y = min(ys) + _INFILL_SPACING * (0.25 + 0.5 * (number % 2))
    while y < max(ys):
        for left, right in _clipped(outline, y):
            lines += [
                f"G1 X{left:.3f} Y{y:.3f} F30000",
                f"G1 X{right:.3f} E{(right - left) * _EXTRUSION:.5f} F15000",
            ]
        y += _INFILL_SPACING
    return lines


def _clipped(outline: Outline, y: float) -> Iterator[tuple[float, float]]:
    crossings: Sequence[float] = sorted(
        ax + (y - ay) * (bx - ax) / (by - ay)
        for (ax, ay), (bx, by) in zip(outline, [*outline[1:], outline[0]], strict=True)
        if min(ay, by) <= y < max(ay, by)
    )
    yield from zip(crossings[::2], crossings[1::2], strict=True)
