"""A printer whose address changed (a router gave it another one) is followed there, by what its hub hears of it.

Anybody in the hub's network can announce anything. So a printer is followed only while it is not online where it was,
and only when its certificate is pinned: whoever else answers at the new address is recognised before the access code
is sent to him. A printer without a pinned certificate is offered to people instead.
"""

import asyncio
import time
from typing import Final

import structlog

from cloud.bus import subjects
from cloud.printing.room import Room
from cloud.storage import audit
from cloud.storage import printers as queries
from cloud.storage.printers import Printer
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

REST_S: Final = 30.0
"""A printer is not moved more often: two announcements that contradict each other do not fill the audit log."""


class Follower:
    """One per node; `look` returns at once."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._dirty: set[str] = set()
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._moved: dict[str, float] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._closing = False

    async def close(self) -> None:
        self._closing = True
        for timer in self._later.values():
            timer.cancel()
        tasks = list(self._looking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def look(self, hub_id: str | None) -> None:
        """Something changed in this hub's network; looks at one hub do not overlap."""
        if self._closing or hub_id is None or not self._room.live.hubs.heard(hub_id):
            return
        self._dirty.add(hub_id)
        if hub_id not in self._looking:
            self._looking[hub_id] = asyncio.create_task(self._look(hub_id), name=f"follow {hub_id}")

    async def _look(self, hub_id: str) -> None:
        try:
            while hub_id in self._dirty:
                self._dirty.discard(hub_id)
                await self._follow(hub_id)
        except Exception:
            log.exception("follower.failed", hub=hub_id)
            self._again(hub_id)
        finally:
            del self._looking[hub_id]

    async def _follow(self, hub_id: str) -> None:
        tenant_id = self._room.live.hubs.tenant_of(hub_id)
        heard = {one["serial"]: one["host"] for one in self._room.live.hubs.heard(hub_id)}
        if tenant_id is None:
            return
        tenant = self._room.tenant(tenant_id)
        for printer in await tenant.read(lambda tx: queries.of_hub(tx, hub_id)):
            host = heard.get(printer.serial_number, printer.ip_address)
            if host != printer.ip_address and self._may(printer):
                await self._move(printer, host)

    def _may(self, printer: Printer) -> bool:
        live = self._room.live.printer(printer.id)
        if not printer.cert_sha256 or not printer.connect or not printer.is_active or live is None or live.online:
            return False
        if time.monotonic() - self._moved.get(printer.id, float("-inf")) < REST_S:
            self._again(printer.hub_id or "")
            return False
        return True

    async def _move(self, printer: Printer, host: str) -> None:
        entry = audit.Entry(
            actor=printer.hub_id or "",
            actor_name=(self._room.live.hubs.view(printer.hub_id or "") or {}).get("name", ""),
            action="printers_follow",
            object_type="printers",
            object_id=printer.id,
            details={"ip_address": host, "before": printer.ip_address},
        )

        async def unit(tx: TenantTx) -> None:
            now = await queries.get(tx, printer.id)
            if now is None or now.version != printer.version:
                return  # a person was faster
            after = await queries.update_printer(tx, printer.id, {"ip_address": host})
            if after is not None:
                await audit.record(tx, entry)
                tx.after_commit(lambda: self._moved_to(after))

        await self._room.tenant(printer.tenant_id).write(unit)

    def _moved_to(self, printer: Printer) -> None:
        self._moved[printer.id] = time.monotonic()
        log.info("follower.moved", printer=printer.id, hub=printer.hub_id)
        self._room.live.put_printer(printer)
        self._room.bus.publish(subjects.hub_config(printer.hub_id or ""), b"")

    def _again(self, hub_id: str) -> None:
        if hub_id in self._later or self._closing:
            return

        def look() -> None:
            del self._later[hub_id]
            self.look(hub_id)

        self._later[hub_id] = asyncio.get_running_loop().call_later(REST_S, look)
