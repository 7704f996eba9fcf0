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

from hub import requests
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
_GOODBYE_MS = 500

# A printer without power leaves TCP hanging: it must be shown offline within 10 s.
_PING_MS = 3_000
_DEAD_MS = 8_000
_TICK_MS = 500

# Printers that keep the connection up and stop publishing exist (P1S): ask, then connect again.
_ASK_MS = 30_000
_SILENT_MS = 60_000
# Connected and asked, but not a word: said aloud after this time.
_MUTE_MS = 15_000
# While a printer digests a new job it may say nothing, and a P1P that was reconnected meanwhile aborted the job.
DIGEST_MS = 180_000
_ASK_DIGESTING_MS = 60_000


class Unacceptable(Exception):  # noqa: N818 - it is the printer that is not acceptable
    """The printer is there, but must not or cannot be used: `link` and `problem` are what the status says."""

    def __init__(self, link: str, problem: str) -> None:
        super().__init__(problem)
        self.link = link
        self.problem = problem


class PrinterSession:
    """A connection to the printer of *entry* (protocol PRINTER).

    *pin* is the SHA-256 of its certificate in hex, "" to take what it shows, if the name on it is the serial number.
    *on_report(payload)* is called for every message. *on_silence(silent)* is called when the printer stops or starts
    to give signs of life while the connection is kept. `cert` is the certificate it showed.
    """

    def __init__(self, entry: dict, pin: str, gate, on_report, on_silence) -> None:  # type: ignore[type-arg, no-untyped-def]
        self._host = entry["host"]
        self._port = entry.get("port", PORT)
        self._code = entry["code"]
        self._serial = entry["serial"].strip().upper()
        self._pin = pin
        self._gate = gate
        self._on_report = on_report
        self._on_silence = on_silence
        self._wire = None
        self._mqtt = None
        self._closing = False
        self._silent = False
        self._error = None
        self._ended = asyncio.Event()
        self._sequence = 20000 + int.from_bytes(os.urandom(2), "big") % 10000
        self._connected = self._last_report = self._last_asked = time.ticks_ms()
        self._digesting = None
        self.reported = False
        self.cert = ""

    # ---- the way in -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, log in, ask for everything, and stay until the connection ends, which is an exception."""
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
        context = pinned_context(self._accept)
        address = resolve(self._host, self._port)
        self._wire = await Wire.open(address, context, self._serial, _CONNECT_MS)
        self._refuse_when_closing()
        self._mqtt = Session(self._wire, self._message)
        finished = asyncio.Event()
        async with self._gate:
            self._refuse_when_closing()
            login = asyncio.create_task(self._login(finished))
            try:
                await asyncio.wait_for_ms(finished.wait(), _GATE_MS)
            except asyncio.TimeoutError:
                pass  # it goes on, without keeping others waiting
            except BaseException:
                self._wire.close()
                raise
        await login

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise OSError(errno.ECONNABORTED)

    async def _login(self, finished: asyncio.Event) -> None:
        self._unacceptable = None
        try:
            await within(self._wire, _LOGIN_MS, self._shake_hands())
        except UntrustedError:
            raise self._unacceptable or Unacceptable("offline", "The printer's TLS certificate cannot be used.")
        except RefusedError as error:
            if error.credentials:
                raise Unacceptable("auth_failed", "The printer refuses the access code: read it again on its screen.")
            raise Unacceptable("offline", "The printer refuses the session (code %d)." % error.code)
        finally:
            finished.set()

    async def _shake_hands(self) -> None:
        # The access code is not even queued before the certificate was found good.
        await self._wire.verified(lambda: self.cert)
        client = random_id("printfarm-", os.urandom(6))
        await self._mqtt.connect(client, USER, self._code, _KEEPALIVE_S)

    def _accept(self, der: memoryview) -> bool:
        """The verify callback: the pinned certificate, or for the first time one that names this printer."""
        shown = hexlify(hashlib.sha256(der).digest()).decode()
        self.cert = shown
        if self._pin:
            if shown != self._pin:
                self._unacceptable = Unacceptable(
                    "cert_changed", "The printer shows another certificate than before: confirm that it is yours."
                )
                return False
            return True
        name = common_name(der)
        if name != self._serial:
            self._unacceptable = Unacceptable(
                "wrong_serial", "The printer at this address has the serial number %s." % (name or "?")[:40]
            )
            return False
        return True

    async def _begin(self) -> None:
        if not await self._mqtt.subscribe("device/%s/report" % self._serial, _SUBSCRIBE_MS):
            raise self._error or OSError(errno.ETIMEDOUT)
        self._connected = self._last_report = time.ticks_ms()
        await self.publish(requests.get_version(self.next_sequence()))
        await self.ask()

    # ---- while it lasts -------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            await self._mqtt.run()
        except (OSError, EOFError, MqttError) as error:
            self._error = error
        finally:
            self._ended.set()

    def _message(self, topic: bytes, payload: "bytes | memoryview") -> None:
        if self._on_report(payload):
            self._last_report = time.ticks_ms()
            self.reported = True

    async def _watch(self) -> None:
        while True:
            try:
                await asyncio.wait_for_ms(self._ended.wait(), _TICK_MS)
            except asyncio.TimeoutError:
                pass
            if self._ended.is_set():
                raise self._error or OSError(errno.ECONNABORTED)
            now = time.ticks_ms()
            await self._watch_signs_of_life(now)
            await self._watch_reports(now)

    async def _watch_signs_of_life(self, now: int) -> None:
        quiet = time.ticks_diff(now, self._wire.last_rx)
        silent = quiet >= _DEAD_MS
        if silent and not self.digesting:
            raise OSError(errno.ETIMEDOUT)
        if silent != self._silent:
            self._silent = silent
            self._on_silence(silent)
        if quiet >= _PING_MS and time.ticks_diff(now, self._wire.last_tx) >= _PING_MS:
            await within(self._wire, _DEAD_MS, self._mqtt.ping())

    async def _watch_reports(self, now: int) -> None:
        waiting = time.ticks_diff(now, self._last_report)
        if not self.reported and time.ticks_diff(now, self._connected) >= _MUTE_MS and not self._silent:
            self._silent = True
            self._on_silence(True)
        if waiting >= _SILENT_MS and not self.digesting:
            raise OSError(errno.ETIMEDOUT)
        pause = _ASK_DIGESTING_MS if self.digesting else _ASK_MS
        if waiting >= pause and time.ticks_diff(now, self._last_asked) >= pause:
            await self.ask()

    @property
    def digesting(self) -> bool:
        """A job was sent a short time ago and does not run yet."""
        if self._digesting is not None and time.ticks_diff(time.ticks_ms(), self._digesting) >= DIGEST_MS:
            self._digesting = None
        return self._digesting is not None

    def job_sent(self) -> None:
        """The printer has a new job to digest, from now on."""
        self._digesting = time.ticks_ms()

    def job_runs(self) -> None:
        """It has been digested."""
        self._digesting = None

    def next_sequence(self) -> str:
        """The next sequence number, in the range that the vendor's own programs use."""
        self._sequence = 20000 + (self._sequence - 19999) % 10000
        return str(self._sequence)

    async def ask(self) -> None:
        """Ask for a full report. Small printers take it ill when that happens often."""
        self._last_asked = time.ticks_ms()
        await self.publish(requests.push_all(self.next_sequence()))

    async def publish(self, request: dict):  # type: ignore[type-arg, no-untyped-def]
        """Send a request with QoS 1; its receipt. A printer that does not take it in time is cut off."""
        text = json.dumps(request)
        return await within(self._wire, _DEAD_MS, self._mqtt.publish("device/%s/request" % self._serial, text))

    async def close(self) -> None:
        """End it: with a goodbye, which frees the printer's slot at once, when it is up."""
        self._closing = True
        if self._mqtt is not None and not self._wire.closed:
            try:
                await within(self._wire, _GOODBYE_MS, self._mqtt.close())
            except OSError:
                pass  # it does not listen: closed all the same
        if self._wire is not None:
            self._wire.close()
