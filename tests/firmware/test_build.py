"""What goes on a board: every module compiles, the parts stay small, and the lists of files are complete."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tools import build_firmware
from tools.build_firmware import ROOT, BuildError, build, compile_module, compiled, modules, package

PROTOCOL_LIMIT = 24 * 1024


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    return build(tmp_path_factory.mktemp("hub"), leave_out=build_firmware.NOT_ON_A_BOARD)


def test_every_module_compiles(sizes: dict[str, int]) -> None:
    names = {name.replace(".mpy", ".py") for name in sizes}
    assert names == set(modules()) - set(build_firmware.NOT_ON_A_BOARD)
    assert {
        "main.py",
        "boot.py",
        "hub/app.py",
        "hub/board/esp32.py",
        "lib/wire.py",
        "shared_protocol/codec.py",
    } <= names
    assert all(sizes[name] for name in sizes)


def test_the_protocol_is_small(sizes: dict[str, int]) -> None:
    protocol = sum(size for name, size in sizes.items() if name.startswith("shared_protocol/"))
    assert 4096 < protocol < PROTOCOL_LIMIT


def test_entry_points_stay_source(tmp_path: Path) -> None:
    build(tmp_path)
    for name in build_firmware.ENTRIES:
        assert (tmp_path / name).read_bytes() == (ROOT / "firmware" / name).read_bytes()
    assert not (tmp_path / "main.mpy").exists()


def test_a_module_that_does_not_compile_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f(:\n")
    with pytest.raises(BuildError, match=r"(?s)hub/bad\.py: .*SyntaxError"):
        compile_module("hub/bad.py", bad, tmp_path / "bad.mpy")


def test_the_package_lists_every_file_once() -> None:
    """`mpremote mip install firmware/package.json` copies a build; a new module is not forgotten."""
    listed = json.loads((ROOT / "firmware" / "package.json").read_text())
    assert listed == package()
    targets = [target for target, _ in listed["urls"]]
    assert len(targets) == len(set(targets))
    assert "hub/board/esp32.mpy" in targets and "hub/board/unix.mpy" not in targets


def test_the_version_is_the_applications() -> None:
    text = (ROOT / "firmware" / "hub" / "app.py").read_text()
    found = re.search(r'^FIRMWARE = "(.+)"$', text, re.MULTILINE)
    assert found and found.group(1) == package()["version"]


def test_what_was_built_once_is_not_built_again_and_a_change_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "copy"
    for name, source in modules().items():
        target = root / (name if name.startswith("shared_protocol/") else f"firmware/{name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    monkeypatch.setattr(build_firmware, "CACHE", tmp_path / "cache")
    first = compiled(root)
    assert compiled(root) == first
    (root / "firmware" / "hub" / "log.py").write_text("x = 1\n")
    second = compiled(root)
    assert second != first
    assert (second / "hub" / "log.mpy").read_bytes() != (first / "hub" / "log.mpy").read_bytes()
    assert not list((tmp_path / "cache").glob("tmp*")), "nothing is left of the work"


def test_the_manifest_names_what_there_is() -> None:
    text = (ROOT / "firmware" / "manifest.py").read_text()
    for part in {name.split("/", maxsplit=1)[0] for name in modules()}:
        assert f'"{part}"' in text, part


def test_compiled_modules_run(tmp_path: Path) -> None:
    build(tmp_path, leave_out=build_firmware.NOT_ON_UNIX)
    from tools.hub import command, micropython_lib

    program = "import hub.log; hub.log.log('part', 'compiled'); import hub.app; print(hub.app.FIRMWARE)"
    done = subprocess.run(
        command("-c", program, heap="416k"),
        env={"MICROPYPATH": f"{tmp_path}:{micropython_lib()}:.frozen"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines() == ["part: compiled", package()["version"]]
