"""Images of MicroPython: the right one for a chip, and nothing written that is not what was pinned."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from tools.flash.images import IMAGES, Image, ImageError, choose, fetch

CONTENT = b"\xe9 an image"


@pytest.fixture
def small() -> Image:
    return dataclasses.replace(IMAGES[0], sha256=hashlib.sha256(CONTENT).hexdigest())


def test_the_first_of_a_chip_and_the_named_variant() -> None:
    assert choose("esp32s3").name == "ESP32_GENERIC_S3-SPIRAM_OCT-20260406-v1.28.0.bin"
    assert choose("esp32s3", "").name == "ESP32_GENERIC_S3-20260406-v1.28.0.bin"
    assert choose("esp32").offset == 0x1000
    assert {choose(chip).offset for chip in ("esp32s3", "esp32c3", "esp32c6")} == {0}


def test_an_unknown_chip_is_told_what_there_is() -> None:
    with pytest.raises(ImageError, match="no image for esp32p4; there are: esp32s3 SPIRAM_OCT"):
        choose("esp32p4")


def test_a_download_is_kept_and_not_repeated(tmp_path: Path, small: Image) -> None:
    source, cache = tmp_path / "source", tmp_path / "cache"
    source.mkdir()
    (source / small.name).write_bytes(CONTENT)
    assert fetch(small, cache, f"{source.as_uri()}/").read_bytes() == CONTENT
    (source / small.name).unlink()
    assert fetch(small, cache, f"{source.as_uri()}/").read_bytes() == CONTENT


def test_a_damaged_copy_is_fetched_again_and_a_foreign_file_never_kept(tmp_path: Path, small: Image) -> None:
    source, cache = tmp_path / "source", tmp_path / "cache"
    source.mkdir()
    cache.mkdir()
    (cache / small.name).write_bytes(CONTENT[:3])
    (source / small.name).write_bytes(b"something else")
    with pytest.raises(ImageError, match="it was not kept"):
        fetch(small, cache, f"{source.as_uri()}/")
    (source / small.name).write_bytes(CONTENT)
    assert fetch(small, cache, f"{source.as_uri()}/").read_bytes() == CONTENT


def test_without_a_network_it_says_what_to_do(tmp_path: Path, small: Image) -> None:
    with pytest.raises(ImageError, match="--firmware FILE"):
        fetch(small, tmp_path / "cache", f"{(tmp_path / 'nowhere').as_uri()}/")
