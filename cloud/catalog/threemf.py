"""Reading a sliced `.gcode.3mf`: what can be printed from it, on what, and whether it is whole.

Pure and synchronous, for files from strangers: run it through `cloud.catalog.reading`, which puts a process with
limits around it. Source of the format: reference/bambu.md §8.
"""

import re
from pathlib import Path
from typing import Final, Literal

from cloud.catalog import models, sliced
from cloud.catalog.archive import Archive, Limits, ThreeMFError
from cloud.catalog.gcode_header import GcodeFacts, read_gcode
from cloud.catalog.lenient import color, number, numbers, text, truth, whole
from cloud.catalog.slice_info import (
    MAX_SLOT,
    ProjectSettings,
    SlicedPlate,
    SliceInfo,
    bed_type,
    parse_settings,
    parse_slice_info,
)
from cloud.catalog.sliced import Filament, Plate, SlicedFile

__all__ = ["Limits", "ThreeMFError", "ThumbnailSize", "read_threemf", "read_thumbnail"]

ThumbnailSize = Literal["large", "small", "no_light", "top", "pick"]

_SLICE_INFO: Final = "Metadata/slice_info.config"
_SETTINGS: Final = "Metadata/project_settings.config"
_MODEL: Final = "3D/3dmodel.model"
_GCODE: Final = re.compile(r"Metadata/plate_([1-9]\d{0,3})\.gcode")
_APPLICATION: Final = re.compile(rb'name="Application">([A-Za-z]{1,40})-v?([0-9][\w.+-]{0,30})<', re.ASCII)
_MD5: Final = re.compile(rb"[0-9A-Fa-f]{32}")
_MD5_MEMBER_BYTES: Final = 1024
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PICTURES: Final[dict[str, str]] = {
    "large": "Metadata/plate_{}.png",
    "small": "Metadata/plate_{}_small.png",
    "no_light": "Metadata/plate_no_light_{}.png",
    "top": "Metadata/top_{}.png",
    "pick": "Metadata/pick_{}.png",
}
_NO_SETTINGS: Final = ProjectSettings()
_NO_PLATE: Final = SlicedPlate(values={}, filaments=[], objects=[], warnings=[])
_DEFAULTS: Final = Limits()


def read_threemf(path: Path, limits: Limits = _DEFAULTS) -> SlicedFile:
    """Everything the farm needs to know of a sliced file, with each plate's gcode checked to its last byte.

    Raises ThreeMFError, whose sentence is meant for the person who uploaded the file, and OSError when the disk fails.
    """
    with Archive(path, limits) as archive:
        return _Reader(archive, limits).read()


def read_thumbnail(path: Path, plate: int, size: ThumbnailSize = "large", limits: Limits = _DEFAULTS) -> bytes | None:
    """One picture of a plate as PNG bytes (512 px, "small" 128 px); None when the file has none.

    Raises ThreeMFError when the file is damaged or the picture is too large.
    """
    member = _PICTURES[size].format(plate)
    with Archive(path, limits) as archive:
        if member not in archive.names:
            return None
        data = archive.read(member, limits.thumbnail_bytes)
    # Only a PNG goes out to a browser, whatever the member is called.
    return data if data.startswith(_PNG) else None


class _Reader:
    """One reading of one open archive."""

    def __init__(self, archive: Archive, limits: Limits) -> None:
        self._archive = archive
        self._limits = limits
        self._flags: set[str] = set()

    def read(self) -> SlicedFile:
        indexes = sorted(int(match[1]) for name in self._archive.names if (match := _GCODE.fullmatch(name)))
        info = self._slice_info()
        if not indexes:
            raise self._no_gcode(info)
        settings = self._settings()
        fallback = models.by_name(text(settings.printer_model))
        gcodes = {index: self._gcode(index) for index in indexes}
        plates = [self._plate(index, gcodes[index], info.plates.get(index), settings, fallback) for index in indexes]
        model_id = next((plate.model_id for plate in plates if plate.model_id), None)
        model = models.by_code(model_id) if model_id else None
        if model is None:
            self._flags.add(sliced.UNKNOWN_MODEL)
        slicer, version = self._slicer(gcodes[indexes[0]], info)
        return SlicedFile(
            slicer=slicer,
            slicer_version=version,
            model_id=model_id,
            model_name=model.name if model else None,
            default_print_profile=text(settings.default_print_profile) or text(settings.print_settings_id),
            plates=plates,
            flags=sorted(self._flags),
        )

    def _no_gcode(self, info: SliceInfo) -> ThreeMFError:
        if info.plates:
            return ThreeMFError(
                "no_gcode",
                "The file says that it is sliced, but the printing program is missing. "
                "Slice it again and export the plate sliced file.",
            )
        if _MODEL in self._archive.names:
            return ThreeMFError(
                "not_sliced",
                "This project is not sliced yet. In Bambu Studio or OrcaSlicer slice the plate, choose "
                "“Export plate sliced file”, and upload the .gcode.3mf.",
            )
        return ThreeMFError("not_a_3mf", "This is an archive, but not a 3MF file from a slicer.")

    def _optional(self, member: str) -> bytes | None:
        if member not in self._archive.names:
            return None
        return self._archive.read(member, self._limits.document_bytes)

    def _slice_info(self) -> SliceInfo:
        data = self._optional(_SLICE_INFO)
        if data is None:
            return SliceInfo(header={}, plates={})
        return parse_slice_info(_SLICE_INFO, data)

    def _settings(self) -> ProjectSettings:
        data = self._optional(_SETTINGS)
        settings = parse_settings(data) if data is not None else _NO_SETTINGS
        if settings is None:
            self._flags.add(sliced.SETTINGS_UNREADABLE)
        return settings or _NO_SETTINGS

    def _slicer(self, gcode: GcodeFacts, info: SliceInfo) -> tuple[str, str]:
        """Name and version: from the gcode, else from the model's metadata, "" when neither tells."""
        name, version = gcode.slicer, gcode.slicer_version
        if not name and _MODEL in self._archive.names:
            # The metadata come first; the geometry behind them may be large and is of no interest.
            head = next(self._archive.stream(_MODEL, self._limits.total_bytes), b"")
            if match := _APPLICATION.search(head):
                name, version = (part.decode("ascii") for part in match.groups())
        return name, version or text(info.header.get("X-BBL-Client-Version"))

    def _gcode(self, index: int) -> GcodeFacts:
        member = f"Metadata/plate_{index}.gcode"
        facts = read_gcode(self._archive.stream(member, self._limits.total_bytes))
        if not facts.size:
            raise ThreeMFError("no_gcode", f"The printing program of plate {index} is empty.")
        if facts.is_archive:
            raise ThreeMFError("nested", f"The printing program of plate {index} is an archive.")
        self._check_md5(index, facts)
        return facts

    def _check_md5(self, index: int, facts: GcodeFacts) -> None:
        # The printer makes the same check, after minutes of upload, and fails with 0500_4003.
        member = f"Metadata/plate_{index}.gcode.md5"
        stated = b""
        if member in self._archive.names:
            stated = self._archive.read(member, _MD5_MEMBER_BYTES).strip()
        if not stated:
            self._flags.add(sliced.NO_MD5)
        elif not _MD5.fullmatch(stated) or stated.decode("ascii").upper() != facts.md5:
            raise ThreeMFError(
                "md5_mismatch",
                f"The printing program of plate {index} does not match its checksum; a printer would refuse it. "
                "Export the file again.",
            )

    def _plate(
        self,
        index: int,
        gcode: GcodeFacts,
        entry: SlicedPlate | None,
        settings: ProjectSettings,
        fallback: models.PrinterModel | None,
    ) -> Plate:
        if entry is None:
            self._flags.add(sliced.NO_SLICE_INFO)
            entry = _NO_PLATE
        values = entry.values
        model_id = text(values.get("printer_model_id"))
        if not model_id:
            self._flags.add(sliced.NO_MODEL_ID)
        filaments = entry.filaments or _filaments_of_gcode(gcode, settings)
        seconds = whole(values.get("prediction"))
        return Plate(
            index=index,
            seconds=gcode.seconds if seconds is None else seconds,
            grams=_weight(values, filaments),
            layers=gcode.layers,
            model_id=model_id or (fallback.code if fallback else None),
            nozzle_diameters=numbers(values.get("nozzle_diameters")) or numbers(settings.nozzle_diameter),
            bed_type=bed_type(self._optional(f"Metadata/plate_{index}.json"), settings),
            filaments=filaments,
            objects=entry.objects,
            skippable=truth(values.get("label_object_enabled")),
            gcode_bytes=gcode.size,
            gcode_md5=gcode.md5,
            thumbnail=self._picture("large", index),
            thumbnail_small=self._picture("small", index),
            slicer_warnings=entry.warnings,
        )

    def _picture(self, size: ThumbnailSize, index: int) -> str | None:
        member = _PICTURES[size].format(index)
        return member if member in self._archive.names else None


def _weight(values: dict[str, str], filaments: list[Filament]) -> float | None:
    """The plate's total; Orca writes "" when a density is 0, then the filaments' sum is the next best."""
    total = number(values.get("weight"))
    if total is not None:
        return total
    parts = [filament.grams for filament in filaments if filament.grams is not None]
    return round(sum(parts), 2) if parts else None


def _filaments_of_gcode(gcode: GcodeFacts, settings: ProjectSettings) -> list[Filament]:
    """What the gcode's header tells of its filaments, when slice_info does not."""
    weights = _list(gcode.fields.get("total filament weight"))
    lengths = _list(gcode.fields.get("total filament length"))
    slots = [whole(slot) or 0 for slot in _list(gcode.fields.get("filament"))]
    filaments = []
    for place, slot in enumerate(slots):
        length = lengths[place] if place < len(lengths) else None
        filament = Filament(
            slot=slot,
            type=text(settings.slot(settings.filament_type, slot)),
            color=color(settings.slot(settings.filament_colour, slot)),
            grams=weights[place] if place < len(weights) else None,
            meters=None if length is None else round(length / 1000, 3),
            profile=text(settings.slot(settings.filament_ids, slot)),
        )
        if 0 < slot <= MAX_SLOT and slot not in slots[:place]:
            filaments.append(filament)
    return filaments


def _list(value: str | None) -> list[float | None]:
    """The numbers of "3387.07,12.5", each at its place."""
    return [number(part) for part in (value or "").split(",")[:MAX_SLOT]]
