"""What is here already: farms, whose the old ids are by now, and what a newcomer may not be called."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from cloud.storage import importing
from cloud.storage.store import Store, Tx
from tools.migrate.source import Source, SourceError
from tools.migrate.values import short, usable_id

LOOKED_AT: Final = ("printers", "products", "product_skus", "print_files", "print_jobs", "finished_goods")
"""Tables by whose ids a farm that was moved before is known again."""
BATCH: Final = 500
FORMER: Final = "former-farm"
"""Of a file that names no farm at all."""

Taken = dict[tuple[Any, ...], str]


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """Of one moment. Empty for a database that is not there yet."""

    farms: list[str] = []
    peopled: set[str] = set()
    moved_to: dict[Any, str] = {}
    """Old farm -> the farm here that has most of its rows by now."""
    logs: dict[tuple[str, int], tuple[Any, ...]] = {}
    """(farm, number) of a sync log -> what it says."""
    taken: Taken = {}
    """(kind, farm, value) -> the row that has it; numbers, serial numbers, names, SKUs."""


async def look(store: Store, source: Source) -> Here:
    async def unit(tx: Tx) -> Here:
        farms = [str(row["id"]) for row in await importing.tenants(tx)]
        moved_to = await _moved_to(tx, source) if farms else {}
        peopled, logs = await importing.peopled(tx), await _logs(tx, source)
        return Here(farms=farms, peopled=peopled, moved_to=moved_to, logs=logs, taken=await _taken(tx))

    return await store.read(unit)


async def _moved_to(tx: Tx, source: Source) -> dict[Any, str]:
    found: dict[Any, Counter[str]] = defaultdict(Counter)
    for table in LOOKED_AT:
        old = {row["id"]: row.get("tenant_id") or None for row in source.rows(table) if usable_id(row.get("id"))}
        keys = list(old)
        for start in range(0, len(keys), BATCH):
            for key, tenant in (await importing.owners(tx, table, keys[start : start + BATCH])).items():
                found[old[key]][tenant] += 1
    return {tenant: counted.most_common(1)[0][0] for tenant, counted in found.items()}


async def _logs(tx: Tx, source: Source) -> dict[tuple[str, int], tuple[Any, ...]]:
    keys = [row["id"] for row in source.rows("sync_logs") if isinstance(row.get("id"), int)]
    found: dict[tuple[str, int], tuple[Any, ...]] = {}
    for start in range(0, len(keys), BATCH):
        for row in await importing.numbered(tx, "sync_logs", keys[start : start + BATCH]):
            found[row["tenant_id"], row["id"]] = said(row)
    return found


def said(log: Mapping[str, Any]) -> tuple[Any, ...]:
    """By which a sync log is told from another one of the same number."""
    return tuple(log[name] for name in ("operation_type", "table_name", "record_id", "status", "created_at"))


async def _taken(tx: Tx) -> Taken:
    taken: Taken = {}
    for row in await importing.values_of(tx, "printers", ("printer_id", "serial_number")):
        taken["printer", row["tenant_id"], row["printer_id"]] = row["id"]
        taken["serial", row["tenant_id"], row["serial_number"]] = row["id"]
    for row in await importing.values_of(tx, "product_skus", ("sku",), {"is_active": True}):
        taken["sku", row["tenant_id"], row["sku"]] = row["id"]
    for table, kind, name in (("products", "product", "name"), ("build_plate_types", "plate", "name")):
        for row in await importing.values_of(tx, table, (name,)):
            taken[kind, row["tenant_id"], row[name]] = row["id"]
    for row in await importing.values_of(tx, "color_presets", ("color_name", "filament_type")):
        taken[f"color {row['filament_type']}", row["tenant_id"], row["color_name"]] = row["id"]
    return taken


class Farms:
    """Which farm here each old one becomes."""

    def __init__(self, source: Source, here: Here, *, into: str, named: Mapping[str, str]) -> None:
        """`into` and `named` are what the person who moves said. Raises SourceError when there is no such farm."""
        counted = source.tenants()
        self._old = [tenant for tenant, _ in counted.most_common() if tenant is not None]
        for farm in (into, *named.values()):
            if farm and farm not in here.farms:
                raise SourceError(f"There is no farm {farm} here. There are: {_listed(here.farms)}.")
        for tenant in named:
            if tenant not in map(str, self._old):
                raise SourceError(f"There is no farm {tenant} in the old database. There are: {_listed(self._old)}.")
        only = here.farms[0] if len(here.farms) == 1 and len(self._old) <= 1 else ""
        self._map = {
            tenant: named.get(str(tenant)) or into or here.moved_to.get(tenant) or only or _own_id(tenant)
            for tenant in self._old
        }
        main = self._map[self._old[0]] if self._old else ""
        # A row of no farm makes none: it goes where most of the file goes.
        self._nobodys = main or into or here.moved_to.get(None) or only or FORMER
        self.merged = {farm for farm, number in Counter(self._map.values()).items() if number > 1}
        """Farms here that take several old ones."""

    def of(self, tenant: Any) -> str:
        return self._map.get(tenant or None, self._nobodys)

    @property
    def old(self) -> Iterable[tuple[Any, str]]:
        return self._map.items()


def _own_id(tenant: Any) -> str:
    return usable_id(tenant) or f"farm-{short(str(tenant), 12)}"


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names)) or "none"
