"""What the build leaves: small enough, safe for the content policy, compressed; and a lock file for every platform."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tools import dashboard

FIRST_LOAD = 130_000
# The page behind a label's code: opened once, on a phone, perhaps at the edge of the network.
PAIRING = 90_000
PAGE = 40_000


@pytest.fixture(scope="module")
def manifest(built: Path) -> dict[str, Any]:
    return dict(json.loads((built / ".vite" / "manifest.json").read_text()))


def closure(manifest: dict[str, Any], name: str) -> set[str]:
    """Files that a module needs before it runs."""
    entry = manifest[name]
    files = {entry["file"]}
    for other in entry.get("imports", ()):
        files |= closure(manifest, other)
    return files


def compressed(built: Path, files: set[str]) -> int:
    """Bytes on the wire with gzip."""
    total = 0
    for name in files:
        packed = built / f"{name}.gz"
        total += packed.stat().st_size if packed.exists() else len(gzip.compress((built / name).read_bytes()))
    return total


def test_first_load_is_small(built: Path, manifest: dict[str, Any]) -> None:
    size = compressed(built, closure(manifest, "index.html"))
    assert 0 < size <= FIRST_LOAD, f"{size} bytes of JavaScript before anything shows"


def test_the_pairing_page_is_small_and_its_own(built: Path, manifest: dict[str, Any]) -> None:
    files = closure(manifest, "pair.html")
    size = compressed(built, files)
    assert 0 < size <= PAIRING, f"{size} bytes of JavaScript before the pairing page shows"
    assert manifest["index.html"]["file"] not in files, "nothing of the dashboard is loaded with it"


def test_every_page_adds_little(built: Path, manifest: dict[str, Any]) -> None:
    first = closure(manifest, "index.html")
    lazy = [name for name, entry in manifest.items() if entry.get("isDynamicEntry")]
    sizes = {name: compressed(built, closure(manifest, name) - first) for name in lazy}
    assert len(sizes) >= 8, "pages are loaded when they are opened"
    assert all(size <= PAGE for size in sizes.values()), sizes


@pytest.mark.parametrize("name", ["index.html", "pair.html"])
def test_scripts_and_styles_are_files(built: Path, name: str) -> None:
    page = (built / name).read_text()
    assert "<style" not in page
    assert not re.search(r"\son\w+=|style=", page)
    for attributes, content in re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL):
        assert "src=" in attributes and not content.strip(), "an inline script would need a hole in the content policy"


@pytest.mark.parametrize("name", ["index.html", "pair.html"])
def test_nothing_comes_from_elsewhere(built: Path, name: str) -> None:
    page = (built / name).read_text()
    assert re.findall(r'(?:src|href)="(?!/)', page) == []
    for sheet in (built / "assets").glob("*.css"):
        assert not re.search(r"url\(['\"]?https?:", sheet.read_text())


def test_assets_are_hashed_and_compressed(built: Path) -> None:
    assets = [path for path in (built / "assets").iterdir() if path.suffix in (".js", ".css", ".woff2")]
    assert assets
    assert all(re.search(r"-[\w-]{8}\.\w+$", path.name) for path in assets)
    large = [path for path in assets if path.suffix in (".js", ".css") and path.stat().st_size >= 1024]
    for path in large:
        packed = path.with_name(path.name + ".gz")
        assert gzip.decompress(packed.read_bytes()) == path.read_bytes()
        assert path.with_name(path.name + ".br").stat().st_size < packed.stat().st_size


def test_second_build_is_instant(built: Path) -> None:
    began = time.monotonic()
    assert dashboard.build() is False
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("folder", [dashboard.FOLDER, dashboard.TYPES], ids=lambda path: str(path.name))
def test_lock_file_serves_every_platform_and_names_no_host(folder: Path) -> None:
    text = (folder / "package-lock.json").read_text()
    assert '"resolved"' not in text
    checked = subprocess.run(
        [dashboard.tool("node"), "scripts/complete-lock.mjs", str(folder), "--check"],
        cwd=dashboard.FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_a_lock_file_of_one_platform_is_completed(tmp_path: Path) -> None:
    lock = {
        "lockfileVersion": 3,
        "packages": {
            "": {"devDependencies": {"tool": "1.0.0"}},
            "node_modules/tool": {
                "version": "1.0.0",
                "dev": True,
                "optionalDependencies": {"@tool/linux-x64-gnu": "1.0.0", "@tool/win32-arm64-msvc": "1.0.0"},
            },
            "node_modules/@tool/linux-x64-gnu": {"version": "1.0.0", "optional": True},
        },
    }
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    command = [dashboard.tool("node"), str(dashboard.FOLDER / "scripts" / "complete-lock.mjs"), str(tmp_path)]
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 1
    subprocess.run(command, capture_output=True, check=True)
    added = json.loads((tmp_path / "package-lock.json").read_text())["packages"]["node_modules/@tool/win32-arm64-msvc"]
    assert added == {"version": "1.0.0", "cpu": ["arm64"], "os": ["win32"], "dev": True, "optional": True}
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 0


def test_units() -> None:
    """The live store, the sequence of messages, words and figures: vitest, by the command that `make` uses."""
    ran = subprocess.run(
        [sys.executable, "-m", "tools.dashboard", "test"],
        cwd=dashboard.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    output = re.sub(r"\x1b\[[0-9;]*m", "", ran.stdout + ran.stderr)
    assert ran.returncode == 0, output
    assert re.search(r"Tests +\d\d+ passed", output), output
