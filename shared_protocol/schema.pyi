from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

Sender = Literal["hub", "cloud"]
HUB: Literal["hub"]
CLOUD: Literal["cloud"]
MAX_INT: int

class ProtocolError(ValueError):
    code: str
    path: str
    sentence: str
    def __init__(self, code: str, path: str, sentence: str) -> None: ...

class Kind(Protocol):
    def check(self, value: Any, path: str) -> None: ...

class Flag:
    def check(self, value: Any, path: str) -> None: ...

class Int:
    low: int
    high: int
    def __init__(self, low: int = 0, high: int = ...) -> None: ...
    def check(self, value: Any, path: str) -> None: ...

class Number:
    low: float
    high: float
    def __init__(self, low: float = -1e6, high: float = 1e6) -> None: ...
    def check(self, value: Any, path: str) -> None: ...

class Text:
    most: int
    least: int
    def __init__(self, most: int, least: int = 0) -> None: ...
    def check(self, value: Any, path: str) -> None: ...

class Choice:
    words: tuple[str, ...]
    def __init__(self, words: Iterable[str]) -> None: ...
    def check(self, value: Any, path: str) -> None: ...

class ListOf:
    kind: Kind
    most: int
    def __init__(self, kind: Kind, most: int) -> None: ...
    def check(self, value: Any, path: str) -> None: ...

class Nullable:
    kind: Kind
    def __init__(self, kind: Kind) -> None: ...
    def check(self, value: Any, path: str) -> None: ...

class Anything:
    def check(self, value: Any, path: str) -> None: ...

class Field:
    name: str
    kind: Kind
    optional: bool
    def __init__(self, name: str, kind: Kind, optional: bool = False) -> None: ...

class Record:
    fields: tuple[Field, ...]
    def __init__(self, *fields: Field) -> None: ...
    def check(self, value: Any, path: str) -> None: ...

class Message:
    kind: str
    senders: tuple[Sender, ...]
    record: Record
    refine: Callable[[dict[str, Any]], None] | None
    def __init__(
        self,
        kind: str,
        senders: tuple[Sender, ...],
        *fields: Field,
        refine: Callable[[dict[str, Any]], None] | None = None,
    ) -> None: ...
    def check(self, value: Any) -> None: ...
