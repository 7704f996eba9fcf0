"""What the mapping of every table shares: ids, references, names that must be unique, opening stock, the report."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from cloud.storage.secrets import Secret, Vault
from tools.migrate.files import Kept
from tools.migrate.report import Report
from tools.migrate.source import Old, Source
from tools.migrate.values import Reader, usable_id

Row = dict[str, Any]
ORDER: Final = (
    "printers", "products", "product_skus", "print_files", "print_jobs", "job_history", "color_presets",
    "build_plate_types", "finished_goods", "stock_movements", "assembly_tasks", "worklist_tasks", "sync_logs",
)  # fmt: skip
"""A row comes after those it points at."""
READ: Final = tuple(table for table in ORDER if table not in ("job_history", "stock_movements"))


class Refused(Exception):  # noqa: N818 - reads as what happened
    """The row cannot come along."""


class Moved(NamedTuple):
    """Everything, ready to be written: tenant -> table -> rows."""

    rows: dict[str, dict[str, list[Row]]]


class TableMapper:
    """Of one move; mapping.py adds a method a table. `kept` says what became of each file, by table and id."""

    def __init__(
        self,
        source: Source,
        report: Report,
        *,
        vault: Vault,
        zone: ZoneInfo,
        kept: Mapping[tuple[str, str], Kept],
        tenant_of: Callable[[str], str],
    ) -> None:
        self._source = source
        self._vault = vault
        self._zone = zone
        self.kept = kept
        self.report = report
        self._tenant_of = tenant_of
        self._made: dict[str, dict[str, set[Any]]] = defaultdict(lambda: defaultdict(set))
        self.taken: set[tuple[Any, ...]] = set()
        self._stock: dict[tuple[str, str], int] = defaultdict(int)
        self.skus_with_goods: set[tuple[str, str]] = set()
        self.rows: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))

    def run(self) -> Moved:
        for old in self._source.rows("finished_goods"):
            self.skus_with_goods.add((str(old.get("tenant_id")), str(old.get("product_sku_id"))))
        for table in READ:
            if table not in self._source.tables:
                self.report.tell("note", table, "", "the old database has no such table")
            for old in self._source.rows(table):
                self.report.count(table, "read")
                self._map(table, old)
        for tenant, tables in self.rows.items():
            for sku in tables["product_skus"]:
                sku["stock_level"] = self._stock[tenant, sku["id"]]
        return Moved(self.rows)

    def _map(self, table: str, old: Old) -> None:
        key, read = old.get("id"), Reader(old, self._zone)
        try:
            tenant = self._tenant_of(usable_id(old.get("tenant_id")) or "")
            self._check_id(table, tenant, key)
            row: Row = {"id": key, **getattr(self, f"_{table}")(read, tenant)}
        except Refused as reason:
            self.report.count(table, "refused")
            self.report.tell("refused", table, key, str(reason))
            return
        rest = read.rest()
        row["legacy"] = json.dumps(rest, ensure_ascii=False, sort_keys=True) if rest else None
        for mend in read.mends:
            self.report.tell("mended", table, key, mend)
        if rest:
            self.report.tell("kept", table, key, f"without a column here: {', '.join(sorted(rest))}")
        self._made[tenant][table].add(key)
        self.rows[tenant][table].append(row)

    def _check_id(self, table: str, tenant: str, key: Any) -> None:
        if table == "sync_logs":
            if not isinstance(key, int):
                raise Refused("it has no number")
        elif usable_id(key) is None:
            raise Refused("it has no usable id")
        if key in self._made[tenant][table]:
            raise Refused("its id comes twice")

    # ---- what they share

    def made_at(self, read: Reader, name: str) -> str:
        return (read.moment(name) if name else None) or self._source.written_at

    def maybe(self, read: Reader, tenant: str, column: str, table: str) -> str | None:
        """A reference; to a row that is gone, it is kept in `legacy`."""
        key = read.raw(column)
        if key is None or key == "":
            return None
        if key in self._made[tenant][table]:
            return str(key)
        read.used.discard(column)
        read.mends.append(f"{column} points at a row that is gone")
        return None

    def needed(self, read: Reader, tenant: str, column: str, table: str) -> str:
        key = read.raw(column)
        if key not in self._made[tenant][table]:
            raise Refused(f"{column} points at a row that is gone: {key}")
        return str(key)

    def free(self, *what: Any) -> bool:
        if what in self.taken:
            return False
        self.taken.add(what)
        return True

    def name(self, read: Reader, kind: str, tenant: str, name: str) -> str:
        """Unique: `Bracket`, `Bracket (2)`."""
        for number in range(1, 10**6):
            candidate = name if number == 1 else f"{name} ({number})"
            if self.free(kind, tenant, candidate):
                if number > 1:
                    read.mends.append(f"its name comes twice: it is called {candidate!r}")
                return candidate
        raise Refused("too many rows of one name")

    def opening(self, tenant: str, sku: str, stock: int, *, at: str, good: str | None = None) -> None:
        if not stock:
            return
        cause = f"migration:finished_goods:{good}" if good else f"migration:product_skus:{sku}"
        self._stock[tenant, sku] += stock
        self.rows[tenant]["stock_movements"].append(
            {
                "id": f"mov_{short(cause, 20)}", "product_sku_id": sku, "finished_good_id": good, "kind": "opening",
                "delta": stock, "balance": self._stock[tenant, sku], "reason": "brought along from the former system",
                "cause": cause, "actor": "migration", "at": at,
            }
        )  # fmt: skip

    def sealed(self, tenant: str, key: str, code: str) -> str:
        return self._vault.seal(Secret(code), tenant=tenant, table="printers", row=key, column="access_code_enc")


def short(text: str, length: int = 8) -> str:
    """The same for the same text."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]
