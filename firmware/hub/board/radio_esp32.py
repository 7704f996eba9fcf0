"""The chip's Wi-Fi, as hub/wifi.py wants it, and the access point for setting up."""

import asyncio
import time

import network
from hub.log import log
from hub.wifi import split_address

_JOIN_MS = 30_000
_ROAM_MS = 20_000  # a lost network is left to the driver for so long: mostly the access point is back at once
_LEAVE_TURNS = 20
_STALE_MS = 10_000  # longer than any attempt takes to fail

_WRONG = ("STAT_WRONG_PASSWORD", "STAT_HANDSHAKE_TIMEOUT", "STAT_CONNECT_FAIL")
_OPEN = 0


class Radio:
    """The station and, while setting up, the access point of one chip."""

    ACCESS_POINT = "192.168.4.1"

    def __init__(self) -> None:
        self.wlan = network.WLAN(network.STA_IF)
        self._ap = network.WLAN(network.AP_IF)
        self._returns = False  # the driver goes back by itself to the network it was in

    def name(self, hostname: str) -> None:
        """What DHCP is told at the next joining; "" leaves it."""
        if hostname:
            network.hostname(hostname)

    def connected(self) -> bool:
        """Whether there is a network and an address in it."""
        return self.wlan.isconnected()

    def leave(self) -> None:
        """Stop trying; the radio is switched off and on, which cures most of what can be wrong with it."""
        self._returns = False
        self.wlan.disconnect()
        if not self._ap.active():
            self.wlan.active(False)

    async def scan(self) -> "list[tuple[str, int, bool]]":
        """Access points in range, the strongest first, each name once. Blocks the loop for some two seconds."""
        self.wlan.active(True)
        found: "dict[str, tuple[str, int, bool]]" = {}
        for name, _bssid, _channel, rssi, security, _hidden in self.wlan.scan():
            try:
                ssid = name.decode()
            except UnicodeError:
                continue
            if ssid and (ssid not in found or found[ssid][1] < rssi):
                found[ssid] = (ssid, rssi, security != _OPEN)
        return sorted(found.values(), key=lambda one: -one[1])

    async def join(self, known: "dict") -> str:  # type: ignore[type-arg]
        """Join a network (protocol NETWORK): "" with an address, else what is wrong."""
        wlan = self.wlan
        if await self._roamed(known["ssid"]):
            return ""
        self._returns = False
        wlan.active(True)
        # Power saving holds packets back for up to 300 ms; this board hangs on a power supply. The driver's own
        # retries would hide a wrong password and an absent network; it may retry once it was in.
        wlan.config(pm=wlan.PM_NONE, reconnects=0)
        await self._let_go()
        self._address(known)
        before = wlan.status()
        try:
            wlan.connect(known["ssid"], known["password"])
        except OSError as error:
            log("wifi", "the radio does not begin: %s" % error)
            return "no_network"  # whoever asked lets go of the radio then, which cures most of it
        code = await self._outcome(before)
        if not code:
            wlan.config(reconnects=-1)
            self._returns = True
        return code

    async def _roamed(self, ssid: str) -> bool:
        """Whether the driver comes back by itself to the network it was in. Meanwhile its status may say anything."""
        if not self._returns or self.wlan.config("essid") != ssid:
            return False
        started = time.ticks_ms()
        while not self.wlan.isconnected() and time.ticks_diff(time.ticks_ms(), started) < _ROAM_MS:
            await asyncio.sleep_ms(200)
        return self.wlan.isconnected()

    async def _let_go(self) -> None:
        """End what the driver works on, as on going back to the last network: meanwhile it refuses to begin."""
        self.wlan.disconnect()
        for _ in range(_LEAVE_TURNS):
            if not self.wlan.isconnected():  # it learns of the end later, and would take the old network for the new
                break
            await asyncio.sleep_ms(50)

    def _address(self, known: "dict") -> None:  # type: ignore[type-arg]
        if not known.get("address"):
            try:
                self.wlan.ifconfig("dhcp")  # type: ignore[call-overload]
            except OSError:
                pass  # it asks already
            return
        address, mask = split_address(known["address"])
        gateway = known.get("gateway") or address
        self.wlan.ifconfig((address, mask, gateway, known.get("dns") or gateway))

    async def _outcome(self, before: int) -> str:
        """How the attempt ends. The driver tells the end of an earlier one, `before`, until this one has ended."""
        wrong = [getattr(network, name) for name in _WRONG if hasattr(network, name)]
        started = time.ticks_ms()
        stale, past = True, 0
        while past < _JOIN_MS:
            if self.wlan.isconnected():
                return ""
            status = self.wlan.status()
            stale = stale and status == before and past < _STALE_MS
            if status == network.STAT_NO_AP_FOUND and not stale:
                return "no_network"
            if status in wrong and not stale:
                return "wrong_password"
            await asyncio.sleep_ms(100)
            past = time.ticks_diff(time.ticks_ms(), started)
        return "no_address" if self.wlan.status() == network.STAT_CONNECTING else "no_network"

    # ---- the access point ----------------------------------------------------------------------------------------

    def open_access_point(self, ssid: str, passphrase: str) -> str:
        """Open the hub's own network, WPA2; its address."""
        self._ap.active(True)
        self._ap.config(essid=ssid, password=passphrase, authmode=network.AUTH_WPA2_PSK, max_clients=2)
        return self._ap.ifconfig()[0]

    def is_guest(self, peer: "tuple[str, int]") -> bool:
        """Whether who connected is in that network: in no doubt, so nobody is while another has the same numbers.

        The listener's address would not do: the chip takes packets for either of its addresses from both sides.
        """
        within = self.ACCESS_POINT[: self.ACCESS_POINT.rindex(".") + 1]
        if self.wlan.isconnected() and self.wlan.ifconfig()[0].startswith(within):
            return False
        return peer[0].startswith(within)

    def close_access_point(self) -> None:
        """Take it away."""
        self._ap.active(False)
