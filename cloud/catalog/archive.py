"""A zip archive from a stranger: members are streamed under limits, and checked to their last byte.

The directory is read by `zipfile`; members are inflated here, because `zipfile` stops at the size that the
header claims and so never sees what lies behind it. Nothing is ever extracted to disk.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Final, Self

import msgspec

_CHUNK: Final = 64 * 1024
_LOCAL_HEADER: Final = struct.Struct("<4s5H3I2H")
_LOCAL_SIGNATURE: Final = b"PK\x03\x04"
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_MAX_NAME: Final = 255
_ARCHIVES: Final = frozenset(
    {
        ".zip",
        ".3mf",
        ".7z",
        ".rar",
        ".gz",
        ".tgz",
        ".tar",
        ".bz2",
        ".xz",
        ".zst",
        ".jar",
        ".lz4",
    }
)
# Whatever zipfile raises for a directory that is not what it should be.
_DIRECTORY_ERRORS: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    struct.error,
    NotImplementedError,
    ValueError,
    OverflowError,
    LookupError,
    EOFError,
)


class ThreeMFError(Exception):
    """The file was refused: a code for programs and one sentence for the person who uploaded it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds that hold while reading, whatever the headers claim. Bytes unless said otherwise."""

    file_bytes: int = 1 << 30
    """Slicers refuse to send more (reference/bambu.md §4.4)."""
    entries: int = 2000
    directory_bytes: int = 1 << 20
    total_bytes: int = 2 << 30
    """Inflated bytes of all members that are read."""
    document_bytes: int = 8 << 20
    """One XML or JSON member; real ones are below 100 kB."""
    thumbnail_bytes: int = 4 << 20
    ratio: int = 300
    """Inflated to compressed. Simple parts repeat their layers and reach 50; zeros reach 1030."""
    ratio_floor: int = 1 << 20
    """The ratio is not looked at below this size."""


class _Source:
    """The open file, as `zipfile` and the inflater see it: counts bytes and refuses huge reads."""

    def __init__(self, raw: BinaryIO, size: int, most: int) -> None:
        self._raw = raw
        self._size = size
        self._most = most
        self.consumed = 0

    def read(self, size: int = -1) -> bytes:
        unbounded = size < 0 or size > self._most
        if unbounded and self._size - self._raw.tell() > self._most:
            raise ThreeMFError("too_many_entries", "The file's table of contents is too large.")
        data = self._raw.read(size)
        self.consumed += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and not 0 <= offset <= self._size:
            raise _corrupt("its table of contents does not match")
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._raw.close()


def _corrupt(why: str) -> ThreeMFError:
    return ThreeMFError("corrupt", f"The file is damaged ({why}). Export it again and upload that.")


def _bad_member(why: str) -> ThreeMFError:
    return ThreeMFError("bad_member", f"The file holds {why}, which no slicer writes.")


def _check_entry(info: zipfile.ZipInfo) -> None:
    """Refuse an entry that could harm whoever unpacks the file later: the printer, or a person."""
    name = info.orig_filename
    path = PurePosixPath(name)
    if name != info.filename or not name or len(name) > _MAX_NAME or any(ord(c) < 32 or c == "\x7f" for c in name):
        raise _bad_member("a member with an impossible name")
    if "\\" in name or ":" in name or path.is_absolute() or ".." in path.parts:
        raise _bad_member("a member that points outside the archive")
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _bad_member("a link or a device")
    if info.flag_bits & _ENCRYPTED:
        raise ThreeMFError("encrypted", "The file is encrypted; upload it without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _bad_member("a member with an unusual compression")
    if path.suffix.lower() in _ARCHIVES:
        raise ThreeMFError("nested", "The file holds another archive; upload that one by itself.")


def _check_places(entries: list[zipfile.ZipInfo], end: int) -> None:
    """Members lie one behind the other from the file's first byte: nothing overlaps, nothing was cut out."""
    free = 0
    for info in sorted(entries, key=lambda entry: entry.header_offset):
        if info.header_offset < free or (free == 0 and info.header_offset != 0):
            raise _corrupt("its table of contents does not match")
        free = info.header_offset + _LOCAL_HEADER.size + info.compress_size
    if free > end:
        raise _corrupt("its table of contents does not match")


class Archive:
    """An open archive whose directory has been checked. Use as a context manager.

    Raises ThreeMFError for every fault of the file, OSError only for faults of the disk.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._limits = limits
        self._produced = 0
        size = path.stat().st_size
        if size > limits.file_bytes:
            raise ThreeMFError("too_large", f"The file is larger than {limits.file_bytes >> 20} MB.")
        raw = path.open("rb")
        try:
            self._source = _Source(raw, size, max(limits.directory_bytes, _CHUNK * 2))
            self._members = self._read_directory()
        except BaseException:
            raw.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._source.close()

    @property
    def names(self) -> frozenset[str]:
        """Names of all members."""
        return frozenset(self._members)

    def _read_directory(self) -> dict[str, zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self._source) as directory:
                entries: list[zipfile.ZipInfo] = directory.infolist()
                end = directory.start_dir
        except _DIRECTORY_ERRORS as error:
            raise ThreeMFError("not_a_zip", "This is not a 3MF file, or only a part of one.") from error
        if len(entries) > self._limits.entries:
            raise ThreeMFError(
                "too_many_entries",
                f"The file has more than {self._limits.entries} members.",
            )
        _check_places(entries, end)
        members: dict[str, zipfile.ZipInfo] = {}
        seen: set[str] = set()
        for info in entries:
            _check_entry(info)
            if info.filename.casefold() in seen:
                raise _bad_member("two members of one name")
            seen.add(info.filename.casefold())
            members[info.filename] = info
        return members

    def stream(self, name: str, most: int) -> Iterator[bytes]:
        """The member's bytes in chunks of at most 64 KiB; raises KeyError when there is none.

        Its end is reached only when length, checksum and compressed length are all as declared.
        """
        info = self._members[name]
        self._seek_data(info)
        produced, crc, started = 0, 0, self._source.consumed
        for chunk in self._chunks(info):
            produced += len(chunk)
            self._produced += len(chunk)
            consumed = self._source.consumed - started
            self._check(name, produced, consumed, most)
            crc = zlib.crc32(chunk, crc)
            yield chunk
        if produced != info.file_size or crc != info.CRC:
            raise _corrupt(f"the checksum of {name} is wrong")

    def read(self, name: str, most: int) -> bytes:
        """The whole member, at most `most` bytes of it; raises KeyError when there is none."""
        return b"".join(self.stream(name, most))

    def _check(self, name: str, produced: int, consumed: int, most: int) -> None:
        limits = self._limits
        if produced > most or self._produced > limits.total_bytes:
            raise ThreeMFError("too_large", f"{name} is larger than a print file may be.")
        if produced > limits.ratio_floor and produced > limits.ratio * max(consumed, 1):
            raise ThreeMFError("ratio", f"{name} unpacks to far more than a print file does.")

    def _seek_data(self, info: zipfile.ZipInfo) -> None:
        self._source.seek(info.header_offset)
        header = self._source.read(_LOCAL_HEADER.size)
        if len(header) != _LOCAL_HEADER.size:
            raise _corrupt("it ends too early")
        signature, _, flags, method, *_, name_size, extra_size = _LOCAL_HEADER.unpack(header)
        if signature != _LOCAL_SIGNATURE or method != info.compress_type:
            raise _corrupt("its table of contents does not match")
        if flags & _ENCRYPTED:
            raise ThreeMFError("encrypted", "The file is encrypted; upload it without a password.")
        coding = "utf-8" if flags & 0x800 else "cp437"
        if self._source.read(name_size).decode(coding, "replace") != info.orig_filename:
            raise _corrupt("its table of contents does not match")
        self._source.seek(extra_size, 1)

    def _chunks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        if info.compress_type == zipfile.ZIP_STORED:
            yield from self._packed(info.compress_size)
            return
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self._packed(info.compress_size):
                if inflater.eof:
                    raise _corrupt(f"{info.filename} does not end where it should")
                data = packed
                while data and not inflater.eof:
                    yield inflater.decompress(data, _CHUNK)
                    data = inflater.unconsumed_tail
            while not inflater.eof and (chunk := inflater.decompress(b"", _CHUNK)):
                yield chunk
        except zlib.error as error:
            raise _corrupt(f"{info.filename} cannot be unpacked") from error
        if not inflater.eof or inflater.unused_data:
            raise _corrupt(f"{info.filename} does not end where it should")

    def _packed(self, size: int) -> Iterator[bytes]:
        while size > 0:
            data = self._source.read(min(size, _CHUNK // 4))
            if not data:
                raise _corrupt("it ends too early")
            size -= len(data)
            yield data
