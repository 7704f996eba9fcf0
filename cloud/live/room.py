"""What the browsers of one tenant look at: one copy of the state per tenant and node, and the browsers to tell.

The copy starts with a snapshot and follows the bus from there. A browser gets its snapshot from this copy and its
deltas from the same stream of changes, so that nothing is missing or comes twice in between.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

import msgspec
import structlog

from cloud.bus import Bus, Subscription, subjects

log = structlog.get_logger(__name__)

View = dict[str, Any]
Changes = dict[str, Any] | None
"""Changed fields; None = the whole thing is gone."""
What = Literal["printers", "jobs", "hubs"]

LINGER_S: Final = 5.0
"""A reloaded page comes back at once: until then the hubs need not slow down and speed up again."""
BACKLOG: Final = 4096


class LiveSource(Protocol):
    """Where a snapshot comes from: `printing.live`."""

    def snapshot(self, tenant_id: str) -> dict[str, View]: ...
    def jobs(self, tenant_id: str) -> dict[str, View]: ...
    def hub_views(self, tenant_id: str) -> dict[str, View]: ...


class Member(Protocol):
    """A browser."""

    def changed(self, what: What, key: str, changes: Changes) -> None: ...
    def resync(self) -> None: ...


class _Message(msgspec.Struct):
    printers: dict[str, Changes] = {}
    jobs: dict[str, Changes] = {}
    hubs: dict[str, Changes] = {}


_decoder = msgspec.json.Decoder(_Message)


class TenantRoom:
    """Open while somebody is in it, and a moment longer."""

    def __init__(self, tenant_id: str, bus: Bus, source: LiveSource, on_empty: Callable[["TenantRoom"], None]) -> None:
        self.tenant_id = tenant_id
        self.printers: dict[str, View] = {}
        self.jobs: dict[str, View] = {}
        self.hubs: dict[str, View] = {}
        self.members: set[Member] = set()
        self._bus = bus
        self._source = source
        self._on_empty = on_empty
        self._linger: asyncio.TimerHandle | None = None
        self._lost = 0
        self._changes: Subscription = bus.subscribe(subjects.live(tenant_id), self._on_changes, limit=BACKLOG)
        self._answers: Subscription = bus.respond(subjects.watched(tenant_id), _yes)
        self._load()
        self._announce(True)

    def enter(self, member: Member) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self.members.add(member)

    def leave(self, member: Member) -> None:
        self.members.discard(member)
        if not self.members and self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._on_empty, self)

    def close(self) -> None:
        """Nobody looks any more. Twice is harmless."""
        if self._linger is not None:
            self._linger.cancel()
        self._changes.close()
        self._answers.close()
        self._announce(False)

    def _announce(self, watching: bool) -> None:
        self._bus.publish(subjects.watch(self.tenant_id), msgspec.json.encode({"watching": watching}))

    def _load(self) -> None:
        self.printers = self._source.snapshot(self.tenant_id)
        self.jobs = self._source.jobs(self.tenant_id)
        self.hubs = self._source.hub_views(self.tenant_id)

    def _on_changes(self, _subject: str, data: bytes) -> None:
        if self._changes.dropped != self._lost:
            # The bus had more than we could take: begin again from what is true now.
            self._lost = self._changes.dropped
            log.warning("live.messages_lost", tenant=self.tenant_id, dropped=self._lost)
            self._load()
            for member in self.members:
                member.resync()
            return
        message = _decoder.decode(data)
        for key, changes in message.printers.items():
            self._apply("printers", self.printers, key, changes)
        for key, changes in message.jobs.items():
            self._apply("jobs", self.jobs, key, changes)
        for key, changes in message.hubs.items():
            self._apply("hubs", self.hubs, key, changes)

    def _apply(self, what: What, views: dict[str, View], key: str, changes: Changes) -> None:
        if changes is None:
            if views.pop(key, None) is None:
                return
        else:
            views.setdefault(key, {}).update(changes)
        for member in self.members:
            member.changed(what, key, changes)


async def _yes(_: bytes) -> bytes:
    return b""
