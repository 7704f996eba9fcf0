"""Compile the hub's firmware for a board, or for MicroPython's Unix port: every module as .mpy, in one folder.

    python -m tools.build_firmware            # into build/hub; prints sizes and renews firmware/package.json

Compiled modules take less of the heap than sources, and above all leave it in one piece. `.mpy` version 6 is the same
for MicroPython 1.23 to 1.29, for 32 and 64 bits alike as long as no native code is in it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tools.programs import tool

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "build" / "hub"
CACHE = ROOT / ".cache" / "firmware"

KEPT_SECONDS = 24 * 3600

ENTRIES = ("main.py", "boot.py")
"""What the interpreter itself starts must be source."""

NOT_ON_A_BOARD = ("hub/board/unix.py", "hub/board/partition_unix.py")
NOT_ON_UNIX = ("hub/board/esp32.py", "hub/board/lamp.py")


class BuildError(RuntimeError):
    """A module does not compile; the text is the compiler's."""


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module of the firmware: its path on the device, ending in .py, and its source."""
    firmware, protocol = root / "firmware", root / "shared_protocol"
    found = {
        str(path.relative_to(firmware)): path
        for folder in ("hub", "lib")
        for path in sorted((firmware / folder).rglob("*.py"))
    }
    found |= {f"shared_protocol/{path.name}": path for path in sorted(protocol.glob("*.py"))}
    return found | {name: firmware / name for name in ENTRIES}


def compile_module(name: str, source: Path, output: Path) -> None:
    """Compile one module to `output`; entries are copied. BuildError with the compiler's words."""
    output.parent.mkdir(parents=True, exist_ok=True)
    if name in ENTRIES:
        output.write_bytes(source.read_bytes())
        return
    # `-s` names the module in tracebacks by its path on the device.
    command = [tool("mpy-cross"), "-s", name, "-o", str(output), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise BuildError(f"{name}: {done.stderr.strip()}")


def build(output: Path, *, leave_out: tuple[str, ...] = (), root: Path = ROOT) -> dict[str, int]:
    """Compile everything into `output` (made anew file by file); the size of each file by its name on the device."""
    sizes = {}
    for name, source in modules(root).items():
        if name in leave_out:
            continue
        path = output / (name if name in ENTRIES else name.removesuffix(".py") + ".mpy")
        compile_module(name, source, path)
        sizes[str(path.relative_to(output))] = path.stat().st_size
    return sizes


def compiled(root: Path = ROOT) -> Path:
    """A folder with the firmware compiled for the Unix port, built unless it is there for exactly these sources."""
    digest = hashlib.sha256()
    for name, source in modules(root).items():
        digest.update(name.encode() + b"\0" + source.read_bytes() + b"\0")
    folder = CACHE / digest.hexdigest()[:20]
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    _prune()
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        made = Path(scratch) / "made"
        build(made, leave_out=NOT_ON_UNIX, root=root)
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():  # otherwise another process built the same at the same time
                raise
    return folder


def _prune() -> None:
    """Remove builds of older sources; a hub that still runs one has loaded it long ago."""
    for folder in CACHE.iterdir():
        if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def package(root: Path = ROOT) -> dict[str, Any]:
    """The content of firmware/package.json, by which `mpremote mip install` copies a build to a board."""
    text = (root / "firmware" / "hub" / "app.py").read_text()
    version = text.split('FIRMWARE = "', maxsplit=1)[1].split('"', maxsplit=1)[0]
    names = [
        name if name in ENTRIES else name.removesuffix(".py") + ".mpy"
        for name in modules(root)
        if name not in NOT_ON_A_BOARD
    ]
    # Paths are relative to firmware/package.json.
    return {"urls": [[name, f"../build/hub/{name}"] for name in names], "deps": [], "version": version}


def report(sizes: dict[str, int]) -> str:
    """A table of the parts of the firmware and their sizes."""
    parts: dict[str, int] = {}
    for name, size in sizes.items():
        part = name.split("/", maxsplit=1)[0] if "/" in name else "entries"
        parts[part] = parts.get(part, 0) + size
    lines = [f"{size:8} {name}" for name, size in sorted(sizes.items(), key=lambda item: -item[1])]
    lines += ["", *[f"{size:8} {name}" for name, size in parts.items()], f"{sum(sizes.values()):8} in all"]
    return "\n".join(lines)


def main() -> int:
    """Build for a board and print the sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for the files")
    options = parser.parse_args()
    try:
        print(report(build(options.output, leave_out=NOT_ON_A_BOARD)))
        (ROOT / "firmware" / "package.json").write_text(json.dumps(package(), indent=2) + "\n")
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
