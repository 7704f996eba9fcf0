"""The hubs connected to this node: who is there, who was superseded, and what reaches them over the bus."""

import asyncio
import random
from typing import Final, Protocol

import structlog

from cloud.bus import Bus, BusError, Subscription, subjects
from cloud.hubs.commands import CommandDesk
from cloud.hubs.desired import DesiredConfig
from cloud.hubs.session import REVOKED, SUPERSEDED, Ending, HubSession, Observer
from cloud.hubs.timing import Timing
from cloud.printing.asks import ask_subject
from cloud.storage.errors import StoreError

log = structlog.get_logger(__name__)

WATCHED_ANSWER_S: Final = 0.5


class Asks(Protocol):
    """Answers what is asked of one hub: ask.py."""

    async def answer(self, session: HubSession, data: bytes) -> bytes: ...


class Switchboard:
    """One per node. `run` serves a session for as long as it lives."""

    def __init__(self, bus: Bus, desired: DesiredConfig, observer: Observer, asks: Asks, timing: Timing) -> None:
        self._bus = bus
        self._desired = desired
        self._observer = observer
        self._asks = asks
        self._timing = timing
        self._sessions: dict[str, HubSession] = {}
        self._desks: dict[str, CommandDesk] = {}
        self._empty = asyncio.Event()
        self.draining = False

    def session(self, hub_id: str) -> HubSession | None:
        """The living connection of a hub on this node."""
        return self._sessions.get(hub_id)

    def connected(self) -> list[str]:
        """The ids of the hubs on this node."""
        return list(self._sessions)

    @property
    def count(self) -> int:
        return len(self._sessions)

    def desk(self, hub_id: str) -> CommandDesk:
        """Where commands to a hub wait, whether it is connected or not."""
        return self._desks.setdefault(hub_id, CommandDesk())

    async def run(self, session: HubSession) -> None:
        """From `welcome` to the end."""
        if not self._attach(session):
            session.end(SUPERSEDED)
            await session.run()
            return
        subscriptions: list[Subscription] = []
        try:
            subscriptions = self._subscribe(session)
            self._observer.hub_arrived(session.desired.hub)
            self._observer.hub_online(session.hub_id, session.tenant_id, list(session.desired.printers))
            session.welcome(await self._pace(session.tenant_id))
            await self._refresh(session)  # what changed between reading the configuration and subscribing
            session.desk.connected(session.put)
            ending = await session.run()
            log.info("hub.left", hub=session.hub_id, epoch=session.arrival.epoch, reason=ending.reason)
        finally:
            for subscription in subscriptions:
                subscription.close()
            self._detach(session)

    async def drain(self, seconds: float) -> None:
        """Tell every hub to come back, in random order spread over `seconds`; returns when all are gone."""
        self.draining = True
        sessions = list(self._sessions.values())
        random.shuffle(sessions)
        for session in sessions:
            # By the time a hub comes back, another process should listen; and not all come at once.
            session.end(Ending(1012, "the server restarts", "restart", random.randint(500, 1500 + int(seconds * 1000))))
            await asyncio.sleep(seconds / len(sessions))
        while self._sessions:
            self._empty.clear()
            await self._empty.wait()

    # ---- coming and going

    def _attach(self, session: HubSession) -> bool:
        former = self._sessions.get(session.hub_id)
        if former is not None and former.arrival.epoch > session.arrival.epoch:
            return False
        self._sessions[session.hub_id] = session
        if former is not None:
            former.end(SUPERSEDED)
        self._bus.publish(subjects.hub_claim(session.hub_id), b"%d" % session.arrival.epoch)
        if self.draining:
            session.end(Ending(1012, "the server restarts", "restart", 1000))
        return True

    def _detach(self, session: HubSession) -> None:
        if self._sessions.get(session.hub_id) is not session:
            return  # a newer connection has taken the place
        del self._sessions[session.hub_id]
        session.desk.disconnected()
        if session.desk.idle:
            self._desks.pop(session.hub_id, None)
        self._observer.hub_offline(session.hub_id)
        if not self._sessions:
            self._empty.set()

    # ---- the bus

    def _subscribe(self, session: HubSession) -> list[Subscription]:
        async def refresh(_subject: str, _data: bytes) -> None:
            await self._refresh(session)

        async def pace(_subject: str, _data: bytes) -> None:
            session.pace(await self._pace(session.tenant_id))

        def claim(_subject: str, data: bytes) -> None:
            if int(data) > session.arrival.epoch:
                session.end(SUPERSEDED)

        async def answer(data: bytes) -> bytes:
            return await self._asks.answer(session, data)

        hub_id = session.hub_id
        return [
            self._bus.subscribe(subjects.hub_config(hub_id), refresh),
            self._bus.subscribe(subjects.watch(session.tenant_id), pace),
            self._bus.subscribe(subjects.hub_claim(hub_id), claim),
            self._bus.respond(ask_subject(hub_id), answer),
        ]

    async def _refresh(self, session: HubSession) -> None:
        try:
            desired = await self._desired.read(session.hub_id)
        except StoreError as error:
            # The next change or reconnect reads again; a revision is never lost, it is in the database.
            log.warning("hub.config_not_read", hub=session.hub_id, problem=type(error).__name__)
            return
        if desired is None or not desired.hub.accepts(session.key_hash):
            session.end(REVOKED)
        elif desired.hub.epoch > session.arrival.epoch:
            session.end(SUPERSEDED)
        else:
            session.configure(desired)

    async def _pace(self, tenant_id: str) -> int:
        """As often as this tenant's hubs should report, in milliseconds."""
        try:
            await self._bus.request(subjects.watched(tenant_id), b"", WATCHED_ANSWER_S)
        except BusError:
            return self._timing.unwatched_ms
        return self._timing.watched_ms
