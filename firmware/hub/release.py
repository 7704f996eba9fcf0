"""A release on its way into a slot: the signed list of its files, and the slot made equal to that list.

A manifest is two lines: the signature in hexadecimal, and the JSON that is signed, {"version", "target", "files":
{path: [sha256, size]}}, "mpy": the version of compiled modules its files have, "image": [version, sha256, size,
machine] when it brings a MicroPython, and "downgrade": true when it may replace a newer one. Nothing here knows where
bytes come from.
"""

import asyncio
import hashlib
import json
import os
from binascii import hexlify, unhexlify

from hub.flash import exists, make_folder
from lib.rsa import verify

MAX_MANIFEST = 16 * 1024
_MAX_FILES = 200
_MAX_FILE = 512 * 1024
_MAX_IMAGE = 8 * 1024 * 1024
_PIECE = 2048
_SPARE_BLOCKS = 8
"""What stays free: folders, and whatever else the hub writes meanwhile."""

_START = "hub/start.mpy"
_PATH = b"abcdefghijklmnopqrstuvwxyz0123456789_/."


class UpdateError(Exception):
    """The update is not made. `code` for programs, the text for a person."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def open_manifest(body: bytes, keys: "tuple[str, ...]") -> "dict":  # type: ignore[type-arg]
    """The manifest, once its signature is that of one of `keys` (hexadecimal moduli). Raises UpdateError."""
    if not keys:
        raise UpdateError("no_key", "this hub was built without a release key and takes no updates over the air")
    end = body.find(b"\n")
    try:
        signature = unhexlify(body[: max(end, 0)])
    except ValueError:
        signature = b""
    text = body[end + 1 :]
    digest = hashlib.sha256(text).digest()
    if not any(verify(int(key, 16), signature, digest) for key in keys):
        raise UpdateError("bad_signature", "the release is not signed by a key that this hub knows")
    try:
        manifest = json.loads(text)
        _check_shape(manifest)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError):
        raise UpdateError("bad_manifest", "the release's list of files makes no sense")
    return manifest


def _check_shape(manifest: "dict") -> None:  # type: ignore[type-arg]
    files = manifest["files"]
    version_of(manifest["version"])
    if not 0 < len(files) <= _MAX_FILES or _START not in files:
        raise ValueError
    for path, (sha, size) in files.items():
        if not _plain(path):
            raise ValueError
        _check_file(sha, size, _MAX_FILE)
    if "image" in manifest:
        version, sha, size, _ = manifest["image"]
        version_of(version)
        _check_file(sha, size, _MAX_IMAGE)


def _check_file(sha: str, size: int, most: int) -> None:
    if len(unhexlify(sha)) != 32 or sha != sha.lower() or not 0 <= size <= most:
        raise ValueError


def _plain(path: str) -> bool:
    """Relative, and within its folder."""
    whole = 0 < len(path) <= 80 and all(byte in _PATH for byte in path.encode())
    return whole and path[0] != "/" and ".." not in path and "//" not in path


def version_of(text: str) -> "tuple[int, ...]":
    """1.2.3 as (1, 2, 3), for comparing. Raises ValueError for anything else."""
    return tuple([int(part) for part in text.split(".")])


def check(manifest: "dict", version: str, target: str, running: str) -> None:  # type: ignore[type-arg]
    """Whether this is the release that was asked for, fit for this board, and no step back. Raises UpdateError."""
    if manifest["version"] != version:
        raise UpdateError("wrong_version", "the cloud sent release %s instead" % manifest["version"])
    if manifest["target"] != target:
        raise UpdateError("wrong_target", "the release is for %s, this board is %s" % (manifest["target"], target))
    older = version_of(version) < version_of(running)
    if older and manifest.get("downgrade") is not True:
        raise UpdateError("downgrade", "%s is older than %s, and not signed as a step back" % (version, running))


class Installation:
    """Makes the slot that does not run equal to a manifest. Whenever it is cut, doing it again ends it."""

    def __init__(self, slots, manifest: "dict") -> None:  # type: ignore[type-arg, no-untyped-def]
        self._slots = slots
        self._manifest = manifest
        self._files: "dict[str, list]" = manifest["files"]  # type: ignore[type-arg]
        self.slot = "app_b" if slots.running == "app_a" else "app_a"
        self._folder = slots.folder(self.slot)
        self._piece = bytearray(_PIECE)

    async def prepare(self) -> "list[str]":
        """Tidy the slot up, and copy what the running release has already. Returns the paths still to be fetched.

        Raises UpdateError when there is no room.
        """
        self._forget_slot()
        make_folder(self._folder)
        self._remove_stale(self._folder, "")
        copied: "list[str]" = []
        missing: "list[str]" = []
        for path in sorted(self._files):
            if await self._is_right(self._folder, path):
                continue
            if exists(self._folder + "/" + path):
                os.remove(self._folder + "/" + path)
            same = await self._is_right(self._slots.folder(self._slots.running), path)
            (copied if same else missing).append(path)
        self._check_room(copied + missing)
        for path in copied:
            await self._copy(path)
        return missing

    def _forget_slot(self) -> None:
        """From here on the slot is no application: nobody may fall back to it."""
        pointer = self._slots.pointer
        if pointer["slot"] == self.slot:
            raise UpdateError("flash", "the flash does not take which slot runs; restart the hub")
        if pointer.get("before") == self.slot:
            self._slots.write({k: v for k, v in pointer.items() if not k.startswith("before")})

    def _remove_stale(self, folder: str, prefix: str) -> bool:
        """Remove what the release does not have; true when nothing is left of the folder's content."""
        empty = True
        for name in os.listdir(folder):
            path = folder + "/" + name
            if os.stat(path)[0] & 0x4000:
                if self._remove_stale(path, prefix + name + "/"):
                    os.rmdir(path)
                    continue
            elif prefix + name not in self._files:
                os.remove(path)
                continue
            empty = False
        return empty

    def _check_room(self, paths: "list[str]") -> None:
        stat = os.statvfs(self._slots.root + "/")
        block, free = stat[1], stat[3]
        needed = sum([(self._files[path][1] + block - 1) // block for path in paths]) + _SPARE_BLOCKS
        if needed > free:
            sizes = (needed * block // 1024, free * block // 1024)
            raise UpdateError("no_space", "the release needs %d KiB of flash, %d are free" % sizes)

    async def _is_right(self, folder: str, path: str) -> bool:
        """Whether a file is there, with the content that the manifest names."""
        sha, size = self._files[path]
        name = folder + "/" + path
        if not exists(name) or os.stat(name)[6] != size:
            return False
        digest = hashlib.sha256()
        with open(name, "rb") as file:
            while True:
                got = file.readinto(self._piece)
                if not got:
                    break
                digest.update(memoryview(self._piece)[:got])
                await asyncio.sleep_ms(0)
        return hexlify(digest.digest()).decode() == sha

    async def _copy(self, path: str) -> None:
        with open(self._slots.folder(self._slots.running) + "/" + path, "rb") as source, self.sink(path) as sink:
            while True:
                got = source.readinto(self._piece)
                if not got:
                    break
                sink.write(memoryview(self._piece)[:got])
                await asyncio.sleep_ms(0)
            sink.finish()

    def size(self, path: str) -> int:
        """Bytes of a file of the release."""
        return self._files[path][1]

    def sha(self, path: str) -> str:
        """SHA-256 of a file of the release."""
        return self._files[path][0]

    def sink(self, path: str) -> "Sink":
        """Where the bytes of a file go. A context manager; verified by its `finish`."""
        parts = path.split("/")[:-1]
        for depth in range(len(parts)):
            make_folder(self._folder + "/" + "/".join(parts[: depth + 1]))
        return Sink(self._folder + "/" + path, *self._files[path])

    async def switch(self, running: str, image: str = "") -> None:
        """Last of all: every file read once more, and the pointer. `running` is the version to fall back to, `image`
        the partition with the MicroPython that the release is for, when it brings one.
        """
        for path in sorted(self._files):
            if not await self._is_right(self._folder, path):
                raise UpdateError("flash", "%s on the flash is not what was written" % path)
        self._slots.memory.count(0)
        self._slots.blame("")
        pointer = {"slot": self.slot, "version": self._manifest["version"], "state": "testing"}
        pointer["before"] = self._slots.running
        pointer["before_version"] = running
        if image:
            pointer["image"] = image
        self._slots.write(pointer)


class Sink:
    """One file being written: never more bytes than it should have, and its hash compared at the end."""

    def __init__(self, name: str, sha: str, size: int) -> None:
        self._name = name
        self._sha = sha
        self._left = size
        self._digest = hashlib.sha256()
        self._file = open(name, "wb")  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, kind, error, trace) -> None:  # type: ignore[no-untyped-def]
        self._file.close()

    def write(self, piece: "bytes | memoryview") -> None:
        """Raises UpdateError when there is more than there should be, OSError when the flash takes nothing."""
        self._left -= len(piece)
        if self._left < 0:
            raise UpdateError("corrupt", "%s is longer than it should be" % self._name)
        self._digest.update(piece)
        try:
            self._file.write(piece)
        except OSError as error:
            raise UpdateError("flash", "%s cannot be written: %r" % (self._name, error))

    def finish(self) -> None:
        """All bytes came. Raises UpdateError when they are not those that were signed."""
        self._file.close()
        if self._left or hexlify(self._digest.digest()).decode() != self._sha:
            raise UpdateError("corrupt", "%s arrived damaged" % self._name)
