"""A `tenant.db` of the former system, as it is after two years: thousands of rows, some of them broken."""

import json
import random
import sqlite3
import uuid
from pathlib import Path
from typing import Any

from tests.cloud.test_api_product_images import png
from tools.sample_file import PRESETS, build_sample

TABLES = {
    "printers": "id TEXT, tenant_id TEXT, printer_id INTEGER, name TEXT, model TEXT, ip_address TEXT, serial_number TEXT, "
    "access_code TEXT, is_connected, status TEXT, current_color TEXT, current_filament_type TEXT, cleared, sort_order, "
    "is_active, created_at, updated_at, manufacturer TEXT, total_print_time, last_maintenance_date, filament_level, "
    "nozzle_size, consecutive_failures, in_maintenance, maintenance_type TEXT",
    "products": "id TEXT, tenant_id TEXT, name TEXT, description TEXT, category TEXT, print_file_id TEXT, "
    "requires_assembly, requires_post_processing, image_url TEXT, is_active, printer_priority TEXT, wiki_id TEXT",
    "product_skus": "id TEXT, product_id TEXT, tenant_id TEXT, sku TEXT, color TEXT, filament_type TEXT, hex_code TEXT, "
    "stock_level, low_stock_threshold, is_active, quantity, price",
    "print_files": "id TEXT, tenant_id TEXT, product_id TEXT, name TEXT, local_file_path TEXT, print_time_seconds, "
    "filament_weight_grams, filament_type TEXT, printer_model_id TEXT, nozzle_diameter, layer_count, object_count",
    "print_jobs": "id TEXT, tenant_id TEXT, printer_id TEXT, print_file_id TEXT, product_sku_id TEXT, status TEXT, "
    "color TEXT, filament_type TEXT, progress_percentage, bambu_job_id TEXT, priority, time_submitted, time_started, "
    "time_completed, file_name TEXT, filament_needed_grams, estimated_print_time_minutes, last_sync_time, product_name",
    "color_presets": "id TEXT, tenant_id TEXT, color_name TEXT, hex_code TEXT, filament_type TEXT, is_active, created_at",
    "finished_goods": "id TEXT, tenant_id TEXT, product_sku_id TEXT, print_job_id TEXT, sku TEXT, color TEXT, "
    "material TEXT, current_stock, low_stock_threshold, quantity_per_sku, unit_price, profit_margin, "
    "quantity_assembled, quantity_needs_assembly, status TEXT, is_active",
    "assembly_tasks": "id TEXT, tenant_id TEXT, finished_good_id TEXT, product_name TEXT, sku TEXT, quantity, "
    "status TEXT, notes TEXT, completed_at",
    "worklist_tasks": "id TEXT, tenant_id TEXT, title TEXT, description TEXT, status TEXT, priority TEXT, due_date, "
    "assembly_task_id TEXT, printer_id TEXT, task_type TEXT, metadata TEXT",
    "sync_logs": "id INTEGER, operation_type TEXT, table_name TEXT, record_id TEXT, status TEXT, error_message TEXT, "
    "created_at, tenant_id TEXT",
}
"""build_plate_types is missing, as on many installations."""
SIZES = {
    "printers": 40, "products": 150, "product_skus": 450, "print_files": 120, "print_jobs": 2600, "color_presets": 60,
    "finished_goods": 400, "assembly_tasks": 200, "worklist_tasks": 500, "sync_logs": 700,
}  # fmt: skip
SECRET = "87654321"


class OldFarm:
    """Made in `folder`: `tenant.db` and `files/`. The same seed makes the same farm."""

    def __init__(self, folder: Path, seed: int = 1, scale: float = 1.0) -> None:
        self.chance = random.Random(seed)
        self.db = folder / "tenant.db"
        self.files = folder / "files"
        self.tenants = [self.uuid(), self.uuid()]
        self.ids: dict[str, list[tuple[str, str]]] = {}
        (self.files / "print_files").mkdir(parents=True)
        (self.files / "product_images").mkdir()
        self._bytes = [build_sample(PRESETS["bracket_p1s"]), b"PK\x03\x04 not a zip at all", b"solid stl"]
        with sqlite3.connect(self.db) as db:
            for table, columns in TABLES.items():
                db.execute(f"CREATE TABLE {table} ({columns})")
                names = [column.split()[0] for column in columns.split(", ")]
                for number in range(max(8, int(SIZES[table] * scale))):
                    row = self.row(table, number)
                    self.damage(table, row, number)
                    marks = ", ".join("?" * len(names))
                    db.execute(f"INSERT INTO {table} VALUES ({marks})", [row.get(name) for name in names])  # noqa: S608
        db.close()

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def pick(self, table: str, tenant: str) -> str | None:
        mine = [key for key, owner in self.ids.get(table, ()) if owner == tenant]
        return self.chance.choice(mine) if mine else None

    def time(self) -> str:
        day, second = self.chance.randint(1, 28), self.chance.randint(0, 59)
        form = self.chance.choice(
            ("2025-10-{d:02} 08:15:{s:02}.123456", "2025-10-{d:02}T08:15:{s:02}", "2025-10-{d:02} 08:15:{s:02}+00:00",
             "2025-10-{d:02}T08:15:{s:02}.000Z")
        )  # fmt: skip
        return form.format(d=day, s=second)

    def row(self, table: str, number: int) -> dict[str, Any]:
        chance = self.chance
        tenant = self.tenants[number % 8 == 7]
        key: Any = number + 1 if table == "sync_logs" else self.uuid()
        self.ids.setdefault(table, []).append((key, tenant))
        row = {"id": key, "tenant_id": tenant, "is_active": chance.choice((0, 1, 1, 1)), "created_at": self.time()}
        match table:
            case "printers":
                row |= {
                    "printer_id": number + 1, "name": f"Printer {number}", "model": chance.choice(("P1S", "A1 Mini", "X1C")),
                    "ip_address": f"192.168.4.{number + 10}", "serial_number": f"01P00A{number:09}", "access_code": SECRET,
                    "status": "idle", "cleared": 1, "nozzle_size": 0.4, "filament_level": 700, "updated_at": self.time(),
                }  # fmt: skip
            case "products":
                name = f"{key}.png"
                (self.files / "product_images" / name).write_bytes(png(color=number % 200))
                row |= {
                    "name": f"Product {number}", "category": chance.choice(("Clips", "Toys", None)),
                    "image_url": f"/product-images/{name}", "printer_priority": '["N1","P1S"]', "requires_assembly": 0,
                }  # fmt: skip
            case "product_skus":
                row |= {
                    "product_id": self.pick("products", tenant), "sku": f"SKU-{number}", "color": "Galaxy Black",
                    "hex_code": "#1A1A1A", "filament_type": "PLA", "stock_level": chance.randint(0, 20), "price": 1999,
                    "low_stock_threshold": 5, "quantity": 1,
                }  # fmt: skip
            case "print_files":
                data = self._bytes[0] if number % 10 else self._bytes[1]
                (self.files / "print_files" / f"{key}.3mf").write_bytes(data)
                path = f"/home/pi/PrintFarmSoftware/files/print_files/{key}.3mf"
                row |= {
                    "product_id": self.pick("products", tenant), "name": f"clip {number}.gcode.3mf", "print_time_seconds": 3600,
                    "local_file_path": chance.choice((path, None, f"files/print_files/{key}.3mf")), "nozzle_diameter": 0.4,
                    "printer_model_id": "P1S", "filament_weight_grams": 12.5, "filament_type": "PLA, PETG",
                }  # fmt: skip
            case "print_jobs":
                row |= {
                    "printer_id": self.pick("printers", tenant), "print_file_id": self.pick("print_files", tenant),
                    "product_sku_id": self.pick("product_skus", tenant), "priority": chance.randint(0, 5),
                    "status": chance.choice(("completed",) * 6 + ("failed", "cancelled", "queued", "printing", "uploaded")),
                    "color": chance.choice(("Galaxy Black|#1a1a1a", "Blue", "Unknown|#808080", "Red|null")),
                    "progress_percentage": chance.randint(0, 100), "time_submitted": self.time(), "time_started": self.time(),
                    "time_completed": chance.choice((None, self.time())), "file_name": "clip.3mf",
                    "filament_needed_grams": 1250, "last_sync_time": self.time(), "product_name": "Clip",
                }  # fmt: skip
            case "color_presets":
                row |= {"color_name": f"Colour {number}", "hex_code": "#00ff00", "filament_type": "PLA"}
            case "finished_goods":
                row |= {
                    "product_sku_id": self.pick("product_skus", tenant), "current_stock": chance.randint(0, 30),
                    "low_stock_threshold": 5, "unit_price": 1998, "profit_margin": 2550, "status": "active", "sku": "SKU",
                }  # fmt: skip
            case "assembly_tasks":
                good = self.pick("finished_goods", tenant)
                row |= {"finished_good_id": good, "quantity": 2, "status": "completed", "completed_at": self.time()}
            case "worklist_tasks":
                row |= {
                    "title": f"Task {number}", "status": "pending", "priority": chance.choice(("high", "low", "2")),
                    "assembly_task_id": self.pick("assembly_tasks", tenant), "task_type": "collection",
                    "metadata": json.dumps({"sku": "SKU"}),
                }  # fmt: skip
            case "sync_logs":
                row |= {
                    "operation_type": "INSERT",
                    "table_name": "printers",
                    "status": "SUCCESS",
                    "record_id": self.uuid(),
                }
        return row

    def damage(self, table: str, row: dict[str, Any], number: int) -> None:
        """One row in eleven has something wrong with it, of every sort in turn."""
        if number % 11 != 10:
            return
        gone, turn = self.uuid(), number // 11 % 4
        wrong: dict[str, list[dict[str, Any]]] = {
            "printers": [{"serial_number": "01P00A000000000"}, {"model": "Ender 3"}, {"access_code": None}, {"printer_id": 1}],
            "products": [{"name": "Product 0"}, {"name": None}, {"image_url": "/product-images/gone.png"}, {"id": "no id!"}],
            "product_skus": [{"product_id": gone}, {"sku": "SKU-0", "is_active": 1}, {"stock_level": -5}, {"price": "free"}],
            "print_files": [{"product_id": gone}, {"id": None}, {"print_time_seconds": "an hour"}, {"name": "\x00odd"}],
            "print_jobs": [{"printer_id": gone}, {"status": "melting"}, {"progress_percentage": 250}, {"print_file_id": gone}],
            "color_presets": [{"hex_code": "green"}, {"color_name": "Colour 0"}, {"filament_type": None}, {"is_active": "maybe"}],
            "finished_goods": [{"product_sku_id": gone}, {"current_stock": -3}, {"unit_price": 1e300}, {"current_stock": "many"}],
            "assembly_tasks": [{"finished_good_id": gone}, {"status": "odd"}, {"quantity": 0}, {"notes": "x" * 90_000}],
            "worklist_tasks": [{"metadata": "{not json"}, {"due_date": "soon"}, {"priority": "asap"}, {"printer_id": gone}],
            "sync_logs": [{"created_at": "yesterday"}, {"status": None}, {"error_message": b"\xff\xfe"}, {"table_name": None}],
        }  # fmt: skip
        row.update(wrong[table][turn])
        if table == "print_files" and turn == 0:
            (self.files / "print_files" / f"{row['id']}.3mf").unlink()
