from collections.abc import Collection

VERSIONS: tuple[int, ...]
PREFIX: str
SUBPROTOCOLS: tuple[str, ...]

def subprotocol(version: int) -> str: ...
def negotiate(offered: Collection[str]) -> str | None: ...
