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

import esp32
import machine
import network
from esp32 import NVS
from hub.address import SEARCH_TO
from hub.board.lamp import Lamp
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


def _target(machine_name: str) -> str:
    """Which releases fit: esp32, esp32s3, esp32c3 ..."""
    name = machine_name.lower().replace("-", "")
    for chip in ("esp32s3", "esp32s2", "esp32c3", "esp32c6"):
        if chip in name:
            return chip
    return "esp32"


class Board:
    """The machine under the hub."""

    data_dir = "/data"
    sockets = 10
    healthy_ms = 20_000
    trial_ms = 600_000
    """How long a new release must be healthy, and within which time; an access point may be slow to wake."""

    discovery_port = 2021
    search_to = SEARCH_TO
    stats = False
    safe = False

    def __init__(self) -> None:
        self.name = "esp32 " + "".join(["%02x" % b for b in machine.unique_id()])
        self.target = _target(sys.implementation._machine)  # type: ignore[attr-defined]
        roomy = gc.mem_free() > _ROOMY
        self.max_printers = 6 if roomy else 1
        self.tunnel_window = 32 * 1024 if roomy else 4 * 1024
        self.tunnel_pieces = 9 if roomy else 2
        # A collection takes about 22 ms with external memory: rare, and mostly asked for at quiet moments.
        self.gc_threshold = 256 * 1024 if roomy else 24 * 1024
        self._watchdog: "machine.WDT | None" = None
        self._nvs = NVS("printfarm")
        noted = self.recall("reason", "")
        self.boot_reason = str(noted) or _REASONS.get(machine.reset_cause(), "unknown")
        if noted:
            self.remember("reason", "")
        self._uptime = 0
        self._ticked = time.ticks_ms()
        self._saved = 0
        self._wlan = network.WLAN(network.STA_IF)
        self._failures = 0
        self.wifi_drops = 0
        self._lamp = Lamp(self.data_dir, self.target)
        self.light = self._lamp.set
        self.button = self._lamp.pressed
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

    # ---- what survives a reset ---------------------------------------------------------------------------------

    def recall(self, name: str, default: "int | str") -> "int | str":
        """What `remember` stored."""
        try:
            if isinstance(default, int):
                return self._nvs.get_i32(name)
            room = bytearray(32)
            return room[: self._nvs.get_blob(name, room)].decode()
        except OSError:
            return default

    def remember(self, name: str, value: "int | str") -> None:
        """Store a number or a few words under a name of at most 15 characters."""
        if isinstance(value, int):
            self._nvs.set_i32(name, value)
        else:
            self._nvs.set_blob(name, value.encode())
        self._nvs.commit()

    def vitals(self) -> "dict":  # type: ignore[type-arg]
        """What this board knows of itself, as fields of `telemetry`."""
        space = os.statvfs(self.data_dir)
        found: "dict" = {"flash_free": space[1] * space[4], "wifi_drops": self.wifi_drops}  # type: ignore[type-arg]
        try:
            found["temperature"] = int(esp32.mcu_temperature())  # type: ignore[attr-defined]
        except AttributeError:
            pass  # the first ESP32 has no such sensor
        if self._wlan.isconnected():
            found["ip"] = self._wlan.ifconfig()[0]
            found["rssi"] = max(-128, min(0, self._wlan.status("rssi")))
            found["ssid"] = self._wlan.config("essid")[:32]
        return found

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
                self.reset("wifi")
            self._wlan.active(False)
            await asyncio.sleep(1)
        self._failures = 0

    def connected(self) -> bool:
        """Whether there is a network."""
        return self._wlan.isconnected()

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

    def reset(self, reason: str = "") -> None:
        """Start over; the next start knows the reason."""
        if reason:
            self.remember("reason", reason)
        machine.reset()
