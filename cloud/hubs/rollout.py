"""Which hub gets which release, when: staged by percentage, stopped by itself when it goes badly.

A hub's place in a roll-out is a hash of its id and the version: the same on every node and after every restart, and
another for the next release, so that no hub is always the first. Offers are made to the hubs of this node; what became
of them is in the database, for all nodes.
"""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec
import structlog

from cloud.bus import Bus, Subscription, subjects
from cloud.errors import conflict, not_found
from cloud.hubs.releases import version_of
from cloud.printing.asks import CommandAsk
from cloud.printing.hub_client import HUB_OFFLINE, HubClient
from cloud.storage import clock, ids
from cloud.storage import hubs as hub_queries
from cloud.storage import releases as queries
from cloud.storage.errors import StoreError
from cloud.storage.hubs import Hub
from cloud.storage.releases import Channel, Release, Try, Wish
from cloud.storage.store import Row, Store, Tx
from cloud.storage.tenant import TenantStore, TenantTx
from shared_protocol import version as protocol_versions

log = structlog.get_logger(__name__)

SWEEP_S: Final = 60.0
TTL_MS: Final = 10_000
AT_ONCE: Final = 20
"""Hubs that update at the same time: each fetches some 100 KB from us, or 2 MB with a MicroPython."""
STUCK_S: Final = 2 * 3600.0
"""A hub that has said nothing of its update for so long is asked again."""
RETRY_S: Final = 1800.0
ATTEMPTS: Final = 5

UNDER_WAY: Final = ("asked", "fetching", "testing")
_NOT_ITS_FAULT: Final = ("busy", "unreachable", "unavailable", "flash", "needs_cable", HUB_OFFLINE)
"""What says nothing about the release."""
_LEAST_RATIO: Final = 20
"""One failure in so many is borne beside the number that the settings allow."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a release goes, over all hubs."""

    under_way: int = 0
    good: int = 0
    failed: int = 0
    """Failed or rolled back, by the release's own fault."""

    def halts(self, tolerated: int, forgiven: int) -> bool:
        failed = self.failed - forgiven
        return failed > max(tolerated, (self.good + failed) // _LEAST_RATIO)


class Rollout:
    """One per node. `hubs()` gives the ids of those connected here; `tolerated` failures do not stop a release."""

    def __init__(
        self, store: Store, client: HubClient, bus: Bus, hubs: Callable[[], Collection[str]], *, tolerated: int = 1,
        sweep_s: float = SWEEP_S,
    ) -> None:  # fmt: skip
        self._store = store
        self._client = client
        self._bus = bus
        self._news: Subscription | None = None
        self._hubs = hubs
        self._tolerated = tolerated
        self._sweep_s = sweep_s
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._news = self._bus.subscribe(subjects.HUB_NEWS, lambda _subject, _data: self.look())
        self._task = asyncio.create_task(self._run(), name="roll-out of releases")

    async def close(self) -> None:
        if self._news is not None:
            self._news.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def look(self) -> None:
        """Something changed: a hub came, an update ended, a farm wants something else."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                await self.sweep()
            except StoreError as error:
                log.warning("rollout.not_looked", problem=type(error).__name__)
            except Exception:
                log.exception("rollout.failed")
            try:
                async with asyncio.timeout(self._sweep_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    # ---- one look at everything

    async def sweep(self) -> None:
        """Stop what goes badly, then offer what may be offered to the hubs of this node."""
        counted = await outcomes(self._store)
        releases = await self._store.read(queries.everything)
        releases = [await self._judged(release, counted.get(release.version)) for release in releases]
        hub_ids = list(self._hubs())
        if not hub_ids or not releases:
            return
        for row, release in await self._store.read(lambda tx: self._plan(tx, releases, hub_ids)):
            await self._offer(TenantStore(self._store, row["tenant_id"]), row["id"], release.version)

    async def _judged(self, release: Release, outcome: Outcome | None) -> Release:
        if release.halted_at is not None or outcome is None or not outcome.halts(self._tolerated, release.forgiven):
            return release
        why = f"It failed on {outcome.failed} of {outcome.failed + outcome.good} hubs that tried it."
        halt: dict[str, Any] = {"halted_at": clock.now(), "halted_why": why}
        await self._store.write(lambda tx: queries.change(tx, release.version, **halt))
        log.error("rollout.halted", version=release.version, failed=outcome.failed, good=outcome.good)
        return msgspec.structs.replace(release, **halt)

    async def _plan(self, tx: Tx, releases: Sequence[Release], hub_ids: Sequence[str]) -> list[tuple[Row, Release]]:
        room = AT_ONCE - await queries.under_way(tx, UNDER_WAY, clock.after(-STUCK_S))
        tries = await queries.tries_of(tx, hub_ids)
        minimum = oldest_allowed(await queries.minimums(tx))
        carrying = await queries.carrying(tx, hub_ids)
        planned = []
        for row in await queries.candidates(tx, hub_ids):
            wanted = Wish(channel=row["channel"] or "stable", percentage=_whole(row["percentage"]))
            release = newest_for(releases, row["target"], wanted.channel)
            if release is None or row["id"] in carrying or not is_newer(release, row["firmware"]):
                continue
            must = version_of(row["firmware"]) < version_of(minimum)
            if not must and not is_turn(row["id"], release, wanted):
                continue
            if _may_try(tries.get((row["id"], release.version))):
                planned.append((row, release))
        return planned[: max(0, room)]

    # ---- one hub

    async def _offer(self, tenant: TenantStore, hub_id: str, version: str, *, command_id: str = "") -> tuple[str, str]:
        """Ask a hub to update. Its answer's code and sentence; ("", "") = it does, and will tell how it goes."""
        await tenant.write(lambda tx: queries.note(tx, hub_id, version, "asked", asked=True))
        ask = CommandAsk(id=command_id or ids.new("cmd"), name="update", args={"version": version}, ttl_ms=TTL_MS)
        answer = await self._client.command(hub_id, ask)
        if answer.ok:
            log.info("rollout.asked", hub=hub_id, version=version)
            return "", ""
        log.info("rollout.refused", hub=hub_id, version=version, code=answer.code)
        code, message = answer.code[:32], answer.message[:300]
        await tenant.write(lambda tx: queries.note(tx, hub_id, version, "failed", code=code, message=message))
        return answer.code, answer.message

    async def outcomes(self) -> dict[str, Outcome]:
        """How each release goes on all hubs, by version."""
        return await outcomes(self._store)

    async def update_now(self, tenant: TenantStore, hub_id: str, version: str | None, *, command_id: str) -> str:
        """Update one hub at once, whatever its turn; the version it is asked to install.

        DomainErrors: not_found, up_to_date, no_release, halted, busy, and what the hub refuses with.
        """
        release = await tenant.read(lambda tx: self._wanted(tx, hub_id, version))
        code, message = await self._offer(tenant, hub_id, release.version, command_id=command_id)
        if code:
            raise conflict(code, message or "The hub does not update now.")
        return release.version

    async def _wanted(self, tx: TenantTx, hub_id: str, version: str | None) -> Release:
        hub = await hub_queries.get(tx, hub_id)
        if hub is None:
            raise not_found("hub")
        releases = await queries.everything(tx)
        if version is None:
            release = newest_for(releases, hub.target, (await queries.wish(tx)).channel)
            if release is None or not is_newer(release, hub.firmware):
                raise conflict("up_to_date", "There is no newer release for this hub on the farm's channel.")
        else:
            found = [one for one in releases if one.version == version and hub.target in one.targets]
            if not found:
                raise conflict("no_release", f"There is no release {version} for this kind of hub.")
            release = found[0]
        if release.halted_at is not None:
            raise conflict("halted", f"Release {release.version} was stopped: {release.halted_why}")
        if await queries.carrying(tx, [hub_id]):
            raise conflict("busy", "A file is on its way to one of the hub's printers: try again in a minute.")
        return release


async def outcomes(store: Store) -> dict[str, Outcome]:
    """How each release goes, by version."""
    found = {}
    for version, counts in (await store.read(queries.outcomes)).items():
        found[version] = Outcome(
            under_way=sum(count for state, _, count in counts if state in UNDER_WAY),
            good=sum(count for state, _, count in counts if state == "good"),
            failed=sum(count for state, code, count in counts if _is_failure(state, code)),
        )
    return found


def is_turn(hub_id: str, release: Release, wanted: Wish) -> bool:
    """Whether a hub is among the first so many in a hundred for this release."""
    digest = hashlib.sha256(f"{release.version} {hub_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % 100 < min(release.percentage, wanted.percentage)


def newest_for(releases: Sequence[Release], target: str, channel: Channel) -> Release | None:
    """The newest release that is not stopped, for a kind of board; the beta channel has the stable ones too."""
    fit = [
        release
        for release in releases
        if target in release.targets and release.halted_at is None and channel in ("beta", release.channel)
    ]
    return max(fit, key=lambda release: version_of(release.version), default=None)


def is_newer(release: Release, firmware: str) -> bool:
    return version_of(release.version) > version_of(firmware)


def oldest_allowed(minimums: dict[str, str]) -> str:
    """The oldest firmware that speaks the newest protocol as we do; "" = any."""
    return minimums.get(protocol_versions.SUBPROTOCOLS[0], "")


def by_cable(image: str, hub: Hub) -> str:
    """The MicroPython that the release on a hub brings, when the hub runs an older one all the same: it has no slot for
    it, so only a cable helps. "" = all is well.
    """
    return image if hub.image and version_of(image) > version_of(hub.image) else ""


def _is_failure(state: str, code: str) -> bool:
    return state == "rolled_back" or (state == "failed" and code not in _NOT_ITS_FAULT)


def _may_try(former: Try | None) -> bool:
    if former is None:
        return True
    if former.state in ("good", "rolled_back") or former.attempts >= ATTEMPTS:
        return False
    pause = STUCK_S if former.state in UNDER_WAY else RETRY_S
    return former.updated_at < clock.after(-pause)


def _whole(percentage: int | None) -> int:
    return 100 if percentage is None else percentage
