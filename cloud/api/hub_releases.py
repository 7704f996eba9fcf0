"""/api/hub-releases and /api/hub-rollout: releases of the hubs' firmware, and how a farm takes them.

A release is of the whole installation: it is published by whoever runs it (`python -m cloud add-release FILE`), not by
a farm. A farm chooses its channel and how many of its hubs go first, and may update a hub at once.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id
from cloud.hubs.rollout import Outcome, Rollout, newest_for, oldest_allowed
from cloud.storage import releases as queries
from cloud.storage.releases import Channel, Release, Wish
from cloud.storage.tenant import TenantTx

Version = Annotated[str, Meta(pattern=r"^\d{1,6}(\.\d{1,6}){1,3}$(?!\n)", examples=["1.4.0"])]
Percentage = Annotated[int, Meta(ge=0, le=100)]


class ReleaseOut(Struct, frozen=True, kw_only=True):
    version: str
    channel: Channel
    targets: list[str]
    """Kinds of board it is for."""
    images: dict[str, str]
    """Kind of board -> the MicroPython it brings."""
    percentage: int
    """Of all hubs, that are offered it by themselves."""
    halted: bool
    halted_at: str | None
    halted_why: str
    """Why it is offered to no more hubs."""
    notes: str
    created_at: str
    under_way: int
    """Hubs at it now."""
    good: int
    failed: int


class ReleaseList(Struct, frozen=True):
    items: list[ReleaseOut]
    total: int


class RolloutOut(Struct, frozen=True, kw_only=True):
    """What this farm's hubs are given."""

    channel: Channel
    percentage: int
    """Of this farm's hubs, that are updated by themselves; the others when they are told to."""
    offered: dict[str, str]
    """Kind of board -> the newest release on this channel that is not stopped."""
    minimum: str
    """The oldest firmware that may speak the present protocol; older hubs are updated before their turn. "" = any."""
    halted: bool
    """Whether the newest release of the channel was stopped."""
    halted_version: str
    halted_why: str
    version: int


class RolloutPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    channel: Channel | UnsetType = UNSET
    percentage: Percentage | UnsetType = UNSET


class UpdateIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Version | None = None
    """The newest of the farm's channel when left out."""


class UpdateOut(Struct, frozen=True, kw_only=True):
    id: str
    """Of the hub."""
    version: str
    """What it installs now; its `update` tells how it goes."""


class HubReleasesApi:
    """Endpoints about releases and the roll-out."""

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", "/api/hub-releases/", self.list),
            Endpoint("GET", "/api/hub-rollout", self.get),
            Endpoint("PATCH", "/api/hub-rollout", self.change, role="owner", versioned=True),
            Endpoint("POST", "/api/hubs/{id}/update", self.update, status=202, errors=(409,), command=True),
        ]

    async def list(self, call: Call) -> ReleaseList:
        """All releases, and how each goes on the hubs of the whole installation."""
        outcomes = await self._rollout.outcomes()
        releases = await call.store.read(queries.everything)
        items = [_release(release, outcomes.get(release.version, Outcome())) for release in releases]
        return ReleaseList(items, len(items))

    async def get(self, call: Call) -> RolloutOut:
        """How this farm takes releases."""
        return await call.store.read(_rollout)

    async def change(self, call: Call, body: RolloutPatch) -> RolloutOut:
        """Choose the channel, and how many of the farm's hubs are updated by themselves."""
        version = call.version

        async def unit(tx: TenantTx) -> RolloutOut:
            changes = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
            wanted = msgspec.structs.replace(await queries.wish(tx), **changes)
            await queries.set_wish(tx, wanted, version=version)
            tx.after_commit(self._rollout.look)
            return await _rollout(tx)

        return await call.store.write(unit)

    async def update(self, call: Call, hub_id: Id, body: UpdateIn) -> UpdateOut:
        """Update a hub now, whatever its turn. It refuses while a file or a print's start is on its way through it."""
        version = await self._rollout.update_now(call.store, hub_id, body.version, command_id=call.command_id)
        return UpdateOut(id=hub_id, version=version)


async def _rollout(tx: TenantTx) -> RolloutOut:
    wish: Wish = await queries.wish(tx)
    releases = await queries.everything(tx)
    offered = {}
    for target in sorted({target for release in releases for target in release.targets}):
        newest = newest_for(releases, target, wish.channel)
        if newest is not None:
            offered[target] = newest.version
    mine = [release for release in releases if wish.channel in ("beta", release.channel)]
    stopped = next((release for release in mine[:1] if release.halted_at is not None), None)
    return RolloutOut(
        channel=wish.channel,
        percentage=wish.percentage,
        offered=offered,
        minimum=oldest_allowed(await queries.minimums(tx)),
        halted=stopped is not None,
        halted_version=stopped.version if stopped else "",
        halted_why=stopped.halted_why if stopped else "",
        version=wish.version,
    )


def _release(release: Release, outcome: Outcome) -> ReleaseOut:
    return ReleaseOut(
        version=release.version,
        channel=release.channel,
        targets=release.targets,
        images=release.images,
        percentage=release.percentage,
        halted=release.halted_at is not None,
        halted_at=release.halted_at,
        halted_why=release.halted_why,
        notes=release.notes,
        created_at=release.created_at,
        under_way=outcome.under_way,
        good=outcome.good,
        failed=outcome.failed,
    )
