"""What the mapping of every table shares: ids, references, names that must be unique, opening stock, the report."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from cloud.storage.secrets import Secret, Vault
from cloud.storage.stock import MAX_STOCK
from tools.migrate.files import Kept
from tools.migrate.here import Farms, Here
from tools.migrate.report import Report
from tools.migrate.source import Old, Source
from tools.migrate.values import Reader, as_json, short, usable_id

Row = dict[str, Any]
ORDER: Final = (
    "printers", "products", "product_skus", "print_files", "print_jobs", "job_history", "color_presets",
    "build_plate_types", "finished_goods", "stock_movements", "assembly_tasks", "worklist_tasks", "sync_logs",
)  # fmt: skip
"""A row comes after those it points at."""
READ: Final = tuple(table for table in ORDER if table not in ("job_history", "stock_movements"))
NAMED: Final = {"products": ("product", "name"), "build_plate_types": ("plate", "name")}


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
        farms: Farms,
        here: Here,
    ) -> None:
        self._source = source
        self._vault = vault
        self._zone = zone
        self.kept = kept
        self.report = report
        self._farms = farms
        self._beginning = source.beginning()
        self._made: dict[str, dict[str, set[Any]]] = defaultdict(lambda: defaultdict(set))
        self._beside: list[tuple[str, Row]] = []
        self._stock: dict[tuple[str, str], int] = defaultdict(int)
        self.rows: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        self.pieces: dict[str, int] = {}
        """File -> pieces that one print of it yields."""
        coming = {
            table: self._coming(table) for table in ("printers", *NAMED, "print_files", "product_skus", "color_presets")
        }
        self.product_of_picture = {
            (coming["products"][key], one.name): key for (table, key), one in kept.items() if table == "products"
        }
        self.file_ids = {(tenant, key) for key, tenant in coming["print_files"].items()}
        self.skus_with_goods = {
            (self._farms.of(old.get("tenant_id")), old.get("product_sku_id"))
            for old in source.rows("finished_goods")
            if usable_id(old.get("id"))
        }
        # What rows of this very file have here already is theirs; the rest is somebody else's.
        ours = {key for rows in coming.values() for key in rows}
        self.taken = {what for what, key in here.taken.items() if key not in ours}
        self.logs = here.logs
        self._claimed = self._claims()

    def run(self) -> Moved:
        for table, sentences in self._source.damage.items():
            for sentence in sentences:
                self.report.tell("missing", table, "", sentence)
        for old_farm, farm in self._farms.old:
            if old_farm != farm:
                self.report.tell("note", "tenants", farm, f"it takes the old farm: {old_farm}")
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
        tenant = self._farms.of(old.get("tenant_id"))
        self._beside = []
        try:
            self._check_id(table, tenant, key)
            row: Row = {"id": key, **getattr(self, f"_{table}")(read, tenant)}
        except Refused as reason:
            self._refuse(table, key, str(reason))
            return
        except (ValueError, TypeError, OverflowError, ArithmeticError, LookupError, RecursionError) as error:
            # Two years of somebody else's data: one row that nobody foresaw must not keep the others.
            self._refuse(table, key, f"it is broken in a way that nobody foresaw: {type(error).__name__}")
            return
        if tenant in self._farms.merged or (old.get("tenant_id") and usable_id(old["tenant_id"]) is None):
            read.keep("tenant_id")
        legacy = read.legacy()
        row["legacy"] = as_json(legacy) if legacy else None
        self._tell(table, key, read)
        self._made[tenant][table].add(key)
        self.rows[tenant][table].append(row)
        for other, beside in self._beside:
            self.rows[tenant][other].append(beside)
            if other == "stock_movements":
                self._stock[tenant, beside["product_sku_id"]] = beside["balance"]

    def _refuse(self, table: str, key: Any, reason: str) -> None:
        self.report.count(table, "refused")
        self.report.tell("refused", table, key, reason)

    def _tell(self, table: str, key: Any, read: Reader) -> None:
        for mend in read.mends:
            self.report.tell("mended", table, key, mend)
        homeless = read.rest() - read.secrets() - read.kept
        for names, sentence in (
            (homeless, "without a column here"),
            (read.kept, "kept as it was"),
            (read.secrets(), "a secret, not kept"),
        ):
            if names:
                self.report.tell("kept", table, key, f"{sentence}: {', '.join(sorted(names))}")

    def _check_id(self, table: str, tenant: str, key: Any) -> None:
        if table == "sync_logs":
            if not isinstance(key, int):
                raise Refused("it has no number")
        elif usable_id(key) is None:
            raise Refused("it has no usable id")
        if key in self._made[tenant][table]:
            raise Refused("its id comes twice")

    # ---- what is unique

    def _coming(self, table: str) -> dict[str, str]:
        """The ids of a table that can come along -> their farm."""
        rows = [row for row in self._source.rows(table) if usable_id(row.get("id"))]
        return {row["id"]: self._farms.of(row.get("tenant_id")) for row in reversed(rows)}

    def _claims(self) -> dict[tuple[Any, ...], Any]:
        """Whose a number or a name is: the first row that says it. Nobody who lacks one gets another's."""
        claims: dict[tuple[Any, ...], Any] = {}
        what: tuple[Any, ...]
        for table in ("printers", *NAMED):
            for old in self._source.rows(table):
                tenant, read = self._farms.of(old.get("tenant_id")), Reader(old, self._zone)
                if table == "printers":
                    what = ("printer", tenant, read.maybe_whole("printer_id", least=1, most=1_000_000))
                else:
                    kind, column = NAMED[table]
                    what = (kind, tenant, read.maybe_text(column, longest=120))
                if what[2] is not None and usable_id(old.get("id")):
                    claims.setdefault(what, old["id"])
        return claims

    def free(self, *what: Any, key: Any = None) -> bool:
        """Take it, unless somebody has it or another row says it is its."""
        if what in self.taken or self._claimed.get(what, key) != key:
            return False
        self.taken.add(what)
        return True

    def name(self, read: Reader, kind: str, tenant: str, name: str, column: str = "name") -> str:
        """Unique: `Bracket`, `Bracket (2)`."""
        key = read.raw("id")
        for number in range(1, 10**6):
            suffix = "" if number == 1 else f" ({number})"
            candidate = name[: 120 - len(suffix)] + suffix
            if self.free(kind, tenant, candidate, key=key):
                if number > 1:
                    read.keep(column, f"its name is taken: it is called {candidate!r}")
                return candidate
        raise Refused("too many rows of one name")

    # ---- what they share

    def made_at(self, read: Reader, name: str) -> str:
        return (read.moment(name) if name else None) or self._beginning

    def is_here(self, tenant: str, table: str, key: Any) -> bool:
        return key in self._made[tenant][table]

    def maybe(self, read: Reader, tenant: str, column: str, table: str) -> str | None:
        """A reference; to a row that is gone, it is kept in `legacy`."""
        key = read.raw(column)
        if key is None or key == "":
            return None
        if self.is_here(tenant, table, key):
            return str(key)
        read.keep(column, f"{column} points at a row that is gone")
        return None

    def needed(self, read: Reader, tenant: str, column: str, table: str) -> str:
        key = read.raw(column)
        if not self.is_here(tenant, table, key):
            raise Refused(f"{column} points at a row that is gone: {key}")
        return str(key)

    def beside(self, table: str, row: Row) -> None:
        """A row of another table that comes with this one, or not at all."""
        self._beside.append((table, row))

    def opening(self, tenant: str, sku: str, stock: int, *, at: str, good: str | None = None) -> bool:
        """Enter stock into the books; whether they can hold it."""
        balance = self._stock[tenant, sku] + stock
        if balance > MAX_STOCK:
            return False
        if stock:
            cause = f"migration:finished_goods:{good}" if good else f"migration:product_skus:{sku}"
            self.beside(
                "stock_movements",
                {
                    "id": f"mov_{short(cause, 20)}", "product_sku_id": sku, "finished_good_id": good,
                    "kind": "opening", "delta": stock, "balance": balance,
                    "reason": "brought along from the former system", "cause": cause, "actor": "migration", "at": at,
                },
            )  # fmt: skip
        return True

    def sealed(self, tenant: str, key: str, code: str) -> str:
        return self._vault.seal(Secret(code), tenant=tenant, table="printers", row=key, column="access_code_enc")
