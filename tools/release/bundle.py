"""A release as one file: a ZIP with `manifests/TARGET` (signed) for each kind of board, and `files/SHA256`."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from tools import build_firmware
from tools.flash import chip_image, partitions
from tools.flash.failures import FlashError
from tools.release.keys import ROOT, sign

TARGETS = ("esp32s3", "esp32", "esp32c3", "esp32c6", "unix")
"""The same bytes for every chip, as no native code is in them; but a board takes only what was made for it."""

VERSION = re.compile(r"\d+(\.\d+){1,3}")

_LEFT_OUT = {"unix": build_firmware.NOT_ON_UNIX}


MPY = 6
"""The version of compiled modules that is told when there is none to look at."""


@dataclass(frozen=True)
class Image:
    """A MicroPython, as it lies in a slot of a chip's flash."""

    version: str
    machine: str
    """The kind of board it was built for: hubs of another one do not take it."""
    content: bytes


class ReleaseError(RuntimeError):
    """A release cannot be made; the text is for a person."""


def application(folder: Path) -> dict[str, bytes]:
    """The files of a slot out of a build: all but the entry points, which stay as they were flashed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and str(path.relative_to(folder)) not in build_firmware.ENTRIES
    }


def image_of(file: Path, target: str) -> Image:
    """The application image out of a published `.bin` of MicroPython, or such an image itself. ReleaseError for another
    chip's, a damaged one, or one that does not say its version.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ReleaseError(f"{file} cannot be read: {error.strerror}.") from None
    try:
        chip_image.check(content, target, file.name)
        # A published file begins with the boot loader, on the first chip at 0x1000.
        for offset in (0, 0x1000):
            for one in partitions.parse(partitions.table_of(content, offset)):
                if one.kind == partitions.APP:
                    content = content[one.address - offset :]
                    chip_image.check(content, target, file.name)
                    break
        content = content[: chip_image.end_of(content)]
    except FlashError as error:
        raise ReleaseError(f"{error}.") from None
    except KeyError:
        raise ReleaseError(f"{target} is no chip: it takes no image.") from None
    version, machine = chip_image.version_of(content), chip_image.machine_of(content)
    if not version or not machine:
        raise ReleaseError(f"{file} does not say which MicroPython it is, for which board.")
    return Image(version, machine, content)


def compiled_for(files: Mapping[str, bytes]) -> int:
    """The version that all compiled modules have. ReleaseError when they differ."""
    found = {data[1] for path, data in files.items() if path.endswith(".mpy") and data[:1] == b"M"}
    if len(found) > 1:
        raise ReleaseError("The modules are compiled for different versions of MicroPython: build anew.")
    return found.pop() if found else MPY


def manifest(
    version: str, target: str, files: dict[str, bytes], *, downgrade: bool = False, image: Image | None = None
) -> bytes:
    """The text that is signed."""
    content: dict[str, Any] = {
        "version": version,
        "target": target,
        "mpy": compiled_for(files),
        "files": {path: [hashlib.sha256(data).hexdigest(), len(data)] for path, data in sorted(files.items())},
    }
    if image is not None:
        sha256 = hashlib.sha256(image.content).hexdigest()
        content["image"] = [image.version, sha256, len(image.content), image.machine]
    if downgrade:
        content["downgrade"] = True
    return json.dumps(content, separators=(",", ":")).encode()


def pack(
    output: Path, key: rsa.RSAPrivateKey, version: str, applications: dict[str, dict[str, bytes]], *,
    downgrade: bool = False, images: Mapping[str, Image] | None = None,
) -> None:  # fmt: skip
    """Write the release file: `applications` has the files of each target, `images` the MicroPython of some. Raises
    ReleaseError for a version out of form.
    """
    if not VERSION.fullmatch(version):
        raise ReleaseError(f"{version!r} is no version: numbers and dots, such as 1.4.0.")
    output.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as bundle:
        kept: set[str] = set()
        for target, files in applications.items():
            image = (images or {}).get(target)
            signed = sign(key, manifest(version, target, files, downgrade=downgrade, image=image))
            bundle.writestr(f"manifests/{target}", signed)
            for data in [*files.values(), *([image.content] if image else [])]:
                sha = hashlib.sha256(data).hexdigest()
                if sha not in kept:
                    kept.add(sha)
                    bundle.writestr(f"files/{sha}", data)


def build(
    output: Path, key: rsa.RSAPrivateKey, targets: tuple[str, ...] = TARGETS, *, root: Path = ROOT,
    downgrade: bool = False, images: Mapping[str, Image] | None = None,
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
    pack(output, key, version, applications, downgrade=downgrade, images=images)
    return version
