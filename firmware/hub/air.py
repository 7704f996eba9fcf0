"""The ways in while the hub is being set up: what carries a box to it on this board."""

import os
import sys

from hub.improv_ways import ImprovWays
from hub.names import Names
from hub.setup_page import PAGE
from hub.softap import PORT, SoftAp

from shared_protocol import pairing


def transports(setup) -> "list":  # type: ignore[type-arg, no-untyped-def]
    """Objects with `async run()` and `stop()`: Bluetooth, the cable, and the access point with its page."""
    service = setup.service
    name = "PrintFarm-" + service.device[:4]
    ways: "list" = []  # type: ignore[type-arg]
    if sys.platform == "esp32":
        from hub.board.ble_esp32 import Ble
        from hub.board.serial_esp32 import Console

        ways.append(Names(setup.board.radio.ACCESS_POINT))
        port = PORT
    else:
        from hub.board.ble_unix import Ble  # type: ignore[assignment]
        from hub.board.serial_unix import Console  # type: ignore[assignment]

        port = int(os.getenv("PF_PAGE") or "0")
    improv = ImprovWays(setup, name)
    console = Console()
    improv.serial(console)
    ways.append(console)
    # One advertisement has room for one service; who looks for the pairing service finds the hub by its name.
    ways.append(Ble(name, [service, improv.ble], improv.ble.advertisement))
    if port:
        ways.append(SoftAp(setup, name, pairing.passphrase_of(setup.secret), PAGE, port))
    return ways
