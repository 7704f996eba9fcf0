"""`python -m tools.sample_file OUT.gcode.3mf`: write one sample file."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.sample_file.build import build_sample
from tools.sample_file.documents import BEDS
from tools.sample_file.parts import PARTS
from tools.sample_file.presets import PRESETS
from tools.sample_file.spec import FilamentUse, SampleSpec, SpecError


def _plates(text: str) -> tuple[int, ...]:
    return tuple(sorted({int(part) for part in text.split(",")}))


def _filament(text: str) -> FilamentUse:
    try:
        return FilamentUse.parse(text)
    except SpecError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.sample_file",
        description="Write a realistic sliced .gcode.3mf. The same arguments give the same bytes.",
    )
    parser.add_argument("out", type=Path, help="file to write, named like bracket.gcode.3mf")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="start from this sample")
    parser.add_argument("--part", choices=sorted(PARTS))
    parser.add_argument("--model", help="model code it is sliced for, such as C12 (P1S)")
    parser.add_argument("--plates", type=_plates, help="sliced plates, such as 1,3")
    parser.add_argument("--project-plates", type=int, help="plates in the project, sliced or not")
    parser.add_argument("--seconds", type=int, help="estimated printing time")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--nozzle", type=float, help="nozzle diameter in mm")
    parser.add_argument("--bed", choices=BEDS)
    parser.add_argument(
        "--filament",
        type=_filament,
        action="append",
        dest="filaments",
        metavar="SLOT:TYPE:#RRGGBB:GRAMS",
        help="a used filament, such as 4:PETG:#FFFFFF:3; may be given several times",
    )
    parser.add_argument("--size-kb", type=int, help="pad the file to about this many KiB")
    parser.add_argument("--incompressible", action="store_true", default=None, help="pad with dense random text")
    parser.add_argument("--seed", type=int, help="another seed gives other padding")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when the file is written, 2 when the arguments make no sense."""
    given = vars(_arguments(argv))
    out: Path = given.pop("out")
    preset = given.pop("preset")
    changes = {name: value for name, value in given.items() if value is not None}
    if "filaments" in changes:
        changes["filaments"] = tuple(changes["filaments"])
    try:
        base = PRESETS[preset] if preset else SampleSpec()
        data = build_sample(dataclasses.replace(base, **changes))
    except SpecError as error:
        print(f"sample_file: {error}", file=sys.stderr)
        return 2
    out.write_bytes(data)
    print(f"{out}: {len(data)} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
