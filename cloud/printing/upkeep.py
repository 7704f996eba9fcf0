"""Taking printers out of service and back: maintenance, and printers that are disabled.

Neither touches what the printer does right now: a job that is on it goes on, and no other follows.
"""

from typing import Any, Final, TypeVar

from cloud.errors import conflict, not_found
from cloud.printing.jobs import JobMoves
from cloud.printing.live import LivePrinters
from cloud.storage import clock, jobs, printers
from cloud.storage import upkeep as queries
from cloud.storage.printers import Printer
from cloud.storage.rows import Listing
from cloud.storage.store import Row
from cloud.storage.tenant import TenantStore, TenantTx, TenantUnit

T = TypeVar("T")

_IN_SERVICE: Final[dict[str, Any]] = {
    "in_maintenance": False,
    "maintenance_type": None,
    "maintenance_reason": None,
    "maintenance_started_at": None,
}


class Upkeep:
    """The printers of all tenants; each call works in one. `actor` is a user's id."""

    def __init__(self, live: LivePrinters, moves: JobMoves) -> None:
        self._live = live
        self._moves = moves

    async def start(
        self, tenant: TenantStore, printer_id: str, *, kind: str, reason: str, actor: str
    ) -> tuple[Printer, bool]:
        """Begin maintenance; True when a job is still on the printer. DomainErrors: not_found, in_maintenance."""
        now = clock.now()

        async def unit(tx: TenantTx) -> tuple[Printer, bool]:
            if (await self._printer(tx, printer_id)).in_maintenance:
                raise conflict("in_maintenance", "The printer is in maintenance already.")
            values = {"maintenance_type": kind, "maintenance_reason": reason, "maintenance_started_at": now}
            printer = await self._change(tx, printer_id, {"in_maintenance": True, **values})
            await queries.log_start(tx, printer_id, kind=kind, reason=reason, at=now, actor=actor)
            return printer, await jobs.holding(tx, printer_id) is not None

        return await self._write(tenant, unit)

    async def complete(self, tenant: TenantStore, printer_id: str, *, notes: str, actor: str) -> Printer:
        """End maintenance. DomainErrors: not_found, not_in_maintenance."""
        now = clock.now()

        async def unit(tx: TenantTx) -> Printer:
            if not (await self._printer(tx, printer_id)).in_maintenance:
                raise conflict("not_in_maintenance", "The printer is not in maintenance.")
            await queries.log_end(tx, printer_id, at=now, actor=actor, notes=notes)
            return await self._change(tx, printer_id, {**_IN_SERVICE, "last_maintenance_date": now})

        return await self._write(tenant, unit)

    async def log(self, tenant: TenantStore, printer_id: str, listing: Listing) -> tuple[list[Row], int]:
        """A page of what was done to a printer, and how much there is. DomainError: not_found."""

        async def unit(tx: TenantTx) -> tuple[list[Row], int]:
            await self._printer(tx, printer_id)
            return await queries.MAINTENANCE_LOG.page(tx, listing)

        return await tenant.read(unit)

    async def disable(self, tenant: TenantStore, printer_id: str, reason: str) -> Printer:
        """Give it no more jobs until somebody enables it. DomainError: not_found."""
        values = {"disabled_reason": reason, "disabled_at": clock.now()}
        return await self._write(tenant, lambda tx: self._change(tx, printer_id, values))

    async def enable(self, tenant: TenantStore, printer_id: str) -> Printer:
        """Let it have jobs again; its failures are forgiven. DomainError: not_found."""
        values = {"disabled_reason": None, "disabled_at": None, "consecutive_failures": 0}
        return await self._write(tenant, lambda tx: self._change(tx, printer_id, values))

    async def _write(self, tenant: TenantStore, unit: TenantUnit[T]) -> T:
        result = await tenant.write(unit)
        self._moves.wake()
        return result

    async def _printer(self, tx: TenantTx, printer_id: str) -> Printer:
        printer = await printers.get(tx, printer_id)
        if printer is None:
            raise not_found("printer")
        return printer

    async def _change(self, tx: TenantTx, printer_id: str, values: dict[str, Any]) -> Printer:
        printer = await printers.update_printer(tx, printer_id, values)
        if printer is None:
            raise not_found("printer")
        tx.after_commit(lambda: self._live.put_printer(printer))
        return printer
