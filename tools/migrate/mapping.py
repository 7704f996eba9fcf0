"""Old rows -> new rows, one method a table. Pure and in the order of the source: the same file gives the same rows.

What has no column here stays with the row, as JSON in `legacy`. References to rows that are gone are let go of and kept
there too. A row that cannot live without what is gone is refused, and said so.
"""

from typing import Final

from cloud.catalog import models
from tools.migrate.mapper import Row, TableMapper, short
from tools.migrate.values import Reader, model_code, split_color, usable_id

_TASK: Final = {
    "pending": "pending", "todo": "pending", "open": "pending", "in_progress": "in_progress", "active": "in_progress",
    "completed": "completed", "complete": "completed", "done": "completed", "cancelled": "cancelled",
    "canceled": "cancelled",
}  # fmt: skip
_PRIORITY: Final = {"low": "low", "medium": "medium", "normal": "medium", "high": "high", "urgent": "urgent",
                    "0": "low", "1": "medium", "2": "high", "3": "urgent"}  # fmt: skip
_JOB: Final = {
    "queued": "queued", "pending": "queued", "completed": "completed", "complete": "completed", "failed": "failed",
    "cancelled": "cancelled", "canceled": "cancelled", "processing": "moving", "uploaded": "moving",
    "printing": "moving", "paused": "moving",
}  # fmt: skip


MOVED: Final = "It was under way when the farm moved here. Whether it was finished is not known."


class Mapper(TableMapper):
    """`run` calls each method by the name of its table."""

    def _printers(self, read: Reader, tenant: str) -> Row:
        serial = read.text("serial_number", longest=32).upper()
        model, code = read.text("model", longest=40), read.text("access_code", longest=64)
        usable = bool(serial and code and read.text("ip_address", longest=45))
        if not serial or not self.free("serial", tenant, serial):
            read.mends.append("serial_number is missing, or another printer's: enter it before it can be connected")
            serial, usable = f"MISSING{short(str(read.raw('id')))}".upper(), False
        number = read.maybe_whole("printer_id", least=1, most=1_000_000)
        if number is None or not self.free("printer", tenant, number):
            read.mends.append("printer_id is missing, or another printer's: it has the next free number")
            number = next(n for n in range(1, 10**6) if ("printer", tenant, n) not in self.taken)
            self.free("printer", tenant, number)
        known = models.by_serial(serial) if usable else None
        mapped = model_code(model) or (known.code if known else None)
        if mapped is None:
            read.mends.append(f"model {model!r} is not known")
        if not usable:
            read.mends.append("it is switched off until address, serial number and access code are entered")
        status = read.maybe_text("status")
        for gone in ("is_connected", "connection_type", "last_connection_attempt", "connection_error"):
            read.raw(gone)  # a state of the Raspberry Pi's connection
        moment = self.made_at(read, "created_at")
        return {
            "hub_id": None,
            "printer_id": number,
            "name": read.text("name", f"Printer {number}", longest=120),
            "model": mapped or model or "unknown",
            "ip_address": read.text("ip_address", longest=45),
            "serial_number": serial,
            "access_code_enc": self.sealed(tenant, str(read.raw("id")), code),
            "nozzle_size": read.maybe_number("nozzle_size"),
            "current_build_plate": read.maybe_text("current_build_plate", longest=300),
            "location": read.maybe_text("location", longest=300),
            "is_active": read.flag("is_active", True),
            "connect": usable,
            "cleared": read.flag("cleared", False),
            "sort_order": read.whole("sort_order", least=-1_000_000, most=1_000_000),
            "manufacturer": read.text("manufacturer", "Bambu Lab", longest=120),
            "current_color": read.maybe_text("current_color", longest=120),
            "current_color_hex": read.color("current_color_hex"),
            "current_filament_type": read.maybe_text("current_filament_type", longest=40),
            "total_print_time": read.whole("total_print_time"),
            "last_maintenance_date": read.day("last_maintenance_date"),
            "in_maintenance": read.flag("in_maintenance", False) or status == "maintenance",
            "maintenance_type": read.maybe_text("maintenance_type", longest=120),
            "consecutive_failures": read.whole("consecutive_failures"),
            "disabled_reason": read.maybe_text("disabled_reason", longest=300),
            "disabled_at": read.moment("disabled_at"),
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }

    def _products(self, read: Reader, tenant: str) -> Row:
        key = str(read.raw("id"))
        image = self.kept.get(("products", key))
        address = read.maybe_text("image_url", longest=2000)
        if image is None and address and not address.startswith(("http://", "https://")):
            self.report.tell("missing", "products", key, f"picture not found: {address}")
        moment = self.made_at(read, "created_at")
        return {
            "name": self.name(read, "product", tenant, read.text("name", "Unnamed product", longest=120)),
            "description": read.text("description"),
            "category": read.maybe_text("category", longest=120),
            # Not checked against the files: they come later, and a file that is gone is kept by name.
            "print_file_id": usable_id(read.raw("print_file_id")),
            "file_name": read.maybe_text("file_name", longest=300),
            "requires_assembly": read.flag("requires_assembly", False),
            "requires_post_processing": read.flag("requires_post_processing", False),
            "printer_priority": read.json_text("printer_priority", "null"),
            "wiki_id": read.maybe_text("wiki_id", longest=120),
            "image_sha256": image.sha256 if image else None,
            "image_type": image.type if image else None,
            "image_url": address if address and address.startswith(("http://", "https://")) else None,
            "is_active": read.flag("is_active", True),
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }

    def _product_skus(self, read: Reader, tenant: str) -> Row:
        product = self.needed(read, tenant, "product_id", "products")
        key, active = str(read.raw("id")), read.flag("is_active", True)
        sku = read.text("sku", f"SKU-{short(key)}", longest=120)
        if active and not self.free("sku", tenant, sku):
            read.mends.append(f"sku {sku!r} is another active SKU's: this one is switched off")
            active = False
        name, hex_code = split_color(read.maybe_text("color", longest=120))
        stock = read.maybe_whole("stock_level", least=0)
        old_tenant = str(read.raw("tenant_id"))
        if (old_tenant, key) not in self.skus_with_goods:
            self.opening(tenant, key, stock or 0, at=self.made_at(read, ""))
        elif stock:
            self.report.tell(
                "note", "product_skus", key, f"stock of its finished goods counts, not stock_level {stock}"
            )
        moment = self.made_at(read, "created_at")
        return {
            "product_id": product,
            "sku": sku,
            "color": name,
            "filament_type": read.maybe_text("filament_type", longest=40),
            "hex_code": read.color("hex_code") or hex_code,
            "quantity": read.whole("quantity", 1, least=1),
            "low_stock_threshold": read.whole("low_stock_threshold"),
            "price": read.maybe_whole("price"),
            "is_active": active,
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }

    def _print_files(self, read: Reader, tenant: str) -> Row:
        key = str(read.raw("id"))
        kept = self.kept.get(("print_files", key))
        read.raw("local_file_path")  # where it lay on the Raspberry Pi: files.py has looked there
        read.raw("file_size_bytes")
        if kept is None:
            self.report.tell("missing", "print_files", key, f"file not found: {read.text('name')}")
        elif kept.problem:
            self.report.tell("note", "print_files", key, f"kept, but cannot be printed: {kept.problem}")
        model = read.maybe_text("printer_model_id", longest=40)
        moment = self.made_at(read, "created_at")
        return {
            "name": read.text("name", f"{key}.3mf", longest=180),
            "sha256": kept.sha256 if kept else "",
            "file_size_bytes": kept.size if kept else 0,
            "model_id": None,
            "printer_model_id": (kept.model if kept else None) or model_code(model) or model,
            "flags": kept.flags if kept else '["bytes_missing"]',
            "plates": kept.plates if kept else "[]",
            "product_id": self.maybe(read, tenant, "product_id", "products"),
            "print_time_seconds": read.maybe_whole("print_time_seconds"),
            "filament_weight_grams": read.maybe_number("filament_weight_grams"),
            "filament_length_meters": read.maybe_number("filament_length_meters"),
            "filament_type": read.maybe_text("filament_type", longest=120),
            "nozzle_diameter": read.maybe_number("nozzle_diameter"),
            "layer_count": read.maybe_whole("layer_count"),
            "object_count": read.maybe_whole("object_count"),
            "number_of_units": read.whole("number_of_units", 1, least=1),
            "curr_bed_type": read.maybe_text("curr_bed_type", longest=120),
            "default_print_profile": read.maybe_text("default_print_profile", longest=300),
            "created_at": moment,
            "created_by": "migration",
        }

    def _print_jobs(self, read: Reader, tenant: str) -> Row:
        key, word = str(read.raw("id")), read.word("status", _JOB, "moving")
        file_id = self.maybe(read, tenant, "print_file_id", "print_files")
        kept = self.kept.get(("print_files", file_id or ""))
        status, failure = word, read.maybe_text("failure_reason", longest=300)
        if word == "moving":
            status, failure = "cancelled", failure or MOVED
        elif word == "queued" and (kept is None or kept.plates == "[]"):
            status, failure = "cancelled", "Its file could not be brought along: upload it, and queue it again."
        name, hex_code = split_color(read.maybe_text("color", longest=120))
        submitted = read.moment("time_submitted") or self.made_at(read, "created_at")
        started, done = read.moment("time_started"), read.moment("time_completed")
        updated = read.moment("updated_at")
        if status != "queued":
            done = done or updated or started or submitted
        row = {
            "print_file_id": file_id,
            "file_name": read.text("file_name", "unknown", longest=300),
            "plate": 1,
            "status": status,
            "held": status == "queued",  # nothing starts by itself after a move
            "printer_id": self.maybe(read, tenant, "printer_id", "printers"),
            "priority": read.whole("priority", least=-1000, most=1000),
            "model_id": kept.model if kept else None,
            "progress_percentage": 100 if status == "completed" else read.whole("progress_percentage", most=100),
            "estimated_seconds": _minutes(read.maybe_whole("estimated_print_time_minutes", most=10**6)),
            "filaments": kept.filaments if kept else "[]",
            "failure_reason": failure,
            "submitted_by": read.text("submitted_by", "migration", longest=120),
            "time_submitted": submitted,
            "time_started": started,
            "time_completed": done,
            "updated_at": updated or done or submitted,
            "product_sku_id": self.maybe(read, tenant, "product_sku_id", "product_skus"),
            "color": f"{name}|{hex_code}" if hex_code else name or None,
            "filament_type": read.maybe_text("filament_type", longest=120),
            "filament_needed_grams": read.maybe_number("filament_needed_grams", factor=0.01),
            "number_of_units": read.whole("number_of_units", 1, least=1),
            "bambu_job_id": read.maybe_text("bambu_job_id", longest=120),
        }
        if status == "queued":
            row["printer_id"], row["target_printer_id"] = None, row["printer_id"]
        else:
            row["target_printer_id"] = None
        self.rows[tenant]["job_history"].append(
            {
                "id": f"his_{short(key, 20)}", "job_id": key, "at": row["updated_at"], "from_status": None,
                "to_status": status, "reason": failure or "brought along from the former system",
                "actor": "migration", "printer_id": row["printer_id"],
            }
        )  # fmt: skip
        return row

    def _color_presets(self, read: Reader, tenant: str) -> Row:
        name, kind = read.text("color_name", "Unnamed", longest=100), read.text("filament_type", "PLA", longest=40)
        hex_code = read.color("hex_code")
        if hex_code is None:
            read.mends.append("it had no colour: it is grey")
        moment = self.made_at(read, "created_at")
        return {
            "color_name": self.name(read, f"color {kind}", tenant, name),
            "hex_code": hex_code or "#808080",
            "filament_type": kind,
            "is_active": read.flag("is_active", True),
            "created_at": moment,
            "updated_at": moment,
        }

    def _build_plate_types(self, read: Reader, tenant: str) -> Row:
        moment = self.made_at(read, "created_at")
        return {
            "name": self.name(read, "plate", tenant, read.text("name", "Unnamed plate", longest=100)),
            "description": read.text("description"),
            "is_active": read.flag("is_active", True),
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }

    def _finished_goods(self, read: Reader, tenant: str) -> Row:
        key = str(read.raw("id"))
        sku = self.maybe(read, tenant, "product_sku_id", "product_skus")
        stock = read.maybe_whole("current_stock")
        stock = read.whole("quantity") if stock is None else stock
        moment = self.made_at(read, "created_at")
        if sku is None and stock:
            read.mends.append(f"its SKU is gone: {stock} pieces are not in the books")
        elif sku is not None:
            self.opening(tenant, sku, stock, at=moment, good=key)
        threshold = read.whole("low_stock_threshold")
        read.raw("status")  # follows from the stock
        return {
            "product_sku_id": sku,
            "print_job_id": read.maybe_text("print_job_id", longest=64),
            "sku": read.text("sku", longest=120),
            "color": read.text("color", longest=120),
            "material": read.maybe_text("material", longest=40),
            "location": read.text("location", longest=120),
            "current_stock": stock if sku is not None else 0,
            "low_stock_threshold": threshold,
            "quantity_per_sku": read.whole("quantity_per_sku", 1, least=1),
            "unit_price": read.maybe_whole("unit_price"),
            "extra_cost": read.maybe_whole("extra_cost"),
            "profit_margin": read.maybe_number("profit_margin", factor=0.01),
            "requires_assembly": read.flag("requires_assembly", False),
            "quantity_assembled": read.whole("quantity_assembled"),
            "quantity_needs_assembly": read.whole("quantity_needs_assembly"),
            "status": _level(stock if sku is not None else 0, threshold),
            "image_url": read.maybe_text("image_url", longest=2000),
            "is_active": read.flag("is_active", True),
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }

    def _assembly_tasks(self, read: Reader, tenant: str) -> Row:
        moment = self.made_at(read, "created_at")
        return {
            "product_id": self.maybe(read, tenant, "product_id", "products"),
            "finished_good_id": self.maybe(read, tenant, "finished_good_id", "finished_goods"),
            "product_name": read.text("product_name", longest=120),
            "sku": read.text("sku", longest=120),
            "quantity": read.whole("quantity", 1, least=1),
            "status": read.word("status", _TASK, "pending"),
            "priority": read.word("priority", _PRIORITY, "medium"),
            "assigned_to": read.maybe_text("assigned_to", longest=120),
            "notes": read.text("notes"),
            "completed_at": read.moment("completed_at"),
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }

    def _worklist_tasks(self, read: Reader, tenant: str) -> Row:
        moment = self.made_at(read, "created_at")
        return {
            "title": read.text("title", "Untitled task", longest=120),
            "subtitle": read.text("subtitle", longest=300),
            "description": read.text("description"),
            "task_type": read.text("task_type", "manual", longest=40),
            "status": read.word("status", _TASK, "pending"),
            "priority": read.word("priority", _PRIORITY, "medium"),
            "due_date": read.day("due_date"),
            "assembly_task_id": self.maybe(read, tenant, "assembly_task_id", "assembly_tasks"),
            "printer_id": self.maybe(read, tenant, "printer_id", "printers"),
            "assigned_to": read.maybe_text("assigned_to", longest=120),
            "order_number": read.maybe_text("order_number", longest=120),
            "estimated_time_minutes": read.maybe_whole("estimated_time_minutes"),
            "actual_time_minutes": read.maybe_whole("actual_time_minutes"),
            "started_at": read.moment("started_at"),
            "completed_at": read.moment("completed_at"),
            "metadata": read.json_text("metadata", "{}"),
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }

    def _sync_logs(self, read: Reader, tenant: str) -> Row:
        return {
            "operation_type": read.text("operation_type", "UNKNOWN", longest=40),
            "table_name": read.text("table_name", longest=60),
            "record_id": read.text("record_id", longest=120),
            "status": read.text("status", "UNKNOWN", longest=40),
            "error_message": read.maybe_text("error_message"),
            "created_at": self.made_at(read, "created_at"),
        }


def _minutes(number: int | None) -> int | None:
    return None if number is None else number * 60


def _level(stock: int, threshold: int) -> str:
    return "out_of_stock" if stock <= 0 else "low_stock" if stock < threshold else "in_stock"
