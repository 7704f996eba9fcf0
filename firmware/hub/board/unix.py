"""The Unix port: what tests, demo and benchmarks run. Environment:

PF_DATA      the data folder (required)
PF_SOCKETS   sockets of the board, 10 like the chip's stock image
PF_PRINTERS  the most printers it takes, 6 like the chip
PF_RADIO     access points in range (radio_unix.py)
PF_BLE       where Bluetooth goes while the hub is set up (ble_unix.py)
PF_SERIAL    where its console goes meanwhile (serial_unix.py)
PF_PAGE      the port of the access point's page; without it there is none
PF_HEALTHY_MS, PF_TRIAL_MS   how long a new release must be healthy, and within which time
PF_PANEL     a folder: the button is down while it holds a file `button`; the file `light` tells the light's colour
PF_CHIP      a folder that plays a flash with two slots for MicroPython (partition_unix.py); without it there are none
PF_ADDRESS   the board's address in its network, by which printers are looked for
PF_DISCOVERY the UDP port on which printers announce themselves, 2021; 0 = do not listen
PF_SEARCH    HOST:PORT to which a search for printers is sent

What a chip keeps in NVS is in `nvs.json` of the data folder.
"""

import gc
import json
import os
import sys
import time

from hub.address import SEARCH_TO
from hub.flash import exists, make_folder, write_whole

RESTART = 75
"""Exit status of a process that wishes to be started again."""


def _number(name: str, default: int) -> int:
    value = os.getenv(name)
    return int(value) if value else default


class Board:
    """The machine under the hub."""

    name = "unix"
    target = "unix"
    search_to: "tuple" = SEARCH_TO  # type: ignore[type-arg]
    safe = False
    gc_threshold = 24 * 1024
    """Bytes allocated until a collection that nobody asked for: it takes 1 ms here, and often means little scatter."""

    tunnel_window = 12 * 1024
    tunnel_pieces = 3
    """Pieces of 4 KiB kept for tunnels: a full window."""

    def __init__(self) -> None:
        folder = os.getenv("PF_DATA")
        if not folder:
            raise ValueError("PF_DATA must name the data folder")
        make_folder(folder)
        self.data_dir = folder
        self._panel = os.getenv("PF_PANEL")
        self.sockets = _number("PF_SOCKETS", 10)
        self.max_printers = _number("PF_PRINTERS", 6)
        self.healthy_ms = _number("PF_HEALTHY_MS", 20_000)
        self.trial_ms = _number("PF_TRIAL_MS", 600_000)
        self.discovery_port = _number("PF_DISCOVERY", 2021)
        search = os.getenv("PF_SEARCH")
        if search:
            host, _, port = search.partition(":")
            self.search_to = ((host, int(port)),)
        self.stats = os.getenv("PF_STATS") == "1"
        self._nvs = self._load_nvs()
        self.boot_reason = str(self.recall("reason", "")) or "start"
        if self.recall("reason", ""):
            self.remember("reason", "")
        self.partition = None
        self.image_room = 0
        self.image = "%d.%d.%d" % sys.implementation.version[:3]
        self.machine = "Test board with ESP32S3"
        chip = os.getenv("PF_CHIP")
        if chip:
            from hub.board.partition_unix import Files, start

            self.partition, self.image, self.image_room = start(Files(chip))
        self._started = time.ticks_ms()
        self._radio: "object | None" = None
        self._wifi = None

    @property
    def radio(self):  # type: ignore[no-untyped-def]
        """The radio that a test made for this process, if it did."""
        if self._radio is None:
            from hub.board.radio_unix import Radio

            self._radio = Radio()
        return self._radio

    def device(self) -> bytes:
        """The label's secret, in `device.json`; a new device makes its own, once."""
        from shared_protocol import pairing  # needed to set the hub up, and not in all the months after

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

    def keep_image(self) -> None:
        """The running MicroPython is a good one: the boot loader stays with it."""
        if self.partition is not None:
            self.partition.mark_app_valid_cancel_rollback()

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

    def rename(self, hostname: str) -> None:
        """What networks are told on a chip; here it is only remembered."""
        self.remember("hostname", hostname)

    def vitals(self) -> "dict":  # type: ignore[type-arg]
        """What this board knows of itself, as fields of `telemetry`."""
        found: "dict" = {}  # type: ignore[type-arg]
        if hasattr(os, "statvfs"):
            space = os.statvfs(self.data_dir)
            found["flash_free"] = space[1] * space[4]
        address = os.getenv("PF_ADDRESS")
        if address:
            found["ip"] = address
        return found

    # ---- light and button --------------------------------------------------------------------------------------

    def light(self, color: "tuple | None") -> None:  # type: ignore[type-arg]
        """Set the light to (red, green, blue); None is dark."""
        if self._panel is not None:
            with open(self._panel + "/light", "a") as file:
                file.write("%s\n" % (color or "dark",))

    def button(self) -> bool:
        """Whether the button is down."""
        return self._panel is not None and exists(self._panel + "/button")

    async def network(self, networks: "list[dict]") -> None:  # type: ignore[type-arg]
        """Return when there is a network: here there always is one, unless a test made a radio."""
        if os.getenv("PF_RADIO"):
            from hub.wifi import Wifi

            if self._wifi is None:
                self._wifi = Wifi(self.radio)  # type: ignore[assignment]
            await self._wifi.ensure(networks, self.reset)  # type: ignore[attr-defined]

    def network_states(self) -> "dict[str, str]":
        """What became of the last attempt at each network, by its name (hub/wifi.py)."""
        return self._wifi.states if self._wifi is not None else {}

    def connected(self) -> bool:
        """Whether there is a network."""
        return True

    def set_time(self, seconds: int) -> None:
        """The cloud's clock: this machine has one of its own."""

    def doubt_time(self) -> None:
        """A certificate was refused; here the clock is not the reason."""

    def arm(self) -> None:
        """Nobody watches this process but who started it."""

    def feed(self) -> None:
        """No watchdog here."""

    def reset(self, reason: str = "") -> None:
        """Die, so that whoever started the process sees it; the next start knows the reason."""
        if reason:
            self.remember("reason", reason)
        sys.exit(1 if reason in ("", "crash", "watchdog") else RESTART)
