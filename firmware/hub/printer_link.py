"""One printer: keeps a connection to it, knows its status, carries commands to it.

`status` is the normalised status with the fields of the connection (link, problem, cert). While the printer is away
it keeps what was last known: the connection broke, not the print.
"""

import asyncio
import gc
import random

from hub import answers, bambu
from hub.life import TIGHT, Life, rare
from hub.log import log, log_crash
from hub.printer_session import PORT, PrinterSession, Unacceptable
from lib.bell import Bell
from lib.mqtt import MqttError

from shared_protocol.status import BUSY, READY, delta, urgent

_BACKOFF_MIN_MS = 1_000
_BACKOFF_MAX_MS = 60_000
# A printer that refuses us is not asked again every few seconds: it changes its mind by a person's hand only, and
# new settings make a new link. Small printers also lock out who hammers.
_REFUSED_MIN_MS = 30_000
_REFUSED_MAX_MS = 300_000
# A connection that lasted so long was a good one: the next attempts start fast again.
_STABLE_MS = 30_000

# A full report comes within a second of being asked for; a model that never marks one as full is believed then.
_ENOUGH_MS = 5_000

# So long after its answer the effect of a command is looked for, as a proof that the printer obeys.
_PROOF_MS = 10_000


# With megabytes a collection costs more than it saves.
_LARGE_REPORT = 2048


class _Pending:
    """The command under way: what it waits for, and what came of it."""

    def __init__(self, name: str, args: dict, request: dict, already: bool, happened) -> None:  # type: ignore[type-arg, no-untyped-def]
        self.name = name
        self.args = args
        self.section = next(iter(request))
        self.command = request[self.section]["command"]
        self.sequence = request[self.section]["sequence_id"]
        self.already = already
        self.happened = happened
        self.result: "dict | None" = None  # type: ignore[type-arg]
        self.done = Bell()

    def settle(self, code: "str | None", message: str = "") -> None:
        if self.result is None:
            self.result = _done() if code is None else _failed(code, message)
            self.done.set()

    def answered_by(self, section: str, command: str, sequence: str) -> bool:
        # Some firmware answers without the number; other programs' commands have others.
        return section == self.section and command == self.command and sequence in (self.sequence, "", "0")


def _done() -> dict:  # type: ignore[type-arg]
    return {"ok": True, "data": {}}


def _failed(code: str, message: str) -> dict:  # type: ignore[type-arg]
    return {"ok": False, "code": code, "message": message}


class PrinterLink:
    """The printer of *entry* (protocol PRINTER).

    *on_change(link, urgent)* is called when `status` has changed. *on_transition(link, data)* is called with the data
    of the event `state` when the printer itself has moved from one known state to another; `percent` and `layer` are
    those of the print that ended or, otherwise, of now. *gate* is a lock shared by all links: one TLS handshake at a
    time. *clock()* is milliseconds that never wrap.
    """

    def __init__(self, entry: dict, on_change, on_transition, gate, clock) -> None:  # type: ignore[type-arg, no-untyped-def]
        self._entry = entry
        self._serial = entry["serial"].strip().upper()
        self._pin = (entry.get("cert") or "").lower()
        self._on_change = on_change
        self._on_transition = on_transition
        self._gate = gate
        self._clock = clock
        self._task: "asyncio.Task | None" = None  # type: ignore[type-arg]
        self._session: "PrinterSession | None" = None
        self._stopping = False
        self._wake = Bell()
        self._state = bambu.new_state(self._serial)
        self._fresh = False  # this connection has told its whole state
        self._first_at: "int | None" = None
        self._garbled = 0  # reports of this connection that could not be read
        self._known_state: "str | None" = None
        self._turn = asyncio.Lock()
        self._pending: "_Pending | None" = None
        self._answered: "_Pending | None" = None  # its effect is not seen yet
        self._answered_at = 0
        self._name = "printer " + entry["id"][-24:]
        self.life = Life()  # a life of its own, unless the fleet shares one
        self.status = {"link": "off" if entry.get("off") else "connecting"}
        if self._pin:
            self.status["cert"] = self._pin

    @property
    def address(self) -> "tuple[str, int]":
        """Where the printer is."""
        return self._entry["host"], self._entry.get("port", PORT)

    # ---- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to connect; a printer that is switched off by its user stays `off`."""
        if not self._entry.get("off") and self._task is None:
            self._task = asyncio.create_task(self._live())

    async def stop(self) -> None:
        """End the connection with a goodbye, within a second; the link is not used again."""
        self._stopping = True
        self._wake.set()
        session, task = self._session, self._task
        if session is not None:
            was_up = session.up
            await session.close()
            if not was_up and task is not None:
                task.cancel()  # it may be waiting for an address that does not answer
        if task is not None:
            try:
                await task
            except asyncio.CancelledError:
                pass

    async def _live(self) -> None:
        try:
            await self._connect_for_ever()
        finally:
            self.life.done(self._name)

    def _alive(self, next_ms: int) -> None:
        self.life.promise(self._name, next_ms)

    async def _connect_for_ever(self) -> None:
        failures = refusals = 0
        while not self._stopping:
            began = self._clock()
            refused = await self._connection()
            if self._stopping:
                break
            if refused:
                refusals += 1
                pause = min(_REFUSED_MAX_MS, _REFUSED_MIN_MS << min(refusals - 1, 4))
            else:
                refusals = 0
                failures = 1 if self._clock() - began >= _STABLE_MS else failures + 1
                pause = min(_BACKOFF_MAX_MS, _BACKOFF_MIN_MS << min(failures - 1, 6))
            await self._rest(pause * random.randint(80, 120) // 100)

    async def _rest(self, pause_ms: int) -> None:
        self._alive(pause_ms)
        await self._wake.wait_ms(pause_ms)

    async def _connection(self) -> bool:
        """One connection, from its beginning to its end; True when the printer refused us."""
        self._state = bambu.new_state(self._serial)
        self._keep_version()
        self._fresh = False
        self._first_at = None
        self._garbled = 0
        session = PrinterSession(self._entry, self._pin, self._gate, self._report, self._doubt)
        session.alive = self._alive
        self._session = session
        link, problem, refused = "offline", "", False
        try:
            await session.run()
        except Unacceptable as error:
            link, problem, refused = error.link, error.problem, error.link != "offline"
        except (OSError, EOFError, MqttError) as error:
            problem = _trouble(error, session.up)
        except MemoryError:
            gc.collect()
            problem = "The hub has no memory left for this printer."
        except Exception as error:
            # A fault of ours must not end this printer's connection for ever.
            log_crash("printer " + self._serial, error)
            problem = "A fault in the hub ended the connection."
        finally:
            self._session = self._answered = None
            if self._pending is not None:
                self._pending.settle("no_answer", "The connection broke before the printer answered.")
        if not self._stopping:
            if self.status.get("link") != link or self.status.get("problem") != problem:
                log("printer " + self._serial, "%s: %s" % (link, problem))
            self._set_link(link, problem, session.cert)
        return refused

    def _keep_version(self) -> None:
        for name in ("model", "firmware"):
            if name in self.status:
                self._state[name] = self.status[name]

    # ---- what the printer says ------------------------------------------------------------------------------------

    def _report(self, payload: "bytes | memoryview") -> bool:
        """A message from the printer; True when it was a status."""
        try:
            report = bambu.parse(payload)
        except MemoryError:
            gc.collect()
            report = None
        if report is None:
            self._garbled += 1
            if self._garbled == 1:
                log("printer " + self._serial, "a report of %d bytes cannot be read" % len(payload))
            return False
        for answer in answers.answers(report):
            self._answer(*answer)
        known = bambu.merge(self._state, report)
        pending = self._pending
        if pending is not None and pending.name == "refresh" and bambu.is_full(report.get("print")):
            pending.settle(None)
        del report  # ten times the size of what is made of it
        if TIGHT and len(payload) > _LARGE_REPORT:
            gc.collect()  # what is kept would otherwise settle behind it, and leave the heap in small pieces
        self._fresh = self._fresh or self._told_everything()
        if self._fresh:
            self._publish()
        return known

    def _answer(self, section: str, command: str, sequence: str, code: "str | None", message: str) -> None:
        if code == "locked":
            self._state["denied"] = True
        pending = self._pending
        if pending is not None and pending.answered_by(section, command, sequence):
            if code is None and section == "print":
                self._state.pop("denied", None)
            pending.settle(code, message)

    def _told_everything(self) -> bool:
        if "full" in self._state:
            return True
        if "state" not in self._state:
            return False
        if self._first_at is None:
            self._first_at = self._clock()
        return self._clock() - self._first_at >= _ENOUGH_MS

    def _publish(self) -> None:
        """Make a status of what is known and tell what changed."""
        session = self._session
        if session is None:
            return
        new = bambu.normalise(self._state)
        session.complete = True
        if session.cert:
            new["cert"] = self._pin = session.cert
        new["link"] = "online"
        if new["state"] in ("running", "pause") or (self._known_state in BUSY and new["state"] not in BUSY):
            session.job_runs()
        self._look_for_effect(new)
        self._tell(new)

    def _look_for_effect(self, new: dict) -> None:  # type: ignore[type-arg]
        """A status that shows what the command wanted is as good as an answer, and proves that the printer obeys."""
        pending = self._pending or self._answered
        if pending is None:
            return
        if not pending.already and pending.happened(pending.name, pending.args, new):
            self._state["obeyed"] = True
            self._answered = None
            pending.settle(None)
        elif self._clock() - self._answered_at > _PROOF_MS:
            self._answered = None

    def _set_link(self, link: str, problem: str, cert: str = "") -> None:
        new = dict(self.status)
        new["link"] = link
        new.pop("problem", None)
        if problem:
            new["problem"] = problem
        if cert:
            new["cert"] = cert
        self._tell(new)

    def _tell(self, new: dict) -> None:  # type: ignore[type-arg]
        old = self.status
        changes = delta(old, new)
        if not changes:
            return
        self.status = new
        state = new.get("state", "unknown")
        if state not in ("unknown", self._known_state):
            before, self._known_state = self._known_state, state
            if before is not None:
                self._on_transition(self, _transition(before, old, new))
        self._on_change(self, urgent(changes))

    def _doubt(self, problem: "str | None") -> None:
        if problem is not None:
            self._set_link("offline", problem)
        elif self._fresh:
            self._publish()

    # ---- what the printer is told ---------------------------------------------------------------------------------

    async def command(self, name: str, args: dict, expect: "list | None", timeout_ms: int) -> dict:  # type: ignore[type-arg]
        """Carry out a command (checked `args` of protocol COMMANDS): {"ok", "code", "message", "data"}.

        Done means that the printer answered so, or that its status shows it. One command at a time; *expect* are the
        states in which it may be sent. Never raises for what the printer does.
        """
        async with self._turn:
            refusal = self._refusal(name, expect)
            if refusal is not None:
                return refusal
            with rare("requests") as requests:
                return await self._command(requests, name, args, timeout_ms)

    async def _command(self, requests, name: str, args: dict, timeout_ms: int) -> dict:  # type: ignore[type-arg, no-untyped-def]
        session = self._session
        try:
            request = requests.request(name, args, session.next_sequence(), self.status)
        except KeyError:
            return _failed("unknown_command", "This hub's firmware does not know the command.")
        except ValueError as error:
            return _failed("invalid", str(error))
        pending = self._pending = _Pending(
            name, args, request, requests.happened(name, args, self.status), requests.happened
        )
        if name == "start":
            session.job_sent()
        try:
            result = await self._carry(session, pending, request, timeout_ms)
        finally:
            self._pending = None
        # Only where it is not known yet: it holds on to a module that is needed rarely.
        unproved = result["ok"] and not pending.already and self.status.get("control") == "unknown"
        self._answered, self._answered_at = (pending if unproved else None), self._clock()
        if result.get("code") in ("rejected", "locked"):
            session.job_runs()
        return result

    def _refusal(self, name: str, expect: "list | None") -> "dict | None":  # type: ignore[type-arg]
        link = self.status["link"]
        if self._session is None or link != "online":
            if link == "auth_failed":
                return _failed("auth_failed", "The printer refuses the access code.")
            return _failed("offline", self.status.get("problem") or "The printer is not connected.")
        state = self.status["state"]
        if expect is not None and state not in expect:
            return _failed("wrong_state", "The printer is in state %s." % state)
        if name == "start" and state not in READY:
            # On some models a start in the middle of a print kills that print.
            return _failed("busy", "The printer is in state %s and takes no new job." % state)
        if bambu.locked_now(self._state) and name not in ("refresh", "light"):
            # It would answer "success" to some commands and not obey them.
            return _failed("locked", answers.LOCKED)
        return None

    async def _carry(self, session, pending: _Pending, request: dict, timeout_ms: int) -> dict:  # type: ignore[type-arg, no-untyped-def]
        try:
            receipt = await session.publish(request)
        except OSError:
            return _failed("no_answer", "The connection broke while the command was sent.")
        if not await pending.done.wait_ms(timeout_ms):
            if pending.already and receipt.acked:
                return _done()  # it took the command, and what it asks for is so
            took = "took the command but did not answer." if receipt.acked else "did not even take the command."
            return _failed("no_answer", "The printer " + took)
        return pending.result  # type: ignore[return-value]


def _transition(before: str, old: dict, new: dict) -> dict:  # type: ignore[type-arg]
    ended = new["state"] in ("failed", "idle")
    where = old if ended else new
    data = {"from": before, "to": new["state"]}
    for name in ("task", "task_id", "file"):
        data[name] = new.get(name, "")
    data["error"] = new.get("error", 0)
    data["percent"] = where.get("percent", 0)
    data["layer"] = where.get("layer", 0)
    return data


def _trouble(error: Exception, was_up: bool) -> str:
    """What a person should know about a connection that ended or did not come about."""
    if isinstance(error, MqttError):
        return "The printer's answers make no sense (%s)." % error
    if was_up:
        return "The connection to the printer was lost."
    if isinstance(error, EOFError):
        return "The printer hangs up: too many programs may be connected to it."
    return "The printer does not answer at its address: is it on, and in this network?"
