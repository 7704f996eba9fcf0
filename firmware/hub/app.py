"""The composition root: builds every part, runs them, keeps them running."""

import asyncio
import gc
import time

from hub.cloud_link import CloudLink
from hub.commands import Commands
from hub.config import Config
from hub.fleet import Fleet
from hub.log import log, log_crash
from hub.outbox import Outbox

from shared_protocol import messages, status
from shared_protocol.schema import CLOUD

FIRMWARE = "0.1.0"

_HEART_MS = 1000
_RESTART_MS = 1000
_COLLECT_BEATS = 10


def _forget_our_own_messages() -> None:
    """Let go of the declarations of what hubs say: they are for who receives it, and take a twentieth of the heap."""
    for message in messages.MESSAGES:
        if CLOUD not in message.senders:
            message.record = None  # type: ignore[assignment]
    messages.EVENTS.clear()
    for module, names in ((messages, ("STATUS",)), (status, ("STATUS", "TRAY", "AMS_UNIT", "HMS", "FIELDS"))):
        for name in names:
            setattr(module, name, None)


class App:
    """The hub. `await App(board, slots).run()` never returns. `slots` (main.Slots) says where it was loaded from."""

    def __init__(self, board, slots) -> None:  # type: ignore[no-untyped-def]
        _forget_our_own_messages()
        self.board = board
        self.slots = slots
        self.config = Config(board.data_dir)
        boot = board.random_id()
        self.outbox = Outbox(board.data_dir + "/outbox", boot)
        self.fleet = Fleet(board, self.config, self.outbox)
        self.cloud = CloudLink(board, self.config, self.outbox, self.fleet, FIRMWARE)
        self.commands = Commands(board.data_dir + "/commands.log", self.fleet.links, self.cloud.deliver)
        self.cloud.commands = self.commands
        self.fleet.cloud = self.cloud
        self._beats = 0

    async def run(self) -> None:
        """Start everything and feed the watchdog as long as the loop turns."""
        gc.collect()
        gc.threshold(self.board.gc_threshold)
        self._report_boot()
        self.fleet.start()
        asyncio.create_task(supervise("cloud", self.cloud.run))
        if self.slots.pointer["state"] != "good":
            asyncio.create_task(self._try_release())
        if self.board.stats:
            from hub.stats import Stats

            asyncio.create_task(supervise("stats", Stats(self).run))
        while True:
            self.board.feed()
            self.board.uptime_ms()  # keeps the count of a clock that wraps
            self._collect()
            await asyncio.sleep_ms(_HEART_MS)

    def _report_boot(self) -> None:
        data = {"reason": self.board.boot_reason, "firmware": FIRMWARE, "lost": self.outbox.lost}
        self.outbox.add("boot", None, self.board.uptime_ms(), data)
        if data["lost"]:
            self.outbox.lost_reported()
        log("hub", "boot %s, %s, %d printers" % (self.outbox.boot, self.board.name, len(self.config.printers)))

    async def _try_release(self) -> None:
        from hub.slots import Trial

        try:
            await Trial(self, self.slots, FIRMWARE).run()
        except Exception as error:
            # A release under test that cannot even be tested is not confirmed, and so falls back in time.
            log_crash("update", error)

    def _collect(self) -> None:
        """Collect when nobody waits for us, so that it need not happen in the middle of something."""
        self._beats += 1
        if self._beats >= _COLLECT_BEATS and not self.commands.active and not self.cloud.tunnels_open:
            self._beats = 0
            gc.collect()


async def supervise(name: str, work) -> None:  # type: ignore[no-untyped-def]
    """Run a part for ever: when it falls, say so and start it again. Its fall leaves the other parts alone."""
    while True:
        started = time.ticks_ms()
        try:
            await work()
            log(name, "ended")
        except Exception as error:
            log_crash(name, error)
        lived = time.ticks_diff(time.ticks_ms(), started)
        await asyncio.sleep_ms(_RESTART_MS if lived > _RESTART_MS else 10 * _RESTART_MS)


def start(board, slots) -> None:  # type: ignore[no-untyped-def]
    """Run the hub on a board until the end of the power."""

    async def main() -> None:
        await App(board, slots).run()

    asyncio.run(main())
