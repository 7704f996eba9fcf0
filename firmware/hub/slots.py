"""What the application says of the slot it runs from: a new release is confirmed once it has proved itself.

The proof: the cloud has stored an event that this start sent it, and for a while after that the loop turned and the
connection held. A release that cannot prove itself in time restarts the board; after three such starts main.py runs
the release before it, and that one tells the cloud.
"""

import asyncio
import time

from hub.boots import forgive
from hub.life import rare
from hub.log import log

_BEAT_MS = 1000
_LATE_MS = 5000
"""A loop that is later than this is not healthy; a handshake on a chip blocks it for two seconds."""


def tell(hub, version: str, state: str, code: str = "", message: str = "") -> int:  # type: ignore[no-untyped-def]
    """Put an `update` event into the outbox of `hub` (the App); its number."""
    data = {"version": version, "state": state}
    if code:
        data["code"] = code
        data["message"] = message[:300]
    number = hub.outbox.add("update", None, hub.board.uptime_ms(), data)
    hub.cloud.event_added()
    log("update", " ".join((version, state, code, message)))
    return number


class Trial:
    """The first task of each start: reports a roll-back, confirms a release. `hub` is the App, `slots` main.Slots."""

    def __init__(self, hub, slots, version: str) -> None:  # type: ignore[no-untyped-def]
        self._hub = hub
        self._slots = slots
        self._version = version

    async def run(self) -> None:
        """Returns when the running release is one that stays."""
        pointer = self._slots.pointer
        if pointer["state"] == "rolled_back":
            why = pointer.get("why") or "it hung, or its power was cut, before it could confirm itself"
            tell(self._hub, pointer["failed"], "rolled_back", "unconfirmed", why)
            self._settle(pointer)
            if self._hub.board.safe:
                # What fell was the other release: its falls are not ours.
                forgive(self._hub.board)
                self._hub.board.reset("update")
        elif pointer["state"] == "testing":
            if "image" in pointer:
                with rare("image") as image:
                    if not image.settle_which(self._hub, self._slots):
                        return
            await self._prove()
            # First the image: it is the one that has no second try.
            self._hub.board.keep_image()
            self._settle(pointer)
            tell(self._hub, self._version, "good")

    def _settle(self, pointer: "dict") -> None:  # type: ignore[type-arg]
        kept = {k: pointer[k] for k in ("slot", "version", "before", "before_version") if k in pointer}
        kept["state"] = "good"
        self._slots.write(kept)
        self._slots.confirm()
        self._slots.blame("")

    async def _prove(self) -> None:
        number = tell(self._hub, self._version, "testing")
        board = self._hub.board
        if board.safe:
            self._slots.blame("it fell at each start")
            board.reset("update")
        self._slots.blame("no exchange with the cloud")
        deadline = board.uptime_ms() + board.trial_ms
        proof = {"boot": self._hub.outbox.boot, "n": number}
        healthy = before = time.ticks_ms()
        while True:
            await asyncio.sleep_ms(_BEAT_MS)
            now = time.ticks_ms()
            late = time.ticks_diff(now, before) > _BEAT_MS + _LATE_MS
            before = now
            if late or not self._hub.cloud.online or not self._hub.outbox.acked(proof):
                healthy = now
            if time.ticks_diff(now, healthy) >= board.healthy_ms:
                return
            if board.uptime_ms() > deadline:
                log("update", "%s could not confirm itself" % self._version)
                board.reset("update")
