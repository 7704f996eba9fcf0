"""Type-check the firmware against MicroPython's stubs: `python -m tools.firmware_types [PATH...]`.

The stubs stand in for the standard library, so they must not be where mypy finds the environment's packages: they are
copied, once for each version, into the repository's cache. Needs the extra `dev`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_STUBS = ("micropython-esp32-stubs", "micropython-stdlib-stubs")
_TICKS_IMPORT = "from _mpy_shed.time_mp import _Ticks, _TicksCPU, _TicksMs, _TicksUs"
# Ticks are integers. The stubs' private names for them cannot be written in code that has no `typing`.
_TICKS = re.compile(r"\b_Ticks(CPU|Ms|Us)?\b")
_CHECKED = ("firmware/lib", "firmware/hub", "firmware/main.py", "firmware/boot.py")


def stub_folder() -> Path:
    """The stubs in a folder of their own, made when it is not there yet."""
    found = [distribution(name) for name in _STUBS]
    folder = _ROOT / ".cache" / ("micropython-types-" + "-".join(one.version for one in found))
    if not folder.exists():
        scratch = folder.with_suffix(".new")
        shutil.rmtree(scratch, ignore_errors=True)
        for one in found:
            _copy(one, scratch)
        scratch.rename(folder)
    return folder


def _copy(stubs: Distribution, folder: Path) -> None:
    for file in stubs.files or ():
        if file.suffix in (".pyi", ".typed") or file.name == "VERSIONS":
            target = folder / str(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            text = Path(str(stubs.locate_file(file))).read_text("utf-8")
            if file.name == "time.pyi":
                text = _TICKS.sub("int", text.replace(_TICKS_IMPORT, ""))
            target.write_text(text, "utf-8")


def main(arguments: list[str]) -> int:
    """Run mypy; its exit status."""
    folder = stub_folder()
    command = [sys.executable, "-m", "mypy", "--config-file", "firmware/mypy.ini"]
    command += ["--custom-typeshed-dir", str(folder), "--cache-dir", ".mypy_cache/firmware"]
    # The stubs of the board's own modules are not part of the standard library: found by this path.
    environment = {"MYPYPATH": str(folder), "PATH": ""}
    checked = arguments or [path for path in _CHECKED if (_ROOT / path).exists()]
    return subprocess.run([*command, *checked], cwd=_ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
