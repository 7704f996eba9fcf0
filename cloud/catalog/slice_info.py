"""The two documents beside the gcode: `slice_info.config` (XML) and `project_settings.config` (JSON).

Source: reference/bambu.md §8.3 and §8.5. Fields are read leniently: a figure that makes no sense is missing, and
the file is still printable.
"""

from typing import Final

import msgspec

from cloud.catalog.lenient import color, number, text, truth, whole
from cloud.catalog.sliced import Filament, PrintObject
from cloud.catalog.xmltree import Element, parse_xml

MAX_SLOT: Final = 64
_BED_TYPES: Final = {
    "cool plate": "cool_plate",
    "bambu cool plate": "cool_plate",
    "engineering plate": "eng_plate",
    "high temp plate": "hot_plate",
    "smooth pei plate": "hot_plate",
    "smooth pei plate / high temp plate": "hot_plate",
    "textured pei plate": "textured_plate",
    "supertack plate": "supertack_plate",
    "cool plate supertack": "supertack_plate",
    "bambu cool plate supertack": "supertack_plate",
}


class SlicedPlate(msgspec.Struct, frozen=True, kw_only=True):
    """One `<plate>` of slice_info."""

    values: dict[str, str]
    filaments: list[Filament]
    objects: list[PrintObject]
    warnings: list[str]


class SliceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """All of slice_info: header items, and the sliced plates by index."""

    header: dict[str, str]
    plates: dict[int, SlicedPlate]


class ProjectSettings(msgspec.Struct, frozen=True):
    """The few of some 540 settings that matter; arrays are per filament slot, not per used filament."""

    printer_model: object = None
    nozzle_diameter: object = None
    curr_bed_type: object = None
    default_print_profile: object = None
    print_settings_id: object = None
    filament_type: object = None
    filament_colour: object = None
    filament_ids: object = None

    def slot(self, field: object, slot: int) -> object:
        """The entry of a per-slot array for a 1-based slot; None when it is too short."""
        return field[slot - 1] if isinstance(field, list) and 0 < slot <= len(field) else None


def _pairs(elements: list[Element]) -> dict[str, str]:
    return {
        element.attributes["key"]: element.attributes.get("value", "")
        for element in elements
        if "key" in element.attributes
    }


def _filament(attributes: dict[str, str]) -> Filament | None:
    slot = whole(attributes.get("id"))
    if not slot or slot > MAX_SLOT:
        return None
    return Filament(
        slot=slot,
        type=text(attributes.get("type")),
        color=color(attributes.get("color")),
        grams=number(attributes.get("used_g")),
        meters=number(attributes.get("used_m")),
        profile=text(attributes.get("tray_info_idx")),
    )


def _object(attributes: dict[str, str]) -> PrintObject | None:
    found = whole(attributes.get("identify_id"))
    if found is None or truth(attributes.get("skipped")):
        return None
    return PrintObject(id=found, name=text(attributes.get("name")))


def _plate(element: Element) -> SlicedPlate:
    filaments = [_filament(child.attributes) for child in element.all("filament")]
    by_slot = {filament.slot: filament for filament in filaments if filament}
    objects = [_object(child.attributes) for child in element.all("object")]
    warnings = [text(child.attributes.get("msg")) for child in element.all("warning")]
    return SlicedPlate(
        values=_pairs(element.all("metadata")),
        filaments=[by_slot[slot] for slot in sorted(by_slot)],
        objects=[found for found in objects if found],
        warnings=[message for message in warnings if message],
    )


def parse_slice_info(member: str, data: bytes) -> SliceInfo:
    """Raises ThreeMFError("bad_xml") when it is not plain XML."""
    root = parse_xml(member, data)
    plates: dict[int, SlicedPlate] = {}
    for element in root.all("plate"):
        plate = _plate(element)
        index = whole(plate.values.get("index"))
        if index is not None:
            plates[index] = plate
    header: dict[str, str] = {}
    for element in root.all("header"):
        header.update(_pairs(element.all("header_item")))
    return SliceInfo(header=header, plates=plates)


def parse_settings(data: bytes) -> ProjectSettings | None:
    """None when the document is damaged: nothing in it is essential."""
    try:
        return msgspec.json.decode(data, type=ProjectSettings)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def bed_type(plate_json: bytes | None, settings: ProjectSettings) -> str | None:
    """The bed the plate was sliced for, in the spelling of `project_file`."""
    if plate_json is not None:
        try:
            document = msgspec.json.decode(plate_json)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            document = None
        found = text(document.get("bed_type")) if isinstance(document, dict) else ""
        if found in _BED_TYPES.values():
            return found
    return _BED_TYPES.get(text(settings.curr_bed_type).lower())
