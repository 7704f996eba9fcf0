"""One line for a person: `part: sentence`. Secrets never come here; whoever calls sees to it.

The last lines stay in a ring of bytes of fixed size, for who asks the hub from afar (`hub_commands.recent`).
"""

import gc
import sys

_MOST = 300

ring = bytearray(8192 if gc.mem_alloc() + gc.mem_free() > 1_000_000 else 2048)
written = 0  # bytes since the start: the next one goes to this place of the ring, counted round

on_fault: "object | None" = None
"""Called with (part, error) for each fault of our own, once it is printed; set by the composition root."""


def log(part: str, sentence: str) -> None:
    """Print a line on the console. Foreign texts reach it without control characters, and cut to a length."""
    if len(sentence) > _MOST or not _clean(sentence):
        sentence = bytes([max(32, byte) for byte in sentence[:_MOST].encode()]).decode()
    # Two prints: a log line must still come out when the heap has no room to put one together.
    print(part, end=": ")
    print(sentence)
    for piece in (part, ": ", sentence, "\n"):
        _keep(piece)


def _clean(text: str) -> bool:
    # Bytes, not characters: each new character would be kept for ever as a name.
    for byte in text.encode():  # noqa: SIM110 - no generator: see above
        if byte < 32:
            return False
    return True


def _keep(text: str) -> None:
    global written
    try:
        for byte in text.encode():
            ring[written % len(ring)] = byte
            written += 1
    except MemoryError:
        pass  # said aloud all the same


def log_crash(part: str, error: BaseException) -> None:
    """A fault of our own: the traceback too, which is all a report will ever have."""
    print(part, end=": fault: ")
    sys.print_exception(error)
    for piece in (part, ": fault: ", type(error).__name__, "\n"):
        _keep(piece)
    if on_fault is not None:
        on_fault(part, error)  # type: ignore[operator]
