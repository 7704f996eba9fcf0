"""What a caller of this room may have done wrong, or what the world refused, in words for the person at the screen."""

from typing import Any


class DomainError(Exception):
    """A request that cannot be done. `code` is one word for programs, `status` the HTTP status it becomes."""

    def __init__(self, code: str, status: int, sentence: str, **details: Any) -> None:
        super().__init__(code, status, sentence)
        self.code = code
        self.status = status
        self.sentence = sentence
        self.details = details

    def __str__(self) -> str:
        return self.sentence


def not_found(what: str) -> DomainError:
    """There is no such thing, or it belongs to somebody else: the answer is the same."""
    return DomainError("not_found", 404, f"There is no such {what}.")


def conflict(code: str, sentence: str, **details: Any) -> DomainError:
    """The thing is not in a state in which that can be done."""
    return DomainError(code, 409, sentence, **details)
