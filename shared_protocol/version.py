"""Protocol versions and the WebSocket subprotocol names that carry them.

The hub offers every version it speaks; the cloud picks the highest it knows. None in common is an HTTP 426.
"""

VERSIONS = (1,)
PREFIX = "printfarm.hub.v"


def subprotocol(version):
    """The WebSocket subprotocol name of a version: 1 -> "printfarm.hub.v1"."""
    return PREFIX + str(version)


SUBPROTOCOLS = tuple(subprotocol(version) for version in sorted(VERSIONS, reverse=True))


def negotiate(offered):
    """The best subprotocol name both sides know, or None. `offered` is the peer's list of names, in any order."""
    for name in SUBPROTOCOLS:
        if name in offered:
            return name
    return None
