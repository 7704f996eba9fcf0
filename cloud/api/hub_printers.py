"""/api/hubs/{id}/found and /probe: the printers in a hub's network, before they are added."""

from typing import Any

from msgspec import Struct

from cloud.api.hub_care import HUB_ERRORS
from cloud.api.kit import Call, Endpoint
from cloud.api.printer_shapes import Address, Serial, checked_code
from cloud.api.shapes import Id, Port
from cloud.catalog import models
from cloud.printing.hub_care import HubCare
from cloud.printing.live import LivePrinters
from cloud.storage import printers
from cloud.storage.printers import Printer
from cloud.storage.secrets import Secret


class FoundOut(Struct, frozen=True, kw_only=True):
    """A printer that announces itself in the hub's network."""

    serial: str
    host: str
    model: str
    """The maker's code; "" when it does not say."""
    model_name: str
    """"P1S"; the code when it is not known."""
    name: str
    firmware: str
    printer_id: str | None
    """It is configured as this printer."""
    address_changed: bool
    """It is configured with another address. It is followed by itself, unless it is online there or its certificate
    was never seen: then change the printer's `ip_address`."""


class FoundList(Struct, frozen=True, kw_only=True):
    items: list[FoundOut]
    total: int
    found_at: str | None
    """When the hub told; null = it has not yet."""


class ProbeIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A printer to be tried from the hub's place."""

    host: Address
    access_code: Secret
    """Given to the printer, and forgotten."""
    serial: Serial | None = None
    """Which printer it should be; left out, whichever answers."""
    port: Port | None = None
    """8883 when left out."""


class ProbeOut(Struct, frozen=True, kw_only=True):
    """The printer took the access code and obeys."""

    serial: str
    model: str
    model_name: str
    printer_id: str | None
    """It is configured as this printer already."""


class HubPrintersApi:
    """Endpoints about printers behind a hub that need not be configured."""

    def __init__(self, live: LivePrinters, care: HubCare) -> None:
        self._live = live
        self._care = care

    def endpoints(self) -> list[Endpoint]:
        one = "/api/hubs/{id}"
        return [
            Endpoint("GET", f"{one}/found", self.found),
            Endpoint("POST", f"{one}/probe", self.probe, errors=HUB_ERRORS),
        ]

    async def found(self, call: Call, hub_id: Id) -> FoundList:
        """Printers that announce themselves in a hub's network, and which of them are configured."""
        await self._care.get(call.store, hub_id)
        known = await self._known(call)
        items = [_found(one, known.get(one["serial"])) for one in self._live.hubs.found(hub_id)]
        view = self._live.hubs.view(hub_id) or {}
        return FoundList(items=items, total=len(items), found_at=view.get("found_at"))

    async def probe(self, call: Call, hub_id: Id, body: ProbeIn) -> ProbeOut:
        """Try a printer's address and access code, from the hub's place, before it is added.

        Codes of a refusal: unreachable, not_a_printer, auth_failed, wrong_serial, lan_only_off, developer_mode_off.
        """
        code = checked_code(body.access_code)
        serial, model = await self._care.probe(
            call.store, hub_id, host=body.host, code=code, port=body.port, serial=body.serial
        )
        known = (await self._known(call)).get(serial)
        return ProbeOut(
            serial=serial, model=model, model_name=_name_of(model), printer_id=known.id if known else None
        )  # fmt: skip

    async def _known(self, call: Call) -> dict[str, Printer]:
        return {one.serial_number: one for one in await call.store.read(printers.all_of_tenant)}


def _found(one: dict[str, Any], printer: Printer | None) -> FoundOut:
    return FoundOut(
        **{name: one[name] for name in ("serial", "host", "model", "name", "firmware")},
        model_name=_name_of(one["model"]),
        printer_id=printer.id if printer else None,
        address_changed=printer is not None and printer.ip_address != one["host"],
    )


def _name_of(code: str) -> str:
    model = models.by_code(code)
    return model.name if model else code
