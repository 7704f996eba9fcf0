"""Releases of the hubs' firmware: taken in from a file that tools.release made."""

import hashlib
import re
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec

from cloud.storage import releases as queries
from cloud.storage.errors import ConflictError
from cloud.storage.files_folder import BlobStore
from cloud.storage.releases import Channel
from cloud.storage.store import Store

MAX_FILE: Final = 512 * 1024
MAX_IMAGE: Final = 8 * 1024 * 1024
MAX_MANIFEST: Final = 16 * 1024
"""What a hub takes."""
MAX_ALL: Final = 64 * 1024 * 1024
MAX_ENTRIES: Final = 1000

_TOO_MUCH: Final = "It has more, or larger, files than a hub takes."

_VERSION: Final = re.compile(r"\d{1,6}(\.\d{1,6}){1,3}")
_TARGET: Final = re.compile(r"[a-z0-9_]{1,16}")
_SIGNATURE: Final = re.compile(rb"[0-9a-f]{512,1024}")

Size = Annotated[int, msgspec.Meta(ge=0, le=MAX_FILE)]
ImageSize = Annotated[int, msgspec.Meta(ge=1, le=MAX_IMAGE)]
Version = Annotated[str, msgspec.Meta(pattern=r"^\d{1,6}(\.\d{1,6}){1,3}\Z")]
Machine = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Sha = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class ReleaseFileError(ValueError):
    """The file is no release; the message says what is wrong with it."""


class Manifest(msgspec.Struct, frozen=True):
    """What is signed."""

    version: str
    target: str
    files: dict[str, tuple[Sha, Size]]
    mpy: int = 6
    """The version of compiled modules its files have."""
    image: tuple[Version, Sha, ImageSize, Machine] | None = None
    """A MicroPython: its version, the file, and which builds of that kind of board take it."""
    downgrade: bool = False


class ReleaseFile(msgspec.Struct, frozen=True):
    """A release file, read and checked."""

    version: str
    manifests: dict[str, tuple[str, int, str]]
    """Target -> the signed manifest, bytes of all its files, and the MicroPython it brings or ""."""
    files: dict[str, bytes]
    """By SHA-256."""


def version_of(text: str) -> tuple[int, ...]:
    """1.2.3 as (1, 2, 3), for comparing; () for what is no version, which is older than everything."""
    return tuple(int(part) for part in text.split(".")) if _VERSION.fullmatch(text) else ()


def read_release(path: Path) -> ReleaseFile:
    """Read and check a release file. The signature is for the hubs to check: the keys are theirs.

    Raises ReleaseFileError, OSError.
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            entries = {info.filename: info for info in bundle.infolist()}
            sizes = [info.file_size for info in entries.values()]
            if len(entries) > MAX_ENTRIES or max(sizes, default=0) > MAX_IMAGE or sum(sizes) > MAX_ALL:
                raise ReleaseFileError(_TOO_MUCH)
            content = {name: bundle.read(info) for name, info in entries.items()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ReleaseFileError(f"It is not a whole ZIP file: {error}") from None
    files = {name.removeprefix("files/"): data for name, data in content.items() if name.startswith("files/")}
    for sha256, data in files.items():
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ReleaseFileError(f"files/{sha256[:80]} is damaged.")
    manifests = {
        name.removeprefix("manifests/"): data for name, data in content.items() if name.startswith("manifests/")
    }
    return _checked(manifests, files)


def _checked(signed: Mapping[str, bytes], files: dict[str, bytes]) -> ReleaseFile:
    versions: set[str] = set()
    manifests: dict[str, tuple[str, int, str]] = {}
    images: set[str] = set()
    for target, data in signed.items():
        manifest = _manifest(target, data)
        for path, (sha256, size) in manifest.files.items():
            if len(files.get(sha256, b"")) != size or sha256 not in files:
                raise ReleaseFileError(f"The file {path[:80]} of {target} is missing.")
        total = sum(size for _, size in manifest.files.values())
        if manifest.image is not None:
            _, sha256, size, _ = manifest.image
            if len(files.get(sha256, b"")) != size:
                raise ReleaseFileError(f"The MicroPython of {target} is missing.")
            images.add(sha256)
            total += size
        versions.add(manifest.version)
        manifests[target] = (data.decode(), total, manifest.image[0] if manifest.image else "")
    if any(len(data) > MAX_FILE and sha256 not in images for sha256, data in files.items()):
        raise ReleaseFileError(_TOO_MUCH)
    if len(versions) != 1:
        raise ReleaseFileError("It has no manifest, or manifests of different versions.")
    return ReleaseFile(versions.pop(), manifests, files)


def _manifest(target: str, data: bytes) -> Manifest:
    signature, _, text = data.partition(b"\n")
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ReleaseFileError(f"The manifest of {target[:16]} makes no sense.") from None
    if not _SIGNATURE.fullmatch(signature):
        raise ReleaseFileError(f"The manifest of {target[:16]} is not signed.")
    if not _TARGET.fullmatch(target) or manifest.target != target or not version_of(manifest.version):
        raise ReleaseFileError(f"The manifest of {target[:16]} is for something else.")
    if len(data) > MAX_MANIFEST:
        raise ReleaseFileError(f"The manifest of {target} is larger than a hub takes.")
    return manifest


async def publish(
    store: Store, blobs: BlobStore, release: ReleaseFile, *, channel: Channel, percentage: int, notes: str = ""
) -> None:
    """Keep the bytes, then note the release: from then on hubs are offered it. Raises ReleaseFileError when there is
    one of this version, NoSpaceError, StoreError.
    """
    for data in release.files.values():
        await blobs.put(_whole(data), MAX_IMAGE)
    row = {"version": release.version, "channel": channel, "percentage": percentage, "notes": notes}
    sizes = {sha256: len(data) for sha256, data in release.files.items()}
    try:
        await store.write(lambda tx: queries.add(tx, row, release.manifests, sizes))
    except ConflictError:
        raise ReleaseFileError(f"There is a release {release.version} already; a version is published once.") from None


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data
