"""The application on a board: only what changed is uploaded, and the list of it (`manifest.json`) last.

What a cable pulled half way leaves is a board without a manifest; running again finds what is right by its hash and
uploads the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from tools.build_firmware import ENTRIES, package
from tools.flash.device import Device, DeviceError
from tools.flash.failures import FlashError, Stage

MANIFEST = "manifest.json"
MPY_VERSION = 6

Progress = Callable[[str, int, int], None]
"""Called with what is done, bytes done, bytes in all."""

_HASHES = """
import hashlib, os
from binascii import hexlify
def _hash(path):
    h = hashlib.sha256()
    b = bytearray(1024)
    v = memoryview(b)
    try:
        with open(path, "rb") as f:
            while True:
                n = f.readinto(b)
                if not n:
                    return hexlify(h.digest()).decode()
                h.update(v[:n])
    except OSError:
        return ""
print(repr([_hash(p) for p in %r]))
"""

_FOLDERS = """
import os
for p in %r:
    try:
        os.mkdir(p)
    except OSError:
        pass
"""

_REMOVE = """
import os
for p in %r:
    try:
        os.remove(p)
    except OSError:
        pass
"""

# Afterwards the board runs what lies at the root (firmware/README.md, "Slots"): first the pointer, then its spare copy.
_USE_ROOT = """
import os, sys
def _gone(path):
    try:
        names = os.listdir(path)
    except OSError:
        names = None
    if names is not None:
        for n in names:
            _gone(path + "/" + n)
    try:
        os.rmdir(path) if names is not None else os.remove(path)
    except OSError:
        pass
def _use_root():
    chip = sys.platform == "esp32"
    root = "" if chip else os.getenv("PF_DATA") or "."
    _gone(root + "/current")
    if chip:
        from esp32 import NVS
        k = NVS("pf_slots")
        for n in ("tries", "pointer"):
            try:
                k.erase_key(n)
            except OSError:
                pass
        k.commit()
    else:
        _gone(root + "/tries")
        _gone(root + "/current.spare")
    _gone(root + "/fault.txt")
    _gone(root + "/app_a")
    _gone(root + "/app_b")
_use_root()
"""


def files_of(build: Path) -> dict[str, bytes]:
    """A build's files by their path on the board, entries last: until they are there an empty board starts nothing."""
    names = sorted(str(path.relative_to(build)) for path in build.rglob("*") if path.is_file())
    return {name: (build / name).read_bytes() for name in sorted(names, key=lambda name: name in ENTRIES)}


def check_abi(board: Device) -> None:
    """Compiled modules must be of the version the board reads."""
    try:
        found = board.value("import sys\nprint(getattr(sys.implementation, '_mpy', 0) & 0xff)")
    except DeviceError as error:
        raise FlashError(Stage.INSTALL, f"the board stopped answering ({error}); run the same command again") from error
    if found != MPY_VERSION:
        raise FlashError(
            Stage.ABI,
            f"the board reads compiled modules of version {found}, these are version {MPY_VERSION}; "
            "run again with --rewrite to put the right MicroPython on it",
        )


def install(board: Device, files: dict[str, bytes], progress: Progress) -> list[str]:
    """Make the board's files equal to `files` and make it run them; the paths that were uploaded.

    Files of an older installation that are not in `files` are removed. FlashError says what to do.
    """
    try:
        return _install(board, files, progress)
    except DeviceError as error:
        raise FlashError(
            Stage.INSTALL, f"the application was not installed completely ({error}); run the same command again"
        ) from error


def _install(board: Device, files: dict[str, bytes], progress: Progress) -> list[str]:
    manifest = _manifest(files)
    wanted = {**files, MANIFEST: manifest}
    found = board.value(_HASHES % list(wanted))
    changed = [
        name for name, have in zip(wanted, found, strict=True) if have != hashlib.sha256(wanted[name]).hexdigest()
    ]
    uploads = [name for name in changed if name != MANIFEST]
    if changed:
        stale = [name for name in _listed(board) if name not in files]
        board.run(_REMOVE % [MANIFEST, *stale])
        board.run(_FOLDERS % sorted({str(p) for name in files for p in Path(name).parents if str(p) != "."}))
    done, total = 0, sum(len(files[name]) for name in uploads)
    for name in uploads:
        progress(name, done, total)
        board.write(name, files[name])
        done += len(files[name])
    if uploads:
        progress("", total, total)
    board.run(_USE_ROOT)
    if changed:
        board.write(MANIFEST, manifest)
    return uploads


def _manifest(files: dict[str, bytes]) -> bytes:
    listed = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return json.dumps({"version": package()["version"], "files": listed}).encode()


def _listed(board: Device) -> list[str]:
    """What an earlier installation put there; nothing when its list is gone."""
    program = (
        f"import json\ntry:\n    print(repr(list(json.load(open({MANIFEST!r}))['files'])))\n"
        "except (OSError, ValueError, KeyError):\n    print('[]')"
    )
    names = board.value(program)
    # The list came from outside: only paths that an installation can have made.
    return [str(name) for name in names if not str(name).startswith(("/", "data/")) and ".." not in str(name)]
