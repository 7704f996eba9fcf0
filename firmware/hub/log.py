"""One line for a person: `part: sentence`. Secrets never come here; whoever calls sees to it."""

import sys

_MOST = 300


def log(part: str, sentence: str) -> None:
    """Print a line on the console. Foreign texts reach it without control characters, and cut to a length."""
    if len(sentence) > _MOST or not _clean(sentence):
        sentence = bytes([max(32, byte) for byte in sentence[:_MOST].encode()]).decode()
    # Two prints: a log line must still come out when the heap has no room to put one together.
    print(part, end=": ")
    print(sentence)


def _clean(text: str) -> bool:
    # Bytes, not characters: each new character would be kept for ever as a name.
    for byte in text.encode():  # noqa: SIM110 - no generator: see above
        if byte < 32:
            return False
    return True


def log_crash(part: str, error: BaseException) -> None:
    """A fault of our own: the traceback too, which is all a report will ever have."""
    print(part, end=": fault: ")
    sys.print_exception(error)
