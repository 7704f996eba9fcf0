"""Queries: releases of the hubs' firmware, and how they go on the hubs."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import func, select, update

from cloud.storage import clock, ids
from cloud.storage.errors import StaleError
from cloud.storage.store import Row, Tx
from cloud.storage.tables import (
    hub_protocols,
    hub_release_files,
    hub_release_targets,
    hub_releases,
    hub_rollouts,
    hub_updates,
    hubs,
    print_jobs,
    printers,
)
from cloud.storage.tenant import TenantTx

Channel = Literal["stable", "beta"]

BEFORE_PRINT: Final = ("assigned", "uploading", "starting")
"""Job states in which a file is, or is about to be, on its way through the hub."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    channel: Channel
    percentage: int
    halted_at: str | None
    halted_why: str
    forgiven: int
    notes: str
    created_at: str
    targets: list[str] = []
    images: dict[str, str] = {}
    """Target -> the MicroPython it brings, for those it brings one."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a farm wants of updates."""

    channel: Channel = "stable"
    percentage: int = 100
    version: int = 0
    """Of this row; 0 = there is none."""


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """A release on a hub."""

    hub_id: str
    version: str
    state: str
    code: str
    message: str
    attempts: int
    asked_at: str
    updated_at: str


_RELEASE: Final = [hub_releases.c[name] for name in Release.__struct_fields__ if name not in ("targets", "images")]
_TRY: Final = [hub_updates.c[name] for name in Try.__struct_fields__]


# ---- releases


async def add(
    tx: Tx, release: Mapping[str, Any], manifests: Mapping[str, tuple[str, int, str]], files: Mapping[str, int]
) -> None:
    """A release with the manifest, size and MicroPython of each target, and its files by hash. Raises ConflictError."""
    version = release["version"]
    await tx.run(hub_releases.insert().values(**release, created_at=clock.now()))
    for target, (manifest, size, image) in manifests.items():
        values = {"version": version, "target": target, "manifest": manifest, "size": size, "image": image}
        await tx.run(hub_release_targets.insert().values(values))
    for sha256, size in files.items():
        await tx.run(hub_release_files.insert().values(version=version, sha256=sha256, size=size))


async def everything(tx: Tx) -> list[Release]:
    """All releases, the newest first by time."""
    images: dict[str, dict[str, str]] = {}
    columns = [hub_release_targets.c[name] for name in ("version", "target", "image")]
    for row in await tx.all(select(*columns).order_by(hub_release_targets.c.target)):
        images.setdefault(row["version"], {})[row["target"]] = row["image"]
    rows = await tx.all(select(*_RELEASE).order_by(hub_releases.c.created_at.desc(), hub_releases.c.version))
    return [
        msgspec.convert(
            {
                **row,
                "targets": list(images.get(row["version"], {})),
                "images": {target: image for target, image in images.get(row["version"], {}).items() if image},
            },
            Release,
        )
        for row in rows
    ]


async def image_of(tx: Tx, version: str, target: str) -> str:
    """The MicroPython that a release brings to a kind of board; "" = none."""
    where = (hub_release_targets.c.version == version, hub_release_targets.c.target == target)
    return str(await tx.value(select(hub_release_targets.c.image).where(*where)) or "")


async def manifest(tx: Tx, version: str, target: str) -> str | None:
    where = (hub_release_targets.c.version == version, hub_release_targets.c.target == target)
    found = await tx.value(select(hub_release_targets.c.manifest).where(*where))
    return None if found is None else str(found)


async def has_file(tx: Tx, version: str, sha256: str) -> bool:
    where = (hub_release_files.c.version == version, hub_release_files.c.sha256 == sha256)
    return await tx.value(select(hub_release_files.c.size).where(*where)) is not None


async def change(tx: Tx, version: str, **values: Any) -> bool:
    """Its channel, percentage, or halt. False when there is no such release."""
    return await tx.run(update(hub_releases).where(hub_releases.c.version == version).values(**values)) > 0


async def minimums(tx: Tx) -> dict[str, str]:
    """Protocol -> the oldest firmware that may speak it."""
    return {row["protocol"]: row["minimum"] for row in await tx.all(select(hub_protocols))}


async def set_minimum(tx: Tx, protocol: str, minimum: str) -> None:
    insert = tx.insert(hub_protocols).values(protocol=protocol, minimum=minimum)
    await tx.run(insert.on_conflict_do_update(index_elements=["protocol"], set_={"minimum": minimum}))


# ---- what farms want


async def wish(tx: TenantTx) -> Wish:
    columns = (hub_rollouts.c.channel, hub_rollouts.c.percentage, hub_rollouts.c.version)
    row = await tx.one(select(*columns).where(hub_rollouts.c.tenant_id == tx.tenant_id))
    return Wish() if row is None else msgspec.convert(row, Wish)


async def set_wish(tx: TenantTx, wanted: Wish, *, version: int | None) -> None:
    """Raises StaleError unless the row is of `version`."""
    former = await wish(tx)
    if version is not None and former.version != version:
        raise StaleError(former.version)
    values = {"channel": wanted.channel, "percentage": wanted.percentage, "version": former.version + 1}
    insert = tx.insert(hub_rollouts).values(tenant_id=tx.tenant_id, **values)
    await tx.run(insert.on_conflict_do_update(index_elements=["tenant_id"], set_=values))


# ---- how it goes


async def note(
    tx: TenantTx, hub_id: str, version: str, state: str, *, code: str = "", message: str = "", asked: bool = False
) -> None:
    """The newest word on a release on a hub; `asked` counts an attempt."""
    now = clock.now()
    values: dict[str, Any] = {"state": state, "code": code, "message": message, "updated_at": now}
    row = {"id": ids.new("upd"), "tenant_id": tx.tenant_id, "hub_id": hub_id, "version": version}
    insert = tx.insert(hub_updates).values(**row, **values, attempts=int(asked), asked_at=now)
    if asked:
        values |= {"attempts": hub_updates.c.attempts + 1, "asked_at": now}
    await tx.run(insert.on_conflict_do_update(index_elements=["hub_id", "version"], set_=values))


async def tries_of(tx: Tx, hub_ids: Collection[str]) -> dict[tuple[str, str], Try]:
    """By hub and version."""
    rows = await tx.all(select(*_TRY).where(hub_updates.c.hub_id.in_(list(hub_ids))))
    return {(row["hub_id"], row["version"]): msgspec.convert(row, Try) for row in rows}


async def outcomes(tx: Tx) -> dict[str, list[tuple[str, str, int]]]:
    """Version -> (state, code, how many hubs), of all farms."""
    count = func.count().label("hubs")
    columns = (hub_updates.c.version, hub_updates.c.state, hub_updates.c.code)
    found: dict[str, list[tuple[str, str, int]]] = {}
    for row in await tx.all(select(*columns, count).group_by(*columns)):
        found.setdefault(row["version"], []).append((row["state"], row["code"], int(row["hubs"])))
    return found


async def under_way(tx: Tx, states: Sequence[str], since: str) -> int:
    """How many hubs of all farms are at an update that moved after `since`."""
    where = (hub_updates.c.state.in_(states), hub_updates.c.updated_at >= since)
    return int(await tx.value(select(func.count()).select_from(hub_updates).where(*where)))


async def candidates(tx: Tx, hub_ids: Collection[str]) -> list[Row]:
    """Of these hubs `id`, `tenant_id`, `firmware`, `target`, and the farm's `channel` and `percentage` or NULL."""
    join = hubs.outerjoin(hub_rollouts, hub_rollouts.c.tenant_id == hubs.c.tenant_id)
    columns = (hubs.c.id, hubs.c.tenant_id, hubs.c.firmware, hubs.c.target)
    wishes = (hub_rollouts.c.channel, hub_rollouts.c.percentage)
    query = select(*columns, *wishes).select_from(join).where(hubs.c.id.in_(list(hub_ids)))
    return await tx.all(query.order_by(hubs.c.id))


async def carrying(tx: Tx, hub_ids: Collection[str]) -> set[str]:
    """Those of these hubs with a job whose file is, or is about to be, on its way to a printer."""
    join = printers.join(print_jobs, print_jobs.c.printer_id == printers.c.id)
    where = (printers.c.hub_id.in_(list(hub_ids)), print_jobs.c.status.in_(BEFORE_PRINT))
    return {
        str(row["hub_id"]) for row in await tx.all(select(printers.c.hub_id).distinct().select_from(join).where(*where))
    }
