"""Every interval of a hub connection, in one place. The first five are told to the hub in `welcome`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Timing:
    beat_ms: int = 3000
    """Each side says something at least this often."""
    dead_ms: int = 8000
    """Nothing heard for so long: the other side is gone. Leaves 2 s to show a dead hub offline within 10 s."""
    backoff_min_ms: int = 500
    backoff_max_ms: int = 30_000
    watched_ms: int = 1000
    """How often a hub reports a printer's small changes while somebody looks at them."""
    unwatched_ms: int = 5000
    """The same while nobody does."""
    hello_s: float = 10.0
    """From the accepted handshake to the hub's first message."""
    send_s: float = 10.0
    """A hub that does not take a frame for so long is gone, whatever it says."""
    bye_s: float = 1.0
    """How long a closing connection may take to deliver what was still to be said."""
