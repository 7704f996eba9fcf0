"""Reading a table of a database with damaged pages: what lies on them is lost, and nothing else."""

import sqlite3
from typing import Any, Final

NEAR: Final = 4096
"""How far the next readable row is looked for one by one: more rows than a page holds."""
FARTHEST: Final = 2**62


def rows(db: sqlite3.Connection, table: str) -> tuple[list[dict[str, Any]], list[str]]:
    """All that can be read, in the order of their making; and sentences about what cannot."""
    found: list[dict[str, Any]] = []
    lost: list[str] = []
    after = -FARTHEST
    while True:
        try:
            for number, row in _from(db, table, after):
                found.append(row)
                after = max(after, number + 1)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "no such column" in str(error):
                return _without_numbers(db, table)
            beyond = _readable(db, table, max(after, 0))
            end = "" if beyond is None else f" to {beyond - 1}"
            lost.append(f"the old database is damaged: rows {max(after, 0)}{end} cannot be read ({error})")
            if beyond is None:
                return found, lost
            after = beyond
        else:
            return found, lost


def _from(db: sqlite3.Connection, table: str, number: int) -> Any:
    cursor = db.execute(
        f'SELECT rowid AS _number, * FROM "{table}" WHERE rowid >= ? ORDER BY rowid',  # noqa: S608 - a name it has
        (number,),
    )
    names = [column[0] for column in cursor.description][1:]
    for values in cursor:
        yield values[0], dict(zip(names, values[1:], strict=True))


def _readable(db: sqlite3.Connection, table: str, after: int) -> int | None:
    """The first number behind the damage from which on rows can be read; None when there is none."""
    for number in range(after + 1, after + NEAR):
        if _works(db, table, number):
            return number
    low, step = after + NEAR - 1, NEAR
    while after + step < FARTHEST and not _works(db, table, after + step):
        low, step = after + step, step * 2
    high = after + step
    if high >= FARTHEST:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _works(db, table, middle) else (middle, high)
    return high


def _works(db: sqlite3.Connection, table: str, number: int) -> bool:
    try:
        next(_from(db, table, number), None)
    except sqlite3.DatabaseError:
        return False
    return True


def _without_numbers(db: sqlite3.Connection, table: str) -> tuple[list[dict[str, Any]], list[str]]:
    """A table WITHOUT ROWID: in the order of its key, up to the first damage."""
    found: list[dict[str, Any]] = []
    try:
        cursor = db.execute(f'SELECT * FROM "{table}"')  # noqa: S608
        names = [column[0] for column in cursor.description]
        for values in cursor:
            found.append(dict(zip(names, values, strict=True)))
    except sqlite3.DatabaseError as error:
        return found, [f"the old database is damaged: not all rows can be read ({error})"]
    return found, []
