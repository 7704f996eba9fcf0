"""A radio that is a file: PF_RADIO names a JSON document with the access points in range, which a test rewrites.

    [{"ssid": "Farm", "password": "secret123", "rssi": -50, "dhcp": true}, ...]

Joining one succeeds when the document says so, and lasts as long as the access point is in the document under the same
password. Without PF_RADIO there is a network, as on most machines that run this.
"""

import asyncio
import json
import os


class Radio:
    """What hub/wifi.py wants of a board."""

    def __init__(self) -> None:
        self._path = os.getenv("PF_RADIO")
        self._joined: "dict | None" = None  # type: ignore[type-arg]

    def _points(self) -> "list[dict]":  # type: ignore[type-arg]
        with open(self._path) as file:  # type: ignore[arg-type]
            return json.load(file)  # type: ignore[no-any-return]

    def _accepts(self, known: "dict") -> "dict | None":  # type: ignore[type-arg]
        for point in self._points():
            if point["ssid"] == known["ssid"] and point.get("password", "") == known["password"]:
                return point
        return None

    def connected(self) -> bool:
        """Whether there is a network."""
        return not self._path or (self._joined is not None and self._accepts(self._joined) is not None)

    def leave(self) -> None:
        """Let go of it."""
        self._joined = None

    async def scan(self) -> "list[tuple[str, int, bool]]":
        """Access points in range, the strongest first."""
        if not self._path:
            return []
        found = [(point["ssid"], point.get("rssi", -60), bool(point.get("password"))) for point in self._points()]
        return sorted(found, key=lambda one: -one[1])

    async def join(self, known: "dict") -> str:  # type: ignore[type-arg]
        """ "" with an address, else what is wrong."""
        await asyncio.sleep_ms(1)
        if not self._path:
            return ""
        self._joined = None
        if known["ssid"] not in [point["ssid"] for point in self._points()]:
            return "no_network"
        point = self._accepts(known)
        if point is None:
            return "wrong_password"
        if not point.get("dhcp", True) and not known.get("address"):
            return "no_address"
        self._joined = {"ssid": known["ssid"], "password": known["password"]}
        return ""

    def open_access_point(self, ssid: str, passphrase: str) -> str:
        """The hub's own network; here its page is served on this machine."""
        return "127.0.0.1"

    def is_guest(self, peer: bytes) -> bool:
        """Whether who connected is in that network, 127.0.0.0/24. *peer* is a packed address: family, port, numbers."""
        return bytes(peer[4:7]) == b"\x7f\x00\x00"

    def close_access_point(self) -> None:
        """Nothing to take away."""
