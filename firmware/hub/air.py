"""The ways in while the hub is being set up: what carries a box to it on this board."""

import struct
import sys

from hub.pairing_service import PairingService

_GENERAL_DISCOVERABLE_ONLY_LE = 6


def transports(setup) -> "list":  # type: ignore[type-arg, no-untyped-def]
    """Objects with `async run()` and `stop()`."""
    if sys.platform == "esp32":
        from hub.board.ble_esp32 import Ble
    else:
        from hub.board.ble_unix import Ble  # type: ignore[assignment]
    service: PairingService = setup.service
    return [Ble("PrintFarm-" + service.device[:4], [service], lambda: advertisement(service.uuid))]


def advertisement(uuid: str) -> bytes:
    """Flags and one service of 128 bits, as it is sent: the last byte first."""
    digits = uuid.replace("-", "")
    value = bytes([int(digits[at : at + 2], 16) for at in range(30, -1, -2)])
    return struct.pack("BBBBB", 2, 1, _GENERAL_DISCOVERABLE_ONLY_LE, 17, 7) + value
