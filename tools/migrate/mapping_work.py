"""Old rows of jobs, stock and work for people -> new rows."""

from typing import Final

from cloud.catalog.colors import split_color
from cloud.storage.stock import MAX_STOCK
from tools.migrate.files import Kept
from tools.migrate.here import said
from tools.migrate.mapper import Row, TableMapper
from tools.migrate.values import Reader, short

ABOVE: Final = 10**12
"""Added to the number of a sync log that is taken: the same again the next time."""
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


class WorkMapper(TableMapper):
    """Half of mapping.Mapper."""

    def _print_jobs(self, read: Reader, tenant: str) -> Row:
        key, word = str(read.raw("id")), read.word("status", _JOB, "moving")
        file_id = self.maybe(read, tenant, "print_file_id", "print_files")
        kept = self.kept.get(("print_files", file_id or ""))
        status, failure = self._outcome(read, word, kept)
        times = self._job_times(read, status)
        progress = read.whole("progress_percentage", most=100)
        if status == "completed" and progress != 100:
            read.keep("progress_percentage")
            progress = 100
        printer = self.maybe(read, tenant, "printer_id", "printers")
        waits = status == "queued"
        name, hex_code = split_color(read.text("color", longest=120))
        row = {
            "print_file_id": file_id,
            "file_name": read.text("file_name", "unknown", longest=300),
            "plate": kept.plate if kept else 1,
            "nozzle": kept.nozzle if kept else None,
            "status": status,
            "held": waits,  # nothing starts by itself after a move
            "printer_id": None if waits else printer,
            "target_printer_id": printer if waits else None,
            "priority": read.whole("priority", least=-1000, most=1000),
            "model_id": kept.model if kept else None,
            "progress_percentage": progress,
            "estimated_seconds": _minutes(read.maybe_whole("estimated_print_time_minutes", most=10**6)),
            "filaments": kept.filaments if kept else "[]",
            "failure_reason": failure,
            "submitted_by": read.text("submitted_by", "migration", longest=120),
            **times,
            "product_sku_id": self.maybe(read, tenant, "product_sku_id", "product_skus"),
            "color": f"{name}|{hex_code}" if hex_code else name or None,
            "filament_type": read.maybe_text("filament_type", longest=120),
            "filament_needed_grams": read.maybe_number("filament_needed_grams", factor=0.01),
            # What the old system called number_of_units were copies; it stays in `legacy`.
            "number_of_units": read.maybe_whole("quantity_per_print", least=1) or self.pieces.get(file_id or "") or 1,
            "bambu_job_id": read.maybe_text("bambu_job_id", longest=120),
        }
        self.beside(
            "job_history",
            {
                "id": f"his_{short(key, 20)}", "job_id": key, "at": row["updated_at"], "from_status": None,
                "to_status": status, "reason": failure or "brought along from the former system",
                "actor": "migration", "printer_id": row["printer_id"],
            },
        )  # fmt: skip
        return row

    def _outcome(self, read: Reader, word: str, kept: Kept | None) -> tuple[str, str | None]:
        """What the job is here, and why it failed."""
        failure = read.maybe_text("failure_reason", longest=300)
        if word == "moving":
            read.keep("status")
            return "cancelled", failure or MOVED
        if word == "queued" and (kept is None or kept.plates == "[]"):
            read.keep("status")
            return "cancelled", failure or "Its file could not be brought along: upload it, and queue it again."
        return word, failure

    def _job_times(self, read: Reader, status: str) -> Row:
        """A job that is over has an end, and none ends before it began."""
        submitted = read.moment("time_submitted") or self.made_at(read, "created_at")
        started, done = read.moment("time_started"), read.moment("time_completed")
        updated = read.moment("updated_at")
        if status != "queued":
            begun = started or submitted
            if done is not None and started is not None and done < started:
                read.keep("time_completed", "it ended before it began: its end is its beginning")
            done = max(done or updated or begun, started or "")
        return {
            "time_submitted": submitted,
            "time_started": started,
            "time_completed": done,
            "updated_at": updated or done or submitted,
        }

    def _finished_goods(self, read: Reader, tenant: str) -> Row:
        key = str(read.raw("id"))
        sku = self.maybe(read, tenant, "product_sku_id", "product_skus")
        stock = read.maybe_whole("current_stock", most=MAX_STOCK)
        other = read.maybe_whole("quantity", most=MAX_STOCK)
        if stock is not None and other is not None and other != stock:
            read.keep("quantity")
        stock = (other or 0) if stock is None else stock
        moment = self.made_at(read, "created_at")
        if sku is None and stock:
            read.mends.append("its SKU is gone: its pieces are in the books once it is given another one")
        elif sku is not None and not self.opening(tenant, sku, stock, at=moment, good=key):
            read.keep("current_stock", "the stock of its SKU is more than the books can hold")
            stock = 0
        threshold = read.whole("low_stock_threshold")
        status = _level(stock, threshold)
        if read.raw("status") != status:
            read.keep("status")  # here it follows from the stock
        return {
            "product_sku_id": sku,
            "print_job_id": read.maybe_text("print_job_id", longest=64),
            "sku": read.text("sku", longest=120),
            "color": read.text("color", longest=120),
            "material": read.maybe_text("material", longest=40),
            "location": read.text("location", longest=120),
            "current_stock": stock,
            "low_stock_threshold": threshold,
            "quantity_per_sku": read.whole("quantity_per_sku", 1, least=1),
            "unit_price": read.maybe_whole("unit_price"),
            "extra_cost": read.maybe_whole("extra_cost"),
            "profit_margin": read.maybe_number("profit_margin", factor=0.01),
            "requires_assembly": read.flag("requires_assembly", False),
            "quantity_assembled": read.whole("quantity_assembled"),
            "quantity_needs_assembly": read.whole("quantity_needs_assembly"),
            "status": status,
            "image_url": self._picture(read, tenant, key),
            "is_active": read.flag("is_active", True),
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }

    def _picture(self, read: Reader, tenant: str, key: str) -> str | None:
        """The address of a good's picture: that of the product which has the same one."""
        address = read.maybe_text("image_url", longest=2000)
        if address is None or address.startswith(("http://", "https://")):
            return address
        read.keep("image_url")
        product = self.product_of_picture.get((tenant, address.rpartition("/")[2]))
        if product is None:
            self.report.tell("missing", "finished_goods", key, f"picture not found: {address}")
            return None
        return f"/api/products/{product}/image"

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
            "notes": read.text("notes", lines=True),
            "completed_at": read.moment("completed_at"),
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }

    def _worklist_tasks(self, read: Reader, tenant: str) -> Row:
        moment = self.made_at(read, "created_at")
        return {
            "title": read.text("title", "Untitled task", longest=120),
            "subtitle": read.text("subtitle", longest=300),
            "description": read.text("description", lines=True),
            "task_type": read.text("task_type", "manual", longest=40),
            "status": read.word("status", _TASK, "pending"),
            "priority": read.word("priority", _PRIORITY, "medium"),
            "due_date": read.when("due_date"),
            "assembly_task_id": self.maybe(read, tenant, "assembly_task_id", "assembly_tasks"),
            "printer_id": self.maybe(read, tenant, "printer_id", "printers"),
            "assigned_to": read.maybe_text("assigned_to", longest=120),
            "order_number": read.maybe_text("order_number", longest=120),
            "estimated_time_minutes": read.maybe_whole("estimated_time_minutes"),
            "actual_time_minutes": read.maybe_whole("actual_time_minutes"),
            "started_at": read.moment("started_at"),
            "completed_at": read.moment("completed_at"),
            "metadata": read.json_object("metadata"),
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }

    def _sync_logs(self, read: Reader, tenant: str) -> Row:
        row: Row = {
            "operation_type": read.text("operation_type", "UNKNOWN", longest=40),
            "table_name": read.text("table_name", longest=60),
            "record_id": read.text("record_id", longest=120),
            "status": read.text("status", "UNKNOWN", longest=40),
            "error_message": read.maybe_text("error_message", lines=True),
            "created_at": self.made_at(read, "created_at"),
        }
        number = read.raw("id")
        if self.logs.get((tenant, number), said(row)) != said(row):
            read.keep("id", "its number is another one's here: it has a new one")
            row["id"] = ABOVE + number
        return row


def _minutes(number: int | None) -> int | None:
    return None if number is None else number * 60


def _level(stock: int, threshold: int) -> str:
    return "out_of_stock" if stock <= 0 else "low_stock" if stock <= threshold else "in_stock"
