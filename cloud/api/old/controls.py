"""/api/printers/{id}/...: what the old system did to one printer and printer_old_paths.py does not have.

Nothing is left on a printer's storage that no job needs: some machines print such a file again after a power cut. A
file that is sent to a printer is therefore kept here, and is carried to the printer when it is printed.
"""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from cloud.api.errors import not_found
from cloud.api.files import FORM, FileOut, FilesApi, FilesQuery
from cloud.api.job_shapes import JobIn
from cloud.api.kit import Call, Endpoint
from cloud.api.old.shapes import as_new, old
from cloud.api.old.telling import FileName, HeatIn, OldOut, told
from cloud.api.print_jobs import JobsApi
from cloud.api.printer_controls import PRINTER_ERRORS
from cloud.api.shapes import Id
from cloud.printing.controls import Controls
from cloud.printing.handling import Handling
from cloud.printing.remote_files import OnPrinter, RemoteFiles

_SLICED: Final = (".3mf", ".gcode", ".g")
_FOUND: Final = 500
"""Files looked through for one of a name."""
Slot = Annotated[int, Meta(ge=-1, le=3)]


class LevelIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Neither is heeded: a printer that levels its bed keeps the result."""

    auto_level: bool = True
    save_result: bool = True


class StartIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    file_path: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^/\\\u0000-\u001f]+$(?!\n)")]
    """The file's name, as it was uploaded."""
    plate_number: Annotated[int, Meta(ge=1, le=4)] = 1
    use_ams: bool = True
    """Not heeded: the spool is chosen by what the file needs and what is loaded, unless `ams_mapping` names it."""
    ams_mapping: Annotated[list[Slot], Meta(max_length=16)] | None = None
    flow_calibration: bool = False
    bed_leveling: bool = True
    vibration_calibration: bool = False
    layer_inspect: bool = False
    timelapse: bool = False


class StartOut(OldOut, frozen=True, kw_only=True):
    job_info: None = None
    job_id: str
    """Of the job that was made, for /api/print-jobs/."""


class OldFileInfo(Struct, frozen=True, kw_only=True):
    name: str
    size: int
    created_at: str | None
    modified_at: str | None
    """By the printer's own clock, when it lies on a printer."""
    file_type: str


class FileInfoOut(OldOut, frozen=True, kw_only=True):
    file_info: OldFileInfo


class SystemInfo(Struct, frozen=True, kw_only=True):
    firmware_version: str
    uptime: None = None
    """Not known; nor are the next two."""
    free_storage: None = None
    total_storage: None = None


class SystemOut(OldOut, frozen=True, kw_only=True):
    system_info: SystemInfo


class OldControlsApi:
    """Old paths of one printer; `{id}` is its number there."""

    def __init__(
        self, controls: Controls, handling: Handling, on_printers: RemoteFiles, files: FilesApi, jobs: JobsApi
    ) -> None:
        self._controls = controls
        self._handling = handling
        self._on_printers = on_printers
        self._files = files
        self._jobs = jobs

    def endpoints(self) -> list[Endpoint]:
        one = "/api/printers/{id}"
        command: dict[str, Any] = {"command": True, "errors": PRINTER_ERRORS}
        upload: dict[str, Any] = {"form": FORM, "errors": (400, 413, 415, 422, 507)}
        return [
            old("POST", f"{one}/temp/chamber", self.old_temp_chamber, **command),
            old("POST", f"{one}/calibrate/bed_level", self.old_calibrate_bed, **command),
            old("POST", f"{one}/print/start", self.old_print_start, errors=(404, 409)),
            old("POST", f"{one}/files", self.old_send_file, **upload),
            old("DELETE", f"{one}/files/all", self.old_delete_all_files, errors=PRINTER_ERRORS),
            old("GET", f"{one}/files/{{name}}/info", self.old_file_info, errors=PRINTER_ERRORS),
            old("GET", f"{one}/system/info", self.old_system_info),
        ]

    async def old_temp_chamber(self, call: Call, printer_id: Id, body: HeatIn) -> OldOut:
        """Heat the chamber of a printer that has a heater there."""
        hands = self._handling.on(call.store, printer_id, call.command_id)
        await hands.chamber(int(body.temperature))
        return self._done(call, printer_id, "The chamber's target is set.")

    async def old_calibrate_bed(self, call: Call, printer_id: Id, body: LevelIn) -> OldOut:
        """Level the bed of a printer that prints nothing."""
        await self._handling.on(call.store, printer_id, call.command_id).calibrate(["bed"])
        return self._done(call, printer_id, "The bed is being levelled.")

    async def old_print_start(self, call: Call, printer_id: Id, body: StartIn) -> StartOut:
        """Print a file that was uploaded here, as the printer's next job."""
        self._controls.printer(call.store, printer_id)
        file = await self._named(call, body.file_path)
        options = {
            "flow_cali": body.flow_calibration,
            "bed_leveling": body.bed_leveling,
            "vibration_cali": body.vibration_calibration,
            "layer_inspect": body.layer_inspect,
            "timelapse": body.timelapse,
        }
        values = {
            "print_file_id": file.id,
            "printer_id": printer_id,
            "plate": body.plate_number,
            "ams_mapping": body.ams_mapping,
            "options": options,
            "hold": True,
        }
        job = (await self._jobs.create(call, as_new(values, JobIn))).items[0]
        await self._jobs.start(call, job.id)
        one = self._controls.printer(call.store, printer_id)
        return StartOut(**told(one, "The print is the printer's next job."), job_id=job.id)

    async def old_send_file(self, call: Call, printer_id: Id) -> FileInfoOut:
        """Upload a sliced file to be printed on a printer. It is kept here, and carried there when it is printed."""
        self._controls.printer(call.store, printer_id)
        file = await self._files.upload(call)
        info = OldFileInfo(
            name=file.name, size=file.size, created_at=file.created_at, modified_at=None, file_type=kind_of(file.name)
        )
        one = self._controls.printer(call.store, printer_id)
        return FileInfoOut(**told(one, "The file is kept; it goes to the printer when it is printed."), file_info=info)

    async def old_delete_all_files(self, call: Call, printer_id: Id) -> OldOut:
        """Delete the sliced files on a printer; those that jobs need stay."""
        found, _ = await self._on_printers.list(call.store, printer_id)
        sliced = [one.file.path for one in found if one.file.path.lower().endswith(_SLICED)]
        gone = await self._on_printers.delete_unneeded(call.store, printer_id, sliced)
        stay = f"; {len(sliced) - gone} stay, jobs need them" if gone < len(sliced) else ""
        return self._done(call, printer_id, f"{gone} files are deleted{stay}.")

    async def old_file_info(self, call: Call, printer_id: Id, name: FileName) -> FileInfoOut:
        """A file on a printer."""
        found, _ = await self._on_printers.list(call.store, printer_id)
        for one in found:
            if _name(one) == name:
                told_of = OldFileInfo(
                    name=name,
                    size=one.file.size,
                    created_at=None,
                    modified_at=one.file.modified,
                    file_type=kind_of(name),
                )
                printer = self._controls.printer(call.store, printer_id)
                return FileInfoOut(**told(printer, "The printer holds this file."), file_info=told_of)
        raise not_found("file on this printer")

    async def old_system_info(self, call: Call, printer_id: Id) -> SystemOut:
        """What is known of the printer's insides."""
        one = self._controls.printer(call.store, printer_id)
        return SystemOut(**told(one, ""), system_info=SystemInfo(firmware_version=one.status.get("firmware", "")))

    # ---- inside

    async def _named(self, call: Call, name: str) -> FileOut:
        """The newest file of this very name."""
        page = await self._files.list(call, FilesQuery(search=name, limit=_FOUND))
        for file in page.items:
            if file.name == name:
                found: FileOut = file
                return found
        raise not_found(f"file {name}: upload it first")

    def _done(self, call: Call, printer_id: str, message: str) -> OldOut:
        return OldOut(**told(self._controls.printer(call.store, printer_id), message))


def _name(one: OnPrinter) -> str:
    return one.file.path.rpartition("/")[2]


def kind_of(name: str) -> str:
    """What the old system called a file of this name."""
    return "3MF" if name.lower().endswith(".3mf") else "G-code"
