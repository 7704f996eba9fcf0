"""Old data of just these rows, and the command that moves it into a cloud's data folder."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cloud.storage.store import Store, Tx
from cloud.storage.tables import metadata
from tests.conftest import BOTH, Databases
from tests.templates import migrated_sqlite
from tools.migrate import cli

FARM = "0b5c1e52-6a57-4f0e-9a44-3f1f4be00001"
CODE = "87654321"
PRINTER: dict[str, Any] = {
    "printer_id": 1, "name": "Left", "model": "C12", "ip_address": "192.168.4.10", "serial_number": "01P00A000000001",
    "access_code": CODE, "created_at": "2025-10-01 08:00:00",
}  # fmt: skip

Rows = dict[str, list[dict[str, Any]]]


class Old:
    """A `tenant.db` with just these rows, of one farm unless they say otherwise."""

    def __init__(self, folder: Path, rows: Rows, name: str = "tenant.db") -> None:
        self.db, self.files = folder / name, folder / "files"
        (self.files / "product_images").mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(self.db) as db:
            for table, given in rows.items():
                full = [{"tenant_id": FARM, **row} for row in given]
                columns = sorted({column for row in full for column in row})
                key = "id INTEGER PRIMARY KEY, " if table == "sync_logs" else "id TEXT PRIMARY KEY, "
                others = [column for column in columns if column != "id"]
                db.execute(f"CREATE TABLE {table} ({key}{', '.join(others)})")
                marks = ", ".join("?" * len(columns))
                for row in full:
                    db.execute(
                        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
                        [row.get(column) for column in columns],
                    )
        db.close()

    def file(self, name: str, data: bytes) -> None:
        (self.files / name).write_bytes(data)


class Move:
    """The command, in this process, into a cloud's data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.url = f"sqlite:///{self.data / 'printfarm.db'}"

    def __call__(self, old: Old, *more: str, apply: bool = True) -> tuple[int, list[Any]]:
        report = self.folder / "report.json"
        where = ["--from", str(old.db), "--files", str(old.files), "--report", str(report)]
        status = cli.main([*where, *(["--apply"] if apply else []), *more])
        if status == cli.FAILED:
            return status, []
        assert CODE not in report.read_text()
        return status, json.loads(report.read_text())["lines"]

    def dump(self) -> dict[str, dict[Any, Any]]:
        async def unit(tx: Tx) -> dict[str, dict[Any, Any]]:
            found: dict[str, dict[Any, Any]] = {}
            for name, table in metadata.tables.items():
                rows = [dict(row) for row in await tx.all(select(table))]
                for row in rows:
                    row.pop("access_code_enc", None)
                found[name] = {row.get("id", number): row for number, row in enumerate(rows)}
            return found

        dumped: dict[str, dict[Any, Any]] = self.run(lambda store: store.read(unit))
        assert CODE not in repr(dumped)
        return dumped

    def run(self, work: Callable[[Store], Any]) -> Any:
        async def inside() -> Any:
            store = await Store.open(self.url)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(inside())

    def farm(self, tenant: str, **rows: list[dict[str, Any]]) -> None:
        """A farm that is in use here."""
        moment = "2026-01-01T00:00:00.000Z"

        async def unit(tx: Tx) -> None:
            made = {"id": tenant, "name": tenant, "created_at": moment}
            await tx.run(metadata.tables["tenants"].insert().values(made))
            for table, given in rows.items():
                for row in given:
                    times = {"created_at": moment} | ({} if table == "sync_logs" else {"updated_at": moment})
                    values = {"tenant_id": tenant, **times, **row}
                    await tx.run(metadata.tables[table].insert().values(values))

        self.run(lambda store: store.write(unit))


@pytest.fixture
def move(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, databases: Databases
) -> Iterator[Move]:
    """Into SQLite, or where the test says so into both."""
    made = Move(tmp_path)
    monkeypatch.setenv("PRINTFARM_DATA_DIR", str(made.data))
    if getattr(request, "param", "sqlite") == "sqlite":
        (made.data / "printfarm.db").write_bytes(migrated_sqlite())
        yield made
        return
    made.url = databases.migrated()
    monkeypatch.setenv("PRINTFARM_DATABASE_URL", made.url)
    yield made
    databases.server.drop(made.url.rsplit("/", 1)[1])


on_both = pytest.mark.parametrize("move", BOTH, indirect=True)


def legacy(row: Any) -> Any:
    return json.loads(row["legacy"] or "{}")


def told(lines: list[Any], key: Any, kind: str = "") -> str:
    return "\n".join(line["text"] for line in lines if line["id"] == str(key) and kind in ("", line["kind"]))
