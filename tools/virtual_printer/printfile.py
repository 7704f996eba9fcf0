"""Reading a `.gcode.3mf` the way the printer does when it is told to print a plate of it."""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

CANNOT_PARSE = 0x05004003

_HEADER_BYTES = 65536
_LAYERS = re.compile(r"^; total layer number: (\d+)", re.MULTILINE)
_TIME = re.compile(r"total estimated time: ((?:\d+[dhms] ?)+)")
_PLATE = re.compile(r"Metadata/plate_\d+\.gcode")
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


class PrintFileError(Exception):
    """The file cannot be printed; `code` is what `print_error` shows."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class PlateFile:
    """What matters of one plate. `seconds` is the predicted total; filament ids are 1-based and may be sparse."""

    member: str
    seconds: float
    layers: int
    printer_model_id: str = ""
    nozzle_diameter: str = ""
    filament_ids: tuple[int, ...] = ()
    object_ids: tuple[int, ...] = field(default=())


def read_plate(path: Path, member: str) -> PlateFile:
    """Open the zip, check that `member` exists and matches its md5 member, read time, layers and filaments.

    Raises PrintFileError (0500_4003) for anything a printer cannot parse.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if member not in archive.namelist():
                raise PrintFileError(CANNOT_PARSE, f"{member} is not in the file")
            head = _check_gcode(archive, member)
            info = _plate_info(archive, member)
    except (zipfile.BadZipFile, OSError, EOFError, ElementTree.ParseError) as error:
        raise PrintFileError(CANNOT_PARSE, f"cannot read the file: {error}") from error
    metadata = {
        item.get("key", ""): item.get("value", "") for item in (info.findall("metadata") if info is not None else [])
    }
    layers = _LAYERS.search(head)
    return PlateFile(
        member=member,
        seconds=_seconds(metadata.get("prediction", ""), head),
        layers=int(layers.group(1)) if layers else 1,
        printer_model_id=metadata.get("printer_model_id", ""),
        nozzle_diameter=metadata.get("nozzle_diameters", "").split(",")[0].strip(),
        filament_ids=_numbers(info, "filament", "id"),
        object_ids=_numbers(info, "object", "identify_id"),
    )


def first_plate(path: Path) -> str:
    """The member name of the first sliced plate; "" when there is none or the file is no zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if _PLATE.fullmatch(name)]
    except (zipfile.BadZipFile, OSError):
        return ""
    return min(names, default="")


def _check_gcode(archive: zipfile.ZipFile, member: str) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    head = b""
    with archive.open(member) as gcode:
        while block := gcode.read(1 << 20):
            digest.update(block)
            head = head or block[:_HEADER_BYTES]
    sums = member + ".md5"
    if sums in archive.namelist():
        expected = archive.read(sums).decode("ascii", "replace").strip().upper()
        if expected != digest.hexdigest().upper():
            raise PrintFileError(CANNOT_PARSE, f"{member} does not match its md5")
    return head.decode("utf-8", "replace")


def _plate_info(archive: zipfile.ZipFile, member: str) -> ElementTree.Element | None:
    if "Metadata/slice_info.config" not in archive.namelist():
        return None
    number = re.sub(r"\D", "", member.rsplit("/", 1)[-1])
    root = ElementTree.fromstring(archive.read("Metadata/slice_info.config"))  # noqa: S314 - own test files
    for plate in root.findall("plate"):
        for item in plate.findall("metadata"):
            if item.get("key") == "index" and item.get("value") == number:
                return plate
    return None


def _seconds(prediction: str, head: str) -> float:
    try:
        if float(prediction) > 0:
            return float(prediction)
    except ValueError:
        pass  # OrcaSlicer leaves it empty; the G-code's header also knows
    found = _TIME.search(head)
    if found is None:
        return 60.0
    parts = re.findall(r"(\d+)([dhms])", found.group(1))
    return float(sum(int(count) * _UNITS[unit] for count, unit in parts)) or 60.0


def _numbers(info: ElementTree.Element | None, tag: str, attribute: str) -> tuple[int, ...]:
    if info is None:
        return ()
    values = (element.get(attribute, "") for element in info.findall(tag))
    return tuple(int(value) for value in values if value.isdigit())
