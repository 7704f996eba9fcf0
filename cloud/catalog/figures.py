"""One figure for a whole file, of the figures of its plates.

Time, weight, length and objects are sums over the plates, for all of them are to be printed; what cannot be summed
(filament, nozzle, layers, bed) is that of the first plate.
"""

from collections.abc import Iterable
from typing import Any, Final

from cloud.catalog.sliced import SlicedFile

_MAX: Final = 2**31 - 1


def file_figures(sliced: SlicedFile) -> dict[str, Any]:
    """Columns of a print file; None where no plate says anything."""
    plates = sliced.plates
    first = plates[0] if plates else None
    filaments = [filament for plate in plates for filament in plate.filaments]
    return {
        "print_time_seconds": _sum(plate.seconds for plate in plates),
        "filament_weight_grams": _sum(plate.grams for plate in plates),
        "filament_length_meters": _sum(filament.meters for filament in filaments),
        "filament_type": (filaments[0].type or None) if filaments else None,
        "nozzle_diameter": first.nozzle_diameters[0] if first and first.nozzle_diameters else None,
        "layer_count": first.layers if first else None,
        "object_count": sum(len(plate.objects) for plate in plates),
        "curr_bed_type": first.bed_type if first else None,
        "default_print_profile": sliced.default_print_profile or None,
    }


def _sum(figures: Iterable[float | None]) -> float | None:
    """Rounded to what a slicer writes; whole numbers stay whole, and within a column's 32 bits."""
    known = [figure for figure in figures if figure is not None]
    return min(round(sum(known), 3), _MAX) if known else None
