"""A release as one file: a ZIP with `manifests/TARGET` (signed) for each kind of board, and `files/SHA256`."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from tools import build_firmware
from tools.release.keys import ROOT, sign

TARGETS = ("esp32s3", "esp32", "esp32c3", "esp32c6", "unix")
"""The same bytes for every chip, as no native code is in them; but a board takes only what was made for it."""

VERSION = re.compile(r"\d+(\.\d+){1,3}")

_LEFT_OUT = {"unix": build_firmware.NOT_ON_UNIX}


class ReleaseError(RuntimeError):
    """A release cannot be made; the text is for a person."""


def application(folder: Path) -> dict[str, bytes]:
    """The files of a slot out of a build: all but the entry points, which stay as they were flashed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and str(path.relative_to(folder)) not in build_firmware.ENTRIES
    }


def manifest(version: str, target: str, files: dict[str, bytes], *, downgrade: bool = False) -> bytes:
    """The text that is signed."""
    content: dict[str, Any] = {
        "version": version,
        "target": target,
        "files": {path: [hashlib.sha256(data).hexdigest(), len(data)] for path, data in sorted(files.items())},
    }
    if downgrade:
        content["downgrade"] = True
    return json.dumps(content, separators=(",", ":")).encode()


def pack(
    output: Path, key: rsa.RSAPrivateKey, version: str, applications: dict[str, dict[str, bytes]], *,
    downgrade: bool = False,
) -> None:  # fmt: skip
    """Write the release file: `applications` has the files of each target. ReleaseError for a version out of form."""
    if not VERSION.fullmatch(version):
        raise ReleaseError(f"{version!r} is no version: numbers and dots, such as 1.4.0.")
    output.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as bundle:
        kept: set[str] = set()
        for target, files in applications.items():
            signed = sign(key, manifest(version, target, files, downgrade=downgrade))
            bundle.writestr(f"manifests/{target}", signed)
            for data in files.values():
                sha = hashlib.sha256(data).hexdigest()
                if sha not in kept:
                    kept.add(sha)
                    bundle.writestr(f"files/{sha}", data)


def build(
    output: Path, key: rsa.RSAPrivateKey, targets: tuple[str, ...] = TARGETS, *, root: Path = ROOT,
    downgrade: bool = False,
) -> str:  # fmt: skip
    """Compile the firmware of `root` and write its release file; the version. Raises ReleaseError, BuildError."""
    version = str(build_firmware.package(root)["version"])
    applications = {}
    with tempfile.TemporaryDirectory() as scratch:
        for target in targets:
            folder = Path(scratch) / ("unix" if target == "unix" else "board")
            if not folder.exists():
                leave_out = _LEFT_OUT.get(target, build_firmware.NOT_ON_A_BOARD)
                build_firmware.build(folder, leave_out=leave_out, root=root)
            applications[target] = application(folder)
    pack(output, key, version, applications, downgrade=downgrade)
    return version
