"""What came along, what was mended on the way, what was left behind, and why."""

import collections
from typing import Any, Final

import msgspec

KINDS: Final = ("refused", "mended", "kept", "missing", "differs", "changed", "note")
"""left behind · brought along, changed as told · kept with the row, for there is no column · a file that is not there ·
the comparison at the end · changed here since it was brought along · for information"""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    table: str
    id: str
    text: str


class Report(msgspec.Struct, kw_only=True):
    """Gathered while it runs; the same source gives the same lines."""

    lines: list[Line] = []
    counts: dict[str, dict[str, int]] = {}
    """Table -> read, new, there, refused."""

    def tell(self, kind: str, table: str, key: Any, text: str) -> None:
        self.lines.append(Line(kind=kind, table=table, id=str(key), text=text))

    def count(self, table: str, what: str, number: int = 1) -> None:
        row = self.counts.setdefault(table, dict.fromkeys(("read", "new", "there", "refused"), 0))
        row[what] += number

    @property
    def complete(self) -> bool:
        """Nothing was left behind, and everything is as it was."""
        return not any(line.kind in ("refused", "missing", "differs") for line in self.lines)

    def summary(self) -> str:
        rows = [f"{'':20}{'read':>8}{'new':>8}{'there':>8}{'refused':>9}"]
        for table, row in self.counts.items():
            rows.append(f"{table:20}{row['read']:8}{row['new']:8}{row['there']:8}{row['refused']:9}")
        for (kind, table, text), number in collections.Counter(
            (line.kind, line.table, line.text.partition(":")[0]) for line in self.lines
        ).items():
            rows.append(f"{kind:8} {table:18} {number:5} x {text}")
        return "\n".join(rows)
