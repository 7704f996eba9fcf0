"""The printer's physical and logical state, without any network: what reports are made from."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field
from typing import Any

from tools.virtual_printer.models import Model, find_model
from tools.virtual_printer.spec import PrinterSpec, TraySpec

ROOM = 24.0
SPEED_PERCENT = {1: 50, 2: 100, 3: 124, 4: 166}
EXTERNAL = 254
NONE = 255

ERROR_CANCELLED = 0x0300400C
ERROR_RUNOUT = 0x03008004
ERROR_AMS_RUNOUT = 0x07008011
ERROR_EXTERNAL_RUNOUT = 0x07FF8011
ERROR_POWER_LOSS = 0x03008007
ERROR_CLOGGED = 0x03004006
ERROR_BUSY = 0x05004004
ERROR_STORAGE = 0x0500C010
ERROR_WRONG_MODEL = 0x05004037
ERROR_WRONG_NOZZLE = 0x05004038
ERROR_NO_AMS_MAPPING = 0x07008012
ERROR_EXTERNAL_NO_MAPPING = 0x07FF8012
ERROR_WAITING_EXTERNAL = 0x07FFC006
ERROR_UNAUTHORISED = 0x05024007
HMS_UNAUTHORISED = (0x05000500, 0x00010007)

STAGE_PRINTING = 0
STAGE_RUNOUT = 6
STAGE_USER_PAUSE = 16


@dataclass
class Unit:
    """One AMS unit; `trays` has None for an empty slot. `temp` in °C, `dry_minutes` minutes left of drying."""

    id: int
    kind: str
    trays: list[TraySpec | None]
    humidity: int
    temp: float
    dry_minutes: int = 0

    def global_slot(self, slot: int) -> int:
        """The number `tray_now` and `ams_mapping` use."""
        return self.id if self.id >= 128 else self.id * 4 + slot


@dataclass
class Heater:
    """A heated thing; temperatures in °C, `rate` in °C per second."""

    current: float
    rate: float
    target: float = 0.0

    def step(self, seconds: float) -> None:
        goal = self.target or ROOM
        change = self.rate * seconds * (1.0 if goal > self.current else 0.5)
        gap = goal - self.current
        self.current += math.copysign(min(abs(gap), change), gap) if gap else 0.0


@dataclass
class JobView:
    """What reports say about the present or the last job."""

    subtask_name: str = ""
    gcode_file: str = ""
    project_id: str = "0"
    profile_id: str = "0"
    task_id: str = "0"
    subtask_id: str = "0"
    print_type: str = "idle"
    prepare_percent: str = "0"
    start_time: str = "0"
    percent: int = 0
    remaining_seconds: float = 0.0
    layer: int = 0
    total_layers: int = 0
    stages: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)


class Machine:
    """Everything one printer knows about itself. Mutated by commands and the job clock, read by reports."""

    def __init__(self, spec: PrinterSpec) -> None:
        self.spec = spec
        self.model: Model = find_model(spec.model)
        self.gcode_state = "IDLE"
        self.stage = self.model.idle_stage
        self.print_error = 0
        self.hms: list[tuple[int, int]] = []
        self.job = JobView()
        self.nozzle = Heater(ROOM, 4.0)
        self.nozzle_left = Heater(ROOM, 4.0)
        self.bed = Heater(ROOM, 1.0)
        self.chamber = Heater(ROOM, 0.1)
        self.fans = {"cooling": 0, "aux": 0, "chamber": 0, "heatbreak": 0}
        self.lights = {"chamber_light": "on", **dict.fromkeys(self.model.extra_lights, "on")}
        self.speed_level = 2
        self.tray_now = NONE
        self.tray_target = NONE
        self.ams_state = 0
        self.ams_version = 1
        self.options = {"insert_flag": True, "power_on_flag": False, "calibrate_remain_flag": True}
        self.xcam: dict[str, Any] = {
            "printing_monitor": True,
            "spaghetti_detector": True,
            "print_halt": True,
            "first_layer_inspector": True,
            "buildplate_marker_detector": True,
            "allow_skip_parts": False,
            "halt_print_sensitivity": "medium",
        }
        self.ipcam = {"ipcam_record": "enable", "timelapse": "disable", "resolution": "1080p"}
        self.external: TraySpec | None = copy.deepcopy(spec.external)
        self.units = _units(spec, self.model)
        self.wifi_dbm = -51
        self.storage_ok = True
        self.locked = False
        self.booted = time.time()

    @property
    def busy(self) -> bool:
        return self.gcode_state in ("PREPARE", "SLICING", "RUNNING", "PAUSE")

    def find_slot(self, number: int) -> tuple[Unit, int] | None:
        """The unit and the slot in it that a global slot number means."""
        for unit in self.units:
            for slot in range(len(unit.trays)):
                if unit.global_slot(slot) == number:
                    return unit, slot
        return None

    def filament_in(self, number: int) -> TraySpec | None:
        """What is loaded in a global slot (254: on the external holder)."""
        if number == EXTERNAL:
            return self.external
        found = self.find_slot(number)
        return found[0].trays[found[1]] if found else None

    def set_filament(self, number: int, tray: TraySpec | None) -> None:
        """Put filament into a slot or take it out. Raises ValueError when there is no such slot."""
        if number == EXTERNAL:
            self.external = tray
        else:
            found = self.find_slot(number)
            if found is None:
                raise ValueError(f"this printer has no slot {number}")
            found[0].trays[found[1]] = tray
        self.ams_version += 1

    def add_hms(self, entry: tuple[int, int]) -> None:
        if entry not in self.hms:
            self.hms.append(entry)

    def drop_hms(self, entry: tuple[int, int]) -> None:
        self.hms = [present for present in self.hms if present != entry]

    def drop_runout(self) -> None:
        """Forget the HMS entries about empty AMS slots."""
        self.hms = [entry for entry in self.hms if entry[0] >> 24 != 0x07]

    def step(self, seconds: float) -> None:
        """Let heaters follow their targets for `seconds` of printer time."""
        for heater in (self.nozzle, self.nozzle_left, self.bed, self.chamber):
            heater.step(seconds)
        self.fans["heatbreak"] = 15 if self.nozzle.current > 50 else 0


def _units(spec: PrinterSpec, model: Model) -> list[Unit]:
    units: list[Unit] = []
    ordinary, heated = 0, 128
    for entry in spec.ams:
        kind = entry.kind or model.ams_kind
        if kind not in ("ams", "ams_lite", "ams_2_pro", "ams_ht"):
            raise ValueError(f"unknown AMS kind {kind!r}")
        if kind == "ams_ht":
            number, heated = heated, heated + 1
        else:
            number, ordinary = ordinary, ordinary + 1
        trays = copy.deepcopy(entry.trays)[: 1 if kind == "ams_ht" else 4]
        units.append(Unit(number, kind, trays, entry.humidity, entry.temp))
    return units
