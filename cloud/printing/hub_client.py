"""Asking the node that holds a hub, with every way of failing turned into an answer."""

from typing import Final

import msgspec
import structlog

from cloud.bus import Bus, BusError, NoResponder
from cloud.printing.asks import Answer, Ask, CommandAsk, ask_subject, decode_answer, encode

log = structlog.get_logger(__name__)

HUB_OFFLINE: Final = "hub_offline"
NO_ANSWER: Final = "no_answer"
"""It may have happened: only the printer's reports tell."""

_GRACE: Final = 20.0
"""Seconds on top of a command's time to live: one begun in time may still wait for the printer's word."""


class HubClient:
    """Sends asks over the bus. Never raises for what a hub or a printer does."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def ask(self, hub_id: str | None, ask: Ask, seconds: float) -> Answer:
        """The answer; codes `hub_offline` (nothing happened) and `no_answer` (it may have happened) are added here."""
        if hub_id is None:
            return Answer(ok=False, code=HUB_OFFLINE, message="The printer belongs to no hub.")
        try:
            return decode_answer(await self._bus.request(ask_subject(hub_id), encode(ask), timeout=seconds))
        except NoResponder:
            return Answer(ok=False, code=HUB_OFFLINE, message="The hub is offline.")
        except (BusError, msgspec.MsgspecError) as error:
            log.warning("hub.ask_failed", hub=hub_id, ask=type(ask).__name__, error=type(error).__name__)
            return Answer(ok=False, code=NO_ANSWER, message="The hub did not answer.")

    async def command(self, hub_id: str | None, command: CommandAsk) -> Answer:
        """Carry a command to a printer; the answer is the printer's acknowledgement, not the effect."""
        return await self.ask(hub_id, command, command.ttl_ms / 1000 + _GRACE)
