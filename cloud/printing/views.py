"""Rows as browsers and API clients see them. Nothing secret is in the columns taken here."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

Row = Mapping[str, Any]
View = dict[str, Any]

_PLAIN: Final = (
    "id",
    "print_file_id",
    "file_name",
    "plate",
    "status",
    "target_printer_id",
    "printer_id",
    "priority",
    "rank",
    "attempt",
    "task_id",
    "color_policy",
    "model_id",
    "nozzle",
    "estimated_seconds",
    "progress_percentage",
    "remaining_seconds",
    "layer",
    "layers",
    "upload_percent",
    "waiting_reason",
    "failure_code",
    "failure_reason",
    "error_code",
    "product_sku_id",
    "order_line_id",
    "color",
    "filament_type",
    "filament_needed_grams",
    "number_of_units",
    "bambu_job_id",
    "submitted_by",
    "time_submitted",
    "time_started",
    "time_completed",
    "updated_at",
    "version",
)
_JSON: Final = ("ams_mapping", "options", "filaments")


def thumbnail(row: Row) -> str | None:
    """Address of the picture of a job's plate; None for a migrated job whose file was gone."""
    if row["print_file_id"] is None:
        return None
    return f"/api/files/{row['print_file_id']}/plates/{row['plate']}/thumbnail"


def job_view(row: Row) -> View:
    """A job in full: what the API answers and what browsers hold."""
    view: View = {name: row[name] for name in _PLAIN}
    for name in _JSON:
        view[name] = None if row[name] is None else msgspec.json.decode(row[name])
    view["held"] = bool(row["held"])
    view["cancel_requested"] = row["cancel_requested_at"] is not None
    view["thumbnail"] = thumbnail(row)
    return view


def card_job(view: View) -> View:
    """The few fields of a job that a printer's card shows."""
    return {
        "id": view["id"],
        "file_name": view["file_name"],
        "plate": view["plate"],
        "status": view["status"],
        "progress": view["progress_percentage"],
        "remaining": view["remaining_seconds"],
        "layer": view["layer"],
        "layers": view["layers"],
        "upload_percent": view["upload_percent"],
        "cancel_requested": view["cancel_requested"],
        "thumbnail": view["thumbnail"],
    }


def history_view(line: Row) -> View:
    """One line of a job's history."""
    names = ("at", "from_status", "to_status", "reason", "actor", "printer_id", "attempt")
    return {**{name: line[name] for name in names}, "details": msgspec.json.decode(line["details"])}
