"""Makes realistic sliced `.gcode.3mf` files without a slicer: for the demo, the virtual printer and the tests."""

from tools.sample_file.build import build_sample
from tools.sample_file.presets import PRESETS
from tools.sample_file.spec import FilamentUse, SampleSpec

__all__ = ["PRESETS", "FilamentUse", "SampleSpec", "build_sample"]
