"""The configuration a hub should run: its printers, as the database has them, in the protocol's shape."""

from typing import Any, Final

import msgspec
import structlog

from cloud.storage import hubs as hub_queries
from cloud.storage import printers as printer_queries
from cloud.storage.hubs import Hub
from cloud.storage.printers import Printer
from cloud.storage.secrets import SecretKeyError, Vault
from cloud.storage.store import Store, Tx
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

MOST_PRINTERS: Final = 16
"""As many as the protocol's configuration holds."""
_MQTT_PORT: Final = 8883


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of the database. `config` holds access codes: it goes to the hub and nowhere else."""

    hub: Hub
    config: dict[str, Any]
    printers: dict[str, Printer]
    """Those in the configuration, by id."""

    def __repr__(self) -> str:
        return f"Desired(hub={self.hub.id}, revision={self.hub.revision}, printers={len(self.printers)})"

    @property
    def connections(self) -> int:
        """How many of the hub's sockets its printers use."""
        return sum(1 for printer in self.printers.values() if printer.connect)


class DesiredConfig:
    """Reads what hubs should run."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    async def read(self, hub_id: str) -> Desired | None:
        """The hub and its configuration, of one moment; None when there is no such hub."""

        async def unit(tx: Tx) -> tuple[Hub, list[Printer]] | None:
            hub = await hub_queries.find(tx, hub_id)
            if hub is None:
                return None
            return hub, await printer_queries.of_hub(TenantTx(tx, hub.tenant_id), hub_id)

        found = await self._store.read(unit)
        if found is None:
            return None
        hub, printers = found
        return self._compose(hub, [printer for printer in printers if printer.is_active])

    def _compose(self, hub: Hub, printers: list[Printer]) -> Desired:
        most = min(MOST_PRINTERS, hub.max_printers or MOST_PRINTERS)
        if len(printers) > most:
            log.warning("hub.too_many_printers", hub=hub.id, printers=len(printers), carried=most)
        carried: dict[str, Printer] = {}
        entries: list[dict[str, Any]] = []
        for printer in printers[:most]:
            try:
                entries.append(self._entry(printer))
            except SecretKeyError as error:
                # One printer whose code cannot be opened must not take the others off line.
                log.warning("hub.access_code_unreadable", hub=hub.id, printer=printer.id, problem=str(error))
            else:
                carried[printer.id] = printer
        return Desired(hub=hub, config={"revision": hub.revision, "printers": entries}, printers=carried)

    def _entry(self, printer: Printer) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "id": printer.id,
            "serial": printer.serial_number,
            "host": printer.ip_address,
            "code": self.access_code(printer),
        }
        if printer.mqtt_port != _MQTT_PORT:
            entry["port"] = printer.mqtt_port
        if printer.cert_sha256:
            entry["cert"] = printer.cert_sha256
        if not printer.connect:
            entry["off"] = True
        return entry

    def access_code(self, printer: Printer) -> str:
        """In clear, for the hub and for FTPS. Raises SecretKeyError."""
        sealed = printer.access_code_enc
        place = {"tenant": printer.tenant_id, "table": "printers", "row": printer.id, "column": "access_code_enc"}
        return self._vault.open(sealed, **place).reveal()
