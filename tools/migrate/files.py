"""The old files: found by several rules, kept under their hash, and proved to be the same bytes."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from cloud.catalog import pictures
from cloud.catalog.archive import ThreeMFError
from cloud.catalog.reading import ThreeMFReader
from cloud.errors import DomainError
from cloud.printing.filaments import Needed
from cloud.storage.files_folder import BlobStore, NoSpaceError, TooLargeError
from tools.migrate.report import Report
from tools.migrate.source import Old, Source
from tools.migrate.values import usable_id

ENDINGS: Final = (".gcode.3mf", ".3mf", ".gcode", ".stl", ".obj", ".amf")
PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp")
LIMIT: Final = 4 * 2**30
LARGEST_PICTURE: Final = 64 * 2**20
CHUNK: Final = 2**20


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A file that came along."""

    name: str
    """What it was called."""
    sha256: str
    size: int
    type: str | None = None
    """Of a picture."""
    plates: str = "[]"
    plate: int = 1
    """Its first one."""
    nozzle: float | None = None
    filaments: str = "[]"
    """Of its first plate, as a job needs them."""
    flags: str = "[]"
    model: str | None = None
    problem: str = ""
    """Why it cannot be printed."""


class Mover:
    """Looks in `folder`; keeps in `blobs`, or, when that is None, only looks."""

    def __init__(self, folder: Path | None, blobs: BlobStore | None, report: Report) -> None:
        self._blobs = blobs
        self._report = report
        self._reader = ThreeMFReader()
        self._folder = folder
        self._farms: set[str] = set()
        self._by_name: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")) if folder is not None else ():
            if path.is_file() and not path.is_symlink():
                self._by_name.setdefault(path.name, []).append(path)

    async def run(self, source: Source) -> dict[tuple[str, str], Kept]:
        """(table, id) -> what became of its file; nothing where there is none."""
        found: dict[tuple[str, str], Kept] = {}
        self._farms = {str(tenant) for tenant in source.tenants() if tenant is not None}
        try:
            for table in ("print_files", "products"):
                for old in source.rows(table):
                    key = usable_id(old.get("id"))
                    path = None if key is None else self._find(table, key, old)
                    kept = None if path is None else await self._move(table, str(key), path)
                    if kept is not None:
                        found[table, str(key)] = kept
        finally:
            await self._reader.close()
        return found

    def _find(self, table: str, key: str, old: Old) -> Path | None:
        """By what the row says, then by its id, then by its name when only one file has it."""
        names, mine = list(_names(table, key, old)), str(old.get("tenant_id"))
        others = self._farms - {mine}
        for name in names:
            paths = [path for path in self._by_name.get(name, []) if others.isdisjoint(self._inside(path))]
            paths = [path for path in paths if mine in self._inside(path)] or paths
            if paths and (len(paths) == 1 or name != names[-1]):
                return paths[0]
        return None

    def _inside(self, path: Path) -> tuple[str, ...]:
        """The folders below files/ that lead to it."""
        return path.relative_to(self._folder).parts[:-1] if self._folder is not None else ()

    async def _move(self, table: str, key: str, path: Path) -> Kept | None:
        try:
            digest, size = await asyncio.to_thread(_hashed, path)
            if table == "products" and size > LARGEST_PICTURE:
                self._report.tell("missing", table, key, "picture cannot be used: it is too large")
                return None
            if self._blobs is not None and not await asyncio.to_thread(whole, self._blobs, digest):
                await self._keep(self._blobs, path, digest)
            kept = Kept(name=path.name, sha256=digest, size=size)
            return await (self._picture(key, path, kept) if table == "products" else self._read(path, kept))
        except (OSError, ValueError) as error:
            self._report.tell("missing", table, key, f"file cannot be read: {getattr(error, 'strerror', error)}")
        except NoSpaceError:
            self._report.tell("missing", table, key, "no space is left for its file: make some, and run it again")
        except TooLargeError:
            self._report.tell("missing", table, key, f"file is larger than {LIMIT} bytes")
        return None

    async def _read(self, path: Path, kept: Kept) -> Kept:
        try:
            sliced = await self._reader.read(path)
        except ThreeMFError as error:
            return msgspec.structs.replace(kept, flags='["unreadable"]', problem=error.sentence)
        first = sliced.plates[0] if sliced.plates else None
        needed = [
            Needed(slot=one.slot, type=one.type, color=one.color, grams=one.grams, profile=one.profile)
            for one in (first.filaments if first else ())
        ]
        return msgspec.structs.replace(
            kept,
            plate=first.index if first else 1,
            nozzle=first.nozzle_diameters[0] if first and first.nozzle_diameters else None,
            plates=msgspec.json.encode(sliced.plates).decode(),
            filaments=msgspec.json.encode(needed).decode(),
            flags=msgspec.json.encode(sliced.flags).decode(),
            model=(first.model_id if first else None) or sliced.model_id,
        )

    async def _picture(self, key: str, path: Path, kept: Kept) -> Kept | None:
        try:
            kind = pictures.recognise(await asyncio.to_thread(path.read_bytes)).type
        except DomainError as error:
            self._report.tell("missing", "products", key, f"picture cannot be used: {error.sentence}")
            return None
        return msgspec.structs.replace(kept, type=kind)

    async def _keep(self, blobs: BlobStore, path: Path, digest: str) -> None:
        async with blobs.incoming(LIMIT) as incoming:
            with path.open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK):
                    await incoming.write(chunk)
            await incoming.finish()
            await incoming.keep()
        # Read back from the disk: what was written is what was read, or the row says that its file is missing.
        if (await asyncio.to_thread(_hashed, blobs.path(digest)))[0] != digest:
            raise OSError(0, "the copy differs from the original")


def _names(table: str, key: str, old: Old) -> Iterator[str]:
    said = old.get("local_file_path" if table == "print_files" else "image_url")
    if isinstance(said, str) and said:
        yield PurePosixPath(said.replace("\\", "/")).name
    for ending in ENDINGS if table == "print_files" else PICTURES:
        yield f"{key}{ending}"
    if table == "print_files" and isinstance(old.get("name"), str):
        yield str(old["name"])


def whole(blobs: BlobStore, digest: str) -> bool:
    """Whether these bytes are kept already, every one of them; what is kept of them otherwise is removed."""
    if not blobs.exists(digest):
        return False
    try:
        if _hashed(blobs.path(digest))[0] == digest:
            return True
    except OSError:
        pass  # the disk cannot read what it wrote
    blobs.delete(digest)
    return False


def _hashed(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()
