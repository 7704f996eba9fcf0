"""The ways in while the hub is being set up: what carries a box to it on this board."""

import os
import struct
import sys

from hub.names import Names
from hub.setup_page import PAGE
from hub.softap import PORT, SoftAp

from shared_protocol import pairing

_GENERAL_DISCOVERABLE_ONLY_LE = 6


def transports(setup) -> "list":  # type: ignore[type-arg, no-untyped-def]
    """Objects with `async run()` and `stop()`: Bluetooth, and the access point with its page."""
    service = setup.service
    name = "PrintFarm-" + service.device[:4]
    ways: "list" = []  # type: ignore[type-arg]
    if sys.platform == "esp32":
        from hub.board.ble_esp32 import Ble

        ways.append(Names(setup.board.radio.ACCESS_POINT))
        port = PORT
    else:
        from hub.board.ble_unix import Ble  # type: ignore[assignment]

        port = int(os.getenv("PF_PAGE") or "0")
    ways.append(Ble(name, [service], lambda: advertisement(service.uuid)))
    if port:
        ways.append(SoftAp(setup, name, pairing.passphrase_of(setup.secret), PAGE, port))
    return ways


def advertisement(uuid: str) -> bytes:
    """Flags and one service of 128 bits, as it is sent: the last byte first."""
    digits = uuid.replace("-", "")
    value = bytes([int(digits[at : at + 2], 16) for at in range(30, -1, -2)])
    return struct.pack("BBBBB", 2, 1, _GENERAL_DISCOVERABLE_ONLY_LE, 17, 7) + value
