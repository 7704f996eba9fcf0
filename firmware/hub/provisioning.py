"""Setup mode: without an identity the hub waits for somebody with its label, joins the network it is told, and claims.

Whatever carries the box here (Bluetooth, the access point's page, a cable) is a transport; this is what they share.
Its end is a restart: memory is in one piece again, and the radios for setting up are off.
"""

import asyncio
import gc

from hub import claim
from hub.config import Config
from hub.log import log, log_crash
from hub.pairing_service import PairingService
from hub.panel import Panel
from hub.wipe import wipe

from shared_protocol import pairing

DONE_MS = 3_000
"""Between success and the restart, so that whoever paired can read that it is done."""

AGAIN = ("cloud_unreachable", "no_internet")
TRIES = 3
"""A network just joined may need a moment until it carries anything."""

_PAUSE_MS = 2_000
_REJOIN_MS = 60_000
_TICK_MS = 100


class Setup:
    """The hub while it belongs to nobody. `done` is set when it is paired.

    `turn` is for who works with the radio's station; `beats` are called ten times a second.
    """

    def __init__(self, board, firmware: str) -> None:  # type: ignore[no-untyped-def]
        self.board = board
        self.config = Config(board.data_dir)
        self.secret = board.device()
        self.service = PairingService(self.secret, firmware, self._boxed)
        self.done = asyncio.Event()
        self.panel = Panel(board, lambda: "setup")
        self.panel.held = self._forget
        self.beats = [self.panel.tick]
        self.turn = asyncio.Lock()
        self.firmware = firmware

    async def run(self) -> None:
        """Serve until the hub is paired."""
        from hub.air import transports

        gc.collect()
        tasks = [asyncio.create_task(self._carry(transport)) for transport in transports(self)]
        tasks.append(asyncio.create_task(self._rejoin()))
        log("setup", "waiting for somebody with the label of %s" % pairing.shown(self.service.device))
        while not self.done.is_set():
            self._beat()
            await asyncio.sleep_ms(_TICK_MS)
        for _ in range(DONE_MS // _TICK_MS):
            self._beat()
            await asyncio.sleep_ms(_TICK_MS)
        for task in tasks:
            task.cancel()

    async def _rejoin(self) -> None:
        """Be in a network that was joined before the restart (Improv keeps it), whenever nobody works with the radio.

        Seldom: looking for a network that is away interrupts the hub's own access point for a moment.
        """
        while True:
            for network in self.config.networks:
                async with self.turn:
                    if self.done.is_set() or self.board.radio.connected():
                        break
                    if not await self.board.radio.join(network):
                        log("setup", "in a network again")
                        break
                    self.board.radio.leave()
            await asyncio.sleep_ms(_REJOIN_MS)

    def _beat(self) -> None:
        self.board.feed()
        self.board.uptime_ms()  # keeps the count of a clock that wraps
        for beat in self.beats:
            beat()

    def _forget(self) -> None:
        """The button was held: forget what there may be, such as a network, and begin anew."""
        wipe(self.board)
        self.board.reset("release")

    async def _carry(self, transport) -> None:  # type: ignore[no-untyped-def]
        try:
            await transport.run()
        except Exception as error:
            # The other ways in remain.
            log_crash("setup", error)
        finally:
            transport.stop()

    def _boxed(self, content: "dict") -> None:  # type: ignore[type-arg]
        asyncio.create_task(self._attempt(content))

    async def _attempt(self, content: "dict") -> None:  # type: ignore[type-arg]
        async with self.turn:
            await self._attempt_alone(content)

    async def _attempt_alone(self, content: "dict") -> None:  # type: ignore[type-arg]
        try:
            answer = await self.join_and_claim(content, self.service.report)
        except claim.ClaimError as error:
            log("setup", "not paired: %s" % error.code)
            self.board.radio.leave()
            self.service.report("failed", error.code, error.message)
        except Exception as error:
            log_crash("setup", error)
            self.service.report("failed", "cloud_refused", "A fault in the hub; try again.")
        else:
            self.service.report("done", hub=answer["hub"])
            self.done.set()

    async def join_and_claim(self, content: "dict", telling) -> "dict":  # type: ignore[type-arg, no-untyped-def]
        """Do what a box says; the cloud's answer, which is stored. Raises claim.ClaimError."""
        network = {"ssid": content["ssid"], "password": content["psk"]}
        telling("joining")
        code = await self.board.radio.join(network)
        if code:
            raise claim.ClaimError(code)
        log("setup", "joined a network")
        tries = TRIES
        while True:
            tries -= 1
            try:
                answer = await claim.claim(self, content, telling)
                break
            except claim.ClaimError as error:
                if error.code not in AGAIN or not tries:
                    raise
            await asyncio.sleep_ms(_PAUSE_MS)
        try:
            claim.store(self.board.data_dir, network, answer)
        except OSError as error:
            log("setup", "the flash takes nothing: %r" % error)
            raise claim.ClaimError("cloud_refused", "The hub's flash takes nothing; flash it anew.")
        log("setup", "paired as %s" % answer["hub"])
        return answer
