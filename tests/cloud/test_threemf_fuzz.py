"""Whatever bytes arrive: either a file, or a ThreeMFError, and soon."""

import time
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.catalog.sliced import SlicedFile
from cloud.catalog.threemf import ThreeMFError, read_threemf, read_thumbnail
from tests.cloud.zipcraft import pack, sample_members

INFO = "Metadata/slice_info.config"
# Without most pictures, so that the flips hit what is read.
MEMBERS = {
    name: data
    for name, data in sample_members().items()
    if not name.endswith(".png") or name == "Metadata/plate_1_small.png"
}
SMALL = pack(MEMBERS)
bounded = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def attempt(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "fuzz.gcode.3mf"
    path.write_bytes(data)
    began = time.process_time()
    try:
        assert isinstance(read_threemf(path), SlicedFile)
    except ThreeMFError as error:
        assert error.code
        assert error.sentence
    try:
        read_thumbnail(path, 1, "small")
    except ThreeMFError as error:
        assert error.code
    assert time.process_time() - began < 2


@bounded
@given(flips=st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(1, 255)), min_size=1, max_size=8))
def test_flipped_bytes(flips: list[tuple[int, int]], tmp_path: Path) -> None:
    data = bytearray(SMALL)
    for place, mask in flips:
        data[place] ^= mask
    attempt(tmp_path, bytes(data))


@bounded
@given(back=st.integers(1, 1700), value=st.integers(0, 255))
def test_flipped_bytes_of_the_directory(back: int, value: int, tmp_path: Path) -> None:
    """The directory is the last part, and where most of the reader's trust would be."""
    data = bytearray(SMALL)
    data[-back] = value
    attempt(tmp_path, bytes(data))


@bounded
@given(start=st.integers(0, len(SMALL)), end=st.integers(0, len(SMALL)), fill=st.binary(max_size=40))
def test_cut_and_replaced(start: int, end: int, fill: bytes, tmp_path: Path) -> None:
    attempt(tmp_path, SMALL[: min(start, end)] + fill + SMALL[max(start, end) :])


@bounded
@given(data=st.binary(max_size=300))
def test_any_bytes(data: bytes, tmp_path: Path) -> None:
    attempt(tmp_path, data)
    attempt(tmp_path, data + b"PK\x05\x06" + bytes(18))


@bounded
@given(
    place=st.integers(0, len(MEMBERS[INFO])),
    text=st.one_of(st.binary(max_size=30), st.sampled_from([b"<plate>", b'"/>', b"&amp;", b"<!DOCTYPE x>", b"]]>"])),
    member=st.sampled_from(
        [INFO, "Metadata/project_settings.config", "Metadata/plate_1.gcode", "Metadata/plate_1.json"]
    ),
)
def test_edited_documents_in_a_sound_archive(place: int, text: bytes, member: str, tmp_path: Path) -> None:
    """Checksums are right here, so the parsers see the damage."""
    original = MEMBERS[member]
    edited = original[:place] + text + original[place + len(text) :]
    members = {name: data for name, data in MEMBERS.items() if not name.endswith(".md5")}
    attempt(tmp_path, pack(members | {member: edited}))


@bounded
@given(value=st.text(max_size=20).map(lambda text: text.replace('"', "").replace("<", "").replace("&", "")))
def test_any_value_in_slice_info(value: str, tmp_path: Path) -> None:
    info = MEMBERS[INFO].decode()
    for old in ("C12", "600", "12.50", "200", "#1F8B4C", "0.4", "true", "PLA"):
        info = info.replace(f'"{old}"', f'"{value}"')
    attempt(tmp_path, pack(MEMBERS | {INFO: info.encode("utf-8", "surrogatepass")}))
