"""Ready-made sample files: one for each kind of printer that the demo runs."""

from typing import Final

from tools.sample_file.spec import FilamentUse, SampleSpec

PRESETS: Final[dict[str, SampleSpec]] = {
    "bracket_p1s": SampleSpec(
        part="bracket",
        model="C12",
        seconds=1980,
        layers=88,
        filaments=(FilamentUse(1, "PLA", "#1F8B4C", 12.5),),
    ),
    "case_a1": SampleSpec(
        part="case",
        model="N2S",
        plates=(2,),
        project_plates=3,
        seconds=6757,
        layers=145,
        filaments=(FilamentUse(2, "PETG", "#2850E0", 41.2),),
    ),
    "sign_x1c": SampleSpec(
        part="sign",
        model="BL-P001",
        seconds=2700,
        layers=25,
        filaments=(FilamentUse(1, "PLA", "#F2C230", 16.4), FilamentUse(4, "PLA", "#161616", 3.1)),
    ),
    "vase_a1mini": SampleSpec(
        part="vase",
        model="N1",
        seconds=4200,
        layers=240,
        filaments=(FilamentUse(3, "PLA", "#D45B7A", 28.0),),
        label_objects=False,
    ),
    "gear_h2d": SampleSpec(
        part="gear",
        model="O1D",
        plates=(1, 2),
        seconds=5400,
        layers=110,
        filaments=(FilamentUse(1, "ABS", "#E06A28", 33.0), FilamentUse(2, "ABS", "#30343B", 4.5)),
        bed="High Temp Plate",
    ),
}
