"""From a `project_file` request to a plan: where the file is, what is wrong with it, which filament it uses."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tools.virtual_printer import state as st
from tools.virtual_printer.models import file_fits
from tools.virtual_printer.printfile import CANNOT_PARSE, PlateFile, PrintFileError, read_plate

DOWNLOAD_FAILED = 0x0500403F
_FILE_ROOTS = ("/sdcard/", "/mnt/sdcard/", "/media/usb0/")
_LARGEST_ID = 2147483647
_TEMPERATURES = {"PLA": (220.0, 55.0), "PETG": (250.0, 70.0), "ABS": (260.0, 90.0), "ASA": (260.0, 90.0)}


@dataclass(frozen=True)
class JobPlan:
    """A job that is about to begin. `error` makes it fail in PREPARE; `pause` (error, stage) stops it before layer 1.

    `slots` are the global tray numbers used, in the order of the plate's filaments. `seconds` is the file's
    prediction. Temperatures in °C.
    """

    name: str
    path: str
    gcode_file: str
    seconds: float
    layers: int
    slots: tuple[int, ...] = ()
    object_ids: tuple[int, ...] = ()
    project_id: str = "0"
    profile_id: str = "0"
    task_id: str = "0"
    subtask_id: str = "0"
    error: int = 0
    pause: tuple[int, int] | None = None
    nozzle_temp: float = 220.0
    bed_temp: float = 55.0
    bed_levelling: bool = False
    flow_calibration: bool = False


def storage_path(url: str) -> tuple[str, str]:
    """Form ("file" or "ftp") and storage path of a `url`; ("", "") for forms a LAN job cannot use."""
    if url.startswith("file://"):
        path = unquote(url.removeprefix("file://"))
        for root in _FILE_ROOTS:
            if path.startswith(root):
                return "file", "/" + path.removeprefix(root)
        return "file", path
    if url.startswith("ftp://"):
        return "ftp", "/" + unquote(url.removeprefix("ftp://")).lstrip("/")
    return "", ""


def inspect(local: Path, request: dict[str, Any]) -> PlateFile | int:
    """Read the plate that a request names: the plate, or the `print_error` of a file that cannot be parsed.

    Takes as long as the file is big; it touches nothing but the file, so it may run in a thread.
    """
    try:
        plate = read_plate(local, str(request.get("param") or ""))
    except PrintFileError as error:
        return error.code
    wanted = str(request.get("md5") or "")
    if wanted and wanted != "from_sd_card":
        with local.open("rb") as file:
            if hashlib.file_digest(file, "md5").hexdigest() != wanted.lower():
                return CANNOT_PARSE
    return plate


def plan_job(machine: st.Machine, request: dict[str, Any], path: str, inspected: PlateFile | int) -> JobPlan:
    """Work out how the job will go. Never raises for a bad file: the plan carries the error."""
    member = str(request.get("param") or "")
    plate = PlateFile(member, 60.0, 1) if isinstance(inspected, int) else inspected
    slots: tuple[int, ...] = ()
    pause: tuple[int, int] | None = None
    error = inspected if isinstance(inspected, int) else _unfit(machine, plate)
    if not error:
        slots, error, pause = _route(machine, request, plate)
    nozzle, bed = _temperatures(machine, slots)
    return JobPlan(
        name=job_name(request, path),
        path=path,
        gcode_file=f"/data/{member}" if machine.model.gcode_file_is_path else path.rsplit("/", 1)[-1],
        seconds=plate.seconds,
        layers=plate.layers,
        slots=slots,
        object_ids=plate.object_ids,
        error=error,
        pause=pause,
        nozzle_temp=nozzle,
        bed_temp=bed,
        bed_levelling=request.get("bed_leveling") is True or request.get("bed_levelling") is True,
        flow_calibration=request.get("flow_cali") is True,
        **{key: _identity(request.get(key)) for key in ("project_id", "profile_id", "task_id", "subtask_id")},
    )


def job_name(request: dict[str, Any], path: str) -> str:
    """The display name: as sent, else the file's name without its endings."""
    return str(request.get("subtask_name") or re.sub(r"(\.gcode)?\.3mf$", "", path.rsplit("/", 1)[-1]))


def _unfit(machine: st.Machine, plate: PlateFile) -> int:
    """The error of a file made for another model or nozzle; 0 when it fits."""
    if not file_fits(machine.model, plate.printer_model_id):
        return st.ERROR_WRONG_MODEL
    try:
        other = plate.nozzle_diameter and float(plate.nozzle_diameter) != float(machine.spec.nozzle_diameter)
    except ValueError:
        return CANNOT_PARSE
    return st.ERROR_WRONG_NOZZLE if other else 0


def _route(
    machine: st.Machine, request: dict[str, Any], plate: PlateFile
) -> tuple[tuple[int, ...], int, tuple[int, int] | None]:
    """Which tray each filament comes from; else an error, or the pause the printer goes into."""
    # Anything but a JSON true is misread by printers; here it counts as false.
    if request.get("use_ams") is not True:
        waits = machine.external is None and _any_loaded(machine)
        return (st.EXTERNAL,), 0, (st.ERROR_WAITING_EXTERNAL, 24) if waits else None
    slots = _mapped(machine, request.get("ams_mapping"), plate.filament_ids or (1,))
    if isinstance(slots, int):
        return (), slots, None
    empty = (slot for slot in slots if slot != st.EXTERNAL and machine.filament_in(slot) is None)
    for slot in empty:
        return slots, 0, (runout_error(slot), st.STAGE_RUNOUT)
    return slots, 0, None


def _mapped(machine: st.Machine, mapping: object, filaments: tuple[int, ...]) -> tuple[int, ...] | int:
    """The global slot of each filament, or the error. The mapping is indexed by filament id - 1; -1 is external."""
    if not machine.units:
        return st.ERROR_EXTERNAL_NO_MAPPING
    if not isinstance(mapping, list) or not all(type(item) is int for item in mapping):
        return st.ERROR_NO_AMS_MAPPING
    slots = []
    for identity in filaments:
        number = mapping[identity - 1] if identity <= len(mapping) else -1
        if number in (st.EXTERNAL, st.NONE):
            return st.ERROR_EXTERNAL_NO_MAPPING
        if number >= 0 and machine.find_slot(number) is None:
            return st.ERROR_NO_AMS_MAPPING
        slots.append(number if number >= 0 else st.EXTERNAL)
    return tuple(slots)


def runout_error(slot: int) -> int:
    """The `print_error` for a slot that is empty or ran out: 07xx_8011 with the unit, 0300_8004 outside the AMS."""
    if slot == st.EXTERNAL:
        return st.ERROR_RUNOUT
    unit = slot if slot >= 128 else slot // 4
    return st.ERROR_AMS_RUNOUT | unit << 16


def runout_hms(slot: int) -> tuple[int, int]:
    """The HMS entry that goes with it: HMS_07uu_2s00_0002_0001."""
    unit, position = (slot, 0) if slot >= 128 else divmod(slot, 4)
    return 0x07002000 | unit << 16 | position << 8, 0x00020001


def colour_changes(slots: tuple[int, ...], progress: float) -> int:
    """Which slot feeds at `progress` (0..1): the filaments take turns, three rounds a print."""
    if not slots:
        return st.NONE
    turns = list(itertools.chain.from_iterable([slots] * 3))
    return turns[min(len(turns) - 1, int(progress * len(turns)))]


def _any_loaded(machine: st.Machine) -> bool:
    return any(tray is not None for unit in machine.units for tray in unit.trays)


def _temperatures(machine: st.Machine, slots: tuple[int, ...]) -> tuple[float, float]:
    tray = machine.filament_in(slots[0]) if slots else None
    return _TEMPERATURES.get(tray.type.split("-")[0] if tray else "PLA", (220.0, 55.0))


def _identity(value: Any) -> str:
    """Ids are decimal text; larger than 2^31-1 is clamped, as seen on a P1S."""
    text = str(value if value is not None else "0")
    return str(min(int(text), _LARGEST_ID)) if text.isdigit() else text
