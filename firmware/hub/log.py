"""One line for a person: `part: sentence`. Secrets never come here; whoever calls sees to it."""

import sys


def log(part: str, sentence: str) -> None:
    """Print a line on the console. Control characters of foreign texts do not reach the terminal."""
    clean = "".join([c if c >= " " else " " for c in sentence[:300]])
    print("%s: %s" % (part, clean))


def log_crash(part: str, error: BaseException) -> None:
    """A fault of our own: the sentence, then the traceback, which is all a report will ever have."""
    log(part, "fault: " + repr(error))
    sys.print_exception(error)
