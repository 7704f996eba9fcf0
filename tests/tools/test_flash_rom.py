"""MicroPython onto a chip: the real esptool against a ROM loader on a socket."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.tools.flash_board import FlashBoard
from tests.tools.flash_rom import Rom
from tools.flash import chip_image, partitions, rom
from tools.flash.failures import FlashError, Stage
from tools.flash.partitions import Piece

NVS_AT, NVS_SIZE = 0x9000, 0x6000


def image(chip: str = "esp32s3", offset: int = 0) -> bytes:
    """A small image as published ones are made: boot loader, partition table, filled gap, application."""
    head = bytearray(b"\xe9\x01\x02\x20" + bytes(20))
    struct.pack_into("<H", head, 12, chip_image.CHIP_IDS[chip])
    table = partitions.build([partitions.Entry("nvs", partitions.DATA, partitions.NVS, NVS_AT, NVS_SIZE)])
    content = bytes(head).ljust(partitions.TABLE - offset, b"\x22") + table
    return content.ljust(NVS_AT + NVS_SIZE - offset, b"\xff") + b"the application" * 600


def write(port: str, chip: str, pieces: list[Piece]) -> list[float]:
    seen: list[float] = []
    rom.write(port, chip, pieces, seen.append, erase=False)
    return seen


@pytest.mark.parametrize(("chip", "offset"), [("esp32", 0x1000), ("esp32s3", 0), ("esp32c3", 0)])
def test_an_image_is_written_and_verified_and_nvs_is_not_touched(tmp_path: Path, chip: str, offset: int) -> None:
    loader = Rom(chip)
    loader.flash[NVS_AT : NVS_AT + NVS_SIZE] = b"\x5a" * NVS_SIZE
    whole = image(chip, offset)
    with FlashBoard(tmp_path, loader) as board:
        assert rom.chip(board.port) == rom.Chip(chip, 4 << 20)
        seen = write(board.port, chip, partitions.around_nvs(whole, offset))
    end = NVS_AT + NVS_SIZE
    assert loader.writes == [offset, end]
    assert loader.flash[offset:NVS_AT] == whole[: NVS_AT - offset]
    assert loader.flash[NVS_AT:end] == b"\x5a" * NVS_SIZE
    assert loader.flash[end : offset + len(whole)] == whole[end - offset :]
    assert seen[-1] == 100


def test_a_chip_that_does_not_answer_is_brought_into_its_loader_by_hand(tmp_path: Path) -> None:
    with FlashBoard(tmp_path, Rom(silent=True)) as board, pytest.raises(FlashError, match="hold BOOT") as failed:
        rom.chip(board.port)
    assert failed.value.stage == Stage.NO_SYNC


def test_a_chip_that_changed_is_refused(tmp_path: Path) -> None:
    with FlashBoard(tmp_path, Rom("esp32c3")) as board, pytest.raises(FlashError, match="not the chip") as failed:
        write(board.port, "esp32s3", [Piece(0, image())])
    assert failed.value.stage == Stage.WRONG_CHIP


def test_a_flash_that_holds_something_else_is_found(tmp_path: Path) -> None:
    with FlashBoard(tmp_path, Rom(lies=True)) as board, pytest.raises(FlashError, match="does not hold") as failed:
        write(board.port, "esp32s3", partitions.around_nvs(image(), 0))
    assert failed.value.stage == Stage.VERIFY


def test_a_pulled_cable_is_repaired_by_writing_again(tmp_path: Path) -> None:
    loader = Rom(drop_at=20)
    with FlashBoard(tmp_path, loader) as board:
        with pytest.raises(FlashError, match="run the same command again") as failed:
            write(board.port, "esp32s3", partitions.around_nvs(image(), 0))
        assert failed.value.stage in (Stage.WRITE, Stage.NO_SYNC)
        assert loader.writes
        assert not loader.programmed
        loader.drop_at = 0
        write(board.port, "esp32s3", partitions.around_nvs(image(), 0))
    assert loader.programmed


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FlashError) as failed:
        rom.chip(str(tmp_path / "ttyNONE"))
    assert failed.value.stage == Stage.NO_BOARD


def test_an_image_for_another_chip_or_none_at_all_is_refused() -> None:
    with pytest.raises(FlashError, match="is for esp32s3, but this board has an esp32c3") as failed:
        chip_image.check(image(), "esp32c3", "mp.bin")
    assert failed.value.stage == Stage.WRONG_CHIP
    for content in (b"", b"\xe9", b"PK\x03\x04" * 100):
        with pytest.raises(FlashError, match="not an image") as failed:
            chip_image.check(content, "esp32s3", "mp.bin")
        assert failed.value.stage == Stage.IMAGE


@pytest.mark.parametrize("damage", [slice(partitions.TABLE, partitions.TABLE + 2), slice(partitions.TABLE, None)])
def test_an_image_without_a_partition_table_is_refused_for_it_would_wipe_the_secret(damage: slice) -> None:
    content = bytearray(image())
    content[damage] = b"\0\0"
    with pytest.raises(FlashError, match="no partition table") as failed:
        partitions.around_nvs(bytes(content), 0)
    assert failed.value.stage == Stage.IMAGE
