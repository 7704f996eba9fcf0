"""What a virtual printer is made of, as the command line, a configuration file and tests describe it."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from tools.virtual_printer.models import Model, find_model

_FILAMENTS: dict[str, tuple[str, int, int]] = {
    # type: profile id, lowest and highest nozzle temperature in °C
    "PLA": ("GFA00", 190, 230),
    "PETG": ("GFG99", 230, 260),
    "PETG-CF": ("GFG98", 240, 270),
    "ABS": ("GFB00", 240, 270),
    "ASA": ("GFB01", 240, 270),
    "TPU": ("GFU01", 200, 250),
    "PA-CF": ("GFN04", 260, 290),
    "PC": ("GFC00", 260, 280),
}


@dataclass
class TraySpec:
    """Filament in one AMS slot or on the external holder. `color` is RRGGBB or RRGGBBAA, without `#`."""

    type: str = "PLA"
    color: str = "FFFFFFFF"
    info_idx: str = ""
    brand: str = ""
    remain: int = -1
    """Percent left; -1 unknown (no RFID)."""
    tag_uid: str = "0000000000000000"
    tray_uuid: str = "00000000000000000000000000000000"
    weight: int = 1000
    nozzle_temp_min: int = 0
    nozzle_temp_max: int = 0

    def __post_init__(self) -> None:
        color = self.color.lstrip("#").upper()
        self.color = color + "FF" if len(color) == 6 else color
        if len(self.color) != 8 or any(letter not in "0123456789ABCDEF" for letter in self.color):
            raise ValueError(f"colour must be RRGGBB or RRGGBBAA, not {self.color!r}")
        known = _FILAMENTS.get(self.type)
        if known is not None:
            self.info_idx = self.info_idx or known[0]
            self.nozzle_temp_min = self.nozzle_temp_min or known[1]
            self.nozzle_temp_max = self.nozzle_temp_max or known[2]


@dataclass
class AmsSpec:
    """One AMS unit. `kind`: ams, ams_lite, ams_2_pro, ams_ht (one slot); empty means what the model usually has."""

    trays: list[TraySpec | None] = field(default_factory=lambda: [None] * 4)
    kind: str = ""
    humidity: int = 4
    temp: float = 26.5


@dataclass
class PrinterSpec:
    """One printer. Every field has a sensible default; `serial` and `access_code` are invented when empty.

    `trays` is a short form of `ams`: slots in order, four a unit, None for an empty slot. `speed` divides every
    duration of a print; `report_interval` is seconds between regular reports.
    """

    model: str = "P1S"
    serial: str = ""
    access_code: str = ""
    name: str = ""
    address: str = ""
    """Loopback address; empty means chosen by the farm (see `--address` and `--standard-ports`)."""
    trays: list[TraySpec | None] = field(default_factory=list)
    ams: list[AmsSpec] = field(default_factory=list)
    external: TraySpec | None = None
    nozzle_diameter: str = "0.4"
    firmware: str = ""
    speed: float = 1.0
    prepare_seconds: float = 10.0
    """Length of PREPARE in printer seconds (divided by speed, at least 0.3 s of real time)."""
    heatup_share: float = 0.1
    """Which part of the file's predicted time is heating, levelling and cleaning."""
    cancel_error_seconds: float = 1.5
    """How long the cancel code stays in `print_error`, real seconds."""
    report_interval: float = 1.0
    report_phase: float = 0.0
    """Seconds by which the beat of the regular reports is late: real printers do not beat in step."""
    probe: bool = False
    """Count the regular reports in `layer_num` and journal when each one left, to time its way to a browser."""
    storage_bytes: int = 32_000_000_000
    ams_diffs: str = "reduced"
    """Do difference reports carry only changed trays ("reduced") or the whole `ams` object ("whole")?"""
    files: dict[str, str] = field(default_factory=dict)
    """Files already on the storage: path there -> path of a local file."""
    faults: dict[str, Any] = field(default_factory=dict)
    """Fault switches that are on from the start (see faults.py)."""

    def __post_init__(self) -> None:
        found = find_model(self.model)
        self.model = found.name
        self.serial = (self.serial or invent_serial(found)).upper()
        self.access_code = self.access_code or secrets.token_hex(4)
        self.name = self.name or f"{self.model} {self.serial[-3:]}"
        self.firmware = self.firmware or found.firmware
        if self.speed <= 0 or self.report_interval <= 0:
            raise ValueError("speed and report_interval must be positive")
        if self.trays and not self.ams:
            self.ams = units_of(self.trays)

    def __repr__(self) -> str:
        # Access codes stay out of logs and tracebacks.
        return f"PrinterSpec(model={self.model!r}, serial={self.serial!r}, name={self.name!r})"


def units_of(trays: list[TraySpec | None]) -> list[AmsSpec]:
    """Slots in order as AMS units of four, the last filled up with empty slots."""
    units = []
    for start in range(0, len(trays), 4):
        slots = trays[start : start + 4]
        units.append(AmsSpec(trays=slots + [None] * (4 - len(slots))))
    return units


def invent_serial(model: Model) -> str:
    """A 15-character serial with the model's prefix, in the alphabet real ones use."""
    return model.serial_prefix + "00A" + "".join(secrets.choice("0123456789") for _ in range(9))


def to_json(spec: PrinterSpec) -> dict[str, Any]:
    """The specification as JSON-able data; `from_json` reads it back."""
    data = asdict(spec)
    data.pop("trays")  # already in `ams`
    return data


def from_json(data: dict[str, Any]) -> PrinterSpec:
    """Read a specification. Raises ValueError naming an unknown or ill-typed field."""
    known = {item.name for item in fields(PrinterSpec)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ValueError(f"unknown printer field(s): {', '.join(unknown)}")
    values = dict(data)
    try:
        if values.get("trays"):
            values["trays"] = [_tray(entry) for entry in values["trays"]]
        if values.get("ams"):
            values["ams"] = [_unit(entry) for entry in values["ams"]]
        if values.get("external") is not None:
            values["external"] = _tray(values["external"])
        return PrinterSpec(**values)
    except TypeError as error:
        raise ValueError(f"bad printer description: {error}") from error


def _unit(entry: dict[str, Any]) -> AmsSpec:
    return AmsSpec(**{**entry, "trays": [_tray(slot) for slot in entry.get("trays", [])]})


def _tray(entry: dict[str, Any] | None) -> TraySpec | None:
    return None if entry is None else TraySpec(**entry)
