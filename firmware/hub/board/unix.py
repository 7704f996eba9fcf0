"""The Unix port: what tests, demo and benchmarks run. Environment:

PF_DATA      the data folder (required)
PF_SOCKETS   sockets of the board, 10 like the chip's stock image
PF_PRINTERS  the most printers it takes, 6 like the chip
PF_RADIO     access points in range (radio_unix.py)
PF_BLE       where Bluetooth goes while the hub is set up (ble_unix.py)
PF_PAGE      the port of the access point's page; without it there is none
"""

import gc
import json
import os
import sys
import time

from hub.flash import exists, make_folder, write_whole
from hub.wifi import Wifi

from shared_protocol import pairing


def _number(name: str, default: int) -> int:
    value = os.getenv(name)
    return int(value) if value else default


class Board:
    """The machine under the hub."""

    name = "unix"
    target = "unix"
    gc_threshold = 24 * 1024
    """Bytes allocated until a collection that nobody asked for: it takes 1 ms here, and often means little scatter."""

    tunnel_window = 12 * 1024
    tunnel_pieces = 3
    """Pieces of 4 KiB kept for tunnels: a full window."""

    def __init__(self) -> None:
        folder = os.getenv("PF_DATA")
        if not folder:
            raise ValueError("PF_DATA must name the data folder")
        self.data_dir = folder
        self.sockets = _number("PF_SOCKETS", 10)
        self.max_printers = _number("PF_PRINTERS", 6)
        self.stats = os.getenv("PF_STATS") == "1"
        self.boot_reason = "start"
        self._nvs = self._load_nvs()
        self._started = time.ticks_ms()
        self._radio: "object | None" = None
        self._wifi: "Wifi | None" = None

    @property
    def radio(self):  # type: ignore[no-untyped-def]
        """The radio that a test made for this process, if it did."""
        if self._radio is None:
            from hub.board.radio_unix import Radio

            self._radio = Radio()
        return self._radio

    def device(self) -> bytes:
        """The label's secret, in `device.json`; a new device makes its own, once."""
        path = self.data_dir + "/device.json"
        if not exists(path):
            make_folder(self.data_dir)
            secret = os.urandom(pairing.SECRET_BYTES)
            write_whole(path, json.dumps({"secret": pairing.base32(secret)}).encode())
        with open(path) as file:
            return pairing.secret_of(json.loads(file.read())["secret"])

    def random_id(self) -> str:
        """Sixteen hexadecimal digits."""
        return "".join(["%02x" % b for b in os.urandom(8)])

    def uptime_ms(self) -> int:
        """Milliseconds since the start; does not wrap."""
        return time.ticks_diff(time.ticks_ms(), self._started)

    def heap_free(self) -> int:
        """Free bytes of the Python heap."""
        return gc.mem_free()

    # ---- what survives a reset ---------------------------------------------------------------------------------

    def _load_nvs(self) -> "dict":  # type: ignore[type-arg]
        try:
            with open(self.data_dir + "/nvs.json") as file:
                return json.loads(file.read())
        except (OSError, ValueError):
            return {}  # new, or damaged: as a chip's that was erased

    def recall(self, name: str, default: "int | str") -> "int | str":
        """What `remember` stored."""
        return self._nvs.get(name, default)

    def remember(self, name: str, value: "int | str") -> None:
        """Store a number or a few words under a name of at most 15 characters."""
        self._nvs[name] = value
        write_whole(self.data_dir + "/nvs.json", json.dumps(self._nvs).encode())

    async def network(self, networks: "list[dict]") -> None:  # type: ignore[type-arg]
        """Return when there is a network: here there always is one, unless a test made a radio."""
        if os.getenv("PF_RADIO"):
            if self._wifi is None:
                self._wifi = Wifi(self.radio)
            await self._wifi.ensure(networks, self.reset)

    def set_time(self, seconds: int) -> None:
        """The cloud's clock: this machine has one of its own."""

    def doubt_time(self) -> None:
        """A certificate was refused; here the clock is not the reason."""

    def arm(self) -> None:
        """Nobody watches this process but who started it."""

    def feed(self) -> None:
        """No watchdog here."""

    def reset(self) -> None:
        """Die, so that whoever started the process sees it."""
        sys.exit(1)
