"""Old rows -> new rows, one method a table. Pure and in the order of the source: the same file gives the same rows.

What has no column here stays with the row, as JSON in `legacy`. References to rows that are gone are let go of and kept
there too. A row that cannot live without what is gone is refused, and said so. Work and stock: mapping_work.py.
"""

from cloud.catalog import models, priorities
from cloud.catalog.colors import split_color
from tools.migrate.mapper import Row
from tools.migrate.mapping_work import WorkMapper
from tools.migrate.values import Reader, as_json, decoded, model_code, short


class Mapper(WorkMapper):
    """`run` calls each method by the name of its table."""

    def _printers(self, read: Reader, tenant: str) -> Row:
        serial, usable = self._serial(read, tenant)
        number = self._number(read, tenant)
        code = read.text("access_code", longest=64)
        usable = usable and bool(code and read.text("ip_address", longest=45))
        if not usable:
            read.mends.append("it is switched off until address, serial number and access code are entered")
        status = read.maybe_text("status")
        read.keep("status")  # as it was; here a printer says what it does
        moment = self.made_at(read, "created_at")
        return {
            "hub_id": None,
            "printer_id": number,
            "name": read.text("name", f"Printer {number}", longest=120),
            "model": self._model(read, serial if usable else ""),
            "ip_address": read.text("ip_address", longest=45),
            "serial_number": serial,
            "access_code_enc": self.sealed(tenant, str(read.raw("id")), code),
            "nozzle_size": read.maybe_number("nozzle_size", most=10),
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

    def _serial(self, read: Reader, tenant: str) -> tuple[str, bool]:
        """And whether it is the printer's own."""
        serial = read.text("serial_number", longest=32).upper()
        if serial and self.free("serial", tenant, serial):
            return serial, True
        read.keep(
            "serial_number", "serial_number is missing, or another printer's: enter it before it can be connected"
        )
        return f"MISSING{short(str(read.raw('id')))}".upper(), False

    def _number(self, read: Reader, tenant: str) -> int:
        number, key = read.maybe_whole("printer_id", least=1, most=1_000_000), read.raw("id")
        if number is not None and self.free("printer", tenant, number, key=key):
            return number
        read.keep("printer_id", "printer_id is missing, or another printer's: it has the next free number")
        return next(n for n in range(1, 10**6) if self.free("printer", tenant, n, key=key))

    def _model(self, read: Reader, serial: str) -> str:
        said = read.text("model", longest=40)
        known = models.by_serial(serial) if serial else None
        mapped = model_code(said) or (known.code if known else None)
        if mapped is None:
            read.mends.append(f"model {said!r} is not known")
        elif mapped != said:
            read.keep("model")
        return mapped or said or "unknown"

    def _products(self, read: Reader, tenant: str) -> Row:
        key = str(read.raw("id"))
        image = self.kept.get(("products", key))
        address = read.maybe_text("image_url", longest=2000)
        elsewhere = address if address and address.startswith(("http://", "https://")) and " " not in address else None
        if image is None and address and elsewhere is None:
            self.report.tell("missing", "products", key, f"picture not found: {address}")
        if address != elsewhere:
            read.keep("image_url")
        moment = self.made_at(read, "created_at")
        return {
            "name": self.name(read, "product", tenant, read.text("name", "Unnamed product", longest=120)),
            "description": read.text("description", lines=True),
            "category": read.maybe_text("category", longest=120),
            "print_file_id": self._file_of(read, tenant),
            "file_name": read.maybe_text("file_name", longest=300),
            "requires_assembly": read.flag("requires_assembly", False),
            "requires_post_processing": read.flag("requires_post_processing", False),
            "printer_priority": self._priority(read, tenant),
            "wiki_id": read.maybe_text("wiki_id", longest=120),
            "image_sha256": image.sha256 if image else None,
            "image_type": image.type if image else None,
            "image_url": elsewhere,
            "is_active": read.flag("is_active", True),
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }

    def _file_of(self, read: Reader, tenant: str) -> str | None:
        """Of a product. The files come after it."""
        key = read.raw("print_file_id")
        if key is None or key == "" or (tenant, key) in self.file_ids:
            return key or None
        read.keep("print_file_id", "print_file_id points at a row that is gone")
        return None

    def _priority(self, read: Reader, tenant: str) -> str | None:
        """Models as they were written, printers by their id; in the old rows a JSON list, or words with commas."""
        value = read.raw("printer_priority")
        if value is None or value == "":
            return None
        found = decoded(value)
        entries = found if isinstance(found, list) else str(value).split(",") if found is None else [found]
        numbers = {row["printer_id"]: row["id"] for row in self.rows[tenant]["printers"]}
        known: list[str] = []
        for entry in entries[:500]:
            name = str(entry).strip()
            number = int(name) if name.isascii() and name.isdigit() and len(name) < 8 else None
            if number in numbers:
                known.append(numbers[number])
            elif priorities.is_model(name) or self.is_here(tenant, "printers", name):
                known.append(name)
            elif code := model_code(name):
                known.append(code)
        if known != entries:
            left = "" if len(known) == len(entries) else "printer_priority named printers or models that are not known"
            read.keep("printer_priority", left)
        return as_json(known) if known else None

    def _product_skus(self, read: Reader, tenant: str) -> Row:
        product = self.needed(read, tenant, "product_id", "products")
        key, active = str(read.raw("id")), read.flag("is_active", True)
        sku = read.text("sku", f"SKU-{short(key)}", longest=120)
        if active and not self.free("sku", tenant, sku):
            read.keep("is_active", f"sku {sku!r} is another active SKU's: this one is switched off")
            active = False
        name, hex_code = split_color(read.text("color", longest=120))
        stock = read.maybe_whole("stock_level") or 0
        if (tenant, key) in self.skus_with_goods:
            if stock:
                read.keep("stock_level", f"the stock of its finished goods counts, not stock_level {stock}")
        else:
            self.opening(tenant, key, stock, at=self.made_at(read, "created_at"))
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
        size = read.maybe_whole("file_size_bytes", most=2**53)
        if kept is None or size != kept.size:
            read.keep("file_size_bytes")
        if kept is None:
            self.report.tell("missing", "print_files", key, f"file not found: {read.text('name')}")
        elif kept.problem:
            self.report.tell("note", "print_files", key, f"kept, but cannot be printed: {kept.problem}")
        model = read.maybe_text("printer_model_id", longest=40)
        code = (kept.model if kept else None) or model_code(model) or model
        if code != model:
            read.keep("printer_model_id")
        objects = read.maybe_whole("object_count")
        units = read.maybe_whole("number_of_units", least=1) or objects or 1
        self.pieces[key] = objects or units
        moment = self.made_at(read, "created_at")
        return {
            "name": read.text("name", f"{key}.3mf", longest=180),
            "sha256": kept.sha256 if kept else "",
            "file_size_bytes": kept.size if kept else 0,
            "model_id": None,
            "printer_model_id": code,
            "flags": kept.flags if kept else '["bytes_missing"]',
            "plates": kept.plates if kept else "[]",
            "product_id": self.maybe(read, tenant, "product_id", "products"),
            "print_time_seconds": read.maybe_whole("print_time_seconds"),
            "filament_weight_grams": read.maybe_number("filament_weight_grams"),
            "filament_length_meters": read.maybe_number("filament_length_meters"),
            "filament_type": read.maybe_text("filament_type", longest=120),
            "nozzle_diameter": read.maybe_number("nozzle_diameter", most=10),
            "layer_count": read.maybe_whole("layer_count"),
            "object_count": objects,
            "number_of_units": units,
            "curr_bed_type": read.maybe_text("curr_bed_type", longest=120),
            "default_print_profile": read.maybe_text("default_print_profile", longest=300),
            "created_at": moment,
            "created_by": "migration",
        }

    def _color_presets(self, read: Reader, tenant: str) -> Row:
        name, kind = read.text("color_name", "Unnamed", longest=100), read.text("filament_type", "PLA", longest=40)
        hex_code = read.color("hex_code")
        if hex_code is None:
            read.mends.append("it has no colour: it is grey")
        moment = self.made_at(read, "created_at")
        return {
            "color_name": self.name(read, f"color {kind}", tenant, name, "color_name"),
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
            "description": read.text("description", lines=True),
            "is_active": read.flag("is_active", True),
            "created_at": moment,
            "updated_at": read.moment("updated_at") or moment,
        }
