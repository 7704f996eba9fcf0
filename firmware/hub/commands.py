"""Cloud command -> effect -> result, each id at most once, also across a reboot.

Before a command that changes something reaches the printer, its id is written to a journal on flash; afterwards its
result. An id found begun but unfinished after a reboot is answered `interrupted`: it may have happened. A repeat of
an id gets the stored result. The last 64 are remembered.
"""

import asyncio
import time

from hub.flash import append, exists, line, read_lines, write_whole
from hub.log import log, log_crash

REMEMBERED = 64
ACK_MS = 10_000
"""A printer that has not acknowledged by then is not going to: real ones answer within two seconds."""

_WAITING_PER_PRINTER = 9
_JOURNAL_LINES = 4 * REMEMBERED

# Harmless when done twice, and frequent: they spare the flash.
_NOT_JOURNALLED = ("refresh", "light", "identify", "logs", "discover", "probe")

_DONE = {"ok": True}


def failed(code: str, message: str) -> "dict":  # type: ignore[type-arg]
    """A result that says no."""
    return {"ok": False, "code": code, "message": message[:300]}


def _compact(result: "dict") -> "dict":  # type: ignore[type-arg]
    """What is worth keeping of a printer's answer, in the shape of the message `result`."""
    kept = {k: result[k] for k in ("code", "message", "data") if result.get(k)}
    if not result.get("ok"):
        kept["ok"] = False
        kept["message"] = kept.get("message", "")[:300]
        return kept
    if not kept:
        return _DONE
    kept["ok"] = True
    return kept


class Journal:
    """The flash side: lines ["b", id] for begun and ["r", id, result] for finished."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines = 0
        self._torn = False
        self.results: "dict[str, dict]" = {}  # type: ignore[type-arg]
        self.order: "list[str]" = []
        self.begun: "list[str]" = []
        if exists(path):
            self._load()

    def _load(self) -> None:
        for record in read_lines(self._path):
            self._lines += 1
            if not isinstance(record, list):
                self._torn = True
            elif record[0] == "b":
                self.begun.append(record[1])
            else:
                if record[1] in self.begun:
                    self.begun.remove(record[1])
                self.remember(record[1], record[2])

    def remember(self, ident: str, result: "dict") -> None:  # type: ignore[type-arg]
        """Keep a result in the heap, and forget the oldest beyond the limit."""
        if ident not in self.results:
            self.order.append(ident)
        self.results[ident] = result
        while len(self.order) > REMEMBERED:
            del self.results[self.order.pop(0)]

    def interrupt(self) -> "list[str]":
        """Answer what was begun before the reboot; returns those ids."""
        cut = self.begun
        self.begun = []
        for ident in cut:
            self.remember(ident, failed("interrupted", "the hub restarted while the command was under way"))
        if cut or self._torn:
            try:
                self._rewrite()
            except OSError as error:
                # The hub must start on a full flash too. Nothing is begun before this was made good.
                self._torn = True
                log("commands", "the journal cannot be written: %r" % error)
        return cut

    def begin(self, ident: str) -> None:
        """Record that the effect is about to happen. Raises OSError when it cannot be recorded."""
        if self._torn or self._lines >= _JOURNAL_LINES:
            self._rewrite()
        self._append(["b", ident])
        self.begun.append(ident)

    def finish(self, ident: str, result: "dict") -> None:  # type: ignore[type-arg]
        """Record the result of a begun command."""
        self.begun.remove(ident)
        self.remember(ident, result)
        self._append(["r", ident, result])

    def _append(self, record: "list") -> None:  # type: ignore[type-arg]
        self._lines += 1
        try:
            append(self._path, line(record))
        except OSError:
            self._torn = True  # part of the line may be there: rewrite before the next one
            raise

    def _rewrite(self) -> None:
        pieces = [line(["b", ident]) for ident in self.begun]
        pieces.extend([line(["r", ident, self.results[ident]]) for ident in self.order])
        write_whole(self._path, pieces)
        self._lines = len(pieces)
        self._torn = False


class Commands:
    """Runs commands on the printers in `links` (id -> PrinterLink) and answers through `deliver`.

    `deliver(fields)` is async: it sends a message `result` and returns whether the connection took it. A command
    without a printer is for `hub`, which carries it out as a link would. `then` of an answer is awaited
    when it has left.
    """

    def __init__(self, path: str, links: "dict", deliver, hub=None) -> None:  # type: ignore[type-arg, no-untyped-def]
        self._links = links
        self._deliver = deliver
        self._hub = hub
        self._then: "dict" = {}  # type: ignore[type-arg]
        self._journal = Journal(path)
        self._running: "set[str]" = set()
        self._queues: "dict[str, list]" = {}  # type: ignore[type-arg]
        self._unsent: "list[str]" = self._journal.interrupt()[-REMEMBERED:]

    @property
    def active(self) -> int:
        """How many commands are waiting or under way."""
        return len(self._running)

    def accept(self, message: "dict") -> None:  # type: ignore[type-arg]
        """A command arrived (a checked message `command`): its result will be delivered, once it is known."""
        if message["id"] in self._running:
            return  # its result is on the way
        self._running.add(message["id"])
        asyncio.create_task(self._serve(message, time.ticks_ms()))  # type: ignore[arg-type]

    async def _serve(self, message: "dict", arrived: int) -> None:  # type: ignore[type-arg]
        ident = message["id"]
        try:
            result = await self.run(message, arrived)
        except Exception as error:
            log_crash("commands", error)
            result = failed("no_answer", "a fault in the hub: see its log, look at the printer")
            self._journal.remember(ident, result)
        try:
            await self._send(ident, result)
        finally:
            self._running.remove(ident)
        then = self._then.pop(ident, None)
        if then is not None:
            await then()

    async def _send(self, ident: str, result: "dict") -> None:  # type: ignore[type-arg]
        if await self._deliver(ident, result):
            if ident in self._unsent:
                self._unsent.remove(ident)
        elif ident not in self._unsent:
            self._unsent.append(ident)
            if len(self._unsent) > REMEMBERED:
                self._unsent.pop(0)

    async def resend(self) -> None:
        """After a reconnect: deliver the results that found no connection."""
        for ident in list(self._unsent):
            result = self._journal.results.get(ident)
            if result is None:
                self._unsent.remove(ident)  # forgotten since: too old for anyone to wait for
            else:
                await self._send(ident, result)

    async def run(self, message: "dict", arrived: int) -> "dict":  # type: ignore[type-arg]
        """The result (fields of the message `result` beside `id`) of a command that arrived at `arrived` (ticks_ms)."""
        ident = message["id"]
        known = self._journal.results.get(ident)
        if known is not None:
            return known
        printer = message.get("printer", "")
        if self._link(printer) is None:
            return self._refuse(ident, "unknown_printer", "this hub has no such printer")
        queue = self._queues.get(printer)
        if queue is None:
            queue = self._queues[printer] = [asyncio.Lock(), 0]
        if queue[1] > _WAITING_PER_PRINTER:
            return self._refuse(ident, "busy", "too many commands wait already")
        queue[1] += 1
        try:
            async with queue[0]:
                return await self._perform(message, arrived)
        finally:
            queue[1] -= 1
            if not queue[1]:
                del self._queues[printer]

    def _link(self, printer: str):  # type: ignore[no-untyped-def]
        """Who carries out a command: a printer's link, the hub itself, or None."""
        if not printer:
            return self._hub
        return self._links.get(printer)

    def _refuse(self, ident: str, code: str, sentence: str) -> "dict":  # type: ignore[type-arg]
        result = failed(code, sentence)
        self._journal.remember(ident, result)
        return result

    async def _perform(self, message: "dict", arrived: int) -> "dict":  # type: ignore[type-arg]
        ident, name = message["id"], message["name"]
        # Looked up again: the printer may have gone while the command waited.
        link = self._link(message.get("printer", ""))
        if link is None:
            return self._refuse(ident, "unknown_printer", "this hub has no such printer")
        if time.ticks_diff(time.ticks_ms(), arrived) >= message["ttl_ms"]:
            return self._refuse(ident, "expired", "the command waited longer than it was valid")
        journalled = name not in _NOT_JOURNALLED
        if journalled:
            try:
                self._journal.begin(ident)
            except OSError as error:
                log("commands", "the journal cannot be written: %r" % error)
                return self._refuse(ident, "rejected", "the hub's flash takes nothing; nothing was done")
        result = await self._effect(link, message)
        if not journalled:
            self._journal.remember(ident, result)
            return result
        try:
            self._journal.finish(ident, result)
        except OSError as error:
            # The result stands; after a reboot it would read `interrupted`, which is true as far as flash knows.
            log("commands", "a result is not stored: %r" % error)
        return result

    async def _effect(self, link, message: "dict") -> "dict":  # type: ignore[type-arg, no-untyped-def]
        try:
            answer = await link.command(message["name"], message["args"], message.get("expect"), ACK_MS)
        except Exception as error:
            log_crash("commands", error)
            return failed("no_answer", "a fault in the hub: see its log, look at the printer")
        if "then" in answer:
            self._then[message["id"]] = answer["then"]
        return _compact(answer)
