"""Removing our files from printers: left there, some machines print them again after a power cycle."""

import asyncio
from typing import Final

import structlog

from cloud.printing.asks import RemoveAsk
from cloud.printing.room import Room
from cloud.printing.words import POWER_LOSS
from cloud.storage.printing import file_removed, leftover_files, printers_with_files
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx
from shared_protocol.status import READY

log = structlog.get_logger(__name__)

_AGAIN: Final = 60.0
_SECONDS: Final = 300.0


class Cleaner:
    """Knows which printers hold files of ours, and removes those that no job needs, when the printer is idle."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, float] = {}

    async def start(self) -> None:
        """Learn from the database where files were left."""
        self._room.with_files.update(await self._room.store.read(printers_with_files))

    async def close(self) -> None:
        """Break off; what was not removed stays noted."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def consider(self, printer_id: str) -> None:
        """Remove what may be removed now. Cheap when there is nothing to do."""
        one = self._room.live.printer(printer_id)
        if printer_id not in self._room.with_files or printer_id in self._tasks or one is None or not one.online:
            return
        # A print cut off by power loss can be resumed as long as its file is there.
        if one.status.get("state") not in READY or one.status.get("error") == POWER_LOSS:
            return
        if self._not_before.get(printer_id, 0.0) > asyncio.get_running_loop().time():
            return
        self._tasks[printer_id] = asyncio.create_task(self._run(one.tenant_id, printer_id), name=f"clean {printer_id}")

    def consider_all(self) -> None:
        """The safety net."""
        for printer_id in list(self._room.with_files):
            self.consider(printer_id)

    async def _run(self, tenant_id: str, printer_id: str) -> None:
        try:
            await self._clean(tenant_id, printer_id)
        except Exception:
            log.exception("cleaning.broken", printer=printer_id)
            self._later(printer_id)
        finally:
            del self._tasks[printer_id]

    async def _clean(self, tenant_id: str, printer_id: str) -> None:
        tenant = self._room.tenant(tenant_id)
        async with self._room.ftps(printer_id):
            for row in await tenant.read(lambda tx: leftover_files(tx, printer_id)):
                one = self._room.live.printer(printer_id)
                if one is None:
                    return
                ask = RemoveAsk(printer_id=printer_id, remote_path=row["path"])
                answer = await self._room.hubs.ask(one.meta["hub_id"], ask, _SECONDS)
                if not answer.ok:
                    log.warning("cleaning.refused", printer=printer_id, path=row["path"], code=answer.code)
                    self._later(printer_id)
                    return
                await self._forget(tenant_id, row)
        if printer_id not in await self._room.store.read(printers_with_files):
            self._room.with_files.discard(printer_id)

    async def _forget(self, tenant_id: str, row: Row) -> None:
        async def unit(tx: TenantTx) -> None:
            await file_removed(tx, printer_id=row["printer_id"], path=row["path"])

        await self._room.tenant(tenant_id).write(unit)
        log.info("cleaning.removed", printer=row["printer_id"], path=row["path"], job=row["job_id"])

    def _later(self, printer_id: str) -> None:
        loop = asyncio.get_running_loop()
        self._not_before[printer_id] = loop.time() + _AGAIN
        loop.call_later(_AGAIN + 0.1, self.consider, printer_id)
