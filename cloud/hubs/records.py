"""What the database is told and asked about a hub's connection."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cloud.hubs.cleaning import text
from cloud.storage import clock
from cloud.storage import hubs as queries
from cloud.storage.hubs import OFFER_S, Hub
from cloud.storage.store import Store, Tx


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted hello: what the hub said, and its connection's place in the order of connections."""

    hub_id: str
    epoch: int
    """The fencing token: every later connection of this hub has a higher one."""
    boot: str
    acked: int
    """The highest stored event number of this boot."""
    revision: int
    """Of the configuration the hub runs."""
    sockets: int
    key_hash: str
    """Of the key it came with."""


class HubRecords:
    """Each method is one unit of work. Raises storage.errors.StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, hub_id: str) -> Hub | None:
        return await self._store.read(lambda tx: queries.find(tx, hub_id))

    async def arrive(self, hello: dict[str, Any], key_hash: str) -> Arrival | None:
        """Note the hello and raise the epoch; None when the hub was deleted meanwhile.

        A hub that comes with the key it was offered has it: the one before is dead from here on.
        """
        hub_id, boot = hello["hub"], text(hello["boot"])

        async def unit(tx: Tx) -> tuple[int, int] | None:
            epoch = await queries.connected(
                tx, hub_id, boot=boot, firmware=text(hello["firmware"]), board=text(hello["board"]),
                sockets=hello["sockets"], max_printers=hello["max_printers"], target=text(hello.get("target", "")),
                reset=text(hello.get("reset", "")), safe=hello.get("safe", False),
                image=text(hello.get("image", "")), image_room=hello.get("image_room"),
            )  # fmt: skip
            await queries.adopt_key(tx, hub_id, key_hash)
            await queries.drop_offer(tx, hub_id, key_hash, clock.after(-OFFER_S))
            return None if epoch is None else (epoch, await queries.acked(tx, hub_id, boot))

        found = await self._store.write(unit)
        if found is None:
            return None
        epoch, acked = found
        return Arrival(
            hub_id=hub_id, epoch=epoch, boot=boot, acked=acked, revision=hello["revision"], sockets=hello["sockets"],
            key_hash=key_hash,
        )  # fmt: skip

    async def configured(self, hub_id: str, revision: int) -> None:
        """The hub runs this revision now."""
        await self._store.write(lambda tx: queries.report_revision(tx, hub_id, revision))

    async def seen(self, hub_id: str, said: Mapping[str, str | None]) -> None:
        """The hub is there; `said` are columns of what it told of itself."""
        await self._store.write(lambda tx: queries.seen(tx, hub_id, said))
