"""Messages between rooms and between nodes: publish, subscribe, request, respond.

Nothing here survives a restart: what must is in the database.
"""

from cloud.bus.interface import (
    Bus,
    BusClosed,
    BusError,
    Handler,
    NoResponder,
    Responder,
    ResponderFailed,
    Subscription,
    Timeout,
)
from cloud.bus.local import LocalBus

__all__ = [
    "Bus",
    "BusClosed",
    "BusError",
    "Handler",
    "LocalBus",
    "NoResponder",
    "Responder",
    "ResponderFailed",
    "Subscription",
    "Timeout",
]
