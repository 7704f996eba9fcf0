"""The test's side of link_program.py: printer links in a real MicroPython process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from tests.firmware.micropython import HEAP, start
from tools.virtual_printer.harness import RunningPrinter

Happening = dict[str, Any]
PROGRAM = Path(__file__).with_name("link_program.py")


def entry_of(printer: RunningPrinter, ident: str = "p1", **changes: Any) -> dict[str, Any]:
    """The protocol's PRINTER for a virtual printer."""
    return {
        "id": ident,
        "serial": printer.serial,
        "host": printer.address,
        "port": printer.ports["mqtt"],
        "code": printer.access_code,
        **changes,
    }


class Links:
    """Orders to the process and everything that it told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._news = asyncio.Event()
        self._number = 0
        self.log: list[str] = []
        self.happened: list[Happening] = []

    def order(self, **order: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    def add(self, entry: dict[str, Any]) -> None:
        self.order(do="add", entry=entry)

    async def wait(self, condition: Callable[[Happening], bool], *, within: float = 10.0, since: int = 0) -> Happening:
        """The first thing that happened (from number *since* on) for which *condition* holds."""
        at = since
        try:
            async with asyncio.timeout(within):
                while True:
                    while at < len(self.happened):
                        at += 1
                        if condition(self.happened[at - 1]):
                            return self.happened[at - 1]
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            last = [self.status(name) for name in {one["printer"] for one in self.happened if "printer" in one}]
            raise AssertionError(f"it did not happen within {within} s; last: {last}; {self.log}") from None

    async def until(self, ident: str = "p1", *, within: float = 10.0, since: int = 0, **fields: Any) -> dict[str, Any]:
        """The first status of a printer with these fields."""
        found = await self.wait(
            lambda one: (
                one["what"] == "status"
                and one["printer"] == ident
                and all(one["status"].get(name) == value for name, value in fields.items())
            ),
            within=within,
            since=since,
        )
        status: dict[str, Any] = found["status"]
        return status

    def status(self, ident: str = "p1") -> dict[str, Any]:
        """The last status told."""
        found = [one["status"] for one in self.happened if one["what"] == "status" and one["printer"] == ident]
        return found[-1] if found else {}

    def moves(self, ident: str = "p1") -> list[tuple[str, str]]:
        """The transitions so far."""
        return [
            (one["data"]["from"], one["data"]["to"])
            for one in self.happened
            if one["what"] == "moved" and one["printer"] == ident
        ]

    async def command(
        self, name: str, ident: str = "p1", *, expect: list[str] | None = None, limit_ms: int = 5000, **args: Any
    ) -> dict[str, Any]:
        """Carry out a command; its result, with the milliseconds it took as `took`."""
        self._number += 1
        mine = self._number
        since = len(self.happened)
        self.order(do="command", id=mine, printer=ident, name=name, args=args, expect=expect, timeout=limit_ms)
        found = await self.wait(
            lambda one: one["what"] == "result" and one["id"] == mine, within=limit_ms / 1000 + 5, since=since
        )
        return {**found["result"], "took": found["took"]}

    async def late(self) -> Happening:
        """How late the loop was at most since the last call (`ms`), and the heap in use."""
        since = len(self.happened)
        self.order(do="late")
        return await self.wait(lambda one: one["what"] == "late", since=since)

    async def stop(self, ident: str = "p1") -> None:
        since = len(self.happened)
        self.order(do="stop", printer=ident)
        await self.wait(lambda one: one["what"] == "stopped", since=since)

    async def read(self) -> None:
        """Take in what the process tells, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode(errors="replace").rstrip()
            if text.startswith("{"):
                self.happened.append(json.loads(text))
            else:
                self.log.append(text)
            self._news.set()


@contextlib.asynccontextmanager
async def printer_links(*, heap: str = HEAP) -> AsyncIterator[Links]:
    """A process for links; at the end it must not have told of a fault or a secret."""
    async with start(str(PROGRAM), heap=heap, stdin=subprocess.PIPE) as process:
        links = Links(process)
        reader = asyncio.create_task(links.read())
        try:
            yield links
            assert process.returncode is None, links.log
        finally:
            assert process.stdin is not None and process.stderr is not None
            process.stdin.close()
            if process.returncode is None:
                process.kill()
            await reader
            errors = (await process.stderr.read()).decode(errors="replace")
        text = "\n".join(links.log) + errors
        assert "Traceback" not in text and "fault" not in text, text
