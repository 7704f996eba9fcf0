"""What a bus promises, whatever carries it. The contract tests run against every implementation.

Subjects are dot-separated tokens of `[A-Za-z0-9_-]`; a subscription may use `*` for one whole token. Bytes travel,
never objects, so that nobody shares state by accident and a bus between machines behaves the same.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Protocol

Handler = Callable[[str, bytes], Awaitable[None] | None]
"""Takes (subject, data). Messages of one subscription are handled one after the other, in order."""

Responder = Callable[[bytes], Awaitable[bytes]]
"""Takes a request's data and gives the reply's. Requests are answered concurrently."""

_WORD = r"[A-Za-z0-9_-]+"
_SUBJECT = re.compile(rf"{_WORD}(?:\.{_WORD})*")
_PATTERN = re.compile(rf"(?:{_WORD}|\*)(?:\.(?:{_WORD}|\*))*")


class BusError(Exception):
    """Base of what a bus raises."""


class NoResponder(BusError):  # noqa: N818 - reads as what happened
    """Nobody answers on this subject now. Known at once, not after a time-out."""


class Timeout(BusError):  # noqa: N818 - reads as what happened
    """No reply in time. The request may still be carried out."""


class ResponderFailed(BusError):  # noqa: N818 - reads as what happened
    """The responder raised; what happened is in the log of its node."""


class BusClosed(BusError):  # noqa: N818 - reads as what happened
    """The bus is not started, or drained."""


class Subscription(Protocol):
    @property
    def dropped(self) -> int:
        """Messages lost because the handler was too slow for its bounded queue: the oldest go first."""

    def close(self) -> None:
        """No further message reaches the handler; the one in hand is finished. Closing twice is harmless."""


class Bus(Protocol):
    async def start(self) -> None: ...

    async def drain(self, seconds: float = 5.0) -> None:
        """Take nothing new, let what is queued be handled for at most `seconds`, then end every subscription."""

    def publish(self, subject: str, data: bytes) -> None:
        """Best effort, never waits. After the drain it does nothing. Raises ValueError on a bad subject."""

    def subscribe(self, subject: str, handler: Handler, *, limit: int = 1024) -> Subscription:
        """At most `limit` messages wait for the handler. A handler that raises is logged and goes on."""

    async def request(self, subject: str, data: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - part of a bus
        """The reply. Raises NoResponder, Timeout (seconds), ResponderFailed or BusClosed."""

    def respond(self, subject: str, responder: Responder) -> Subscription:
        """Answer requests on a subject (no wildcard). With several responders the newest on this node answers."""


def check_subject(subject: str) -> None:
    if not _SUBJECT.fullmatch(subject):
        raise ValueError(f"not a subject: {subject[:100]!r}")


def check_pattern(subject: str) -> None:
    if not _PATTERN.fullmatch(subject):
        raise ValueError(f"not a subject or pattern: {subject[:100]!r}")
