"""What a hub says: checked, counted, and given to the room it is meant for. Never waits."""

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog

from cloud.sockets import TokenBucket
from shared_protocol import codec
from shared_protocol.schema import HUB, ProtocolError

log = structlog.get_logger(__name__)

MESSAGES_PER_S: Final = 500.0
MESSAGES_BURST: Final = 3000.0
"""Sixteen printers at 20 changes a second stay below it; a whole outbox of events is a burst."""
MISTAKES_PER_S: Final = 5.0
MISTAKES_BURST: Final = 50.0
ANSWERS_PER_S: Final = 2.0
ANSWERS_BURST: Final = 20.0
"""A hub that is wrong all the time is not told so all the time."""


class Receiver(Protocol):
    """Where the messages go. What raises ProtocolError is answered with `error`."""

    def on_status(self, message: dict[str, Any]) -> None: ...
    def on_event(self, message: dict[str, Any]) -> None: ...
    def on_result(self, message: dict[str, Any]) -> None: ...
    def on_configured(self, message: dict[str, Any]) -> None: ...
    def on_telemetry(self, message: dict[str, Any]) -> None: ...
    def on_found(self, message: dict[str, Any]) -> None: ...
    def on_bye(self, message: dict[str, Any]) -> None: ...
    def on_tunnel_opened(self, message: dict[str, Any]) -> None: ...
    def on_tunnel_close(self, message: dict[str, Any]) -> None: ...
    def on_binary(self, frame: bytes) -> None: ...


class Inbox:
    """One per connection. `end(code, reason)` closes it; `answer(frame)` sends to the hub."""

    def __init__(
        self, hub_id: str, receiver: Receiver, answer: Callable[[str], None], end: Callable[[int, str], None]
    ) -> None:
        self._hub_id = hub_id
        self._answer = answer
        self._end = end
        self._receiver = receiver
        self._messages = TokenBucket(MESSAGES_PER_S, MESSAGES_BURST)
        self._mistakes = TokenBucket(MISTAKES_PER_S, MISTAKES_BURST)
        self._answers = TokenBucket(ANSWERS_PER_S, ANSWERS_BURST)
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "status": receiver.on_status,
            "event": receiver.on_event,
            "result": receiver.on_result,
            "configured": receiver.on_configured,
            "telemetry": receiver.on_telemetry,
            "found": receiver.on_found,
            "bye": receiver.on_bye,
            "tunnel_opened": receiver.on_tunnel_opened,
            "tunnel_close": receiver.on_tunnel_close,
            "beat": _nothing,  # having been received is all it says
            "error": self._on_error,
        }
        self.last_received = time.monotonic()

    def take(self, message: dict[str, Any]) -> None:
        """One `websocket.receive`."""
        self.last_received = time.monotonic()
        text = message.get("text")
        try:
            if text is None:
                self._receiver.on_binary(message["bytes"])
            elif self._messages.take():
                self._text(text)
            else:
                self._end(1008, "too many messages")
        except ProtocolError as error:
            self._mistake(error)
        except Exception:
            # A fault of ours with one message must not cost the hub its connection.
            log.exception("hub.message_failed", hub=self._hub_id)

    def _text(self, text: str) -> None:
        message = codec.decode(text, HUB)
        handler = self._handlers.get(message["kind"])
        if handler is None:  # hello, again
            raise ProtocolError("unexpected", "kind", "not now")
        handler(message)

    def _mistake(self, error: ProtocolError) -> None:
        if not self._mistakes.take():
            self._end(1008, "too many invalid messages")
            return
        if self._answers.take():
            log.warning("hub.invalid_message", hub=self._hub_id, code=error.code, path=error.path[:100])
            self._answer(codec.encode("error", code=error.code, message=str(error)[:300]))

    def _on_error(self, message: dict[str, Any]) -> None:
        """Never answered: two sides must not tell each other of errors for ever."""
        if self._answers.take():
            log.warning("hub.complains", hub=self._hub_id, code=message["code"], message=message["message"])


def _nothing(_: dict[str, Any]) -> None:
    return
