"""ESP32 and ESP32-S3 on the stock MicroPython image: the only file that touches the chip.

Wi-Fi is joined from the stored configuration and left to the driver, which retries for ever by itself; only a radio
that stays dead for minutes is switched off and on, and then the board is reset. The clock comes from the cloud; the
last time known is kept, because the cloud's certificate is checked before the cloud can tell the time.
"""

import asyncio
import gc
import os
import sys
import time

import machine
import network
from esp32 import NVS
from hub.log import log

_WATCHDOG_MS = 30_000  # the longest blocking step is a TLS handshake, about 2 s

_JOIN_MS = 90_000  # association and DHCP with a tired access point
_ATTEMPTS = 12  # radio switched off and on so often; then a reset, which cures what that does not

_ROOMY = 1_000_000  # free heap at boot: megabytes with external memory, 160 KB without

_CLOCK_SAVE_S = 6 * 3600
_EPOCH_2000 = 946_684_800  # this port counts from 2000, the protocol from 1970

_REASONS = {
    machine.PWRON_RESET: "power",
    machine.HARD_RESET: "reset",
    machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "sleep",
    machine.SOFT_RESET: "soft",
}


class Board:
    """The machine under the hub."""

    data_dir = "/data"
    sockets = 10
    healthy_ms = 20_000
    trial_ms = 600_000
    """How long a new release must be healthy, and within which time; an access point may be slow to wake."""

    stats = False

    def __init__(self) -> None:
        self.name = "esp32 " + "".join(["%02x" % b for b in machine.unique_id()])
        self.boot_reason = _REASONS.get(machine.reset_cause(), "unknown")
        # "Generic ESP32S3 module with Octal-SPIRAM with ESP32S3": the chip comes last.
        self.target = sys.implementation._machine.rsplit(" with ", 1)[-1].lower()
        roomy = gc.mem_free() > _ROOMY
        self.max_printers = 6 if roomy else 1
        self.tunnel_window = 32 * 1024 if roomy else 4 * 1024
        self.tunnel_pieces = 9 if roomy else 2
        # A collection takes about 22 ms with external memory: rare, and mostly asked for at quiet moments.
        self.gc_threshold = 256 * 1024 if roomy else 24 * 1024
        self._watchdog: "machine.WDT | None" = None
        self._nvs = NVS("printfarm")
        self._uptime = 0
        self._ticked = time.ticks_ms()
        self._saved = 0
        self._wlan = network.WLAN(network.STA_IF)
        self._failures = 0
        self._restore_clock()

    def random_id(self) -> str:
        """Sixteen hexadecimal digits. The radio's noise feeds the generator, so Wi-Fi goes on first."""
        self._wlan.active(True)
        return "".join(["%02x" % b for b in os.urandom(8)])

    def uptime_ms(self) -> int:
        """Milliseconds since the start; does not wrap when asked at least once in six days."""
        now = time.ticks_ms()
        self._uptime += time.ticks_diff(now, self._ticked)
        self._ticked = now
        return self._uptime

    def heap_free(self) -> None:
        """Not told: the walk over external memory takes long and crashes on some versions."""

    # ---- Wi-Fi -------------------------------------------------------------------------------------------------

    async def network(self, wifi: "dict | None") -> None:  # type: ignore[type-arg]
        """Return when the board has an address. Joins with `wifi` {"ssid", "password"}; waits for ever without."""
        if wifi is None:
            log("wifi", "not provisioned")
            while True:
                await asyncio.sleep(3600)
        while not await self._joined(wifi):
            self._failures += 1
            log("wifi", "no connection to the access point, attempt %d" % self._failures)
            if self._failures >= _ATTEMPTS:
                self.reset()
            self._wlan.active(False)
            await asyncio.sleep(1)
        self._failures = 0

    async def _joined(self, wifi: "dict") -> bool:  # type: ignore[type-arg]
        if self._wlan.isconnected():
            return True
        if not self._wlan.active() or self._wlan.status() == network.STAT_IDLE:
            self._wlan.active(True)
            # Power saving holds packets back for up to 300 ms; this board hangs on a power supply.
            self._wlan.config(pm=self._wlan.PM_NONE, reconnects=-1)
            self._wlan.connect(wifi["ssid"], wifi["password"])
        started = time.ticks_ms()
        while time.ticks_diff(time.ticks_ms(), started) < _JOIN_MS:
            if self._wlan.isconnected():
                log("wifi", "address " + self._wlan.ifconfig()[0])
                return True
            await asyncio.sleep_ms(200)
        return False

    # ---- the clock ---------------------------------------------------------------------------------------------

    def _restore_clock(self) -> None:
        try:
            known = self._nvs.get_i32("time")
        except OSError:
            return  # never been online
        if known > time.time():
            self._set_rtc(known)

    def _set_rtc(self, seconds: int) -> None:
        """Set the clock to seconds since 2000."""
        year, month, day, hour, minute, second, weekday = time.gmtime(seconds)[:7]
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))

    def set_time(self, seconds: int) -> None:
        """The cloud's clock, in Unix seconds."""
        seconds -= _EPOCH_2000
        if abs(seconds - time.time()) > 2:
            self._set_rtc(seconds)
        if seconds - self._saved > _CLOCK_SAVE_S:
            self._saved = seconds
            self._nvs.set_i32("time", seconds)
            self._nvs.commit()

    def doubt_time(self) -> None:
        """The cloud's certificate was refused. After long storage the clock may be the reason: ask for the time.

        Blocks up to a second and a name's resolution, which is why it is done only then.
        """
        import ntptime

        try:
            ntptime.settime()
        except OSError as error:
            log("clock", "no time from the network: %r" % error)

    # ---- the watchdog ------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """From now on `feed` must be called; a hub that hangs is reset."""
        self._watchdog = machine.WDT(timeout=_WATCHDOG_MS)

    def feed(self) -> None:
        """The loop turns."""
        if self._watchdog:
            self._watchdog.feed()

    def reset(self) -> None:
        """Start over."""
        machine.reset()
