"""Try a printer that is not configured: is it there, does it take the code, does it obey?

One session as for a configured printer, ended when all is known. Every answer that is no has its own code
(PROBE_CODES) and a sentence that says what to do.
"""

import asyncio

from hub import answers, bambu
from hub.address import is_numeric, is_serial
from hub.commands import failed
from hub.life import rare
from hub.log import log
from hub.printer_session import PORT, PrinterSession, Unacceptable
from lib.mqtt import MqttError
from lib.x509 import common_name

LIMIT_MS = 25_000
"""For the way in and its first report; real printers take three seconds."""

SETTLE_MS = 5_000
"""Printers that are asked to prove something earlier than this after a connection have been seen to fall."""

_ANSWER_MS = 3_000
_TICK_MS = 100

_SENTENCES = {
    "unreachable": "Nothing answers at this address: is the printer on, and in the hub's network?",
    "not_a_printer": "What answers at this address is no Bambu Lab printer: look up the address on its screen.",
    "auth_failed": "The printer refuses the access code: read it again on its screen, it changes with LAN-only mode.",
    "lan_only_off": "The printer is bound to the maker's cloud: turn on LAN-only mode and Developer Mode on it.",
    "developer_mode_off": "The printer takes no commands: turn on Developer Mode on its screen, then restart it.",
}


def _no(code: str) -> "dict":  # type: ignore[type-arg]
    return failed(code, _SENTENCES[code])


class _Trial(PrinterSession):
    """A session with a printer whose serial number need not be known before."""

    expected = ""

    def _accept(self, der: memoryview) -> bool:
        name = common_name(der) or ""
        if not is_serial(name):
            # Whoever it is, it does not get the access code.
            self._unacceptable = Unacceptable("not_a_printer", "")
            return False
        if not self.expected:
            self._serial = name
        return super()._accept(der)

    def asked_to_obey(self, sequence: str) -> "dict":  # type: ignore[type-arg]
        """A request that changes nothing, as its name is unknown; whether it is refused for who sends it shows."""
        return {"print": {"command": "hub_probe", "sequence_id": sequence, "param": ""}}

    @property
    def serial(self) -> str:
        """The number on its certificate, or the expected one."""
        return self._serial


class Probe:
    """One trial with the arguments of the command `probe`; `run` gives the fields of its result."""

    def __init__(self, args: "dict", links: "dict") -> None:  # type: ignore[type-arg]
        self._args = args
        self._links = links
        self._state = bambu.new_state("")
        self._answered = False

    async def run(self) -> "dict":  # type: ignore[type-arg]
        """Try it; takes up to half a minute."""
        host = self._args["host"]
        if not is_numeric(host):
            return failed("invalid", "The address must be numeric, such as 192.168.1.20.")
        port = self._args.get("port", PORT)
        for link in self._links.values():
            # Never two sessions with one printer: small ones have few.
            if link.address == (host, port):
                return failed("busy", "A printer with this address is already connected to this hub.")
        expected = self._args.get("serial", "").strip().upper()
        entry = {"host": host, "port": port, "code": self._args["code"], "serial": expected}
        trial = _Trial(entry, "", asyncio.Lock(), self._report, self._doubt)
        trial.expected = expected
        result = await self._try(trial)
        log("probe", "%s: %s" % (host, result.get("code") or "fine"))
        return result

    async def _try(self, trial: _Trial) -> "dict":  # type: ignore[type-arg]
        ended: "list" = []  # type: ignore[type-arg]
        task = asyncio.create_task(self._session(trial, ended))
        try:
            if not await self._wait(lambda: ended or "full" in self._state, LIMIT_MS):
                return failed("unreachable", "The printer answers, but reports nothing: restart it and try again.")
            if not ended and not await self._obeys(trial, ended):
                return await self._locked()
            if ended:
                return self._verdict(ended[0], trial)
            data = {"serial": trial.serial, "model": self._state.get("model") or "", "cert": trial.cert}
            return {"ok": True, "data": data}
        finally:
            await trial.close()
            if not ended:
                await asyncio.sleep_ms(_TICK_MS)
            if not ended:
                task.cancel()

    async def _session(self, trial: _Trial, ended: "list") -> None:  # type: ignore[type-arg]
        try:
            await trial.run()
        except (Unacceptable, OSError, EOFError, MqttError, MemoryError) as error:
            ended.append(error)

    async def _wait(self, condition, limit_ms: int) -> bool:  # type: ignore[no-untyped-def]
        for _ in range(limit_ms // _TICK_MS):
            if condition():
                return True
            await asyncio.sleep_ms(_TICK_MS)
        return bool(condition())

    async def _obeys(self, trial: _Trial, ended: "list") -> bool:  # type: ignore[type-arg]
        """Whether it takes commands without a signature. Models that do not tell are asked."""
        if "fun" not in self._state and not bambu.locked_now(self._state):
            await self._wait(lambda: ended, SETTLE_MS)
            if not ended:
                await trial.publish(trial.asked_to_obey(trial.next_sequence()))
                await self._wait(lambda: ended or self._answered or bambu.locked_now(self._state), _ANSWER_MS)
        return not (bambu.locked_now(self._state) or self._state.get("denied"))

    async def _locked(self) -> "dict":  # type: ignore[type-arg]
        """It obeys nobody: because the maker's cloud has it, or because Developer Mode is off?"""
        with rare("detect") as detect:
            said = await detect.detect(self._args["host"])
        return _no("lan_only_off" if said is not None and said["connect"] == "cloud" else "developer_mode_off")

    def _verdict(self, error: Exception, trial: _Trial) -> "dict":  # type: ignore[type-arg]
        if isinstance(error, Unacceptable):
            return self._unacceptable(error, trial)
        if isinstance(error, MemoryError):
            return failed("failed", "The hub has no memory left to try a printer now.")
        # Mbed TLS has negative numbers: something answered, in another language. So does who hangs up before it.
        foreign = isinstance(error, OSError) and (error.errno or 0) < 0
        if isinstance(error, MqttError) or (not trial.cert and (foreign or isinstance(error, EOFError))):
            return _no("not_a_printer")
        if trial.cert:
            return failed("unreachable", "The printer hung up: perhaps too many programs are connected to it.")
        return _no("unreachable")

    def _unacceptable(self, error: Unacceptable, trial: _Trial) -> "dict":  # type: ignore[type-arg]
        if error.link == "wrong_serial":
            return failed("wrong_serial", error.problem)
        if error.link in ("auth_failed", "not_a_printer"):
            return _no(error.link)
        return failed("unreachable" if trial.cert else "not_a_printer", error.problem)

    # ---- what the session tells ------------------------------------------------------------------------------

    def _report(self, payload: "bytes | memoryview") -> bool:
        report = bambu.parse(payload)
        if report is None:
            return False
        for _, command, _, code, _ in answers.answers(report):
            if code == "locked":
                self._state["denied"] = True
            if command == "hub_probe":
                self._answered = True
        return bambu.merge(self._state, report)

    def _doubt(self, problem: "str | None") -> None:
        pass  # the trial is over before that matters
