"""Runs under MicroPython: PrinterLinks by order of a test.

Orders come as JSON lines on standard input; everything that happens goes out as JSON lines on standard output.
"""

import asyncio
import gc
import json
import sys
import time

from hub.printer_link import PrinterLink

BORN = time.ticks_ms()


def clock() -> int:
    return time.ticks_diff(time.ticks_ms(), BORN)


def tell(**fields: object) -> None:
    fields["t"] = clock()
    print(json.dumps(fields))


class Program:
    def __init__(self) -> None:
        self.links = {}
        self.gate = asyncio.Lock()
        self.late = 0

    def changed(self, link: PrinterLink, urgent: bool) -> None:
        tell(what="status", printer=self.name_of(link), urgent=urgent, status=link.status)

    def moved(self, link: PrinterLink, data: dict) -> None:  # type: ignore[type-arg]
        tell(what="moved", printer=self.name_of(link), data=data)

    def name_of(self, link: PrinterLink) -> str:
        for name, known in self.links.items():
            if known is link:
                return name
        return "?"

    async def pulse(self) -> None:
        while True:
            then = time.ticks_ms()
            await asyncio.sleep_ms(10)
            self.late = max(self.late, time.ticks_diff(time.ticks_ms(), then) - 10)

    async def obey(self, order: dict) -> None:  # type: ignore[type-arg]
        what = order["do"]
        if what == "add":
            link = PrinterLink(order["entry"], self.changed, self.moved, self.gate, clock)
            self.links[order["entry"]["id"]] = link
            await link.start()
        elif what == "command":
            began = clock()
            link = self.links[order["printer"]]
            result = await link.command(order["name"], order["args"], order.get("expect"), order.get("timeout", 5000))
            tell(what="result", id=order["id"], result=result, took=clock() - began)
        elif what == "stop":
            await self.links.pop(order["printer"]).stop()
            tell(what="stopped", printer=order["printer"])
        elif what == "late":
            gc.collect()
            tell(what="late", ms=self.late, heap=gc.mem_alloc())
            self.late = 0

    async def run(self) -> None:
        pulse = asyncio.create_task(self.pulse())
        orders = asyncio.StreamReader(sys.stdin)
        while True:
            line = await orders.readline()
            if not line:
                break
            self.busy = asyncio.create_task(self.obey(json.loads(line)))
        pulse.cancel()


asyncio.run(Program().run())
