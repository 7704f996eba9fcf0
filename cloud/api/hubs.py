"""/api/hubs: the boxes on the printers' networks, and their keys."""

from msgspec import Struct

from cloud.accounts import hub_keys
from cloud.api.errors import not_found
from cloud.api.hub_shapes import HubList, HubOut, hub_out
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id, Name
from cloud.printing.hub_care import HubCare
from cloud.printing.live import LivePrinters
from cloud.storage import hubs as queries
from cloud.storage import ids, printers, releases
from cloud.storage.hubs import Hub
from cloud.storage.tenant import TenantTx


class HubIn(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name


class HubKey(Struct, frozen=True, kw_only=True):
    """A hub's key, shown this once."""

    id: str
    name: str
    key: str


class HubsApi:
    """Endpoints about hubs."""

    def __init__(self, live: LivePrinters, care: HubCare) -> None:
        self._live = live
        self._care = care

    def endpoints(self) -> list[Endpoint]:
        one = "/api/hubs/{id}"
        return [
            Endpoint("GET", "/api/hubs/", self.list),
            Endpoint("POST", "/api/hubs/", self.create, role="owner", status=201),
            Endpoint("GET", one, self.get),
            Endpoint("PATCH", one, self.rename, role="owner", versioned=True),
            Endpoint("DELETE", one, self.delete, role="owner", errors=(409,), versioned=True),
            Endpoint("POST", f"{one}/key", self.renew_key, role="owner"),
            Endpoint("POST", f"{one}/revoke", self.revoke, role="owner"),
        ]

    async def list(self, call: Call) -> HubList:
        """All hubs."""

        async def unit(tx: TenantTx) -> list[HubOut]:
            return [await self._out(tx, hub) for hub in await queries.all_of_tenant(tx)]

        items = await call.store.read(unit)
        return HubList(items, len(items))

    async def create(self, call: Call, body: HubIn) -> HubKey:
        """Register a hub. Its key is in this answer and nowhere else."""
        hub_id = ids.new("hub")
        key = hub_keys.new_key(hub_id)
        hub = await call.store.write(
            lambda tx: queries.create(tx, hub_id=hub_id, name=body.name, key_hash=hub_keys.hashed(key))
        )
        self._care.put(hub)
        call.once = False
        return HubKey(id=hub_id, name=body.name, key=key.reveal())

    async def get(self, call: Call, hub_id: Id) -> HubOut:
        """One hub."""

        async def unit(tx: TenantTx) -> HubOut:
            hub = await queries.get(tx, hub_id)
            if hub is None:
                raise not_found("hub")
            return await self._out(tx, hub)

        return await call.store.read(unit)

    async def rename(self, call: Call, hub_id: Id, body: HubIn) -> HubOut:
        """Give a hub another name."""
        version = call.version
        if not await call.store.write(lambda tx: queries.rename(tx, hub_id, body.name, version=version)):
            raise not_found("hub")
        return await self._changed(call, hub_id)

    async def renew_key(self, call: Call, hub_id: Id) -> HubKey:
        """Give a hub a new key; the old one is dead at once and the hub is disconnected."""
        key = hub_keys.new_key(hub_id)
        await self._set_key(call, hub_id, hub_keys.hashed(key))
        hub = await self.get(call, hub_id)
        return HubKey(id=hub.id, name=hub.name, key=key.reveal())

    async def revoke(self, call: Call, hub_id: Id) -> HubOut:
        """Lock a hub out: its key is dead at once."""
        await self._set_key(call, hub_id, "")
        return await self.get(call, hub_id)

    async def delete(self, call: Call, hub_id: Id) -> None:
        """Remove a hub without telling it; its printers stay, without one.

        The hub keeps its Wi-Fi and its dead key: to hand it over, release it instead, or hold its button for ten
        seconds.
        """
        await self._care.remove(call.store, hub_id, version=call.version)

    async def _set_key(self, call: Call, hub_id: str, key_hash: str) -> None:
        if not await call.store.write(lambda tx: queries.set_key_hash(tx, hub_id, key_hash)):
            raise not_found("hub")
        await self._changed(call, hub_id)

    async def _changed(self, call: Call, hub_id: str) -> HubOut:
        self._care.put(await self._care.get(call.store, hub_id))
        return await self.get(call, hub_id)

    async def _out(self, tx: TenantTx, hub: Hub) -> HubOut:
        image = await releases.image_of(tx, hub.firmware, hub.target)
        return hub_out(hub, self._live.hubs, len(await printers.of_hub(tx, hub.id)), image)
