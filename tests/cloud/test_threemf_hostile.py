"""Archives made to harm: each is refused with its code, quickly, and with little memory."""

import stat
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest

from cloud.catalog.archive import Limits, ThreeMFError
from cloud.catalog.threemf import read_threemf, read_thumbnail
from tests.cloud.zipcraft import Entry, craft, pack, sample_members

GCODE = "Metadata/plate_1.gcode"
INFO = "Metadata/slice_info.config"


def refused(tmp_path: Path, data: bytes, limits: Limits | None = None) -> ThreeMFError:
    path = tmp_path / "hostile.gcode.3mf"
    path.write_bytes(data)
    with pytest.raises(ThreeMFError) as caught:
        read_threemf(path, limits or Limits())
    assert caught.value.sentence.endswith(".")
    return caught.value


def entries(**changes: Entry) -> list[Entry]:
    """A small honest file, with the gcode or the slice_info exchanged."""
    found = [Entry(name, data) for name, data in sample_members().items() if ".md5" not in name]
    for number, entry in enumerate(found):
        if entry.name == GCODE and "gcode" in changes:
            found[number] = changes["gcode"]
        if entry.name == INFO and "info" in changes:
            found[number] = changes["info"]
    return found


def test_the_crafted_honest_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "honest.gcode.3mf"
    path.write_bytes(craft(entries()))
    assert read_threemf(path).model_id == "C12"


def test_a_bomb_is_stopped_early_and_costs_no_memory(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    megabyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = megabyte * 200 + packer.flush()
    assert len(packed) < 210_000
    bomb = Entry(GCODE, b"", packed=packed, claimed_size=200 << 20)
    data = craft(entries(gcode=bomb))
    tracemalloc.start()
    began = time.process_time()
    assert refused(tmp_path, data).code == "ratio"
    assert time.process_time() - began < 1
    assert tracemalloc.get_traced_memory()[1] < 3 << 20
    tracemalloc.stop()


def test_a_bomb_among_the_documents(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(64 << 20), 9)[2:-4]
    bomb = Entry(INFO, b"", packed=packed, claimed_size=64 << 20)
    assert refused(tmp_path, craft(entries(info=bomb))).code == "ratio"


def test_many_members_may_not_be_large_together(tmp_path: Path) -> None:
    assert refused(tmp_path, craft(entries()), Limits(total_bytes=1000)).code == "too_large"


def test_a_large_document(tmp_path: Path) -> None:
    noise = b"".join(b"<a n='%d'/>" % (n * n) for n in range(2000))
    error = refused(tmp_path, craft(entries(info=Entry(INFO, noise))), Limits(document_bytes=10_000))
    assert error.code == "too_large"


def test_a_file_above_the_limit(tmp_path: Path) -> None:
    assert refused(tmp_path, craft(entries()), Limits(file_bytes=1000)).code == "too_large"


@pytest.mark.parametrize("claimed", [0, 10, 1 << 31])
def test_a_lying_size(claimed: int, tmp_path: Path) -> None:
    data = sample_members()[GCODE]
    lie = Entry(GCODE, data, claimed_size=claimed)
    assert refused(tmp_path, craft(entries(gcode=lie))).code == "corrupt"


def test_a_lying_size_with_the_checksum_of_the_shown_part(tmp_path: Path) -> None:
    """zipfile would read the 100 bytes that the header admits, and find the checksum right."""
    data = sample_members()[GCODE]
    lie = Entry(GCODE, data, claimed_size=100, claimed_crc=zlib.crc32(data[:100]))
    assert refused(tmp_path, craft(entries(gcode=lie))).code == "corrupt"


@pytest.mark.parametrize("delta", [-7, 1, 1 << 30])
def test_a_lying_packed_size(delta: int, tmp_path: Path) -> None:
    data = sample_members()[GCODE]
    honest = zlib.compressobj(6, zlib.DEFLATED, -15)
    length = len(honest.compress(data) + honest.flush())
    lie = Entry(GCODE, data, claimed_packed=length + delta)
    assert refused(tmp_path, craft(entries(gcode=lie))).code == "corrupt"


def test_bytes_hidden_behind_the_end_of_a_member(tmp_path: Path) -> None:
    data = sample_members()[GCODE]
    packed = zlib.compress(data)[2:-4] + b"hidden" * 10_000
    assert refused(tmp_path, craft(entries(gcode=Entry(GCODE, data, packed=packed)))).code == "corrupt"


def test_a_wrong_checksum_of_the_archive(tmp_path: Path) -> None:
    lie = Entry(GCODE, sample_members()[GCODE], claimed_crc=1)
    assert refused(tmp_path, craft(entries(gcode=lie))).code == "corrupt"


def test_a_wrong_md5(tmp_path: Path) -> None:
    for stated in (b"0" * 32, b"not a checksum", b"\xff" * 32):
        members = sample_members() | {f"{GCODE}.md5": stated}
        assert refused(tmp_path, pack(members)).code == "md5_mismatch"


def test_a_huge_md5_member(tmp_path: Path) -> None:
    members = sample_members() | {f"{GCODE}.md5": b"0" * 5000}
    assert refused(tmp_path, pack(members)).code == "too_large"


def test_thousands_of_entries(tmp_path: Path) -> None:
    extra = [Entry(f"Metadata/{number}", b"") for number in range(5000)]
    assert refused(tmp_path, craft(entries() + extra)).code == "too_many_entries"


def test_a_huge_table_of_contents(tmp_path: Path) -> None:
    extra = [Entry(f"Metadata/{number:0200}", b"") for number in range(10_000)]
    assert refused(tmp_path, craft(entries() + extra)).code == "too_many_entries"


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "Metadata/../../evil",
        "/etc/passwd",
        "Metadata\\evil",
        "C:/evil",
        "bad\x00name",
        "bad\nname",
        "a" * 300,
    ],
)
def test_names_that_point_outside(name: str, tmp_path: Path) -> None:
    assert refused(tmp_path, craft([*entries(), Entry(name, b"x")])).code == "bad_member"


@pytest.mark.parametrize("name", [GCODE, GCODE.upper()])
def test_two_members_of_one_name(name: str, tmp_path: Path) -> None:
    assert refused(tmp_path, craft([*entries(), Entry(name, b"G28\n")])).code == "bad_member"


def test_a_name_that_differs_between_the_headers(tmp_path: Path) -> None:
    lie = Entry(GCODE, sample_members()[GCODE], local_name="Metadata/plate_2.gcode")
    assert refused(tmp_path, craft(entries(gcode=lie))).code == "corrupt"


def test_a_symbolic_link(tmp_path: Path) -> None:
    link = Entry("Metadata/link", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)
    assert refused(tmp_path, craft([*entries(), link])).code == "bad_member"


def test_an_unusual_compression(tmp_path: Path) -> None:
    data = bytearray(craft([Entry(GCODE, b"G28\n", stored=True)]))
    data[8] = 14  # LZMA, in the local header
    data[data.index(b"PK\x01\x02") + 10] = 14
    assert refused(tmp_path, bytes(data)).code == "bad_member"


@pytest.mark.parametrize("flags", [0x1, 0x41, 0x2001])
def test_an_encrypted_member(flags: int, tmp_path: Path) -> None:
    secret = Entry(GCODE, b"G28\n", flags=flags)
    assert refused(tmp_path, craft(entries(gcode=secret))).code == "encrypted"


@pytest.mark.parametrize("name", ["inner.zip", "Metadata/inner.3MF", "Auxiliaries/a.tar.gz"])
def test_an_archive_within(name: str, tmp_path: Path) -> None:
    assert refused(tmp_path, craft([*entries(), Entry(name, b"x")])).code == "nested"


def test_an_archive_under_the_name_of_the_program(tmp_path: Path) -> None:
    inner = Entry(GCODE, pack({"a": b"b"}))
    assert refused(tmp_path, craft(entries(gcode=inner))).code == "nested"


def test_a_truncated_file(tmp_path: Path) -> None:
    data = craft(entries())
    for length in (0, 1, 21, 100, len(data) // 2, len(data) - 1):
        assert refused(tmp_path, data[:length]).code == "not_a_zip"


def test_a_file_that_lost_its_middle(tmp_path: Path) -> None:
    data = craft(entries())
    assert refused(tmp_path, data[:500] + data[3000:]).code == "corrupt"


def test_a_file_behind_another(tmp_path: Path) -> None:
    """Python finds the second one, a printer may find the first."""
    assert refused(tmp_path, craft(entries()) + craft(entries())).code == "corrupt"


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    """The bomb of overlapping members: one packed block, listed many times."""
    names = [f"Metadata/plate_{number}.gcode" for number in range(1, 40)]
    data = bytearray(craft([Entry(name, b"G28\n" * 99) for name in names]))
    place = data.index(b"PK\x01\x02")
    while place >= 0:
        data[place + 42 : place + 46] = bytes(4)
        place = data.find(b"PK\x01\x02", place + 1)
    assert refused(tmp_path, bytes(data)).code == "corrupt"


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
        b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><config a="&c;">&c;</config>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><config/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><config>&x;</config>',
        b"<config>" * 1000 + b"</config>" * 1000,
        b"<config>" + b"".join(b"<plate n='%x'/>" % (n * n) for n in range(110_000)) + b"</config>",
        b"<config><plate></config>",
        b"<config>&undeclared;</config>",
        b"",
        b"\x00\x01\x02",
        b"<config a='\xff'/>",
    ],
)
def test_hostile_xml(document: bytes, tmp_path: Path) -> None:
    began = time.process_time()
    assert refused(tmp_path, craft(entries(info=Entry(INFO, document)))).code == "bad_xml"
    assert time.process_time() - began < 2


def test_a_declared_encoding_selects_no_codec(tmp_path: Path) -> None:
    info = sample_members()[INFO].replace(b'encoding="UTF-8"', b'encoding="idna"')
    path = tmp_path / "codec.gcode.3mf"
    path.write_bytes(craft(entries(info=Entry(INFO, info))))
    assert read_threemf(path).model_id == "C12"


def test_a_header_line_made_to_be_slow(tmp_path: Path) -> None:
    lines = b"".join(b"; a" + b" " * 60_000 + b"b\n" for _ in range(3)) + b";" * 60_000
    path = tmp_path / "slow.gcode.3mf"
    path.write_bytes(craft(entries(gcode=Entry(GCODE, lines))))
    began = time.process_time()
    assert read_threemf(path).plates[0].gcode_bytes == len(lines)
    assert time.process_time() - began < 2


def test_a_huge_picture(tmp_path: Path) -> None:
    path = tmp_path / "picture.gcode.3mf"
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400
    path.write_bytes(pack(sample_members() | {"Metadata/plate_1.png": picture}))
    assert read_thumbnail(path, 1) == picture
    with pytest.raises(ThreeMFError) as caught:
        read_thumbnail(path, 1, "large", Limits(thumbnail_bytes=100_000))
    assert caught.value.code == "too_large"
