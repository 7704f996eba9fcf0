"""The chip's Wi-Fi, as hub/wifi.py wants it, and the access point for setting up."""

import asyncio
import time

import network
from hub.wifi import split_address

_JOIN_MS = 30_000
_ROAM_MS = 20_000  # a lost network is left to the driver for so long: mostly the access point is back at once

_WRONG = ("STAT_WRONG_PASSWORD", "STAT_HANDSHAKE_TIMEOUT", "STAT_CONNECT_FAIL")
_OPEN = 0


class Radio:
    """The station and, while setting up, the access point of one chip."""

    ACCESS_POINT = "192.168.4.1"

    def __init__(self) -> None:
        self.wlan = network.WLAN(network.STA_IF)
        self._ap = network.WLAN(network.AP_IF)

    def connected(self) -> bool:
        """Whether there is a network and an address in it."""
        return self.wlan.isconnected()

    def leave(self) -> None:
        """Stop trying; the radio is switched off and on, which cures most of what can be wrong with it."""
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
        wlan.active(True)
        # Power saving holds packets back for up to 300 ms; this board hangs on a power supply. The driver's own
        # retries would hide a wrong password and an absent network; it may retry once it was in.
        wlan.config(pm=wlan.PM_NONE, reconnects=0)
        self._address(known)
        wlan.connect(known["ssid"], known["password"])
        code = await self._outcome()
        if not code:
            wlan.config(reconnects=-1)
        return code

    async def _roamed(self, ssid: str) -> bool:
        """Whether the driver comes back by itself to the network it was in."""
        if not self.wlan.active() or self.wlan.config("essid") != ssid:
            return False
        started = time.ticks_ms()
        while self.wlan.status() == network.STAT_CONNECTING and time.ticks_diff(time.ticks_ms(), started) < _ROAM_MS:
            await asyncio.sleep_ms(200)
        return self.wlan.isconnected()

    def _address(self, known: "dict") -> None:  # type: ignore[type-arg]
        if not known.get("address"):
            self.wlan.ifconfig("dhcp")  # type: ignore[call-overload]
            return
        address, mask = split_address(known["address"])
        gateway = known.get("gateway") or address
        self.wlan.ifconfig((address, mask, gateway, known.get("dns") or gateway))

    async def _outcome(self) -> str:
        wrong = [getattr(network, name) for name in _WRONG if hasattr(network, name)]
        started = time.ticks_ms()
        while time.ticks_diff(time.ticks_ms(), started) < _JOIN_MS:
            if self.wlan.isconnected():
                return ""
            status = self.wlan.status()
            if status == network.STAT_NO_AP_FOUND:
                return "no_network"
            if status in wrong:
                return "wrong_password"
            await asyncio.sleep_ms(100)
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
