"""The printer's MQTT broker face: sessions, logins, subscriptions; commands in, reports out."""

from __future__ import annotations

import asyncio
import hmac
import itertools
from collections import deque
from typing import TYPE_CHECKING

from tools.virtual_printer import mqtt_packets as mq
from tools.virtual_printer.wire import Wire

if TYPE_CHECKING:
    from tools.virtual_printer.printer import Printer

USER = "bblp"
_LONGEST_QUEUE = 400
"""Messages kept for a client that does not read; then the oldest are lost, as with QoS 0 on a real broker."""


class Session:
    """One logged-in client: its subscriptions and what still has to be sent to it."""

    def __init__(self, wire: Wire, client_id: str) -> None:
        self.wire = wire
        self.client_id = client_id
        self.filters: dict[str, int] = {}
        self.lost = 0
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()

    def subscribed(self, topic: str) -> bool:
        return any(mq.matches(pattern, topic) for pattern in self.filters)

    def send(self, data: bytes) -> None:
        """Queue a packet; never waits."""
        if len(self._queue) >= _LONGEST_QUEUE:
            self._queue.popleft()
            self.lost += 1
        self._queue.append(data)
        self._wake.set()

    async def write_out(self) -> None:
        """The session's writer: runs until cancelled or the wire breaks."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self.wire.write(self._queue.popleft())


class Broker:
    """All MQTT sessions of one printer."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._sessions: dict[str, Session] = {}
        self._anonymous = itertools.count(1)

    @property
    def clients(self) -> list[str]:
        return list(self._sessions)

    @property
    def has_audience(self) -> bool:
        topic = self._printer.report_topic
        return any(session.subscribed(topic) for session in self._sessions.values())

    def publish(self, payload: bytes, only: Session | None = None) -> None:
        """Send a report to everybody who subscribed to it, or to one session."""
        if self._printer.faults.silent:
            return
        topic = self._printer.report_topic
        data = mq.publish(topic, payload)
        for session in [only] if only else list(self._sessions.values()):
            if session.subscribed(topic):
                session.send(data)
                self._printer.journal.counters["reports"] += 1
                self._printer.journal.counters["report_bytes"] += len(payload)

    def apply_drip(self) -> None:
        """Let the drip switch take effect on sessions that are already there."""
        for session in self._sessions.values():
            session.wire.drip = self._drip()

    async def serve(self, wire: Wire) -> None:
        """One accepted TCP connection, from the TLS handshake to its end."""
        if self._printer.faults.tls_hang:
            await wire.wait_for_tcp_end()
            return
        await wire.start_tls(self._printer.context)
        try:
            session = await self._login(wire)
            if session is not None:
                await self._run(session)
        except mq.MqttError as error:
            self._printer.journal.event("mqtt_protocol_error", reason=str(error))

    async def _login(self, wire: Wire) -> Session | None:
        kind, _, body = await mq.read_packet(wire)
        if kind != mq.CONNECT:
            raise mq.MqttError("first packet is not CONNECT")
        hello = mq.parse_connect(body)
        journal = self._printer.journal
        if hello.level not in (3, 4):
            await wire.write(mq.connack(mq.BAD_PROTOCOL))
            await wire.close()
            return None
        code = self._printer.access_code.encode()
        if hello.user != USER or not hmac.compare_digest(hello.password.encode(), code):
            journal.event("mqtt_refused", reason="login", peer=wire.peer)
            await wire.write(mq.connack(mq.BAD_LOGIN))
            await wire.close()
            return None
        identity = hello.client_id or f"auto-{next(self._anonymous)}"
        older = self._sessions.pop(identity, None)
        if older is not None:
            journal.event("mqtt_kicked", client=identity)
            older.wire.abort()
        limit = self._printer.faults.max_clients or self._printer.model.max_clients
        if len(self._sessions) >= limit:
            journal.event("mqtt_refused", reason="too many clients", peer=wire.peer)
            return None
        session = Session(wire, identity)
        self._sessions[identity] = session
        journal.event("mqtt_connected", client=identity)
        await wire.write(mq.connack(mq.ACCEPTED))
        wire.drip = self._drip()
        return session

    async def _run(self, session: Session) -> None:
        writer = asyncio.create_task(session.write_out())
        # A broken wire must end the reader too, even when the client never sends again.
        writer.add_done_callback(lambda task: None if task.cancelled() else _end(task, session))
        try:
            while await self._handle(session, *await mq.read_packet(session.wire)):
                pass
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            if self._sessions.get(session.client_id) is session:
                del self._sessions[session.client_id]
            self._printer.journal.event("mqtt_disconnected", client=session.client_id)

    async def _handle(self, session: Session, kind: int, flags: int, body: bytes) -> bool:
        if kind == mq.PUBLISH:
            self._published(session, mq.parse_publish(flags, body))
        elif kind == mq.SUBSCRIBE:
            packet_id, topics = mq.parse_topics(body, with_qos=True)
            session.filters.update(topics)
            granted = bytes(min(qos, 1) for _, qos in topics)
            session.send(mq.acknowledge(mq.SUBACK, packet_id, granted))
            if session.subscribed(self._printer.report_topic):
                self._printer.reporter.greet(session)
        elif kind == mq.UNSUBSCRIBE:
            packet_id, topics = mq.parse_topics(body, with_qos=False)
            for name, _ in topics:
                session.filters.pop(name, None)
            session.send(mq.acknowledge(mq.UNSUBACK, packet_id))
        elif kind == mq.PINGREQ:
            session.send(mq.packet(mq.PINGRESP, 0, b""))
        elif kind == mq.DISCONNECT:
            self._printer.journal.event("mqtt_goodbye", client=session.client_id)
            await session.wire.close()
            return False
        elif kind != mq.PUBACK:
            raise mq.MqttError(f"unexpected packet {kind}")
        return True

    def _published(self, session: Session, message: mq.Publish) -> None:
        if message.qos > 1:
            raise mq.MqttError("QoS 2 is not spoken")
        if message.qos and not self._printer.faults.no_puback:
            session.send(mq.acknowledge(mq.PUBACK, message.packet_id))
        if message.topic == self._printer.request_topic:
            self._printer.commands.receive(session.client_id, message.payload)
        else:
            self._printer.journal.event("wrong_topic", topic=message.topic, client=session.client_id)

    def _drip(self) -> tuple[int, float] | None:
        faults = self._printer.faults
        return (faults.drip_bytes, faults.drip_pause) if faults.drip_bytes else None


def _end(task: asyncio.Task[None], session: Session) -> None:
    task.exception()  # the broken wire explains itself; nothing to report
    session.wire.abort()
