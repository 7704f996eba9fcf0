"""Moving from the Raspberry Pi: everything that can come along does, once, whatever happens on the way."""

import asyncio
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from cloud.settings import Settings
from cloud.storage.secrets import Vault
from cloud.storage.store import Store, Tx
from cloud.storage.tables import metadata, print_files, print_jobs, printers, product_skus, stock_movements
from tests.conftest import Databases
from tests.tools.old_farm import SECRET, OldFarm
from tools.migrate.source import Source, SourceError, opened

REPORT = "report.json"


class Target:
    """A cloud's data folder, and its database of either kind."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.url = url or f"sqlite:///{folder / 'data' / 'printfarm.db'}"
        self.environment = {**os.environ, "PRINTFARM_DATA_DIR": str(folder / "data")}
        if url:
            self.environment["PRINTFARM_DATABASE_URL"] = url
        folder.mkdir(exist_ok=True)

    def command(self, farm: OldFarm, *more: str) -> list[str]:
        where = ("--from", str(farm.db), "--files", str(farm.files), "--report", str(self.folder / REPORT))
        return [sys.executable, "-m", "tools.migrate", *where, *more]

    def move(self, farm: OldFarm, *more: str) -> tuple[int, Any]:
        done = subprocess.run(
            self.command(farm, *more), env=self.environment, capture_output=True, text=True, check=False, timeout=100
        )
        assert done.returncode in (0, 1), done.stderr
        text = (self.folder / REPORT).read_text()
        assert SECRET not in text + done.stdout + done.stderr
        return done.returncode, json.loads(text)

    def dump(self) -> dict[str, list[Any]]:
        """Every row of every table, but for what is sealed anew each time."""

        async def unit(tx: Tx) -> dict[str, list[Any]]:
            found = {}
            for name, table in metadata.tables.items():
                order = table.primary_key.columns
                rows = [dict(row) for row in await tx.all(select(table).order_by(*order))]
                found[name] = [{**row, "access_code_enc": ""} if name == "printers" else row for row in rows]
            return found

        found: dict[str, list[Any]] = self.read(unit)
        return found

    def read(self, unit: Any) -> Any:
        async def run() -> Any:
            store = await Store.open(self.url)
            try:
                return await store.read(unit)
            finally:
                await store.close()

        return asyncio.run(run())

    @property
    def blobs(self) -> set[str]:
        return {path.name for path in (self.folder / "data" / "blobs").glob("??/*")}


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> OldFarm:
    return OldFarm(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def moved(farm: OldFarm, tmp_path_factory: pytest.TempPathFactory) -> tuple[Target, Any]:
    """A farm of more than 5,000 rows, moved once, to SQLite."""
    target = Target(tmp_path_factory.mktemp("clean"))
    _, report = target.move(farm, "--apply")
    return target, report


def source_rows(farm: OldFarm) -> dict[str, list[dict[str, Any]]]:
    with opened(farm.db) as source:
        return {table: source.rows(table) for table in source.tables}


def told(report: Any, kind: str, table: str) -> set[str]:
    return {line["id"] for line in report["lines"] if (line["kind"], line["table"]) == (kind, table)}


def test_every_row_came_along_or_is_in_the_report(farm: OldFarm, moved: tuple[Target, Any]) -> None:
    target, report = moved
    rows, there = source_rows(farm), target.dump()
    assert sum(len(found) for found in rows.values()) > 5000
    for table, old in rows.items():
        here = {str(row["id"]) for row in there[table]}
        refused = told(report, "refused", table)
        missing = {str(row["id"]) for row in old} - here - refused
        assert not missing, f"{table}: {len(missing)} rows vanished without a word"
        assert len(here) + len([1 for row in old if str(row["id"]) in refused]) >= len(old) - len(refused)
    assert told(report, "differs", "printers") == set()
    assert not [line for line in report["lines"] if line["kind"] == "differs"]
    assert {line["table"] for line in report["lines"] if line["kind"] == "refused"} == {
        "products", "product_skus", "print_files",
    }  # fmt: skip


def test_what_has_no_column_here_is_kept_with_its_row(farm: OldFarm, moved: tuple[Target, Any]) -> None:
    target, _ = moved
    there = target.dump()
    job = next(row for row in there["print_jobs"] if row["legacy"])
    assert json.loads(job["legacy"])["product_name"] == "Clip"
    printer = next(row for row in there["printers"] if row["legacy"])
    assert json.loads(printer["legacy"])["filament_level"] == 700
    gone = [row for row in source_rows(farm)["print_jobs"] if row["printer_id"] and row["printer_id"] not in
            {one["id"] for one in there["printers"]}]  # fmt: skip
    assert gone
    legacy = {row["id"]: json.loads(row["legacy"]) for row in there["print_jobs"]}
    assert all(legacy[row["id"]]["printer_id"] == row["printer_id"] for row in gone)


def test_stock_is_the_sum_of_its_opening_movements(moved: tuple[Target, Any]) -> None:
    target, _ = moved

    async def unit(tx: Tx) -> tuple[dict[str, int], dict[str, int]]:
        skus = {row["id"]: row["stock_level"] for row in await tx.all(select(product_skus))}
        sums = select(stock_movements.c.product_sku_id, func.sum(stock_movements.c.delta).label("sum"))
        rows = await tx.all(sums.group_by(stock_movements.c.product_sku_id))
        return skus, {row["product_sku_id"]: row["sum"] for row in rows}

    skus, sums = target.read(unit)
    assert sum(skus.values()) > 1000
    assert {key: level for key, level in skus.items() if level} == sums


def test_nothing_prints_by_itself_after_a_move(moved: tuple[Target, Any]) -> None:
    target, _ = moved
    jobs = target.dump()["print_jobs"]
    assert {job["status"] for job in jobs} == {"queued", "completed", "failed", "cancelled"}
    assert all(job["held"] for job in jobs if job["status"] == "queued")
    assert all(job["time_completed"] for job in jobs if job["status"] != "queued")


def test_access_codes_are_sealed_and_open(moved: tuple[Target, Any]) -> None:
    target, _ = moved
    vault = Vault(Settings(data_dir=target.folder / "data").key_ring())
    row = target.read(lambda tx: tx.one(select(printers).where(printers.c.connect.is_(True))))
    place = {"tenant": row["tenant_id"], "table": "printers", "row": row["id"], "column": "access_code_enc"}
    assert vault.open(row["access_code_enc"], **place).reveal() == SECRET


def test_files_and_pictures_are_kept_byte_for_byte(farm: OldFarm, moved: tuple[Target, Any]) -> None:
    target, report = moved
    there = target.dump()
    for row in there["print_files"]:
        path = farm.files / "print_files" / f"{row['id']}.3mf"
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
        assert row["sha256"] == digest
        assert not digest or digest in target.blobs
    assert told(report, "missing", "print_files") == {row["id"] for row in there["print_files"] if not row["sha256"]}
    assert json.loads(next(row["plates"] for row in there["print_files"] if row["plates"] != "[]"))[0]["index"] == 1
    assert sum(bool(row["image_sha256"]) for row in there["products"]) > 100


def test_moving_twice_changes_nothing(farm: OldFarm, moved: tuple[Target, Any]) -> None:
    target, first = moved
    before, blobs = target.dump(), target.blobs
    _, second = target.move(farm, "--apply")
    assert target.dump() == before
    assert target.blobs == blobs
    assert all(row["new"] == 0 for row in second["counts"].values())
    # The second report tells of the same damage, and of nothing that was not there before.
    assert [line for line in second["lines"] if line["kind"] != "note"] == [
        line for line in first["lines"] if line["kind"] != "note"
    ]


@pytest.mark.timeout(150)
def test_interrupted_at_any_moment_and_begun_again_it_ends_the_same(
    farm: OldFarm, moved: tuple[Target, Any], tmp_path: Path
) -> None:
    clean, _ = moved
    target, chance = Target(tmp_path / "interrupted"), random.Random(20261126)
    for _ in range(5):
        process = subprocess.Popen(
            target.command(farm, "--apply"),
            env=target.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.5, 4.0))  # the moment is the point
        process.send_signal(signal.SIGKILL)
        process.wait()
    target.move(farm, "--apply")
    assert target.dump() == clean.dump()
    assert target.blobs == clean.blobs


def test_a_dry_run_writes_nothing_and_reports_the_same_damage(
    farm: OldFarm, moved: tuple[Target, Any], tmp_path: Path
) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (farm.db, *farm.db.parent.glob("*-*"))}
    target = Target(tmp_path / "dry")
    _, report = target.move(farm)
    assert not (target.folder / "data").exists()
    kinds = ("refused", "mended", "kept", "missing")
    assert [line for line in report["lines"] if line["kind"] in kinds] == [
        line for line in moved[1]["lines"] if line["kind"] in kinds
    ]
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before


def test_what_was_changed_here_meanwhile_is_left_alone(tmp_path: Path) -> None:
    farm = OldFarm(tmp_path, seed=2, scale=0.02)
    target = Target(tmp_path / "target")
    target.move(farm, "--apply")

    async def rename() -> str:
        store = await Store.open(target.url)
        try:
            key = await store.read(lambda tx: tx.value(select(printers.c.id)))
            await store.write(lambda tx: tx.run(printers.update().where(printers.c.id == key).values(name="Mine")))
        finally:
            await store.close()
        return str(key)

    key = asyncio.run(rename())
    _, report = target.move(farm, "--apply")
    assert told(report, "changed", "printers") == {key}
    assert next(row["name"] for row in target.dump()["printers"] if row["id"] == key) == "Mine"


@pytest.fixture
def postgres(databases: Databases) -> Iterator[str]:
    url = databases.empty()
    yield url
    databases.server.drop(url.rsplit("/", 1)[1])


@pytest.mark.timeout(150)
def test_on_postgresql_it_is_the_same_farm(
    farm: OldFarm, moved: tuple[Target, Any], postgres: str, tmp_path: Path
) -> None:
    clean, first = moved
    target = Target(tmp_path / "postgres", postgres)
    _, report = target.move(farm, "--apply")
    assert report["counts"] == first["counts"]
    there, expected = target.dump(), clean.dump()
    for table in expected:
        assert _sorted(there[table]) == _sorted(expected[table]), table


def _sorted(rows: list[Any]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def test_two_farms_of_one_file_stay_apart(farm: OldFarm, moved: tuple[Target, Any]) -> None:
    target, _ = moved
    by_tenant: dict[str, int] = defaultdict(int)
    for row in target.dump()["print_jobs"]:
        by_tenant[row["tenant_id"]] += 1
    assert set(by_tenant) == set(farm.tenants)
    files = target.read(lambda tx: tx.all(select(print_files.c.id, print_files.c.tenant_id)))
    owner = {row["id"]: row["tenant_id"] for row in files}
    jobs = target.read(lambda tx: tx.all(select(print_jobs.c.print_file_id, print_jobs.c.tenant_id)))
    assert all(owner[job["print_file_id"]] == job["tenant_id"] for job in jobs if job["print_file_id"])


def test_what_is_no_database_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "tenant.db").write_bytes(b"this is not a database, not at all" * 100)
    with pytest.raises(SourceError, match="no SQLite database"), opened(tmp_path / "tenant.db"):
        pass
    with pytest.raises(SourceError, match="Raspberry Pi"), opened(tmp_path / "nothing.db"):
        pass


def test_a_table_that_is_missing_is_an_empty_one(farm: OldFarm) -> None:
    with opened(farm.db) as source:
        assert isinstance(source, Source)
        assert source.rows("build_plate_types") == []
