"""MicroPython images for the hub's chips: which, where in the flash, and the only content that is believed.

Every hash was published by others who had fetched the file; none was computed here from a file of our own. The one of
ESP32 stands in many places, the others in one or two (`Image.witnesses`). A wrong one can only refuse a good file.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from dataclasses import dataclass
from pathlib import Path

SOURCE = "https://micropython.org/resources/firmware/"
VERSION = "v1.28.0"

TIMEOUT_S = 60.0


class ImageError(Exception):
    """There is no image to write; the text says why and what to do."""


@dataclass(frozen=True)
class Image:
    """One published file. `offset` is where the chip's ROM looks for it; `witnesses` counts who published the hash."""

    chip: str
    variant: str
    name: str
    offset: int
    sha256: str
    witnesses: int


def _image(chip: str, board: str, variant: str, offset: int, sha256: str, *, witnesses: int) -> Image:
    name = f"{board}{'-' + variant if variant else ''}-20260406-{VERSION}.bin"
    return Image(chip, variant, name, offset, sha256, witnesses)


# The first of a chip is taken unless a variant is named.
IMAGES = (
    _image(
        "esp32s3",
        "ESP32_GENERIC_S3",
        "SPIRAM_OCT",
        0x0,
        "67c19ae123d84152019b57526ed5291dd0a2b4edd87655c5f76b46c9a62ff5dd",
        witnesses=1,
    ),
    _image(
        "esp32s3",
        "ESP32_GENERIC_S3",
        "",
        0x0,
        "8c6039d40024cae3c6b04bb434f77901548f5487df9789af15548c54f9e11d7f",
        witnesses=1,
    ),
    _image(
        "esp32",
        "ESP32_GENERIC",
        "",
        0x1000,
        "cd7820d02c35d34dd403b44263129c6a511b350aea8446c229890753fe240784",
        witnesses=4,
    ),
    _image(
        "esp32c3",
        "ESP32_GENERIC_C3",
        "",
        0x0,
        "c749c22b6fe00cb8211a3b227ed6c0ce9babb518fd8f5a661f7496eb878fa895",
        witnesses=1,
    ),
    _image(
        "esp32c6",
        "ESP32_GENERIC_C6",
        "",
        0x0,
        "d338042d2dd87a00dad2163071f44bf67da1401e1d1d0686f2bb2e336e78f0e6",
        witnesses=1,
    ),
)


def choose(chip: str, variant: str | None = None) -> Image:
    """The image for a chip (as esptool names it: `esp32s3`); ImageError lists what there is."""
    for image in IMAGES:
        if image.chip == chip and variant in (None, image.variant):
            return image
    known = ", ".join(f"{image.chip} {image.variant}".strip() for image in IMAGES)
    raise ImageError(f"there is no image for {chip} {variant or ''}".rstrip() + f"; there are: {known}")


def fetch(image: Image, cache: Path, source: str = SOURCE) -> Path:
    """The image's file in `cache`, downloaded unless it is there whole; ImageError when it cannot be had or differs."""
    path = cache / image.name
    if path.exists() and _digest(path.read_bytes()) == image.sha256:
        return path
    try:
        with urllib.request.urlopen(source + image.name, timeout=TIMEOUT_S) as answer:  # noqa: S310 - our own address
            content: bytes = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise ImageError(
            f"{image.name} could not be downloaded ({error}); download it elsewhere and pass --firmware FILE"
        ) from error
    if _digest(content) != image.sha256:
        raise ImageError(
            f"{image.name} has SHA-256 {_digest(content)} and not {image.sha256}: it was not kept. "
            "If you trust your own copy, pass --firmware FILE"
        )
    cache.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_bytes(content)
    temporary.replace(path)
    return path


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
