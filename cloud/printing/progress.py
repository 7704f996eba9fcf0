"""Figures of running jobs on their way to the database: what changed since the last time, in one batch."""

import asyncio
from typing import Final

import structlog

from cloud.printing.room import Room
from cloud.printing.views import View
from cloud.storage import jobs as queries
from cloud.storage.errors import StoreError
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

EVERY: Final = 5.0
_FIGURES: Final = ("progress_percentage", "remaining_seconds", "layer", "layers", "upload_percent")


class ProgressWriter:
    """Remembers which jobs moved on and writes them every few seconds."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._written: dict[str, tuple[object, ...]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write in the background."""
        self._task = asyncio.create_task(self._run(), name="progress writer")

    async def close(self) -> None:
        """Write what is left, then end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._try()

    async def flush(self) -> None:
        """Write now."""
        by_tenant: dict[str, list[View]] = {}
        holding = self._room.live.holding_jobs()
        for tenant_id, view in holding:
            figures = tuple(view[name] for name in _FIGURES)
            if self._written.get(view["id"]) != figures:
                row = dict(zip(_FIGURES, figures, strict=True))
                by_tenant.setdefault(tenant_id, []).append({"job_id": view["id"], **row})
        for tenant_id, rows in by_tenant.items():
            await self._write(tenant_id, rows)
        current = {view["id"] for _, view in holding}
        self._written = {key: figures for key, figures in self._written.items() if key in current}

    async def _write(self, tenant_id: str, rows: list[View]) -> None:
        async def unit(tx: TenantTx) -> None:
            await queries.write_progress(tx, rows)

        await self._room.tenant(tenant_id).write(unit)
        for row in rows:
            self._written[row["job_id"]] = tuple(row[name] for name in _FIGURES)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self._try()

    async def _try(self) -> None:
        try:
            await self.flush()
        except StoreError:
            # Only figures: the next round writes newer ones.
            log.warning("progress.not_written", exc_info=True)
        except Exception:
            log.exception("progress.failed")
