"""One connection to one printer, from TCP to its end; never used again.

Every end is an exception out of `run`: `Unacceptable` for what another attempt will not cure by itself, OSError,
EOFError or MqttError for the rest. Whoever holds the session ends it with `close`.
"""

import asyncio
import errno
import hashlib
import json
import os
import time
from binascii import hexlify

from hub import answers
from lib.bell import Bell
from lib.mqtt import MqttError, RefusedError, Session, random_id
from lib.wire import UntrustedError, Wire, pinned_context, resolve, within
from lib.x509 import common_name

PORT = 8883
USER = "bblp"
_KEEPALIVE_S = 30  # what the printer is told; we ask for a sign of life far more often

# Printers answer a SYN within milliseconds or not at all.
_CONNECT_MS = 5_000
# A handshake takes a chip of this class 1 to 2 s, and the printer's up to that much more.
_LOGIN_MS = 15_000
# Handshakes are done one at a time, because each takes the loop's whole attention for moments; one that has not
# come to its end by then is waiting for its printer, and must not hold up the others.
_GATE_MS = 2_500
_SUBSCRIBE_MS = 5_000
# All of the way in, with the handshakes of others before ours.
_WAY_IN_MS = 60_000
_GOODBYE_MS = 500

# A printer without power leaves TCP hanging: it must be shown offline within 10 s.
_PING_MS = 3_000
_DEAD_MS = 8_000
_TICK_MS = 500

# Printers that keep the connection up and stop publishing exist (P1S): ask, then connect again.
_ASK_MS = 30_000
_SILENT_MS = 60_000
# The answer to our question got lost: what comes now are differences to something we do not know.
_ASK_AGAIN_MS = 10_000
# Connected and asked, but not a word: said aloud after this time.
_MUTE_MS = 15_000
# While a printer digests a new job it may say nothing, and a P1P that was reconnected meanwhile aborted the job.
DIGEST_MS = 180_000
_ASK_DIGESTING_MS = 60_000


_WRONG_CODE = "The printer refuses the access code: read it again on its screen, it changes with LAN-only mode."
_CHANGED = "The printer shows another certificate than before: confirm that it is yours."
_HUNG = "The printer gives no sign of life."
_MUTE = "The printer lets the hub in but reports nothing: check its serial number, or restart it."


class Unacceptable(Exception):  # noqa: N818 - it is the printer that is not acceptable
    """The printer is there, but must not or cannot be used: `link` and `problem` are what the status says."""

    def __init__(self, link: str, problem: str) -> None:
        super().__init__(problem)
        self.link = link
        self.problem = problem


class PrinterSession:
    """A connection to the printer of *entry* (protocol PRINTER).

    *pin* is the SHA-256 of its certificate in hex, "" to take what it shows, if the name on it is the serial number.
    *on_report(payload)* is called for every message and says whether it was a status. *on_doubt(problem)* is called
    when the printer gives no sign of life although the connection is kept, and with None when it does again.
    `alive(ms)`, which may be set, is called while all goes its way: it will be
    called again within so many milliseconds, or `run` ends.
    `cert` is the certificate it showed, `up` tells that it has let us in. Who reads the reports sets `complete` when
    the printer has told everything.
    """

    def __init__(self, entry: dict, pin: str, gate, on_report, on_doubt) -> None:  # type: ignore[type-arg, no-untyped-def]
        self._host = entry["host"]
        self._port = entry.get("port", PORT)
        self._code = entry["code"]
        self._serial = entry["serial"].strip().upper()
        self._pin = pin
        self._gate = gate
        self._on_report = on_report
        self._on_doubt = on_doubt
        self.alive = lambda ms: None
        self._wire: "Wire" = None  # type: ignore[assignment]
        self._mqtt: "Session" = None  # type: ignore[assignment]
        self._closing = False
        self._doubted = False
        self._error: "Exception | None" = None
        self._unacceptable: "Unacceptable | None" = None
        self._ended = Bell()
        self._sequence = 20000 + int.from_bytes(os.urandom(2), "big") % 10000
        self._connected = self._last_report = self._last_asked = time.ticks_ms()
        self._job_at = self._connected
        self._has_job = False
        self._reported = False
        self.complete = False
        self.up = False
        self.cert = ""

    # ---- the way in -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, log in, ask for everything, and stay until the connection ends, which is an exception."""
        self.alive(_WAY_IN_MS)
        try:
            await self._open()
            reader = asyncio.create_task(self._read())
            try:
                await self._begin()
                await self._watch()
            finally:
                self._wire.close()
                await reader
        finally:
            if self._wire is not None:
                self._wire.close()

    async def _open(self) -> None:
        address = resolve(self._host, self._port)
        self._wire = await Wire.open(address, pinned_context(), self._serial, _CONNECT_MS)
        self._refuse_when_closing()
        self._mqtt = Session(self._wire, self._message)
        finished = Bell()
        async with self._gate:
            self._refuse_when_closing()
            asyncio.create_task(self._login(finished))
            await finished.wait_ms(_GATE_MS)  # longer, and it goes on without keeping others waiting
        await finished.wait()
        if self._error is not None:
            raise self._error
        self.up = True

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise OSError(errno.ECONNABORTED)

    async def _login(self, finished: Bell) -> None:
        # A task of its own; its error is kept for the one that waits.
        try:
            await within(self._wire, _LOGIN_MS, self._shake_hands())
        except UntrustedError:
            self._error = self._unacceptable or Unacceptable("offline", "The printer's TLS certificate is unusable.")
        except RefusedError as error:
            if error.credentials:
                self._error = Unacceptable("auth_failed", _WRONG_CODE)
            else:
                self._error = Unacceptable("offline", "The printer refuses the session (code %d)." % error.code)
        except (OSError, EOFError, MqttError) as error:
            self._error = error
        finally:
            finished.set()

    async def _shake_hands(self) -> None:
        # The access code is not even queued before the certificate was found good.
        await self._wire.verified(self._accept)
        client = random_id("printfarm-", os.urandom(6))
        await self._mqtt.connect(client, USER, self._code, _KEEPALIVE_S)

    def _accept(self, der: memoryview) -> bool:
        """The judge of the certificate: the pinned certificate, or for the first time one that names this printer."""
        shown = hexlify(hashlib.sha256(der).digest()).decode()
        self.cert = shown
        name = common_name(der)
        if self._pin:
            if shown != self._pin:
                self._unacceptable = Unacceptable("cert_changed", _CHANGED)
        elif name != self._serial:
            problem = "The printer at this address has the serial number %s." % (name or "?")[:40]
            self._unacceptable = Unacceptable("wrong_serial", problem)
        return self._unacceptable is None

    async def _begin(self) -> None:
        if not await self._mqtt.subscribe("device/%s/report" % self._serial, _SUBSCRIBE_MS):
            raise self._error or OSError(errno.ETIMEDOUT)
        self._connected = self._last_report = time.ticks_ms()
        await self.publish(answers.get_version(self.next_sequence()))
        await self.ask()

    # ---- while it lasts -------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            await self._mqtt.run()
        except (OSError, EOFError, MqttError, MemoryError) as error:
            self._error = error
        finally:
            self._ended.set()

    def _message(self, topic: bytes, payload: "bytes | memoryview") -> None:
        if self._on_report(payload):
            self._last_report = time.ticks_ms()
            self._reported = True

    async def _watch(self) -> None:
        while True:
            ended = await self._ended.wait_ms(_TICK_MS)
            self.alive(_DEAD_MS)
            if ended:
                raise self._error or OSError(errno.ECONNABORTED)
            now = time.ticks_ms()
            await self._watch_signs_of_life(now)
            await self._watch_reports(now)

    async def _watch_signs_of_life(self, now) -> None:  # type: ignore[no-untyped-def]
        quiet = time.ticks_diff(now, self._wire.last_rx)
        dead = quiet >= _DEAD_MS
        if dead and not self.digesting:
            raise OSError(errno.ETIMEDOUT)
        self._doubt(dead, _HUNG)
        if quiet >= _PING_MS and time.ticks_diff(now, self._wire.last_tx) >= _PING_MS:
            await within(self._wire, _DEAD_MS, self._mqtt.ping())

    async def _watch_reports(self, now) -> None:  # type: ignore[no-untyped-def]
        waiting = time.ticks_diff(now, self._last_report)
        if not self._reported and time.ticks_diff(now, self._connected) >= _MUTE_MS:
            self._doubt(True, _MUTE)
        if waiting >= _SILENT_MS and not self.digesting:
            raise OSError(errno.ETIMEDOUT)
        pause = _ASK_DIGESTING_MS if self.digesting else _ASK_MS
        if self._reported and not self.complete:
            waiting = pause = _ASK_AGAIN_MS
        if waiting >= pause and time.ticks_diff(now, self._last_asked) >= pause:
            await self.ask()

    def _doubt(self, doubted: bool, problem: str) -> None:
        if doubted != self._doubted and (doubted or self._reported):
            self._doubted = doubted
            self._on_doubt(problem if doubted else None)

    @property
    def digesting(self) -> bool:
        """A job was sent a short time ago and does not run yet."""
        if self._has_job and time.ticks_diff(time.ticks_ms(), self._job_at) >= DIGEST_MS:
            self._has_job = False
        return self._has_job

    def job_sent(self) -> None:
        """The printer has a new job to digest, from now on."""
        self._has_job, self._job_at = True, time.ticks_ms()

    def job_runs(self) -> None:
        """It has been digested."""
        self._has_job = False

    def next_sequence(self) -> str:
        """The next sequence number, in the range that the vendor's own programs use."""
        self._sequence = 20000 + (self._sequence - 19999) % 10000
        return str(self._sequence)

    async def ask(self) -> None:
        """Ask for a full report. Small printers take it ill when that happens often."""
        self._last_asked = time.ticks_ms()
        await self.publish(answers.push_all(self.next_sequence()))

    async def publish(self, request: dict):  # type: ignore[type-arg, no-untyped-def]
        """Send a request with QoS 1; its receipt. A printer that does not take it in time is cut off."""
        text = json.dumps(request)
        return await within(self._wire, _DEAD_MS, self._mqtt.publish("device/%s/request" % self._serial, text))

    async def close(self) -> None:
        """End it: with a goodbye, which frees the printer's slot at once, when it is up."""
        self._closing = True
        if self.up and not self._wire.closed:
            try:
                await within(self._wire, _GOODBYE_MS, self._mqtt.close())
            except OSError:
                pass  # it does not listen: closed all the same
        if self._wire is not None:
            self._wire.close()
