"""hub_loop: do broken printers, or a file on its way, delay a command to a healthy printer of the same hub?"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.bench.bare import BareMqtt, light_request
from tools.bench.fake_cloud import HUB_ID, KEY, FakeCloud, entry
from tools.bench.figures import Report, percentile
from tools.bench.journal import arrivals
from tools.bench.printers import mixed
from tools.bench.terms import Terms
from tools.hub import HubProcess
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm, certificate_cache

NAME = "hub_loop"
AIM_S = 0.050
RATE = 30.0
"""Commands a second, to three healthy printers in turn."""

STORAGE_BPS = 150_000
"""What the storage of real printers takes."""

_PIECE = 4096
_BLOCK = 16 * 1024
_SETTLE_S = 1.0
_LAST_WORDS = 30


@dataclass
class Trouble:
    """What is the matter with three of six printers: `faults` they have, or that nobody answers at their address."""

    name: str
    faults: dict[str, Any] = field(default_factory=dict)
    silent_address: bool = False


HEALTHY = Trouble("6 healthy")
TROUBLES = (
    Trouble("3 switched off (no answer to a SYN)", silent_address=True),
    Trouble("3 hang in the TLS handshake", {"tls_hang": True}),
    Trouble("3 drip (40 bytes each 10 ms)", {"drip_bytes": 40, "drip_pause": 0.01}),
    Trouble("3 flood (20 full reports a second each)", {"flood": 20.0}),
)


@dataclass
class Outcome:
    """Seconds from the cloud's send to the printer's receipt, and to the result at the cloud."""

    delays: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    carried: int = 0
    seconds: float = 0.0


class Bench:
    """A hub, three healthy printers and three that get into trouble, in processes of their own."""

    def __init__(self, cloud: FakeCloud, healthy: Sequence[RunningPrinter], weak: Sequence[RunningPrinter]) -> None:
        self.cloud = cloud
        self._healthy = {f"h{number}": printer for number, printer in enumerate(healthy)}
        self._weak = {f"w{number}": printer for number, printer in enumerate(weak)}
        self._was: Trouble | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, terms: Terms) -> AsyncIterator[Bench]:
        """Everything runs for as long as the block lasts."""
        async with contextlib.AsyncExitStack() as stack:
            keys = certificate_cache()
            healthy = await stack.enter_async_context(VirtualFarm.start(mixed(3), certificates=keys))
            weak = await stack.enter_async_context(VirtualFarm.start(mixed(3), certificates=keys))
            cloud = await stack.enter_async_context(FakeCloud.start([]))
            hub = await stack.enter_async_context(
                HubProcess(terms.folder / "hub", HUB_ID, KEY, cloud.url, heap=terms.heap)
            )
            try:
                await hub.wait_for("hub: online")
                yield cls(cloud, healthy.printers, weak.printers)
            except Exception as error:
                error.add_note("the hub's last words:\n" + "\n".join(list(hub.lines)[-_LAST_WORDS:]))
                raise

    async def enter(self, trouble: Trouble, hole: int) -> None:
        """Bring the trouble about, from whatever it was before; `hole` is a port that answers nobody."""
        if self._was is trouble:
            return
        self._was = trouble
        for printer in self._weak.values():
            await printer.control.fault(tls_hang=False, drip_bytes=0, flood=0.0)
            await printer.control.fault(**trouble.faults)
        port = hole if trouble.silent_address else 0
        # Another set of printers first, so that the hub connects anew to all that are measured.
        await self.cloud.configure([])
        await self.cloud.configure(
            [entry(key, one) for key, one in self._healthy.items()]
            + [entry(key, one, port=port) for key, one in self._weak.items()]
        )
        up = [*self._healthy, *([] if trouble.silent_address or trouble.faults.get("tls_hang") else self._weak)]
        await self.cloud.online(*up)
        await asyncio.sleep(_SETTLE_S)

    async def commands(self, count: int) -> Outcome:
        """Send `count` light commands on a schedule that does not wait for answers."""
        outcome = Outcome()
        for printer in self._healthy.values():
            await printer.control.do("clear_journal")
        sent: dict[str, list[float]] = {key: [] for key in self._healthy}
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                key = f"h{number % len(self._healthy)}"
                sent[key].append(time.time())
                group.create_task(self._one(key, number, outcome))
                await asyncio.sleep(random.uniform(0.5, 1.5) / RATE)
        for key, printer in self._healthy.items():
            outcome.delays += await arrivals(printer.control, "ledctrl", sent[key])
        return outcome

    async def _one(self, key: str, number: int, outcome: Outcome) -> None:
        began = time.monotonic()
        result = await self.cloud.command(key, "light", on=bool(number // len(self._healthy) % 2))
        outcome.answers.append(time.monotonic() - began)
        if not result["ok"]:
            raise RuntimeError(f"a command to a healthy printer failed: {result}")

    async def commands_while_carrying(self, count: int, bps: int) -> Outcome:
        """The same while a file goes through a tunnel to a healthy printer's address; `bps` 0: as fast as it goes."""
        async with sink() as port, self.cloud.tunnel("h0", port) as carrier:
            began = time.monotonic()
            pump = asyncio.create_task(_pump(carrier.write, bps))
            outcome = await self.commands(count)
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            outcome.carried, outcome.seconds = carrier.sent, time.monotonic() - began
        return outcome

    async def bare(self, count: int) -> list[float]:
        """The same commands straight to one of the healthy printers: delay from send to receipt."""
        printer = self._healthy["h0"]
        await printer.control.do("clear_journal")
        sent = []
        async with BareMqtt.connect(printer, lambda payload: None) as client:
            for number in range(count):
                sent.append(time.time())
                client.publish(light_request(on=bool(number % 2)))
                await asyncio.sleep(random.uniform(0.5, 1.5) / RATE)
            await asyncio.sleep(0.2)
            return await arrivals(printer.control, "ledctrl", sent)


async def run(terms: Terms) -> Report:
    """Rounds through all troubles, so that what the machine does meanwhile meets all alike."""
    rounds, count = (1, 15) if terms.quick else (2, 45)
    troubles = (HEALTHY, TROUBLES[3]) if terms.quick else (HEALTHY, *TROUBLES)
    loads = (None, 0) if terms.quick else (None, STORAGE_BPS, 0)
    outcomes: dict[tuple[str, int | None], Outcome] = {}
    bare: list[float] = []
    with black_hole() as hole:
        async with Bench.start(terms) as bench:
            for _ in range(rounds):
                for trouble in troubles:
                    await bench.enter(trouble, hole)
                    if trouble is HEALTHY:
                        bare += await bench.bare(count)
                    for load in loads:
                        made = await (
                            bench.commands(count) if load is None else bench.commands_while_carrying(count, load)
                        )
                        _add(outcomes.setdefault((trouble.name, load), Outcome()), made)
    return _report(outcomes, bare)


def _add(total: Outcome, more: Outcome) -> None:
    total.delays += more.delays
    total.answers += more.answers
    total.carried += more.carried
    total.seconds += more.seconds


def _report(outcomes: dict[tuple[str, int | None], Outcome], bare: list[float]) -> Report:
    report = Report(
        NAME, "command → healthy printer while three others of the hub are in trouble (fake cloud, real hub)"
    )
    calm = outcomes[HEALTHY.name, None]
    for (name, load), outcome in outcomes.items():
        what = name + {None: "", STORAGE_BPS: ", a file at 150 kB/s", 0: ", a file at full speed"}[load]
        if outcome is calm:
            report.add_times(f"{what}: receipt (bare: MQTT over TLS)", calm.delays, bare=bare)
        else:
            limits = tuple(percentile(calm.delays, share) * 1000 + AIM_S * 1000 for share in (50, 99))
            report.add_times(f"{what}: receipt", outcome.delays, bare=calm.delays, most=(limits[0], limits[1]))
        report.add_times(f"{what}: answer", outcome.answers, bare=() if outcome is calm else calm.answers)
        if load is not None:
            report.add(f"{what}: carried", outcome.carried / outcome.seconds / 1000, "kB/s")
    report.bounds = [
        "Bare is, in the first row, the same request by MQTT without a hub, and in all others the hub with six healthy "
        "printers and no file; the aim is that plus 50 ms.",
        f"{RATE:.0f} commands a second on a schedule, whether or not earlier ones were answered; the troubled printers "
        "and the healthy ones are in processes of their own.",
        "A chip is some fifty times slower at Python than this machine; what carries over is that nothing waits.",
    ]
    return report


async def _pump(write: Callable[[bytes], Awaitable[None]], bps: int) -> None:
    """Paced here, because the kernel takes megabytes for a receiver that is slow."""
    block = b"\x55" * _PIECE
    while True:
        await write(block)
        if bps:
            await asyncio.sleep(len(block) / bps)


@contextlib.asynccontextmanager
async def sink() -> AsyncIterator[int]:
    """A TCP port that swallows what comes."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(_BLOCK):
            pass
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port at which a connection attempt hangs, as with a printer that is switched off: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        for _ in range(3):
            filler = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", port))
        yield port
