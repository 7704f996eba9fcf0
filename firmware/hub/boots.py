"""How often in a row the hub fell at its start: counted on flash before anything is imported that could fall again."""

_FALLS = ("crash", "watchdog", "panic", "reset")
"""Ends that nobody wished. Not the power's: who plugs a hub in and out has no broken hub."""

SAFE_AFTER = 3

HEALTHY_MS = 300_000
"""So long alive, and the falls before are forgiven."""


def count(board) -> bool:  # type: ignore[no-untyped-def]
    """Count this start when it follows a fall; whether it had better be in safe mode."""
    falls = board.recall("falls", 0)
    if board.boot_reason in _FALLS:
        falls += 1
        board.remember("falls", falls)
    return falls >= SAFE_AFTER


def forgive(board) -> None:  # type: ignore[no-untyped-def]
    """The hub has been well for long enough."""
    if board.recall("falls", 0):
        board.remember("falls", 0)
