"""The small members beside the gcode: XML and JSON as slicers write them (reference/bambu.md §8.1-8.5)."""

import json
from typing import Final
from xml.sax.saxutils import quoteattr

from tools.sample_file.gcode import SLICER, SLICER_VERSION, PlateIds, plate_ids, settings_of
from tools.sample_file.parts import PARTS, PartObject, extent
from tools.sample_file.spec import SampleSpec

_XML: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_DATE: Final = "2026-04-03"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_VENDOR: Final = "http://schemas.bambulab.com/package/2021"
_BED_NAMES: Final = {
    "Cool Plate": "cool_plate",
    "Engineering Plate": "eng_plate",
    "High Temp Plate": "hot_plate",
    "Textured PEI Plate": "textured_plate",
    "Supertack Plate": "supertack_plate",
}

CONTENT_TYPES: Final = (
    f'{_XML}<Types xmlns="{_PACKAGE}/content-types">\n'
    ' <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>\n'
    ' <Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>\n'
    ' <Default Extension="png" ContentType="image/png"/>\n'
    ' <Default Extension="gcode" ContentType="text/x.gcode"/>\n</Types>'
)


def _relations(targets: list[tuple[str, str]]) -> str:
    rows = "".join(
        f' <Relationship Target="{target}" Id="rel-{number}" Type="{kind}"/>\n'
        for number, (target, kind) in enumerate(targets, 1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">\n{rows}</Relationships>'


def package_relations(spec: SampleSpec) -> str:
    """`_rels/.rels`: the model and the cover pictures."""
    cover = min(spec.plates)
    return _relations(
        [
            ("/3D/3dmodel.model", "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"),
            (f"/Metadata/plate_{cover}.png", f"{_PACKAGE}/relationships/metadata/thumbnail"),
            (f"/Metadata/plate_{cover}.png", f"{_VENDOR}/cover-thumbnail-middle"),
            (f"/Metadata/plate_{cover}_small.png", f"{_VENDOR}/cover-thumbnail-small"),
        ]
    )


def settings_relations(spec: SampleSpec) -> str:
    """`Metadata/_rels/model_settings.config.rels`: the printing programs."""
    return _relations([(f"/Metadata/plate_{index}.gcode", f"{_VENDOR}/gcode") for index in sorted(spec.plates)])


def model(_spec: SampleSpec) -> str:
    """`3D/3dmodel.model`: without geometry, as in every sliced export."""
    return (
        f'{_XML}<model unit="millimeter" xml:lang="en-US"'
        ' xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"'
        f' xmlns:BambuStudio="{_VENDOR}"'
        ' xmlns:p="http://schemas.microsoft.com/3dmanufacturing/production/2015/06" requiredextensions="p">\n'
        f' <metadata name="Application">{SLICER}-{SLICER_VERSION}</metadata>\n'
        ' <metadata name="BambuStudio:3mfVersion">1</metadata>\n'
        f' <metadata name="CreationDate">{_DATE}</metadata>\n'
        f' <metadata name="ModificationDate">{_DATE}</metadata>\n'
        ' <metadata name="Title"></metadata>\n <resources>\n </resources>\n <build/>\n</model>\n'
    )


def _metadata(values: dict[str, str]) -> str:
    return "".join(f"    <metadata key={quoteattr(key)} value={quoteattr(value)}/>\n" for key, value in values.items())


def _sliced_plate(spec: SampleSpec, plate: PlateIds) -> str:
    objects: tuple[PartObject, ...] = PARTS[spec.part]()
    used = sorted(spec.filaments, key=lambda filament: filament.slot)
    maps = " ".join(["1"] * spec.slots)
    rows = _metadata(
        {
            "index": str(plate.index),
            "extruder_type": "0",
            "nozzle_volume_type": "0",
            "printer_model_id": spec.model,
            "nozzle_diameters": ",".join([f"{spec.nozzle:g}"] * spec.printer.nozzles),
            "timelapse_type": "0",
            "prediction": str(spec.seconds),
            "weight": f"{sum(filament.grams for filament in used):.2f}",
            "first_layer_time": f"{spec.seconds * 0.8 / spec.layers:.6f}",
            "outside": "false",
            "support_used": "false",
            "label_object_enabled": "true" if spec.label_objects else "false",
            "filament_maps": maps,
        }
    )
    for item, number in zip(objects, plate.ids, strict=True):
        rows += f'    <object identify_id="{number}" name={quoteattr(item.name)} skipped="false" />\n'
    for filament in used:
        rows += (
            f'    <filament id="{filament.slot}" tray_info_idx="{filament.profile}" type="{filament.type}"'
            f' color="{filament.color}" used_m="{filament.meters:.2f}" used_g="{filament.grams:.2f}"'
            ' used_for_object="true" used_for_support="false" group_id="0"'
            f' nozzle_diameter="{spec.nozzle:.2f}" volume_type="Standard"/>\n'
        )
    order = " ".join(str(filament.slot - 1) for filament in used)
    rows += (
        "    <layer_filament_lists>\n"
        f'      <layer_filament_list filament_list="{order}" layer_ranges="0 {spec.layers - 1}" />\n'
        "    </layer_filament_lists>\n"
    )
    return f"  <plate>\n{rows}  </plate>\n"


def slice_info(spec: SampleSpec) -> str:
    """`Metadata/slice_info.config`: one entry per sliced plate."""
    plates = "".join(_sliced_plate(spec, plate_ids(spec, index)) for index in sorted(spec.plates))
    return (
        f"{_XML}<config>\n  <header>\n"
        '    <header_item key="X-BBL-Client-Type" value="slicer"/>\n'
        f'    <header_item key="X-BBL-Client-Version" value="{SLICER_VERSION}"/>\n'
        f"  </header>\n{plates}</config>"
    )


def model_settings(spec: SampleSpec) -> str:
    """`Metadata/model_settings.config`: every plate of the project; `gcode_file` is empty if not sliced."""
    rows = ""
    for index in spec.all_plates:
        sliced = index in spec.plates
        rows += "  <plate>\n" + _metadata(
            {
                "plater_id": str(index),
                "plater_name": "",
                "locked": "false",
                "filament_map_mode": "Auto For Flush",
                "filament_maps": " ".join(["1"] * spec.slots),
                "gcode_file": f"Metadata/plate_{index}.gcode" if sliced else "",
                "thumbnail_file": f"Metadata/plate_{index}.png",
                "thumbnail_no_light_file": f"Metadata/plate_no_light_{index}.png",
                "top_file": f"Metadata/top_{index}.png",
                "pick_file": f"Metadata/pick_{index}.png",
                "pattern_bbox_file": f"Metadata/plate_{index}.json" if sliced else "",
            }
        )
        rows += "  </plate>\n"
    return f"{_XML}<config>\n{rows}</config>\n"


def project_settings(spec: SampleSpec) -> str:
    """`Metadata/project_settings.config`."""
    return json.dumps(settings_of(spec), indent=4) + "\n"


def filament_sequence(spec: SampleSpec) -> str:
    """`Metadata/filament_sequence.json`."""
    slots = [filament.slot for filament in spec.filaments]
    return json.dumps({f"plate_{index}": {"sequence": slots} for index in sorted(spec.plates)})


def plate_json(spec: SampleSpec, plate: PlateIds) -> str:
    """`Metadata/plate_N.json`: bounding boxes, bed, filaments (ids count from 0 here)."""
    objects: tuple[PartObject, ...] = PARTS[spec.part]()
    width, depth, _ = spec.printer.build_volume
    x0, y0, x1, y1 = extent(objects)
    dx, dy = width / 2 - (x0 + x1) / 2, depth / 2 - (y0 + y1) / 2
    boxes = []
    for item, number in zip(objects, plate.ids, strict=True):
        ax, ay, bx, by = extent((item,))
        boxes.append(
            {
                "area": round((bx - ax) * (by - ay), 2),
                "bbox": [ax + dx, ay + dy, bx + dx, by + dy],
                "id": number,
                "layer_height": spec.layer_height,
                "name": item.name,
            }
        )
    used = sorted(spec.filaments, key=lambda filament: filament.slot)
    return json.dumps(
        {
            "bbox_all": [x0 + dx, y0 + dy, x1 + dx, y1 + dy],
            "bbox_objects": boxes,
            "bed_type": _BED_NAMES[spec.bed],
            "filament_colors": [filament.color for filament in used],
            "filament_ids": [filament.slot - 1 for filament in used],
            "first_extruder": spec.filaments[0].slot - 1,
            "is_seq_print": False,
            "nozzle_diameter": spec.nozzle,
            "version": 2,
        }
    )


BEDS: Final = tuple(_BED_NAMES)
