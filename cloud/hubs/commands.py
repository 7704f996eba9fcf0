"""Commands to one hub: each id has one outcome, whatever happens to the connection in between.

A command is sent again, under the same id and with what is left of its time, each time the hub comes back before it
has expired; the hub does an id at most once and repeats its answer. What was sent and stays unanswered is
`no_answer`: it may have happened. What never left here is `offline`: it did not happen.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from cloud.hubs.cleaning import cleaned
from cloud.printing.asks import Answer, CommandAsk
from shared_protocol import codec
from shared_protocol.messages import BY_KIND, NETWORK_STATES
from shared_protocol.schema import Choice, Field, ListOf, ProtocolError, Record, Text

GRACE_S: Final = 12.0
"""After its time a command is not begun any more, but one begun in time may still wait 10 s for the printer's word."""
MAX_PENDING: Final = 32
"""The hub remembers 64 ids: with half of them open at most, a repeat never finds its id forgotten."""

OFFLINE: Final = Answer(ok=False, code="offline", message="The hub is not connected.")
NO_ANSWER: Final = Answer(ok=False, code="no_answer", message="The hub did not answer; look at the printer.")
HUB_OFFLINE: Final = Answer(ok=False, code="hub_offline", message="The hub is not connected.")
"""Of a command to the hub itself, where `offline` would be taken for a printer's."""
NOT_UNDERSTOOD: Final = Answer(ok=False, code="broken", message="The hub's answer makes no sense.")

RESULT_DATA: Final = {
    "logs": Record(Field("lines", ListOf(Text(1000), 2000))),
    "networks": Record(
        Field("networks", ListOf(Record(Field("ssid", Text(32, 1)), Field("state", Choice(NETWORK_STATES))), 4))
    ),
    "probe": Record(Field("serial", Text(32)), Field("model", Text(32)), Field("cert", Text(64), optional=True)),
}
"""What the answers to commands to the hub itself bring along; of any other, `data` stays behind."""


class _Pending:
    def __init__(self, ask: CommandAsk) -> None:
        self.ask = ask
        self.expires = time.monotonic() + ask.ttl_ms / 1000
        self.sent = False
        self.waiters = 0
        self.outcome: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    @property
    def left_ms(self) -> int:
        return int((self.expires - time.monotonic()) * 1000)


class CommandDesk:
    """The open commands of one hub. It outlives the hub's connections."""

    def __init__(self) -> None:
        self._pending: dict[str, _Pending] = {}
        self._send: Callable[[str], None] | None = None

    @property
    def idle(self) -> bool:
        return not self._pending

    async def run(self, ask: CommandAsk) -> Answer:
        """What became of it; ends at the latest GRACE_S after its time to live. The same id again joins the first."""
        pending = self._pending.get(ask.id)
        if pending is None:
            try:
                BY_KIND["command"].check(_fields(ask, ask.ttl_ms))
                codec.encode("command", **_fields(ask, ask.ttl_ms))
            except ProtocolError as error:
                return Answer(ok=False, code="invalid", message=str(error)[:300])
            if len(self._pending) >= MAX_PENDING:
                return Answer(ok=False, code="busy", message="Too many commands wait for this hub.")
            pending = self._pending[ask.id] = _Pending(ask)
            self._transmit(pending)
        pending.waiters += 1
        try:
            return await self._outcome(pending)
        finally:
            pending.waiters -= 1
            if not pending.waiters:
                self._pending.pop(ask.id, None)

    async def _outcome(self, pending: _Pending) -> Answer:
        for grace in (0.0, GRACE_S):
            done, _ = await asyncio.wait(
                {pending.outcome}, timeout=max(0.0, pending.expires + grace - time.monotonic())
            )
            if done:
                return pending.outcome.result()
            if not pending.sent:
                return OFFLINE if pending.ask.printer_id else HUB_OFFLINE
        return NO_ANSWER

    def connected(self, send: Callable[[str], None]) -> None:
        """The hub is here: what has time left is said (again)."""
        self._send = send
        for pending in list(self._pending.values()):
            self._transmit(pending)

    def disconnected(self) -> None:
        self._send = None

    def on_result(self, message: dict[str, Any]) -> bool:
        """False when nobody waits for it: a repeat, or too late."""
        pending = self._pending.get(message["id"])
        if pending is None or pending.outcome.done():
            return False
        pending.outcome.set_result(_answer(pending.ask, message))
        return True

    def _transmit(self, pending: _Pending) -> None:
        left = pending.left_ms
        if self._send is not None and left >= 1 and not pending.outcome.done():
            # Before the send: should the connection break in it, the command may have left.
            pending.sent = True
            self._send(codec.encode("command", **_fields(pending.ask, left)))


def _answer(ask: CommandAsk, message: dict[str, Any]) -> Answer:
    kind = None if ask.printer_id or not message["ok"] else RESULT_DATA.get(ask.name)
    data: dict[str, Any] = {}
    if kind is not None:
        try:
            kind.check(message.get("data", {}), "data")
        except ProtocolError:
            return NOT_UNDERSTOOD
        data = cleaned(kind, message.get("data", {}))
    return Answer(ok=message["ok"], code=message.get("code", ""), message=message.get("message", ""), data=data)


def _fields(ask: CommandAsk, ttl_ms: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": ask.id, "name": ask.name, "args": ask.args, "ttl_ms": ttl_ms}
    if ask.printer_id:
        fields["printer"] = ask.printer_id
    if ask.expect is not None:
        fields["expect"] = ask.expect
    return fields
