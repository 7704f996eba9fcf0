"""The four phases: read and check, carry the files, write the rows, compare. What is done is done once.

There is no record of progress but the data: ids are kept, so whatever is there already is looked at and left alone.
Ended at any moment and begun again, it goes on where it was.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from cloud.storage import importing
from cloud.storage.errors import ConflictError
from cloud.storage.files_folder import BlobStore
from cloud.storage.store import Store
from cloud.storage.tenant import TenantStore
from tools.migrate.files import whole
from tools.migrate.mapper import ORDER, Moved, Row
from tools.migrate.report import Report

BATCH: Final = 200
_LACKING: Final[dict[str, dict[str, Any]]] = {"print_files": {"sha256": ""}, "products": {"image_sha256": None}}
"""What a row says whose bytes did not come along."""
_SEALED: Final = frozenset({"access_code_enc"})
"""Sealed anew each time: the same secret never looks the same twice."""


async def write(store: Store, moved: Moved, report: Report, progress: Callable[[str], None]) -> None:
    """All rows that are not there, in batches; a row that is refused stops no other."""
    for tenant, tables in moved.rows.items():
        for table in ORDER:
            rows = tables[table]
            progress(f"{table}: {len(rows)}")
            for batch in _batches(rows):
                await _add(TenantStore(store, tenant), store, table, batch, report)


async def look(store: Store, moved: Moved, report: Report) -> None:
    """What `write` would find here, and would add."""
    for tenant, tables in moved.rows.items():
        for table in ORDER:
            for batch in _batches(tables[table]):
                known = await _known(store, table, [row["id"] for row in batch], tenant)
                report.count(table, "new", len(batch) - len(known))
                for row in batch:
                    if row["id"] in known:
                        _meet(table, row, known[row["id"]], tenant, report)


async def _add(tenant: TenantStore, store: Store, table: str, rows: Sequence[Row], report: Report) -> None:
    known = await _known(store, table, [row["id"] for row in rows], tenant.tenant_id)
    new = [row for row in rows if row["id"] not in known]
    for row in rows:
        if row["id"] in known and not await _healed(tenant, table, row, known[row["id"]], report):
            _meet(table, row, known[row["id"]], tenant.tenant_id, report)
    columns = sorted({name for row in new for name in row})
    if not new:
        return
    even = [{name: row.get(name) for name in columns} for row in new]
    try:
        await tenant.write(lambda tx: importing.add(tx, table, even))
    except ConflictError:
        for row in even:
            await _add_one(tenant, table, row, report)
    else:
        report.count(table, "new", len(new))


async def _add_one(tenant: TenantStore, table: str, row: Row, report: Report) -> None:
    try:
        await tenant.write(lambda tx: importing.add(tx, table, [row]))
    except ConflictError as error:
        report.count(table, "refused")
        names = ", ".join(sorted(error.columns - {"tenant_id"})) or error.kind
        report.tell("refused", table, row["id"], f"it contradicts what is here already ({names})")
    else:
        report.count(table, "new")


async def _healed(tenant: TenantStore, table: str, row: Row, known: Any, report: Report) -> bool:
    """Bytes that were not found, or had no space, when the row came, are there now: it gets them."""
    lacking = _LACKING.get(table)
    if lacking is None or known["tenant_id"] != tenant.tenant_id:
        return False
    if any(known[name] != value for name, value in lacking.items()) or all(
        row[name] == value for name, value in lacking.items()
    ):
        return False
    values = {name: value for name, value in row.items() if name != "id"}
    if not await tenant.write(lambda tx: importing.heal(tx, table, row["id"], values, lacking=lacking)):
        return False
    report.count(table, "there")
    report.tell("note", table, row["id"], "its file had been missing, and came along now")
    return True


async def _known(store: Store, table: str, keys: list[Any], tenant: str) -> Any:
    return await store.read(lambda tx: importing.known(tx, table, keys, tenant))


def _meet(table: str, row: Row, known: Any, tenant_id: str, report: Report) -> None:
    """A row with this id is here: ours, ours and changed since, or somebody else's."""
    if known["tenant_id"] != tenant_id:
        report.count(table, "refused")
        report.tell("refused", table, row["id"], "its id belongs to another farm here")
        return
    report.count(table, "there")
    changed = [name for name, value in row.items() if name not in _SEALED and known[name] != value]
    if changed:
        report.tell("changed", table, row["id"], f"changed here meanwhile, and left alone: {', '.join(changed)}")


async def compare(store: Store, moved: Moved, report: Report) -> None:
    """Counts and checksums of what was mapped and of what is there now, a table and tenant at a time."""
    changed = {(line.table, line.id) for line in report.lines if line.kind in ("changed", "refused")}
    for tenant, tables in moved.rows.items():
        for table in ORDER:
            wanted = {row["id"]: row for row in tables[table] if (table, str(row["id"])) not in changed}
            found: dict[Any, Any] = {}
            for batch in _batches(list(wanted)):
                found |= await _found(store, table, batch, tenant)
            there = [{name: found[key][name] for name in row} for key, row in wanted.items() if key in found]
            if _checksum(wanted.values()) == _checksum(there):
                continue
            for key, row in wanted.items():
                other = found.get(key)
                if other is None or _canonical(row) != _canonical({name: other[name] for name in row}):
                    report.tell("differs", table, key, "it is not here as it was mapped" if other else "it is not here")


async def hash_again(moved: Moved, blobs: BlobStore, report: Report) -> None:
    """Every file that the rows name, from the disk, once more."""
    named: dict[str, tuple[str, str]] = {}
    for tables in moved.rows.values():
        for table, column in (("print_files", "sha256"), ("products", "image_sha256")):
            for row in tables[table]:
                if row[column]:
                    named.setdefault(row[column], (table, row["id"]))
    for sha256, (table, key) in named.items():
        if not await asyncio.to_thread(whole, blobs, sha256):
            report.tell("differs", table, key, "its file is not here as it was: run it again")


async def _found(store: Store, table: str, keys: list[Any], tenant: str) -> dict[Any, Any]:
    rows = await _known(store, table, keys, tenant)
    return {key: row for key, row in rows.items() if row["tenant_id"] == tenant}


def _checksum(rows: Any) -> str:
    """Whatever their order."""
    return hashlib.sha256(b"".join(sorted(map(_canonical, rows)))).hexdigest()


def _canonical(row: Row) -> bytes:
    plain = {name: value for name, value in row.items() if name not in _SEALED}
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).digest()


def _batches(rows: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(rows), BATCH):
        yield list(rows[start : start + BATCH])
