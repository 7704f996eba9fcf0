"""The microSD card or USB stick: a folder that FTPS serves and prints are started from."""

from __future__ import annotations

import hashlib
import posixpath
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DIRECTORIES = ("cache", "model", "timelapse", "image", "logger")
_ILLEGAL = set('<>:"\\|?*')
_LONGEST_NAME = 255


class StorageError(Exception):
    """A refusal with the FTP reply code that goes with it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Entry:
    """One file or directory: virtual absolute path, size in bytes, modification time in Unix seconds."""

    path: str
    is_directory: bool
    size: int
    modified: float


class Storage:
    """Virtual paths ("/cache/x.3mf") on a real folder that never lets anyone out of itself."""

    def __init__(self, root: Path, capacity: int) -> None:
        self.root = root
        self.capacity = capacity
        for name in DIRECTORIES:
            (root / name).mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """As freshly formatted: only the usual directories."""
        shutil.rmtree(self.root)
        for name in DIRECTORIES:
            (self.root / name).mkdir(parents=True)

    def absolute(self, path: str, cwd: str = "/") -> str:
        """Normalise a virtual path; `..` stops at the root."""
        return posixpath.normpath("/" + posixpath.join(cwd, path).lstrip("/"))

    def local(self, path: str) -> Path:
        """The real path of a virtual absolute one."""
        return self.root / self.absolute(path).lstrip("/")

    def check_name(self, path: str) -> None:
        """553 for names a FAT card cannot hold."""
        name = posixpath.basename(path)
        bad = (
            not name
            or len(name.encode()) > _LONGEST_NAME
            or name[-1] in ". "
            or any(letter in _ILLEGAL or ord(letter) < 32 for letter in name)
        )
        if bad:
            raise StorageError(553, "Could not create file.")

    def is_file(self, path: str) -> bool:
        return self.local(path).is_file()

    def is_directory(self, path: str) -> bool:
        return self.local(path).is_dir()

    def size(self, path: str) -> int:
        if not self.is_file(path):
            raise StorageError(550, "Could not get file size.")
        return self.local(path).stat().st_size

    def list(self, path: str) -> list[Entry]:
        """A directory's entries by name, or the file itself; 550 when there is neither."""
        target = self.local(path)
        if target.is_file():
            return [self._entry(target)]
        if not target.is_dir():
            raise StorageError(550, "No such directory.")
        return [self._entry(child) for child in sorted(target.iterdir())]

    def delete(self, path: str) -> None:
        if not self.is_file(path):
            raise StorageError(550, "Delete operation failed.")
        self.local(path).unlink()

    def make_directory(self, path: str) -> None:
        self.check_name(path)
        try:
            self.local(path).mkdir()
        except OSError as error:
            raise StorageError(550, "Create directory operation failed.") from error

    def remove_directory(self, path: str) -> None:
        try:
            self.local(path).rmdir()
        except OSError as error:
            raise StorageError(550, "Remove directory operation failed.") from error

    def rename(self, source: str, target: str) -> None:
        self.check_name(target)
        try:
            self.local(source).rename(self.local(target))
        except OSError as error:
            raise StorageError(550, "Rename failed.") from error

    def put(self, path: str, source: Path) -> None:
        """Copy a local file onto the storage (for files that are there from the start)."""
        self.check_name(path)
        self.local(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, self.local(path))

    def used(self) -> int:
        return sum(entry.size for entry in self.files())

    def free(self) -> int:
        return max(0, self.capacity - self.used())

    def files(self) -> Iterator[Entry]:
        """Every file, in order of path."""
        for child in sorted(self.root.rglob("*")):
            if child.is_file():
                yield self._entry(child)

    def sha256(self, path: str) -> str:
        with self.local(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _entry(self, local: Path) -> Entry:
        status = local.stat()
        path = "/" + local.relative_to(self.root).as_posix()
        return Entry(path, local.is_dir(), 0 if local.is_dir() else status.st_size, status.st_mtime)
