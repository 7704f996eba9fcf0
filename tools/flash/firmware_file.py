"""An image that a person brings (`--firmware FILE`): its hash is shown, and remembered from the first use on.

No hash of MicroPython's images was computed from a download here (see images.py). A file whose hash is pinned there is
known good. Another one is a person's own decision: what is kept in the cache is that they made it, and a file of the
same name with another content is refused until they say otherwise.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tools.flash.failures import FlashError, Stage
from tools.flash.images import IMAGES

MEMORY = "firmware-hashes.json"


@dataclass(frozen=True)
class Taken:
    """An image, and a sentence on how far its content is known."""

    content: bytes
    sha256: str
    trust: str


def take(file: Path, cache: Path) -> Taken:
    """Read an image and compare its hash with what is known. FlashError when it is missing or differs."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise FlashError(Stage.IMAGE, f"{file} cannot be read ({error.strerror}); check --firmware") from error
    digest = hashlib.sha256(content).hexdigest()
    pinned = {image.name: image.sha256 for image in IMAGES}.get(file.name)
    if pinned == digest:
        return Taken(content, digest, "the hash others published for it")
    memory = cache / MEMORY
    known = _load(memory)
    if file.name in known:
        if known[file.name] != digest:
            raise FlashError(
                Stage.IMAGE,
                f"{file.name} has SHA-256 {digest}, but had {known[file.name]} at its first use; if you trust "
                f"the new one, delete {memory}",
            )
        return Taken(content, digest, "the same as at its first use")
    cache.mkdir(parents=True, exist_ok=True)
    temporary = memory.with_suffix(".part")
    temporary.write_text(json.dumps(known | {file.name: digest}, indent=2) + "\n")
    temporary.replace(memory)
    if pinned:
        return Taken(content, digest, f"NOT the one others published ({pinned}); remembered from now on")
    return Taken(content, digest, "not known here; remembered from now on, compare it with your source yourself")


def _load(memory: Path) -> dict[str, str]:
    try:
        found = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(digest) for name, digest in found.items()} if isinstance(found, dict) else {}
