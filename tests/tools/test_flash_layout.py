"""The flash with two slots: what lies where, what stays, and what a pulled cable leaves, with the real esptool."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.chip_images import STOCK, application, program, published
from tests.tools.flash_board import FlashBoard
from tests.tools.flash_rom import MEGABYTE, Rom
from tests.tools.test_flash_command import SMALL
from tools.flash import chip_image, layout, partitions
from tools.flash.__main__ import main
from tools.flash.failures import FlashError, Stage
from tools.flash.layout import Wish
from tools.flash.micropython import About
from tools.flash.partitions import APP, DATA, NVS, OTA, SECTOR, TABLE, Entry
from tools.programs import tool

SECRET = b"the label's secret" * 2000
SLOT = 0x270000
OTADATA = 0x10000 + 2 * SLOT
FILES = OTADATA + 2 * SECTOR

Flash = Callable[..., tuple[int, str]]


def table(rom: Rom) -> bytes:
    return bytes(rom.flash[TABLE : TABLE + partitions.TABLE_SIZE])


def labels(rom: Rom) -> list[str]:
    return [one.label for one in partitions.parse(table(rom))]


def hub(megabytes: int = 8) -> Rom:
    """A chip that is a hub already, laid out as published images are, with files at the end of the application."""
    rom = Rom(megabytes=megabytes)
    image = published()
    rom.flash[: len(image)] = image
    rom.flash[0x9000 : 0x9000 + 0x6000] = SECRET[:0x6000]
    rom.flash[0x200000:] = b"\x11" * (len(rom.flash) - 0x200000)
    return rom


@pytest.fixture
def flash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Flash:
    for name, text in SMALL.items():
        path = tmp_path / "small" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    numbers = itertools.count()

    def run(rom: Rom, image: bytes, *options: str) -> tuple[int, str]:
        number = next(numbers)
        file = tmp_path / f"mp{number}.bin"
        file.write_bytes(image)
        rom.programmed = False
        with FlashBoard(tmp_path / f"board{number}", rom) as board:
            fixed = ["--port", board.port, "--cache", str(tmp_path / "cache"), "--build", str(tmp_path / "small")]
            code = main([*fixed, "--firmware", str(file), "--patience", "1", *options])
        return code, capsys.readouterr().out

    return run


@pytest.mark.parametrize("megabytes", [8, 16])
def test_a_hub_gets_two_slots_and_keeps_its_secret(flash: Flash, megabytes: int) -> None:
    rom = hub(megabytes)
    code, said = flash(rom, published("1.29.0"), "--layout", "slots")
    assert code == 0, said
    assert partitions.parse(table(rom)) == [
        Entry("nvs", DATA, NVS, 0x9000, 0x6000),
        Entry("phy_init", DATA, 1, 0xF000, 0x1000),
        Entry("ota_0", APP, OTA, 0x10000, SLOT),
        Entry("ota_1", APP, OTA + 1, 0x10000 + SLOT, SLOT),
        Entry("otadata", DATA, 0, OTADATA, 2 * SECTOR),
    ]
    assert rom.flash[0x9000:0xF000] == SECRET[:0x6000], "NVS neither moves nor shrinks"
    assert rom.flash[0x10000:].startswith(application("1.29.0"))
    assert rom.flash[OTADATA:FILES] == layout.otadata_entry(1, 2).ljust(2 * SECTOR, b"\xff")
    assert rom.flash[FILES : FILES + 2 * SECTOR] == b"\xff" * (2 * SECTOR), "else MicroPython calls it damaged for ever"
    assert rom.writes[-1] == TABLE and rom.writes[0] == FILES
    assert said.index("pair it again with the same label") < said.index("wrote mp")


def test_the_boot_loader_knows_the_flash_or_it_would_refuse_the_table(flash: Flash, tmp_path: Path) -> None:
    rom = hub(16)
    assert flash(rom, published(), "--layout", "slots")[0] == 0
    loader = tmp_path / "loader.bin"
    loader.write_bytes(bytes(rom.flash[: len(program("esp32s3", b"boot loader " * 400))]))
    command = [tool("esptool"), "--chip", "esp32s3", "image-info", str(loader)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Flash size: 16MB" in told.stdout, told.stdout + told.stderr
    assert "(valid)" in told.stdout and "invalid" not in told.stdout, told.stdout


def test_a_board_keeps_its_slots_however_it_is_flashed_again(flash: Flash) -> None:
    rom = hub()
    assert flash(rom, published(), "--layout", "slots")[0] == 0
    before = table(rom)
    rom.flash[OTADATA + SECTOR : OTADATA + SECTOR + 32] = layout.otadata_entry(2, 2)  # it runs from the second slot
    rom.flash[FILES : FILES + 9] = b"my files!"
    for options in ((), ("--rewrite",), ("--layout", "slots")):
        rom.writes.clear()
        code, said = flash(rom, published("1.29.0"), *options)
        assert code == 0, said
        assert table(rom) == before and TABLE not in rom.writes and FILES not in rom.writes
        assert rom.flash[FILES : FILES + 9] == b"my files!" and "pair it again" not in said
        assert rom.flash[OTADATA:FILES] == layout.otadata_entry(1, 2).ljust(2 * SECTOR, b"\xff")
        assert "layout: two slots" in said
    erased = layout.plan(published(), 0, before, Wish.KEEP, 8 * MEGABYTE, erase=True)
    assert erased.pieces[-1] == partitions.Piece(TABLE, before) and not erased.moves
    assert FILES not in [piece.address for piece in erased.pieces]


def test_back_to_one_application_only_when_told_to(flash: Flash) -> None:
    rom = hub()
    assert flash(rom, published(), "--layout", "slots")[0] == 0
    code, said = flash(rom, published(), "--layout", "single")
    assert code == 0 and "pair it again with the same label" in said
    assert labels(rom) == ["nvs", "phy_init", "factory"]
    assert rom.flash[0x9000:0xF000] == SECRET[:0x6000]
    assert rom.flash[0x200000 : 0x200000 + 2 * SECTOR] == b"\xff" * (2 * SECTOR)


def test_a_cable_pulled_at_any_block_is_repaired_by_the_same_command(flash: Flash) -> None:
    whole = hub()
    assert flash(whole, published(), "--layout", "slots")[0] == 0
    for cut in (1, 12, 26):
        rom = hub()
        rom.drop_at = cut
        code, said = flash(rom, published(), "--layout", "slots")
        assert code in (Stage.WRITE, Stage.NO_SYNC, Stage.VERIFY), said
        assert labels(rom) == ["nvs", "phy_init", "factory"], (
            "the table is last, so it is known that there is more to do"
        )
        rom.drop_at = 0
        code, said = flash(rom, published(), "--layout", "slots")
        assert code == 0, said
        assert rom.flash == whole.flash


def test_what_does_not_fit_is_refused_and_nothing_is_written(flash: Flash) -> None:
    rom = hub(4)
    code, said = flash(rom, published(size=1_500_000), "--layout", "slots")
    assert code == Stage.IMAGE and "on a flash of 4 MB; take a board with 8 MB" in said
    assert rom.writes == []
    for size, megabytes in ((0x170000 * 7 // 8 - 400, 4), (SLOT * 7 // 8 - 400, 8)):
        assert layout.plan(published(size=size), 0, b"", Wish.SLOTS, megabytes * MEGABYTE).slots
        with pytest.raises(FlashError, match="no room to grow"):
            layout.plan(published(size=size + 500), 0, b"", Wish.SLOTS, megabytes * MEGABYTE)
    with pytest.raises(FlashError, match="how large its flash is"):
        layout.plan(published(), 0, b"", Wish.SLOTS, 0)
    present = partitions.build(layout._with_slots(STOCK, b"", 4 * MEGABYTE))
    with pytest.raises(FlashError, match="--layout single"):
        layout.plan(published(size=1_500_000), 0, present, Wish.KEEP, 4 * MEGABYTE)


def test_slots_of_a_maker_s_demonstration_are_not_kept() -> None:
    demo = [
        Entry("nvs", DATA, NVS, 0x9000, 0x5000),
        Entry("otadata", DATA, 0, 0xE000, 0x2000),
        Entry("app0", APP, OTA, 0x10000, 0x300000),
        Entry("app1", APP, OTA + 1, 0x310000, 0x300000),
        Entry("spiffs", DATA, 0x82, 0x610000, 0x1E0000),
    ]
    plan = layout.plan(published(), 0, partitions.build(demo), Wish.KEEP, 8 * MEGABYTE)
    assert not plan.slots
    assert plan.pieces[0].address == 0x200000, "and what lay at the new place of the files is no file system"


def test_a_layout_whose_nvs_lies_elsewhere_is_not_given_up_silently() -> None:
    other = [
        Entry("nvs", DATA, NVS, 0x9000, 0x4000),
        Entry("otadata", DATA, 0, 0xD000, 0x2000),
        Entry("phy_init", DATA, 1, 0xF000, 0x1000),
        Entry("ota_0", APP, OTA, 0x10000, SLOT),
        Entry("ota_1", APP, OTA + 1, 0x280000, SLOT),
    ]
    present = partitions.build(other)
    kept = layout.plan(published(), 0, present, Wish.KEEP, 8 * MEGABYTE)
    assert [piece.address for piece in kept.pieces] == [0x10000, 0xD000, 0]
    with pytest.raises(FlashError, match="identity would be lost"):
        layout.plan(published(), 0, present, Wish.SINGLE, 8 * MEGABYTE)


def test_an_image_that_is_cut_short_is_refused() -> None:
    with pytest.raises(FlashError, match="not whole"):
        layout.plan(published()[:-1], 0, b"", Wish.SLOTS, 8 * MEGABYTE)
    assert chip_image.end_of(application() + b"\xff" * 99) == len(application())


def test_otadata_has_the_checksum_of_the_rom() -> None:
    """Two records as they were read from boards of others."""
    for sequence, checksum in ((2, 0x55F63774), (3, 0xED4A5011)):
        assert layout.otadata_entry(sequence, 2)[28:] == checksum.to_bytes(4, "little")


def test_a_table_without_its_md5_is_none() -> None:
    made = bytearray(partitions.build(STOCK))
    assert partitions.parse(bytes(made)) == STOCK
    for damage in (8, 32, 33, 3 * 32 + 20):
        made = bytearray(partitions.build(STOCK))
        made[damage] ^= 1
        assert partitions.parse(bytes(made)) == [], damage


def test_a_board_that_answers_is_only_written_when_it_is_not_as_wished() -> None:
    def right(slots: int, wish: Wish) -> bool:
        return About("esp32", (1, 28, 0), "S3", slots).right(wish)

    assert [right(slots, Wish.KEEP) for slots in (0, 2)] == [True, True]
    assert [right(slots, Wish.SLOTS) for slots in (0, 2)] == [False, True]
    assert [right(slots, Wish.SINGLE) for slots in (0, 2)] == [True, False]
    assert About("linux", (1, 28, 0), "here", 0).right(Wish.SLOTS)
    assert not About("esp32", (1, 27, 0), "S3", 2).right(Wish.KEEP)


def test_two_options_that_contradict(flash: Flash, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--layout", "slots", "--keep"])
    assert "--layout writes MicroPython anew" in capsys.readouterr().err
