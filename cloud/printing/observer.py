"""Where everything that hubs report about printers goes: live views, job moves, the plate gate, follow-up work."""

import asyncio
from typing import Any, Final

import structlog

from cloud.bus import subjects
from cloud.printing.attempts import Attempts
from cloud.printing.cleaning import Cleaner
from cloud.printing.following import Follower
from cloud.printing.live import LivePrinter
from cloud.printing.room import Room
from cloud.printing.seen import ON_PRINTER, held, ours, seen
from cloud.printing.views import View
from cloud.storage import audit, clock, hubs, releases
from cloud.storage.printing import note_state, pin_certificate
from cloud.storage.tenant import TenantTx
from shared_protocol.status import BUSY

log = structlog.get_logger(__name__)

_DECIDING: Final = frozenset({"link", "state", "error", "task", "task_id"})
"""A change of one of these may move a job."""
_FITTING: Final = frozenset({"link", "state", "error", "control", "storage", "trays", "model", "nozzle_diameter"})
"""A change of one of these may let a waiting job go, or changes why it waits."""
_FIGURES: Final = {
    "percent": "progress_percentage",
    "remaining": "remaining_seconds",
    "layer": "layer",
    "layers": "layers",
}
_RETRY: Final = 2.0


class Observer:
    """Called by the room that holds the hubs. All but `event` and `set_aside` return at once."""

    def __init__(self, room: Room, attempts: Attempts, cleaner: Cleaner, follower: Follower) -> None:
        self._room = room
        self._follower = follower
        self._attempts = attempts
        self._cleaner = cleaner
        self._tenants: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._side_work: set[asyncio.Task[None]] = set()
        self._noted: dict[str, str] = {}
        self._closing = False
        room.look_again = self.look

    async def close(self) -> None:
        """End every look under way."""
        self._closing = True
        tasks = [*self._looking.values(), *self._side_work]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- what hubs say

    def hub_arrived(self, hub: hubs.Hub) -> None:
        """A hub is about to come online; its row says what it is now."""
        self._room.live.hubs.put(hub)

    def hub_telemetry(self, hub_id: str, telemetry: dict[str, Any]) -> None:
        """How a hub is: newest wins."""
        self._room.live.hubs.change(hub_id, {"telemetry": telemetry, "telemetry_at": clock.now()})

    def hub_found(self, hub_id: str, found: list[dict[str, Any]]) -> None:
        """All printers that announce themselves in a hub's network."""
        self._room.live.hubs.put_found(hub_id, found)
        self._follower.look(hub_id)

    def hub_online(self, hub_id: str, tenant_id: str, printer_ids: list[str]) -> None:
        """A hub connected. What was known of its printers is of the past until they report anew."""
        self._tenants[hub_id] = tenant_id
        self._room.live.hub_online(hub_id)
        self._room.bus.publish(subjects.HUB_NEWS, hub_id.encode())
        for printer_id in printer_ids:
            self._room.said(printer_id)
        self._room.moves.wake()

    def hub_offline(self, hub_id: str) -> None:
        """A hub is gone."""
        self._room.live.hub_offline(hub_id)
        for one in self._room.live.of_hub(hub_id):
            self._room.said(one.meta["id"])
        self._room.moves.wake()

    def status(self, printer_id: str, full: bool, data: dict[str, Any]) -> None:
        """A status message: newest wins."""
        changes = self._room.live.status(printer_id, full, data)
        one = self._room.live.printer(printer_id)
        if one is None:
            return
        # Also of a full status that tells nothing new: the pin may have been dropped since this one was first seen.
        cert = data.get("cert") if full else changes.get("cert")
        if cert and not one.pinned:
            one.pinned = True
            self._aside(self._pin(one, cert))
        if "error" in changes:
            # Noted now: by the time of the look it may be gone again.
            self._room.settler.note(printer_id, seen(one.status))
        if not one.online and (full or "link" in changes):
            self._follower.look(one.meta["hub_id"])
        self._figures(one, changes)
        if full or not _DECIDING.isdisjoint(changes):
            self.look(printer_id)
            self._room.said(printer_id)
        if full or not _FITTING.isdisjoint(changes):
            self._room.moves.wake()

    async def event(self, *, hub_id: str, boot: str, n: int, name: str, printer_id: str, data: dict[str, Any]) -> None:
        """An event that must not be lost: returns when it is committed, with what it does to a job.

        May be told twice, is applied once. Raises LookupError for a hub that never came online, and StoreError.
        """
        tenant = self._room.tenant(self._tenants[hub_id])
        one = self._room.live.printer(printer_id)
        known = one is not None and one.tenant_id == tenant.tenant_id and one.meta["hub_id"] == hub_id

        async def unit(tx: TenantTx) -> None:
            first = await hubs.store_event(
                tx, hub_id=hub_id, boot=boot, n=n, name=name, printer_id=printer_id, data=data
            )
            if first and known and name == "state":
                await self._room.settler.apply_event(tx, printer_id, data)
            if first and not printer_id:
                await self._of_hub(tx, hub_id, name, data)

        await tenant.write(unit)
        if known:
            self.look(printer_id)
            self._room.said(printer_id)

    async def set_aside(
        self, problem: str, *, hub_id: str, boot: str, n: int, name: str, printer_id: str, data: dict[str, Any]
    ) -> None:
        """An event that can never be applied: it is kept as it came, does nothing, and the audit log tells people.

        What the printer shows is looked at all the same: mostly it says what the event would have said.
        """
        entry = audit.Entry(
            actor=hub_id,
            actor_name=(self._room.live.hubs.view(hub_id) or {}).get("name", ""),
            action="hubs_event_set_aside",
            object_type="printers" if printer_id else "hubs",
            object_id=printer_id or hub_id,
            details={"event": name, "boot": boot, "n": n, "problem": problem, "data": data},
        )

        async def unit(tx: TenantTx) -> None:
            if await hubs.store_event(tx, hub_id=hub_id, boot=boot, n=n, name=name, printer_id=printer_id, data=data):
                await audit.record(tx, entry)

        await self._room.tenant(self._tenants[hub_id]).write(unit)
        log.error("observer.event_set_aside", hub=hub_id, boot=boot, n=n, name=name, printer=printer_id)
        self.look(printer_id)

    async def _of_hub(self, tx: TenantTx, hub_id: str, name: str, data: dict[str, Any]) -> None:
        """An event of the hub itself."""
        if name == "crash":
            await hubs.forget_old_crashes(tx, hub_id)
        elif name == "update":
            told = {"version": data["version"], "state": data["state"]}
            told |= {"code": data.get("code", ""), "message": data.get("message", "")}
            await hubs.note_update(tx, hub_id, **told)
            await releases.note(tx, hub_id, **told)
            tx.after_commit(lambda: self._room.bus.publish(subjects.HUB_NEWS, hub_id.encode()))
            tx.after_commit(lambda: self._room.live.hubs.change(hub_id, {"update": {**told, "at": clock.now()}}))

    # ---- what follows

    def look(self, printer_id: str) -> None:
        """Settle what the live status says, in the background; looks at one printer do not overlap."""
        if self._closing:
            return
        self._dirty.add(printer_id)
        if printer_id not in self._looking:
            task = asyncio.create_task(self._look(printer_id), name=f"look {printer_id}")
            self._looking[printer_id] = task

    async def _look(self, printer_id: str) -> None:
        try:
            while printer_id in self._dirty:
                self._dirty.discard(printer_id)
                await self._look_once(printer_id)
        except Exception:
            log.exception("observer.look_failed", printer=printer_id)
            asyncio.get_running_loop().call_later(_RETRY, self.look, printer_id)
        finally:
            del self._looking[printer_id]

    async def _look_once(self, printer_id: str) -> None:
        later = await self._room.settler.look(printer_id)
        if later is not None:
            asyncio.get_running_loop().call_later(later.seconds, self.look, printer_id)
        one = self._room.live.printer(printer_id)
        if one is None:
            return
        view = self._room.live.job(one.job_id)
        if view is not None and view["cancel_requested"] and view["status"] in ON_PRINTER and one.online:
            await self._attempts.stop_printer(view["id"])
        await self._note(one)
        self._cleaner.consider(printer_id)

    async def _note(self, one: LivePrinter) -> None:
        state = one.status.get("state")
        printer_id = one.meta["id"]
        if one.online and state and self._noted.get(printer_id) != state:
            self._noted[printer_id] = state
            await self._room.tenant(one.tenant_id).write(lambda tx: note_state(tx, printer_id, state))

    def _figures(self, one: LivePrinter, changes: View) -> None:
        """Progress goes to the job's view with every status, to the database every few seconds."""
        view = self._room.live.job(one.job_id)
        if view is None or view["status"] not in ON_PRINTER or one.status.get("state") not in BUSY:
            return
        if not ours(held(view), seen(one.status)):
            return
        known = {name: one.status[field] for field, name in _FIGURES.items() if field in one.status}
        if not known.get("layers"):
            known.pop("layers", None)  # a P1S forgets the total: the file's own number stays
        self._room.live.job_progress(view["id"], known)

    async def _pin(self, one: LivePrinter, sha256: str) -> None:
        printer_id = one.meta["id"]
        try:
            await self._room.tenant(one.tenant_id).write(lambda tx: pin_certificate(tx, printer_id, sha256))
        except Exception:
            one.pinned = False
            log.exception("observer.pin_failed", printer=printer_id)

    def _aside(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._side_work.add(task)
        task.add_done_callback(self._side_work.discard)
