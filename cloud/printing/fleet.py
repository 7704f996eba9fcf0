"""Adding, changing and removing printers: the row, its hub's configuration, the live view, in step."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloud.bus import Bus, subjects
from cloud.errors import DomainError, conflict, not_found
from cloud.printing.jobs import WAKE
from cloud.printing.live import LivePrinters
from cloud.storage import hubs as hub_queries
from cloud.storage import ids
from cloud.storage import printers as queries
from cloud.storage.errors import ConflictError, StaleError
from cloud.storage.printers import Printer
from cloud.storage.rows import Listing
from cloud.storage.secrets import Secret, Vault
from cloud.storage.store import Row
from cloud.storage.tenant import TenantStore, TenantTx


class Fleet:
    """The printers of all tenants; each call works in one."""

    def __init__(self, vault: Vault, live: LivePrinters, bus: Bus) -> None:
        self._vault = vault
        self._live = live
        self._bus = bus

    async def get(self, tenant: TenantStore, printer_id: str) -> Printer:
        """Raises DomainError not_found."""
        printer = await tenant.read(lambda tx: queries.get(tx, printer_id))
        if printer is None:
            raise not_found("printer")
        return printer

    async def create(self, tenant: TenantStore, values: Mapping[str, Any], access_code: Secret) -> Printer:
        """Add a printer; without `hub_id` on the tenant's only hub.

        DomainErrors: duplicate, no_such_hub, hub_required, hub_full.
        """
        printer_id = ids.new("prn")
        row = {**values, "id": printer_id, "access_code_enc": self._sealed(tenant, printer_id, access_code)}

        async def unit(tx: TenantTx) -> Printer:
            if row.get("hub_id") is None:
                row["hub_id"] = await self._default_hub(tx)
            await self._check_room(tx, row["hub_id"], None)
            printer = await queries.create(tx, row)
            tx.after_commit(lambda: self._changed(printer, printer.hub_id))
            return printer

        return await _write(tenant, unit)

    async def page(self, tenant: TenantStore, listing: Listing) -> list[Printer]:
        """Those that match, in the listing's order."""
        printers, _ = await tenant.read(lambda tx: queries.page(tx, listing))
        return printers

    async def reorder(self, tenant: TenantStore, printer_ids: Sequence[str]) -> list[Printer]:
        """Bring these to the front of the dashboard, in this order; the others follow as they were. All of them then.

        DomainError: not_found.
        """

        async def unit(tx: TenantTx) -> list[Printer]:
            known = {one.id: one for one in await queries.all_of_tenant(tx)}
            if not known.keys() >= set(printer_ids):
                raise not_found("printer")
            order = list(dict.fromkeys([*printer_ids, *known]))
            for place, printer_id in enumerate(order, 1):
                if known[printer_id].sort_order != place:
                    await queries.update_printer(tx, printer_id, {"sort_order": place})
            after = await queries.all_of_tenant(tx)
            tx.after_commit(lambda: self._reordered(after))
            return after

        return await tenant.write(unit)

    async def update(
        self,
        tenant: TenantStore,
        printer_id: str,
        changes: Mapping[str, Any],
        access_code: Secret | None = None,
        *,
        version: int | None = None,
    ) -> Printer:
        """Change columns. DomainErrors: not_found, duplicate, no_such_hub, hub_full; StaleError of another version.

        Behind another hub it goes at once, unless a job is on it (in_use).
        """
        values = dict(changes)
        if access_code is not None:
            values["access_code_enc"] = self._sealed(tenant, printer_id, access_code)

        async def unit(tx: TenantTx) -> Printer:
            before = await queries.get(tx, printer_id)
            if before is None:
                raise not_found("printer")
            if values.get("serial_number", before.serial_number) != before.serial_number:
                values["cert_sha256"] = ""  # another machine has another certificate
            if "hub_id" in values and values["hub_id"] != before.hub_id:
                await self._check_room(tx, values["hub_id"], printer_id)
                if before.hub_id is not None and await queries.is_held(tx, printer_id):
                    raise conflict(
                        "in_use", "A job is on this printer: move it behind another hub when that has ended."
                    )
            after = await queries.update_printer(tx, printer_id, values, version=version)
            if after is None:
                raise not_found("printer")
            tx.after_commit(lambda: self._changed(after, before.hub_id, after.hub_id))
            return after

        return await _write(tenant, unit)

    async def trust(self, tenant: TenantStore, printer_id: str) -> Printer:
        """Accept the certificate the printer shows now; when it was never seen, the next one it shows."""
        view = self._live.view(printer_id) if await self.get(tenant, printer_id) else None
        return await self.update(tenant, printer_id, {"cert_sha256": (view or {}).get("cert") or ""})

    async def delete(self, tenant: TenantStore, printer_id: str, *, version: int | None = None) -> None:
        """DomainErrors: not_found, in_use while a job is on it or waits for it; StaleError of another version."""

        async def unit(tx: TenantTx) -> None:
            before = await queries.get(tx, printer_id)
            if before is None:
                raise not_found("printer")
            if version not in (None, before.version):
                raise StaleError(before.version)
            jobs = await queries.unfinished_jobs(tx, printer_id)
            if jobs:
                raise conflict("in_use", "Jobs are on this printer or wait for it: cancel them first.", jobs=jobs)
            past = await queries.delete_printer(tx, printer_id)
            tx.after_commit(lambda: self._removed(printer_id, before.hub_id, past))

        await tenant.write(unit)

    def hub_changed(self, hub_id: str) -> None:
        """Tell whoever holds this hub to look at the database: configuration, key or existence changed."""
        self._bus.publish(subjects.hub_config(hub_id), b"")

    def _sealed(self, tenant: TenantStore, printer_id: str, access_code: Secret) -> str:
        return self._vault.seal(
            access_code, tenant=tenant.tenant_id, table="printers", row=printer_id, column="access_code_enc"
        )

    async def _default_hub(self, tx: TenantTx) -> str:
        hub_id = await hub_queries.only_one(tx)
        if hub_id is None:
            some = bool(await hub_queries.all_of_tenant(tx))
            sentence = "Say which hub this printer is behind." if some else "Add a hub first: printers are behind one."
            raise DomainError("hub_required", 422, sentence)
        return hub_id

    async def _check_room(self, tx: TenantTx, hub_id: str | None, printer_id: str | None) -> None:
        if hub_id is None:
            return
        hub = await hub_queries.get(tx, hub_id)
        if hub is None:
            raise DomainError("no_such_hub", 422, "There is no such hub.")
        others = [one for one in await queries.of_hub(tx, hub_id) if one.id != printer_id]
        if hub.max_printers and len(others) >= hub.max_printers:
            raise conflict("hub_full", f"This hub carries at most {hub.max_printers} printers.")

    def _changed(self, printer: Printer, *hub_ids: str | None) -> None:
        self._live.put_printer(printer)
        self._tell(hub_ids)

    def _reordered(self, printers: Iterable[Printer]) -> None:
        for printer in printers:
            self._live.change_printer(printer.id, {"sort_order": printer.sort_order})

    def _removed(self, printer_id: str, hub_id: str | None, past: Iterable[Row]) -> None:
        self._live.remove_printer(printer_id)
        for row in past:
            if self._live.job(row["id"]) is not None:  # what is older is not looked at any more
                self._live.put_job(row)
        self._tell((hub_id,))

    def _tell(self, hub_ids: tuple[str | None, ...]) -> None:
        for hub_id in sorted({one for one in hub_ids if one is not None}):
            self.hub_changed(hub_id)
        self._bus.publish(WAKE, b"")


async def _write(tenant: TenantStore, unit: Any) -> Printer:
    try:
        return await tenant.write(unit)
    except ConflictError as error:
        if error.kind == "unique" and "serial_number" in error.columns:
            raise conflict("duplicate", "There is a printer with this serial number already.") from None
        if error.kind == "unique" and "printer_id" in error.columns:
            raise conflict("duplicate", "There is a printer with this number already.") from None
        raise
