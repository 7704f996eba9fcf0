"""What a sample file shall hold."""

import re
from dataclasses import dataclass
from typing import Final, Self

from cloud.catalog.models import PrinterModel, by_code

_COLOR: Final = re.compile(r"#[0-9A-Fa-f]{6}")
_FILAMENT_AREA_MM2: Final = 2.4053
_DENSITY: Final = {"PLA": 1.24, "PETG": 1.27, "ABS": 1.04, "ASA": 1.04, "TPU": 1.22, "PETG-CF": 1.25}
_PROFILES: Final = {
    "PLA": "GFA00",
    "PETG": "GFG00",
    "ABS": "GFB00",
    "ASA": "GFB01",
    "TPU": "GFU01",
    "PETG-CF": "GFG98",
}
MAX_PLATE: Final = 36
MAX_SLOT: Final = 16


class SpecError(ValueError):
    """The wanted file makes no sense; the text says why."""


@dataclass(frozen=True, slots=True)
class FilamentUse:
    """One filament that is really used: `slot` is 1-based and may be sparse, `color` is #RRGGBB."""

    slot: int
    type: str
    color: str
    grams: float

    def __post_init__(self) -> None:
        if not 1 <= self.slot <= MAX_SLOT:
            raise SpecError(f"a filament's slot is 1 to {MAX_SLOT}, not {self.slot}")
        if not _COLOR.fullmatch(self.color):
            raise SpecError(f"a colour is #RRGGBB, not {self.color!r}")
        if not 0 < self.grams < 10_000:
            raise SpecError(f"a weight is more than 0 g, not {self.grams}")
        if not re.fullmatch(r"[A-Z][A-Z0-9-]{0,15}", self.type):
            raise SpecError(f"a filament type is like PLA or PETG-CF, not {self.type!r}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From SLOT:TYPE:#RRGGBB:GRAMS, such as `4:PETG:#FFFFFF:3`. Raises SpecError."""
        parts = text.split(":")
        if len(parts) != 4:
            raise SpecError(f"a filament is SLOT:TYPE:#RRGGBB:GRAMS, not {text!r}")
        try:
            return cls(int(parts[0]), parts[1], parts[2], float(parts[3]))
        except ValueError as error:
            raise SpecError(f"a filament is SLOT:TYPE:#RRGGBB:GRAMS: {error}") from error

    @property
    def density(self) -> float:
        """g/cm³."""
        return _DENSITY.get(self.type, 1.24)

    @property
    def meters(self) -> float:
        """Length of 1.75 mm filament."""
        return self.grams / (self.density * _FILAMENT_AREA_MM2)

    @property
    def profile(self) -> str:
        """The slicer's id of the material (`tray_info_idx`)."""
        return _PROFILES.get(self.type, "GFL99")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSpec:
    """A sliced project; every sliced plate holds the same part. Raises SpecError when it makes no sense."""

    part: str = "bracket"
    """One of `tools.sample_file.parts.PARTS`."""
    model: str = "C12"
    """Model code the file is sliced for."""
    plates: tuple[int, ...] = (1,)
    """The sliced plates; the others up to `project_plates` have pictures only."""
    project_plates: int = 0
    """0: as many as the highest sliced plate."""
    seconds: int = 600
    layers: int = 40
    layer_height: float = 0.2
    nozzle: float = 0.4
    filaments: tuple[FilamentUse, ...] = (FilamentUse(1, "PLA", "#1F8B4C", 12.5),)
    bed: str = "Textured PEI Plate"
    label_objects: bool = True
    size_kb: int = 0
    """Size of the finished file in KiB, reached by comments in the gcode within a few per cent; 0: no padding."""
    incompressible: bool = False
    """Padding that no compression shortens, so that the gcode is hardly larger than the file."""
    seed: int = 1
    """Different seeds give different padding, so different content hashes."""

    def __post_init__(self) -> None:
        if by_code(self.model) is None:
            raise SpecError(f"no printer model has the code {self.model!r}")
        if not self.plates or not all(1 <= plate <= MAX_PLATE for plate in self.plates):
            raise SpecError(f"plates are numbered 1 to {MAX_PLATE}")
        if self.project_plates > MAX_PLATE:
            raise SpecError(f"a project has at most {MAX_PLATE} plates")
        if not 1 <= self.layers <= 10_000 or not 1 <= self.seconds <= 10_000_000:
            raise SpecError("layers are 1 to 10000, seconds 1 to 10000000")
        if not 0 <= self.size_kb <= 1 << 20:
            raise SpecError("a file is at most 1 GiB")
        slots = [filament.slot for filament in self.filaments]
        if not slots or len(set(slots)) != len(slots):
            raise SpecError("a file uses at least one filament, and each slot once")

    @property
    def printer(self) -> PrinterModel:
        """The model's row."""
        found = by_code(self.model)
        if found is None:  # ruled out on construction
            raise SpecError(f"no printer model has the code {self.model!r}")
        return found

    @property
    def all_plates(self) -> range:
        """Numbers of all plates of the project."""
        return range(1, max(self.project_plates, *self.plates) + 1)

    @property
    def slots(self) -> int:
        """Length of the per-slot arrays in the settings."""
        return max(4, *(filament.slot for filament in self.filaments))
