"""Moving from the Raspberry Pi: what is odd about old data, and about the farm that takes it."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cloud.storage.stock import status_of
from cloud.storage.store import Tx
from tests.cloud.api_kit import running_cloud
from tests.cloud.test_api_product_images import png
from tests.conftest import Databases
from tests.tools.move_kit import FARM, PRINTER, Move, Old, Rows, legacy, move, on_both, told
from tests.tools.old_farm import OldFarm
from tools.migrate import cli, run
from tools.sample_file import PRESETS, build_sample

__all__ = ["move"]


# ---- values


@on_both
def test_what_is_cut_out_of_range_unknown_or_translated_is_kept_as_it_was(tmp_path: Path, move: Move) -> None:
    odd = {
        "model": "A1 Mini", "name": "n" * 200, "nozzle_size": 1e300, "sort_order": 10**12, "total_print_time": -5,
        "is_active": "maybe", "disabled_at": "a while ago", "current_color_hex": "green", "is_connected": 1,
        "connection_error": "timed out", "location": "x\x00y", "filament_level": float("inf"),
        "mqtt_password": "hunter2hunter2",
    }  # fmt: skip
    old = Old(tmp_path, {
        "printers": [{"id": "p1", **PRINTER, **odd}],
        "worklist_tasks": [{"id": "w1", "title": "Task", "status": "todo", "priority": "asap", "metadata": "[1]"}],
        "products": [{"id": "pr1", "name": "Clip"}],
        "product_skus": [{"id": "s1", "product_id": "pr1", "sku": "S", "price": -1, "stock_level": 2**40}],
    })  # fmt: skip
    _, lines = move(old)
    there = move.dump()
    printer, task, sku = there["printers"]["p1"], there["worklist_tasks"]["w1"], there["product_skus"]["s1"]
    assert {name: legacy(printer)[name] for name in odd if name not in ("filament_level", "mqtt_password")} == {
        name: value for name, value in odd.items() if name not in ("filament_level", "mqtt_password")
    }
    assert legacy(printer)["filament_level"] == "inf"
    assert (printer["model"], printer["nozzle_size"], printer["sort_order"]) == ("N1", None, 0)
    assert "hunter2" not in repr(there) + repr(lines)
    assert "mqtt_password" in told(lines, "p1", "kept")
    assert (task["status"], task["priority"], json.loads(task["metadata"])) == ("pending", "medium", {"text": "[1]"})
    assert legacy(task) == {"metadata": "[1]", "priority": "asap", "status": "todo"}
    assert (sku["price"], sku["stock_level"]) == (None, 0)
    assert legacy(sku) == {"price": -1, "stock_level": 2**40}
    for key, row in (("p1", printer), ("w1", task), ("s1", sku)):
        assert all(name in told(lines, key, "kept") for name in legacy(row)), key


def test_finished_goods_keep_their_pieces_and_their_status_is_the_ledgers(tmp_path: Path, move: Move) -> None:
    goods = [
        {"id": f"g{stock}", "product_sku_id": "gone" if stock == 7 else "s1", "current_stock": stock,
         "status": "active", "low_stock_threshold": 5}
        for stock in (0, 4, 5, 6, 7)
    ]  # fmt: skip
    old = Old(tmp_path, {
        "products": [{"id": "pr1", "name": "Clip"}],
        "product_skus": [{"id": "s1", "product_id": "pr1", "sku": "S", "stock_level": 99}],
        "finished_goods": goods,
    })  # fmt: skip
    move(old)
    there = move.dump()
    assert there["finished_goods"]["g7"]["current_stock"] == 7
    assert there["finished_goods"]["g7"]["product_sku_id"] is None
    assert there["product_skus"]["s1"]["stock_level"] == 15
    assert legacy(there["product_skus"]["s1"])["stock_level"] == 99

    async def ledger(tx: Tx) -> dict[int, str]:
        return {stock: await tx.value(select(status_of(stock, 5).label("status"))) for stock in (0, 4, 5, 6, 7)}

    expected = move.run(lambda store: store.read(ledger))
    assert {row["current_stock"]: row["status"] for row in there["finished_goods"].values()} == expected
    assert all(legacy(row)["status"] == "active" for row in there["finished_goods"].values())


def test_jobs_name_their_plate_and_pieces_and_end_after_they_began(tmp_path: Path, move: Move) -> None:
    jobs: list[dict[str, Any]] = [
        {"id": "j1", "quantity_per_print": 4, "number_of_units": 9},
        {"id": "j2", "number_of_units": 3},
        {"id": "j3", "time_completed": "2025-10-01 07:00:00", "status": "printing"},
        {"id": "j4", "time_completed": None, "updated_at": "2025-10-01 06:00:00"},
    ]
    common = {"print_file_id": "f1", "status": "completed", "time_submitted": "2025-10-01 07:30:00",
              "time_started": "2025-10-01 08:00:00"}  # fmt: skip
    old = Old(tmp_path, {
        "print_files": [{"id": "f1", "name": "clip.3mf", "object_count": 6}],
        "print_jobs": [{**common, **job} for job in jobs],
    })  # fmt: skip
    old.file("f1.3mf", build_sample(PRESETS["case_a1"]))
    move(old)
    there = move.dump()
    plate = json.loads(there["print_files"]["f1"]["plates"])[0]
    assert plate["index"] == 2
    found = there["print_jobs"]
    assert all(job["plate"] == plate["index"] for job in found.values())
    assert {job["nozzle"] for job in found.values()} == {plate["nozzle_diameters"][0]}
    assert {key: job["number_of_units"] for key, job in found.items()} == {"j1": 4, "j2": 6, "j3": 6, "j4": 6}
    assert legacy(found["j1"])["number_of_units"] == 9
    assert all(job["time_completed"] >= job["time_started"] for job in found.values())
    assert legacy(found["j3"])["time_completed"] == "2025-10-01 07:00:00"
    assert legacy(found["j3"])["status"] == "printing"


@on_both
def test_old_references_are_translated_or_let_go(tmp_path: Path, move: Move) -> None:
    old = Old(tmp_path, {
        "printers": [{"id": "p1", **PRINTER}],
        "products": [
            {"id": "pr1", "name": "Clip", "printer_priority": '["N1","P1S"]', "print_file_id": "gone",
             "image_url": "/product-images/clip.png"},
            {"id": "pr2", "name": "Vase", "printer_priority": '[1, "Ender 3", "A1 Mini"]', "print_file_id": "f1"},
        ],
        "print_files": [{"id": "f1", "name": "vase.3mf"}],
        "finished_goods": [
            {"id": "g1", "image_url": "/product-images/clip.png"}, {"id": "g2", "image_url": "/product-images/no.png"},
            {"id": "g3", "image_url": "https://example.com/a.png"},
        ],
        "worklist_tasks": [
            {"id": f"w{n}", "title": "Task", "due_date": due}
            for n, due in enumerate(("2025-10-05 14:30:00", "2025-10-05", "2025-10-05 00:00:00", "soon"), 1)
        ],
    })  # fmt: skip
    old.file("product_images/clip.png", png())
    _, lines = move(old)
    there = move.dump()
    clip, vase = there["products"]["pr1"], there["products"]["pr2"]
    assert json.loads(clip["printer_priority"]) == ["N1", "P1S"]
    assert json.loads(vase["printer_priority"]) == ["p1", "A1 Mini"]
    assert legacy(vase)["printer_priority"] == '[1, "Ender 3", "A1 Mini"]'
    assert (clip["print_file_id"], vase["print_file_id"]) == (None, "f1")
    assert legacy(clip)["print_file_id"] == "gone"
    assert "gone" in told(lines, "pr1", "mended")
    goods = there["finished_goods"]
    assert [goods[key]["image_url"] for key in ("g1", "g2", "g3")] == [
        "/api/products/pr1/image", None, "https://example.com/a.png",
    ]  # fmt: skip
    assert legacy(goods["g2"])["image_url"] == "/product-images/no.png"
    assert "no.png" in told(lines, "g2", "missing")
    assert [there["worklist_tasks"][key]["due_date"] for key in ("w1", "w2", "w3", "w4")] == [
        "2025-10-05T14:30:00.000Z", "2025-10-05", "2025-10-05", None,
    ]  # fmt: skip


# ---- whose it is


def test_rows_of_no_farm_make_none(tmp_path: Path, move: Move) -> None:
    old = Old(tmp_path, {
        "printers": [{"id": "p1", **PRINTER}, {"id": "p2", **PRINTER, "printer_id": 2, "serial_number": "01P00A2"}],
        "products": [{"id": "pr1", "name": "Other's", "tenant_id": "small"}],
        "print_jobs": [{"id": "j1", "status": "completed", "tenant_id": None, "printer_id": "p1"}],
        "sync_logs": [{"id": n, "operation_type": "X", "status": "Y", "tenant_id": None} for n in range(1, 9)],
    })  # fmt: skip
    move(old)
    there = move.dump()
    assert set(there["tenants"]) == {FARM, "small"}
    assert there["print_jobs"]["j1"]["tenant_id"] == FARM
    assert there["print_jobs"]["j1"]["printer_id"] == "p1"
    assert {row["tenant_id"] for row in there["sync_logs"].values()} == {FARM}


def busy(move: Move) -> None:
    seal = {"access_code_enc": "sealed", "model": "C12", "ip_address": ""}
    move.farm(
        "here",
        printers=[{"id": "h1", "printer_id": 1, "name": "Here", "serial_number": "01P00A000000001", **seal}],
        products=[{"id": "hp", "name": "Clip"}],
        product_skus=[{"id": "hs", "product_id": "hp", "sku": "CLIP", "color": ""}],
        sync_logs=[{"id": 1, "operation_type": "SHOP", "status": "OK"}],
        color_presets=[{"id": "hc", "color_name": "Red", "hex_code": "#FF0000", "filament_type": "PLA"}],
    )
    move.farm("beside")


NEWCOMERS: Rows = {
    "printers": [{"id": "p0", **PRINTER, "printer_id": None, "serial_number": "01P00A000000009"},
                 {"id": "p1", **PRINTER}, {"id": "p2", **PRINTER, "printer_id": 2, "serial_number": "01P00A000000002"}],
    "products": [{"id": "pr1", "name": "Clip"}, {"id": "pr2", "name": "Clip (2)"}],
    "product_skus": [{"id": "s1", "product_id": "pr1", "sku": "CLIP"}],
    "finished_goods": [{"id": "g1", "product_sku_id": "s1", "current_stock": 3}],
    "print_jobs": [{"id": "j1", "status": "completed", "printer_id": "p1", "product_sku_id": "s1"}],
    "sync_logs": [{"id": n, "operation_type": "INSERT", "status": "SUCCESS"} for n in (1, 2)],
    "color_presets": [{"id": "c1", "color_name": "Red", "hex_code": "#fe0000", "filament_type": "PLA"}],
}  # fmt: skip


@on_both
def test_newcomers_to_a_farm_in_use_are_mended_and_keep_their_children(tmp_path: Path, move: Move) -> None:
    busy(move)
    old = Old(tmp_path, NEWCOMERS)
    _, lines = move(old, "--into", "here")
    there = move.dump()
    assert not [line for line in lines if line["kind"] in ("refused", "differs")]
    printers = there["printers"]
    assert [printers[key]["printer_id"] for key in ("h1", "p2")] == [1, 2]
    assert sorted(printers[key]["printer_id"] for key in ("p0", "p1")) == [3, 4]
    assert legacy(printers["p1"])["printer_id"] == 1
    assert legacy(printers["p1"])["serial_number"] == "01P00A000000001"
    assert not printers["p1"]["connect"]
    assert {key: row["name"] for key, row in there["products"].items()} == {
        "hp": "Clip", "pr1": "Clip (3)", "pr2": "Clip (2)",
    }  # fmt: skip
    assert not there["product_skus"]["s1"]["is_active"]
    assert there["finished_goods"]["g1"]["current_stock"] == there["product_skus"]["s1"]["stock_level"] == 3
    assert there["print_jobs"]["j1"]["printer_id"] == "p1"
    assert there["color_presets"]["c1"]["color_name"] == "Red (2)"
    assert sorted(there["sync_logs"]) == [1, 2, 10**12 + 1]
    assert there["sync_logs"][1]["operation_type"] == "SHOP"
    _, again = move(old)  # not told into which: found by the ids that are here
    assert move.dump() == there
    assert not [line for line in again if line["kind"] in ("refused", "differs", "changed")]


def test_an_old_farm_goes_where_it_is_sent(tmp_path: Path, move: Move, capsys: pytest.CaptureFixture[str]) -> None:
    busy(move)
    old = Old(tmp_path, {"products": [{"id": "a", "name": "A"}, {"id": "b", "name": "B", "tenant_id": "second"}]})
    for wrong in (("--into", "heer"), ("--tenant", f"{FARM}=heer"), ("--tenant", "nobody=here")):
        assert move(old, *wrong)[0] == cli.FAILED
        assert "There is no farm" in capsys.readouterr().err
    move(old, "--tenant", f"{FARM}=here", "--tenant", "second=beside")
    assert {key: row["tenant_id"] for key, row in move.dump()["products"].items()} == {
        "hp": "here", "a": "here", "b": "beside",
    }  # fmt: skip


# ---- damage


@on_both
def test_no_value_stops_the_run(tmp_path: Path, move: Move) -> None:
    deep = "[" * 50_000 + "]" * 50_000
    times = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "-5", 10**30, 1e308, float("inf"), b"\xff", "")
    old = Old(tmp_path, {
        "printers": [{"id": f"p{n}", **PRINTER, "printer_id": n, "serial_number": f"S{n}", "created_at": float(time) if
                      isinstance(time, int) else time} for n, time in enumerate(times, 1)],
        "worklist_tasks": [
            {"id": f"w{n}", "title": "t", "metadata": text, "estimated_time_minutes": float("-inf")}
            for n, text in enumerate((deep, '{"a": ' * 900 + "1" + "}" * 900, '{"a": NaN}', '{"a": 1e999}', '"\\ud800"',
                                      b"\x00\xff", '{"a": "' + "x" * 20_000 + '"}'))
        ],
        "products": [{"id": "pr1", "name": float("inf"), "printer_priority": deep, "is_active": b"\x01"}],
        "product_skus": [{"id": "s1", "product_id": "pr1", "sku": 5, "stock_level": "nan", "price": "NaN"}],
        "finished_goods": [{"id": f"g{n}", "product_sku_id": "s1", "current_stock": 10**9} for n in range(3)],
    })  # fmt: skip
    _, lines = move(old)
    there = move.dump()
    assert not [line for line in lines if line["kind"] in ("refused", "differs")]
    assert {table: len(there[table]) for table in ("printers", "worklist_tasks", "products", "finished_goods")} == {
        "printers": len(times), "worklist_tasks": 7, "products": 1, "finished_goods": 3,
    }  # fmt: skip
    assert all(isinstance(json.loads(row["metadata"]), dict) for row in there["worklist_tasks"].values())
    assert legacy(there["worklist_tasks"]["w0"])["metadata"] == deep
    assert there["product_skus"]["s1"]["stock_level"] == 10**9


def test_a_damaged_page_costs_its_own_rows_only(tmp_path: Path, move: Move) -> None:
    old = Old(tmp_path, {
        "printers": [{"id": "p1", **PRINTER}],
        "sync_logs": [
            {"id": n, "operation_type": "X", "status": "Y", "error_message": f"message {n} " + "m" * 90}
            for n in range(1, 2001)
        ],
    })  # fmt: skip
    with sqlite3.connect(old.db) as db:
        size = db.execute("PRAGMA page_size").fetchone()[0]
    db.close()
    data = bytearray(old.db.read_bytes())
    for number in (1000, 1300, 1990):
        page = data.index(f"message {number} ".encode()) // size
        data[page * size : (page + 1) * size] = b"\xee" * size
    old.db.write_bytes(data)
    status, lines = move(old)
    assert status == cli.INCOMPLETE
    there = move.dump()
    assert set(there["printers"]) == {"p1"}
    lost = set(range(1, 2001)) - set(there["sync_logs"])
    assert {1000, 1300, 1990} <= lost
    assert len(lost) < 3 * size // 100
    assert len([line for line in lines if line["kind"] == "missing" and "damaged" in line["text"]]) == 3
    assert move(old)[0] == cli.INCOMPLETE
    assert move.dump() == there


@on_both
def test_a_full_disk_costs_files_that_come_along_the_next_time(
    tmp_path: Path, move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Old(tmp_path, {
        "print_files": [{"id": "f1", "name": "clip.3mf"}],
        "products": [{"id": "pr1", "name": "Clip", "image_url": "/product-images/clip.png"}],
        "print_jobs": [{"id": "j1", "print_file_id": "f1", "status": "completed"}],
    })  # fmt: skip
    old.file("f1.3mf", build_sample(PRESETS["bracket_p1s"]))
    old.file("product_images/clip.png", png())
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if "/blobs/tmp/" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        status, lines = move(old)
    assert status == cli.INCOMPLETE
    assert "space" in told(lines, "f1", "missing")
    assert move.dump()["print_files"]["f1"]["sha256"] == ""
    status, lines = move(old)
    there = move.dump()
    assert there["print_files"]["f1"]["sha256"]
    assert there["products"]["pr1"]["image_sha256"]
    assert json.loads(there["print_files"]["f1"]["plates"])
    assert "came along now" in told(lines, "f1", "note")
    assert not [line for line in lines if line["kind"] == "differs"]


# ---- again


def test_a_later_copy_of_the_same_data_changes_nothing(tmp_path: Path, move: Move) -> None:
    old = Old(tmp_path, {
        "printers": [{"id": "p1", **PRINTER}],
        "products": [{"id": "pr1", "name": "Clip"}],
        "product_skus": [{"id": "s1", "product_id": "pr1", "sku": "S", "stock_level": 4}],
    })  # fmt: skip
    move(old)
    there = move.dump()
    assert there["products"]["pr1"]["created_at"] == "2025-10-01T08:00:00.000Z"
    os.utime(old.db, (2_000_000_000, 2_000_000_000))
    with sqlite3.connect(old.db) as db:  # and the Raspberry Pi goes on
        row = {"id": "p2", "tenant_id": FARM, **PRINTER, "serial_number": "S2", "created_at": "2026-02-01 08:00:00"}
        row["printer_id"] = 2
        db.execute(
            f"INSERT INTO printers ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608
            list(row.values()),
        )
    db.close()
    _, lines = move(old)
    again = move.dump()
    assert again["printers"].pop("p2")["printer_id"] == 2
    assert again == there
    assert not [line for line in lines if line["kind"] in ("changed", "differs", "refused")]


def test_an_owners_link_that_was_lost_is_made_anew(
    tmp_path: Path, move: Move, capsys: pytest.CaptureFixture[str]
) -> None:
    old = Old(tmp_path, {"products": [{"id": "pr1", "name": "Clip"}]})
    links = []
    for _ in range(2):
        move(old, "--owner", "me@example.com")
        links += [line for line in capsys.readouterr().out.splitlines() if "/invite#" in line]
    assert len(links) == 2
    open_links = [row for row in move.dump()["links"].values() if row["revoked_at"] is None]
    assert len(open_links) == 1


def test_a_kept_file_that_is_damaged_is_found_and_mended(
    tmp_path: Path, move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Old(tmp_path, {"print_files": [{"id": "f1", "name": "clip.3mf"}]})
    sample = build_sample(PRESETS["bracket_p1s"])
    old.file("f1.3mf", sample)
    compare = run.compare

    async def while_it_rots(*everything: Any) -> None:
        next((move.data / "blobs").glob("??/*")).write_bytes(sample[:-1] + b"?")
        await compare(*everything)

    with monkeypatch.context() as patch:
        patch.setattr(run, "compare", while_it_rots)
        status, lines = move(old)
    assert status == cli.INCOMPLETE
    assert "run it again" in told(lines, "f1", "differs")
    _, lines = move(old)
    assert next((move.data / "blobs").glob("??/*")).read_bytes() == sample
    assert not [line for line in lines if line["kind"] == "differs"]


# ---- around it


def test_a_dry_run_looks_at_what_is_here_and_changes_no_byte(tmp_path: Path, move: Move) -> None:
    busy(move)
    old = Old(tmp_path, NEWCOMERS)

    def state() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(move.data.rglob("*")) if path.is_file()}

    before, listing = state(), sorted(map(str, move.data.rglob("*")))
    _, dry = move(old, "--into", "here", apply=False)
    assert state() == before
    assert sorted(map(str, move.data.rglob("*"))) == listing
    assert "Clip (3)" in told(dry, "pr1", "mended")
    _, wet = move(old, "--into", "here")
    kinds = ("mended", "kept", "refused", "missing")
    assert [line for line in dry if line["kind"] in kinds] == [line for line in wet if line["kind"] in kinds]


@pytest.fixture
def postgres(databases: Databases) -> Iterator[str]:
    url = databases.empty()
    yield url
    databases.server.drop(url.rsplit("/", 1)[1])


def test_on_postgresql_the_cloud_must_be_stopped_too(
    tmp_path: Path, move: Move, postgres: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRINTFARM_DATABASE_URL", postgres)
    move.url = postgres
    old = Old(tmp_path, NEWCOMERS)
    assert move(old, apply=False)[0] != cli.FAILED, "an empty database is no farm yet"
    holder = (
        "import sys, pathlib\nfrom cloud.data_dir import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(move.data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as cloud:
        assert cloud.stdout is not None
        cloud.stdout.readline()
        (move.data / "blobs" / "tmp").mkdir(parents=True)
        half = move.data / "blobs" / "tmp" / "half an upload"
        half.write_bytes(b"...")
        assert move(old)[0] == cli.FAILED
        assert "Stop it first" in capsys.readouterr().err
        assert half.exists()
        cloud.communicate(b"\n")
    assert move(old)[0] != cli.FAILED
    there = move.dump()
    assert set(there["products"]) == {"pr1", "pr2"}
    move(old, apply=False)
    assert move.dump() == there


async def test_the_cloud_answers_with_what_was_moved_and_takes_it_back(tmp_path: Path, move: Move) -> None:
    """What the API tells of a moved row, it accepts again from an old client."""
    farm = OldFarm(tmp_path, seed=3, scale=0.02)
    old = Old(tmp_path / "odd", {**NEWCOMERS, "products": [
        {"id": "pr1", "name": "Clip\nof two lines", "printer_priority": '["N1","P1S"]', "print_file_id": "gone"},
    ]})  # fmt: skip
    await asyncio.to_thread(move, farm)  # type: ignore[arg-type]
    await asyncio.to_thread(move, old)
    fields = {
        "products": ("name", "description", "category", "print_file_id", "printer_priority", "is_active"),
        "product-skus": ("sku", "color", "hex_code", "quantity", "price", "low_stock_threshold"),
        "finished-goods": ("sku", "color", "location", "low_stock_threshold", "quantity_per_sku", "unit_price"),
        "color-presets": ("color_name", "hex_code", "filament_type"),
        "worklist": ("title", "subtitle", "description", "due_date", "metadata", "priority"),
        "assembly-tasks": ("notes", "priority"),
        "print-jobs": (),
        "files": (),
        "printers": ("name", "location", "nozzle_size"),
        "stock-movements": (),
        "sync-logs": (),
    }
    async with running_cloud(move.folder, database_url=move.url) as cloud:
        for tenant in (*farm.tenants, FARM):
            person = await cloud.person("owner", tenant)
            for path, names in fields.items():
                page = await person.ok("GET", f"/api/{path}/?limit=500")
                for row in page["items"][:10] if names else ():
                    await person.ok("PATCH", f"/api/{path}/{row['id']}", {name: row[name] for name in names})
