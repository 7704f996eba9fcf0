"""The bus within one process: what a node alone needs, and what every test uses."""

import asyncio
import inspect
from collections import deque

import structlog

from cloud.bus.interface import (
    BusClosed,
    Handler,
    NoResponder,
    Responder,
    ResponderFailed,
    Timeout,
    check_pattern,
    check_subject,
)

log = structlog.get_logger(__name__)


class LocalSubscription:
    """A bounded queue and the one task that empties it."""

    def __init__(self, bus: "LocalBus", subject: str, handler: Handler, limit: int) -> None:
        self.subject = subject
        self.tokens = subject.split(".")
        self.dropped = 0
        self._bus = bus
        self._handler = handler
        self._queue: deque[tuple[str, bytes]] = deque(maxlen=limit)
        self._wake = asyncio.Event()
        self._closed = False
        self.task = asyncio.create_task(self._run(), name=f"bus {subject}")

    def put(self, subject: str, data: bytes) -> None:
        if len(self._queue) == self._queue.maxlen:
            self.dropped += 1
        self._queue.append((subject, data))
        self._wake.set()

    def matches(self, tokens: list[str]) -> bool:
        return len(tokens) == len(self.tokens) and all(
            mine in ("*", theirs) for mine, theirs in zip(self.tokens, tokens, strict=True)
        )

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._queue.clear()
            self._wake.set()
            self._bus._forget(self)

    def finish(self) -> None:
        """Handle what is queued, then end."""
        self._closed = True
        self._wake.set()

    async def _run(self) -> None:
        while True:
            while self._queue:
                subject, data = self._queue.popleft()
                await self._handle(subject, data)
            if self._closed:
                return
            self._wake.clear()
            await self._wake.wait()

    async def _handle(self, subject: str, data: bytes) -> None:
        try:
            waiting = self._handler(subject, data)
            if inspect.isawaitable(waiting):
                await waiting
        except Exception:
            log.exception("bus.handler_failed", subject=subject)


class LocalResponder:
    dropped = 0

    def __init__(self, bus: "LocalBus", subject: str, responder: Responder) -> None:
        self.subject = subject
        self.responder = responder
        self._bus = bus

    def close(self) -> None:
        self._bus._forget_responder(self)


class LocalBus:
    """See `interface.Bus`. Not thread-safe: call it from the event loop's thread."""

    def __init__(self) -> None:
        self._exact: dict[str, list[LocalSubscription]] = {}
        self._patterns: list[LocalSubscription] = []
        self._responders: dict[str, list[LocalResponder]] = {}
        self._subscription_tasks: set[asyncio.Task[None]] = set()
        self._answers: set[asyncio.Task[bytes]] = set()
        self._open = False

    async def start(self) -> None:
        self._open = True

    async def drain(self, seconds: float = 5.0) -> None:
        self._open = False
        for subscription in [*self._patterns, *(s for group in self._exact.values() for s in group)]:
            subscription.finish()
        waiting: set[asyncio.Task[None] | asyncio.Task[bytes]] = {*self._answers, *self._subscription_tasks}
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=seconds)
            for task in late:
                log.warning("bus.drain_cut_short", task=task.get_name())
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._exact.clear()
        self._patterns.clear()
        self._responders.clear()

    def publish(self, subject: str, data: bytes) -> None:
        check_subject(subject)
        if not self._open:
            return
        for subscription in self._exact.get(subject, ()):
            subscription.put(subject, data)
        if self._patterns:
            tokens = subject.split(".")
            for subscription in self._patterns:
                if subscription.matches(tokens):
                    subscription.put(subject, data)

    def subscribe(self, subject: str, handler: Handler, *, limit: int = 1024) -> LocalSubscription:
        check_pattern(subject)
        self._must_be_open()
        subscription = LocalSubscription(self, subject, handler, limit)
        self._subscription_tasks.add(subscription.task)
        subscription.task.add_done_callback(self._subscription_tasks.discard)
        if "*" in subscription.tokens:
            self._patterns.append(subscription)
        else:
            self._exact.setdefault(subject, []).append(subscription)
        return subscription

    async def request(self, subject: str, data: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - part of a bus
        check_subject(subject)
        self._must_be_open()
        group = self._responders.get(subject)
        if not group:
            raise NoResponder(subject)
        # A task of its own: the responder's work goes on when the asker stops waiting, as it would on another node.
        task = asyncio.ensure_future(group[-1].responder(data))
        self._answers.add(task)
        task.add_done_callback(self._answered)
        done, _ = await asyncio.wait({task}, timeout=timeout)
        if not done:
            raise Timeout(subject)
        if task.cancelled() or task.exception() is not None:
            raise ResponderFailed(subject)
        return task.result()

    def respond(self, subject: str, responder: Responder) -> LocalResponder:
        check_subject(subject)
        self._must_be_open()
        answering = LocalResponder(self, subject, responder)
        self._responders.setdefault(subject, []).append(answering)
        return answering

    def _must_be_open(self) -> None:
        if not self._open:
            raise BusClosed("the bus is not open")

    def _answered(self, task: asyncio.Task[bytes]) -> None:
        self._answers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("bus.responder_failed", exc_info=error)

    def _forget(self, subscription: LocalSubscription) -> None:
        if subscription in self._patterns:
            self._patterns.remove(subscription)
        group = self._exact.get(subscription.subject, [])
        if subscription in group:
            group.remove(subscription)
            if not group:
                del self._exact[subscription.subject]

    def _forget_responder(self, answering: LocalResponder) -> None:
        group = self._responders.get(answering.subject, [])
        if answering in group:
            group.remove(answering)
            if not group:
                del self._responders[answering.subject]
