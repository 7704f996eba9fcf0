"""The files on a printer's storage, as people look through them and delete them."""

import asyncio
import posixpath
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog

from cloud.catalog import models
from cloud.errors import DomainError, conflict
from cloud.printing.asks import FilesFound, ListFilesAsk, RemoteFile, RemoveAsk
from cloud.printing.controls import refused
from cloud.printing.live import LivePrinter
from cloud.printing.room import Room
from cloud.storage.printing import file_removed, files_of_ours, needed_by
from cloud.storage.tenant import TenantStore, TenantTx
from shared_protocol.status import BUSY

log = structlog.get_logger(__name__)

FOLDERS: Final = ("/", "/cache", "/model")
"""Where sliced files lie; videos and logs are nobody's business here. reference/bambu.md §4.4"""
_SECONDS: Final = 120.0
_PATIENCE: Final = 20.0
"""How long a person waits for a transfer that has the printer."""
_LONGEST_PATH: Final = 400


class OnPrinter(msgspec.Struct, frozen=True, kw_only=True):
    """A file on a printer, and whether it is one that was put there from here."""

    file: RemoteFile
    is_ours: bool


class RemoteFiles:
    """Works through the printers' hubs, one file operation a printer at a time."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def list(self, tenant: TenantStore, printer_id: str) -> tuple[list[OnPrinter], bool]:
        """What lies in FOLDERS, and whether that is all. Raises DomainError."""
        one = self._room.controls.printer(tenant, printer_id)
        model = models.by_code(one.meta["model"])
        folders = list(dict.fromkeys([*FOLDERS, posixpath.normpath(model.upload_dir)] if model else FOLDERS))
        async with self._alone(printer_id):
            ask = ListFilesAsk(printer_id=printer_id, folders=folders)
            answer = await self._room.hubs.ask(one.meta["hub_id"], ask, _SECONDS)
        if not answer.ok:
            raise refused(answer)
        found = msgspec.convert(answer.data, FilesFound)
        mine = await tenant.read(lambda tx: files_of_ours(tx, printer_id))
        return [OnPrinter(file=file, is_ours=file.path in mine) for file in found.files], found.complete

    async def delete(self, tenant: TenantStore, printer_id: str, path: str) -> None:
        """Also when it is gone already. DomainErrors: not_found, bad_path, in_use, and what the printer refuses."""
        one = self._room.controls.printer(tenant, printer_id)
        _check_path(path)
        async with self._alone(printer_id):
            job_id = await tenant.read(lambda tx: needed_by(tx, printer_id, path))
            if job_id is not None:
                raise conflict("in_use", "A job on this printer needs the file.", job=job_id)
            if _is_printing(one, path):
                raise conflict("in_use", "The printer is printing this file.")
            answer = await self._room.hubs.ask(
                one.meta["hub_id"], RemoveAsk(printer_id=printer_id, remote_path=path), _SECONDS
            )
            if not answer.ok:
                raise refused(answer)

            async def forget(tx: TenantTx) -> None:
                await file_removed(tx, printer_id=printer_id, path=path)

            await tenant.write(forget)
        log.info("file.removed", printer=printer_id, path=path)

    async def delete_unneeded(self, tenant: TenantStore, printer_id: str, paths: Iterable[str]) -> int:
        """Delete those that no job needs and that are not being printed; how many that were. Raises DomainError."""
        gone = 0
        for path in paths:
            try:
                await self.delete(tenant, printer_id, path)
            except DomainError as error:
                if error.code != "in_use":
                    raise
            else:
                gone += 1
        return gone

    @asynccontextmanager
    async def _alone(self, printer_id: str) -> AsyncIterator[None]:
        lock = self._room.ftps(printer_id)
        try:
            async with asyncio.timeout(_PATIENCE):
                await lock.acquire()
        except TimeoutError:
            raise conflict("busy", "A file is on its way to this printer: try again when it has arrived.") from None
        try:
            yield
        finally:
            lock.release()


def _check_path(path: str) -> None:
    plain = path.startswith("/") and posixpath.normpath(path) == path and not path.startswith("//")
    if not plain or path == "/" or not path.isprintable() or len(path) > _LONGEST_PATH:
        raise DomainError("bad_path", 422, "Give the path of a file as the list gives it.")


def _is_printing(one: LivePrinter, path: str) -> bool:
    """Whether it prints a file of this name: some models tell the path, some the name."""
    if one.status.get("state") not in BUSY:
        return False
    names = {posixpath.basename(str(one.status.get(field) or "")) for field in ("file", "task")}
    name = posixpath.basename(path)
    return name in names or name.removesuffix(".gcode.3mf") in names
