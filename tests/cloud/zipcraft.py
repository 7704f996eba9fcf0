"""Archives for tests: ordinary ones from members, and ones that no honest program writes."""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.sample_file import SampleSpec, build_sample

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "files"


def real_sample(name: str) -> Path:
    """A file from a real slicer; the test is skipped where the samples are not there."""
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"NO SAMPLES: {path} is missing, a reading of a real slicer's file is not tested")
    return path


def members_of(data: bytes) -> dict[str, bytes]:
    """Names and contents, in order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def pack(members: dict[str, bytes]) -> bytes:
    """An honest archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def sample_members(spec: SampleSpec | None = None) -> dict[str, bytes]:
    """Members of a small generated file."""
    return members_of(build_sample(spec or SampleSpec(layers=3)))


@dataclass
class Entry:
    """One member, with whatever its headers shall claim; None means the truth."""

    name: str
    data: bytes
    stored: bool = False
    flags: int = 0
    claimed_size: int | None = None
    claimed_crc: int | None = None
    claimed_packed: int | None = None
    local_name: str | None = None
    mode: int = 0
    packed: bytes | None = None


def craft(entries: list[Entry]) -> bytes:
    """An archive written by hand, header by header."""
    body, directory = bytearray(), bytearray()
    for entry in entries:
        raw = entry.packed if entry.packed is not None else _deflated(entry)
        size = len(entry.data) if entry.claimed_size is None else entry.claimed_size
        crc = zlib.crc32(entry.data) if entry.claimed_crc is None else entry.claimed_crc
        packed = len(raw) if entry.claimed_packed is None else entry.claimed_packed
        name = entry.name.encode()
        local = name if entry.local_name is None else entry.local_name.encode()
        method = 0 if entry.stored else 8
        common = (20, entry.flags, method, 0, 0x5C83, crc, packed, size)
        offset = len(body)
        body += struct.pack("<4s5H3I2H", b"PK\x03\x04", *common, len(local), 0) + local + raw
        directory += struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", 20, *common, len(name), 0, 0, 0, 0, entry.mode << 16, offset
        )
        directory += name
    count = len(entries)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + end)


def _deflated(entry: Entry) -> bytes:
    if entry.stored:
        return entry.data
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(entry.data) + packer.flush()
