"""ESP32 and ESP32-S3 on the stock MicroPython image: the only file that touches the chip.

The clock comes from the cloud; the
last time known is kept, because the cloud's certificate is checked before the cloud can tell the time.
"""

import gc
import os
import sys
import time

import esp32
import machine
from esp32 import NVS, Partition
from hub.address import SEARCH_TO
from hub.board.lamp import Lamp
from hub.board.radio_esp32 import Radio
from hub.log import log
from hub.wifi import Wifi

_WATCHDOG_MS = 30_000  # the longest blocking step is a TLS handshake, about 2 s

_ROOMY = 1_000_000  # free heap at boot: megabytes with external memory, 160 KB without

_CLOCK_SAVE_S = 6 * 3600
_SECRET_BYTES = 16
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
    image = "%d.%d.%d" % sys.implementation.version[:3]
    """The MicroPython that runs."""

    machine: str = sys.implementation._machine  # type: ignore[attr-defined]
    """The build of it, which knows the board's memory: no other one may take its place."""

    partition = Partition

    def __init__(self) -> None:
        self.name = "esp32 " + "".join(["%02x" % b for b in machine.unique_id()])
        self.target = _target(self.machine)
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
        self.image_room = self._image_room()
        self.radio = Radio()
        self._wlan = self.radio.wlan
        self.radio.name(self.recall("hostname", ""))  # type: ignore[arg-type]
        self._wifi = Wifi(self.radio)
        self._lamp = Lamp(self.data_dir, self.target)
        self.light = self._lamp.set
        self.button = self._lamp.pressed
        self._restore_clock()

    def random_id(self) -> str:
        """Sixteen hexadecimal digits. The radio's noise feeds the generator, so Wi-Fi goes on first."""
        self._wlan.active(True)
        return "".join(["%02x" % b for b in os.urandom(8)])

    def device(self) -> bytes:
        """The label's secret, which flashing put there; a board that was flashed without makes its own, once."""
        kept = NVS("pf")
        secret = bytearray(_SECRET_BYTES)
        try:
            kept.get_blob("secret", secret)
        except OSError:
            self._wlan.active(True)  # its noise feeds the generator
            secret = bytearray(os.urandom(_SECRET_BYTES))
            kept.set_blob("secret", secret)
            kept.commit()
        return bytes(secret)

    def uptime_ms(self) -> int:
        """Milliseconds since the start; does not wrap when asked at least once in six days."""
        now = time.ticks_ms()
        self._uptime += time.ticks_diff(now, self._ticked)
        self._ticked = now
        return self._uptime

    def heap_free(self) -> None:
        """Not told: the walk over external memory takes long and crashes on some versions."""

    # ---- MicroPython's slots -----------------------------------------------------------------------------------

    def _image_room(self) -> int:
        """How many bytes another MicroPython may have that comes over the air; 0 where the flash has no slots."""
        try:
            here = Partition(Partition.RUNNING)  # type: ignore[arg-type]
            other = here.get_next_update().info()
        except OSError:
            return 0
        return 0 if other[2] == here.info()[2] else other[3]  # type: ignore[no-any-return]

    def keep_image(self) -> None:
        """The running MicroPython is a good one: the boot loader stays with it."""
        try:
            Partition.mark_app_valid_cancel_rollback()
        except OSError:
            pass  # -261 where the flash has no slots

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

    def rename(self, hostname: str) -> None:
        """What networks are told from the next joining on, also after a restart; at most 32 characters."""
        if self.recall("hostname", "") != hostname:
            self.remember("hostname", hostname)
        self.radio.name(hostname)

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

    async def network(self, networks: "list[dict]") -> None:  # type: ignore[type-arg]
        """Return when the board is in one of its networks; waits for ever without any."""
        await self._wifi.ensure(networks, lambda: self.reset("wifi"))

    @property
    def wifi_drops(self) -> int:
        """How often a network was lost since the start."""
        return self._wifi.drops

    def network_states(self) -> "dict[str, str]":
        """What became of the last attempt at each network, by its name (hub/wifi.py)."""
        return self._wifi.states

    def connected(self) -> bool:
        """Whether there is a network."""
        return self._wlan.isconnected()

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
        except (OSError, ValueError) as error:
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
