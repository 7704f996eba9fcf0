"""The composition root: builds every part, runs them, keeps them running."""

import asyncio
import gc
import time

import hub.log
from hub.boots import HEALTHY_MS, forgive
from hub.cloud_link import CloudLink
from hub.commands import Commands
from hub.config import Config
from hub.life import Life, rare, supervise
from hub.log import log
from hub.outbox import Outbox
from hub.panel import Panel
from hub.telemetry import Telemetry
from lib.bell import Bell

from shared_protocol import messages, status
from shared_protocol.schema import CLOUD

FIRMWARE = "0.1.0"

_TICK_MS = 100
_BEAT_TICKS = 10
_COLLECT_BEATS = 10
_TELEMETRY_BEATS = 60
_SETTLED_MS = 60_000


def _forget_our_own_messages() -> None:
    """Let go of the declarations of what hubs say: they are for who receives it, and take a twentieth of the heap."""
    for message in messages.MESSAGES:
        if CLOUD not in message.senders:
            message.record = None  # type: ignore[assignment]
    messages.EVENTS.clear()
    ours = ("STATUS", "FOUND", "RESULT_CODES", "PROBE_CODES", "UPDATE_STATES")
    for module, names in ((messages, ours), (status, ("STATUS", "TRAY", "AMS_UNIT", "HMS", "FIELDS"))):
        for name in names:
            setattr(module, name, None)


class App:
    """The hub. `await App(board, slots).run()` never returns. `slots` (main.Slots) says where it was loaded from.

    `hub_commands` (name -> async function of the arguments) takes commands to the hub that other parts carry out.
    `updating` is the version that is being installed. `look` is set when printers are to be looked for now.
    """

    def __init__(self, board, slots) -> None:  # type: ignore[no-untyped-def]
        _forget_our_own_messages()
        self.board = board
        self.slots = slots
        self.config = Config(board.data_dir)
        self.outbox = Outbox(board.data_dir + "/outbox", board.random_id())
        self.life = Life()
        self.hub_commands: "dict" = {"update": self._update}  # type: ignore[type-arg]
        self.updating = ""
        self.look = Bell()
        if board.safe:
            # What fell may be the printers' side: it is not even imported.
            from hub.safe import SafeFleet as Fleet
        else:
            from hub.fleet import Fleet  # type: ignore[assignment]
        self.fleet = Fleet(board, self.config, self.outbox, self.life)
        self.cloud = CloudLink(board, self.config, self.outbox, self.fleet, FIRMWARE)
        self.commands = Commands(board.data_dir + "/commands.log", self.fleet.links, self.cloud.deliver, self)
        self.cloud.commands = self.commands
        self.cloud.life = self.life
        self.fleet.cloud = self.cloud  # type: ignore[assignment]
        self.panel = Panel(board, self._state)
        self.panel.held = self.release
        self.cloud.notices["telemetry"] = Telemetry(board, self.life, self.cloud).fields
        self._beats = 0
        hub.log.on_fault = self._fault

    async def run(self) -> None:
        """Start everything and feed the watchdog as long as what matters makes progress."""
        gc.collect()
        gc.threshold(self.board.gc_threshold)
        self._report_boot()
        self.fleet.start()
        asyncio.create_task(supervise("cloud", self.cloud.run))
        if self.slots.pointer["state"] != "good":
            asyncio.create_task(self._try_release())
        if self.board.discovery_port and not self.board.safe:
            asyncio.create_task(supervise("discovery", self._look_around))
        if self.board.stats:
            from hub.stats import Stats

            asyncio.create_task(supervise("stats", Stats(self).run))
        ticks = 0
        while True:
            began = time.ticks_ms()
            await asyncio.sleep_ms(_TICK_MS)
            self.life.late(time.ticks_diff(time.ticks_ms(), began) - _TICK_MS)
            self.panel.tick()
            ticks += 1
            if ticks >= _BEAT_TICKS:
                ticks = 0
                self._beat()

    def _beat(self) -> None:
        hung = self.life.overdue()
        if hung is not None:
            with rare("mishaps") as mishaps:
                mishaps.give_up(self.board, hung)
        self.board.feed()
        self.board.uptime_ms()  # keeps the count of a clock that wraps
        self._beats += 1
        if self._beats % _TELEMETRY_BEATS == 0:
            self.cloud.notice("telemetry")
        if self._beats * _TICK_MS * _BEAT_TICKS == HEALTHY_MS:
            forgive(self.board)
        # Collect when nobody waits for us, so that it need not happen in the middle of something.
        if self._beats % _COLLECT_BEATS == 0 and not self.commands.active and not self.cloud.tunnels_open:
            gc.collect()

    async def _look_around(self) -> None:
        """Listen for printers: all the time while there is none, else a moment every few minutes, or when asked."""
        asked = True
        if self.fleet.links:
            await asyncio.sleep_ms(_SETTLED_MS)  # they connect now, which takes all the memory there is
        while True:
            self.look.clear()
            pause = 300_000
            with rare("discovery") as discovery:
                if await discovery.Discovery(self.board, self.cloud, self.look).listen(asked) and not self.fleet.links:
                    pause = 100
            asked = await self.look.wait_ms(pause)

    # ---- what is told and shown ------------------------------------------------------------------------------

    def _state(self) -> str:
        if self.updating:
            return "update"
        if self.config.identity is None:
            return "setup"
        if self.board.safe:
            return "safe"
        if self.cloud.online:
            return "online"
        return "no_cloud" if self.board.connected() else "no_wifi"

    def _report_boot(self) -> None:
        data = {"reason": self.board.boot_reason, "firmware": FIRMWARE, "lost": self.outbox.lost}
        self.outbox.add("boot", None, self.board.uptime_ms(), data)
        if data["lost"]:
            self.outbox.lost_reported()
        log("hub", "boot %s, %s, %d printers" % (self.outbox.boot, self.board.name, len(self.config.printers)))
        with rare("mishaps") as mishaps:
            mishaps.report(self.board, self.outbox)

    async def _try_release(self) -> None:
        from hub.slots import Trial

        try:
            await Trial(self, self.slots, FIRMWARE).run()
        except Exception as error:
            # A release under test that cannot even be tested is not confirmed, and so falls back in time.
            hub.log.log_crash("update", error)

    def _fault(self, part: str, error: BaseException) -> None:
        """A part fell and goes on: the cloud is told."""
        with rare("mishaps") as mishaps:
            if mishaps.tell(self.board, self.outbox, part, error):
                self.cloud.event_added()

    # ---- commands to the hub itself --------------------------------------------------------------------------

    async def command(self, name: str, args: "dict", expect, limit_ms: int) -> "dict":  # type: ignore[type-arg, no-untyped-def]
        """Carry out a command without a printer; what `Commands` asks of a printer's link."""
        with rare("hub_commands") as hub_commands:
            return await hub_commands.carry_out(self, name, args)  # type: ignore[no-any-return]

    async def _update(self, args: "dict") -> "dict":  # type: ignore[type-arg]
        # Not let go of: at its end the hub starts over.
        from hub.release_source import ReleaseSource
        from hub.updater import update

        return await update(self, args["version"], FIRMWARE, ReleaseSource(self.cloud))

    def release(self) -> None:
        """Forget the owner and start over, ready to be paired anew. Nothing is forgotten when the flash is broken."""
        with rare("wipe") as wipe:
            wipe.wipe(self.board)
        self.board.reset("release")


async def set_up(board) -> None:  # type: ignore[no-untyped-def]
    """Wait until somebody pairs the hub. Its end is a restart: memory is in one piece again, the radios are quiet."""
    from hub.provisioning import Setup

    await Setup(board, FIRMWARE).run()
    board.reset("paired")


def start(board, slots) -> None:  # type: ignore[no-untyped-def]
    """Run the hub on a board until the end of the power."""

    async def main() -> None:
        with rare("wipe") as wipe:
            wipe.resume(board)
        if Config(board.data_dir).identity is None:
            await set_up(board)
        await App(board, slots).run()

    asyncio.run(main())
