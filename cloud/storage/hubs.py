"""Queries: hubs, and the events they reported."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Select, delete, func, select, update

from cloud.storage import clock, ids
from cloud.storage.errors import StaleError
from cloud.storage.store import Tx
from cloud.storage.tables import hub_events, hubs, printers
from cloud.storage.tenant import TenantTx

OFFER_S: Final = 60.0
"""A key that was offered longer ago is not on its way any more: the hub has it, or will never get it."""
KEEP_CRASHES: Final = 20
"""Of each hub."""
KEEP_EVENTS_DAYS: Final = 90
"""An event is kept to know its repeats, and to look things up; what it did is in the histories."""
_TRIM_EVERY: Final = 64
_TRIM_MOST: Final = 1000


class Hub(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    name: str
    key_hash: str
    """SHA-256 of the key, hex; "" once it is revoked."""
    epoch: int
    boot: str
    acked: int
    firmware: str
    board: str
    sockets: int
    max_printers: int
    revision: int
    reported_revision: int
    last_seen_at: str | None
    created_at: str
    version: int
    """Raised by what people change, not by what the hub does."""
    device_id: str
    """The device that was claimed as this hub; "" = set up by hand."""
    reset_epoch: int
    """How often the device had been reset to factory state when it was claimed."""
    released_at: str | None
    taken_over_at: str | None
    next_key_hash: str
    """Of a key under way: it becomes the key when the hub connects with it."""
    next_key_at: str | None
    target: str
    reset: str
    """Why it started last, in its own word."""
    safe: bool
    image: str
    """The MicroPython it runs; "" until it has told."""
    image_room: int | None
    """Bytes another one may have that comes over the air: 0 where only a cable brings one."""
    telemetry: str | None
    """JSON."""
    telemetry_at: str | None
    found: str | None
    """JSON: a list of what it found on its network."""
    found_at: str | None
    update_version: str
    update_state: str
    update_code: str
    update_message: str
    update_at: str | None

    def accepts(self, key_hash: str) -> bool:
        """Whether this is its key, or the one that is to become its key."""
        return bool(key_hash) and key_hash in (self.key_hash, self.next_key_hash)


_HUB = [hubs.c[name] for name in Hub.__struct_fields__]


async def create(
    tx: TenantTx, *, hub_id: str, name: str, key_hash: str, device_id: str = "", reset_epoch: int = 0
) -> Hub:
    """Raises ConflictError, unique on device_id, when somebody owns that device."""
    values = {"id": hub_id, "tenant_id": tx.tenant_id, "name": name, "key_hash": key_hash, "created_at": clock.now()}
    await tx.run(hubs.insert().values(**values, device_id=device_id, reset_epoch=reset_epoch))
    found = await get(tx, hub_id)
    if found is None:
        raise RuntimeError("the hub just created is gone")
    return found


async def all_of_tenant(tx: TenantTx) -> list[Hub]:
    rows = await tx.all(select(*_HUB).where(hubs.c.tenant_id == tx.tenant_id).order_by(hubs.c.created_at, hubs.c.id))
    return [msgspec.convert(row, Hub) for row in rows]


async def get(tx: TenantTx, hub_id: str) -> Hub | None:
    row = await tx.one(select(*_HUB).where(hubs.c.tenant_id == tx.tenant_id, hubs.c.id == hub_id))
    return None if row is None else msgspec.convert(row, Hub)


async def find(tx: Tx, hub_id: str) -> Hub | None:
    """Of any tenant: who it belongs to is what an arriving hub's key is looked up for."""
    row = await tx.one(select(*_HUB).where(hubs.c.id == hub_id))
    return None if row is None else msgspec.convert(row, Hub)


async def only_one(tx: TenantTx) -> str | None:
    """The id of the tenant's hub when it has exactly one; those whose devices are somebody else's do not count."""
    mine = (hubs.c.tenant_id == tx.tenant_id, hubs.c.taken_over_at.is_(None))
    rows = await tx.all(select(hubs.c.id).where(*mine).limit(2))
    return str(rows[0]["id"]) if len(rows) == 1 else None


async def rename(tx: TenantTx, hub_id: str, name: str, *, version: int | None = None) -> bool:
    """False when there is no such hub. Raises StaleError unless it is of `version`."""
    await _refuse_stale(tx, hub_id, version)
    return await _change(tx, hub_id, name=name, version=hubs.c.version + 1)


async def set_key_hash(tx: TenantTx, hub_id: str, key_hash: str) -> bool:
    """Replace the key; "" revokes it. False when there is no such hub."""
    return await _change(tx, hub_id, key_hash=key_hash, next_key_hash="", version=hubs.c.version + 1)


async def offer_key(tx: TenantTx, hub_id: str, key_hash: str) -> None:
    """A key is on its way to the hub; its present one is good until it has connected with this one."""
    await _change(tx, hub_id, next_key_hash=key_hash, next_key_at=clock.now())


async def withdraw_key(tx: TenantTx, hub_id: str, key_hash: str) -> None:
    """The key never reached the hub."""
    mine = (hubs.c.tenant_id == tx.tenant_id, hubs.c.id == hub_id, hubs.c.next_key_hash == key_hash)
    await tx.run(update(hubs).where(*mine).values(next_key_hash=""))


async def release(tx: TenantTx, hub_id: str, at: str | None) -> bool:
    """The hub is being told to forget its owner: whoever holds it may claim it. None takes that back."""
    return await _change(tx, hub_id, released_at=at)


async def take_over(tx: TenantTx, hub_id: str) -> None:
    """Its device belongs to somebody else now: this hub is history, and its keys are dead."""
    await _change(
        tx, hub_id, taken_over_at=clock.now(), key_hash="", next_key_hash="", version=hubs.c.version + 1
    )  # fmt: skip


async def owner_of(tx: Tx, device_id: str) -> Hub | None:
    """The hub, of any tenant, that this device is now."""
    where = (hubs.c.device_id == device_id, hubs.c.released_at.is_(None), hubs.c.taken_over_at.is_(None))
    row = await tx.one(select(*_HUB).where(*where))
    return None if row is None else msgspec.convert(row, Hub)


async def released(tx: Tx, device_id: str) -> list[Hub]:
    """Hubs that were this device and were told to forget it, without their word that they have."""
    where = (hubs.c.device_id == device_id, hubs.c.released_at.is_not(None), hubs.c.taken_over_at.is_(None))
    return [msgspec.convert(row, Hub) for row in await tx.all(select(*_HUB).where(*where))]


async def everyone(tx: Tx) -> list[Hub]:
    """The hubs of every tenant: what a starting process rebuilds its live state from."""
    return [msgspec.convert(row, Hub) for row in await tx.all(select(*_HUB).order_by(hubs.c.created_at, hubs.c.id))]


async def raise_revision(tx: TenantTx, hub_id: str) -> int | None:
    """The configuration the hub should run has changed; its new revision, None when there is no such hub."""
    row = await tx.one(
        update(hubs)
        .where(hubs.c.tenant_id == tx.tenant_id, hubs.c.id == hub_id)
        .values(revision=hubs.c.revision + 1)
        .returning(hubs.c.revision)
    )
    return None if row is None else int(row["revision"])


async def delete_hub(tx: TenantTx, hub_id: str, *, version: int | None = None) -> bool:
    """Its printers stay, without a hub; its events go with it. Raises StaleError unless it is of `version`."""
    await _refuse_stale(tx, hub_id, version)
    await tx.run(
        update(printers)
        .where(printers.c.tenant_id == tx.tenant_id, printers.c.hub_id == hub_id)
        .values(hub_id=None, version=printers.c.version + 1)
    )
    return await tx.run(delete(hubs).where(hubs.c.tenant_id == tx.tenant_id, hubs.c.id == hub_id)) > 0


async def connected(
    tx: Tx,
    hub_id: str,
    *,
    boot: str,
    firmware: str,
    board: str,
    sockets: int,
    max_printers: int,
    target: str = "",
    reset: str = "",
    safe: bool = False,
    image: str = "",
    image_room: int | None = None,
) -> int | None:
    """Note a hello and take the next epoch, the fencing token of this connection; None when the hub is gone."""
    said = {
        "boot": boot, "firmware": firmware, "board": board, "sockets": sockets, "max_printers": max_printers,
        "target": target, "reset": reset, "safe": safe, "image": image, "image_room": image_room,
    }  # fmt: skip
    row = await tx.one(
        update(hubs)
        .where(hubs.c.id == hub_id)
        .values(**said, epoch=hubs.c.epoch + 1, last_seen_at=clock.now())
        .returning(hubs.c.epoch)
    )
    return None if row is None else int(row["epoch"])


async def adopt_key(tx: Tx, hub_id: str, key_hash: str) -> None:
    """The hub came with the key that was offered to it: the one before is dead."""
    offered = (hubs.c.id == hub_id, hubs.c.next_key_hash == key_hash)
    await tx.run(update(hubs).where(*offered).values(key_hash=key_hash, next_key_hash="", next_key_at=None))


async def drop_offer(tx: Tx, hub_id: str, key_hash: str, before: str) -> None:
    """The hub came with its present key: a key that was offered before that moment has not reached it."""
    stale = (hubs.c.id == hub_id, hubs.c.key_hash == key_hash, hubs.c.next_key_hash != "", hubs.c.next_key_at < before)
    await tx.run(update(hubs).where(*stale).values(next_key_hash="", next_key_at=None))


async def report_revision(tx: Tx, hub_id: str, revision: int) -> None:
    await tx.run(update(hubs).where(hubs.c.id == hub_id).values(reported_revision=revision))


async def seen(tx: Tx, hub_id: str, said: Mapping[str, str | None] | None = None) -> None:
    """The hub is there; `said` are columns of what it told of itself meanwhile."""
    await tx.run(update(hubs).where(hubs.c.id == hub_id).values(last_seen_at=clock.now(), **(said or {})))


async def note_update(tx: TenantTx, hub_id: str, *, version: str, state: str, code: str, message: str) -> None:
    """How far the hub is with an update of its firmware, in its own words."""
    values = {"update_version": version, "update_state": state, "update_code": code, "update_message": message}
    await _change(tx, hub_id, **values, update_at=clock.now())


async def acked(tx: Tx, hub_id: str, boot: str) -> int:
    """The highest stored event number of this boot, 0 = none."""
    newest = select(func.max(hub_events.c.n)).where(hub_events.c.hub_id == hub_id, hub_events.c.boot == boot)
    return int(await tx.value(newest) or 0)


async def store_event(
    tx: TenantTx, *, hub_id: str, boot: str, n: int, name: str, printer_id: str, data: dict[str, Any]
) -> bool:
    """Keep one event; false when it is a repeat, whose effect must not happen again."""
    inserted = await tx.run(
        tx.insert(hub_events)
        .values(
            id=ids.new("evt"),
            tenant_id=tx.tenant_id,
            hub_id=hub_id,
            boot=boot,
            n=n,
            name=name,
            printer_id=printer_id,
            data=msgspec.json.encode(data).decode(),
            received_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["hub_id", "boot", "n"])
    )
    if inserted:
        await _change(tx, hub_id, acked=n, last_seen_at=clock.now())
        if n % _TRIM_EVERY == 1:  # the first of each start is one
            await _forget_old_events(tx, hub_id)
    return inserted > 0


async def _forget_old_events(tx: TenantTx, hub_id: str) -> None:
    """Old events of a hub that told others days ago; crashes have their own rule.

    A hub that comes back after a long time may repeat the last ones: not before it has been heard for a day are
    they let go.
    """
    of_hub = (hub_events.c.tenant_id == tx.tenant_id, hub_events.c.hub_id == hub_id)
    old = clock.after(-KEEP_EVENTS_DAYS * 86400)
    since = (hub_events.c.received_at >= old, hub_events.c.received_at < clock.after(-86400))
    if await tx.value(select(hub_events.c.id).where(*of_hub, *since).limit(1)) is None:
        return
    trimmed = (*of_hub, hub_events.c.name != "crash", hub_events.c.received_at < old)
    oldest = select(hub_events.c.id).where(*trimmed).order_by(hub_events.c.received_at).limit(_TRIM_MOST)
    await tx.run(delete(hub_events).where(hub_events.c.tenant_id == tx.tenant_id, hub_events.c.id.in_(oldest)))


class Crash(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub printed when it fell."""

    id: str
    boot: str
    """The start in which the hub told of it."""
    part: str
    text: str
    received_at: str


async def crashes(tx: TenantTx, hub_id: str) -> list[Crash]:
    """The newest first."""
    found = []
    for row in await tx.all(_crashes(tx, hub_id)):
        found.append(msgspec.convert({**msgspec.json.decode(row["data"]), **row}, Crash))
    return found


async def forget_old_crashes(tx: TenantTx, hub_id: str) -> None:
    """All but the newest."""
    old = [row["id"] for row in await tx.all(_crashes(tx, hub_id).limit(1000).offset(KEEP_CRASHES))]
    if old:
        await tx.run(delete(hub_events).where(hub_events.c.tenant_id == tx.tenant_id, hub_events.c.id.in_(old)))


def _crashes(tx: TenantTx, hub_id: str) -> Select[Any]:
    columns = (hub_events.c.id, hub_events.c.boot, hub_events.c.data, hub_events.c.received_at)
    where = (hub_events.c.tenant_id == tx.tenant_id, hub_events.c.hub_id == hub_id, hub_events.c.name == "crash")
    newest = (hub_events.c.received_at.desc(), hub_events.c.n.desc())
    return select(*columns).where(*where).order_by(*newest)


async def _refuse_stale(tx: TenantTx, hub_id: str, version: int | None) -> None:
    if version is not None and (hub := await get(tx, hub_id)) is not None and hub.version != version:
        raise StaleError(hub.version)


async def _change(tx: TenantTx, hub_id: str, **values: Any) -> bool:
    return await tx.run(update(hubs).where(hubs.c.tenant_id == tx.tenant_id, hubs.c.id == hub_id).values(**values)) > 0
