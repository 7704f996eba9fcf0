"""What can go wrong in the store, in words of our own: no driver's exception leaves this package."""

from typing import Literal

ConflictKind = Literal["unique", "foreign_key", "check", "not_null", "other"]


class StoreError(Exception):
    """Base of everything the store raises."""


class ConflictError(StoreError):
    """A constraint refused the change; the whole unit was rolled back."""

    def __init__(self, kind: ConflictKind, columns: frozenset[str], detail: str) -> None:
        super().__init__(f"{kind} constraint: {detail}")
        self.kind = kind
        self.columns = columns
        """Bare column names the constraint is about; empty when the database did not say."""


class StaleError(StoreError):
    """The row was changed meanwhile: it is of another version than the caller has seen."""

    def __init__(self, version: int) -> None:
        super().__init__(f"the row is of version {version}")
        self.version = version


class UnavailableError(StoreError):
    """The database cannot do it now: busy, full, read-only, or away. Trying again later may help."""


class StoreClosedError(StoreError):
    """The store was used after `close()`: a mistake in somebody's life cycle."""
