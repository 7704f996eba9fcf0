"""/api/printers/{id}/...: what clients of the old system call by other paths, with its field names.

They do what the paths of today do, and nothing besides. `{id}` is the printer's number there, as router.py resolves it.
"""

import base64
from typing import Annotated

from msgspec import Meta, Struct

from cloud.api.kit import Call, Endpoint, Handler
from cloud.api.old.shapes import old
from cloud.api.old.telling import FileName, HeatIn, OldOut, Progress, Temperatures, temperatures, told
from cloud.api.printer_controls import PRINTER_ERRORS, command
from cloud.api.printer_shapes import status_word
from cloud.api.shapes import Id
from cloud.catalog import models
from cloud.errors import conflict
from cloud.printing.controls import Controls
from cloud.printing.handling import Handling, Hands
from cloud.printing.live import LivePrinter
from cloud.printing.remote_files import RemoteFiles
from cloud.printing.service import JobService
from cloud.storage import clock
from shared_protocol.status import NO_TRAY

Slot = Annotated[int, Meta(ge=0, le=3)]


class SlotIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ams_slot: Slot = 0
    filament_type: str | None = None
    """Not heeded: the printer knows what is in the slot."""


class UnloadIn(Struct, frozen=True, forbid_unknown_fields=True):
    ams_slot: Slot | None = None
    """Not heeded: only one filament can be loaded."""


class ChangeIn(Struct, frozen=True, forbid_unknown_fields=True):
    from_slot: Slot
    to_slot: Slot


class LightOut(Struct, frozen=True, kw_only=True):
    success: bool = True
    message: str = ""
    light_on: bool
    available: bool
    error: str | None


class TemperaturesOut(OldOut, frozen=True, kw_only=True):
    temperatures: Temperatures


class SlotOut(Struct, frozen=True, kw_only=True):
    slot_number: int
    is_loaded: bool
    filament_type: str
    color: str
    remaining: int | None


class AmsStatus(Struct, frozen=True, kw_only=True):
    is_connected: bool
    slots: list[SlotOut]
    current_slot: int | None


class AmsOut(OldOut, frozen=True, kw_only=True):
    ams_status: AmsStatus


class InfoLine(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    model: str
    enabled: bool
    connected: bool


class InfoOut(OldOut, frozen=True, kw_only=True):
    printer: InfoLine


class JobInfo(Struct, frozen=True, kw_only=True):
    job_id: str
    filename: str
    status: str
    progress: Progress


class ProgressOut(OldOut, frozen=True, kw_only=True):
    job_info: JobInfo | None


class Snapshot(Struct, frozen=True, kw_only=True):
    image_data: str
    """JPEG, base64."""
    timestamp: str


class SnapshotOut(OldOut, frozen=True, kw_only=True):
    snapshot: Snapshot


class QuickLine(Struct, frozen=True, kw_only=True):
    printer_id: str
    name: str
    model: str
    connected: bool
    status: str


class QuickOut(Struct, frozen=True, kw_only=True):
    success: bool = True
    printers: list[QuickLine]


class PrinterOldPathsApi:
    """Old paths of one printer."""

    def __init__(self, controls: Controls, handling: Handling, jobs: JobService, files: RemoteFiles) -> None:
        self._controls = controls
        self._handling = handling
        self._jobs = jobs
        self._files = files

    def endpoints(self) -> list[Endpoint]:
        one = "/api/printers/{id}"
        commands: dict[str, Handler] = {
            "light/on": self.old_light_on,
            "light/off": self.old_light_off,
            "light/toggle": self.old_light_toggle,
            "temp/nozzle": self.old_temp_nozzle,
            "temp/bed": self.old_temp_bed,
            "temp/off": self.old_temp_off,
            "print/pause": self.old_print_pause,
            "print/resume": self.old_print_resume,
            "print/stop": self.old_print_stop,
            "print/cancel": self.old_print_cancel,
            "filament/load": self.old_filament_load,
            "filament/unload": self.old_filament_unload,
            "filament/change": self.old_filament_change,
            "ams/reset": self.old_ams_reset,
            "cleared/toggle": self.old_cleared_toggle,
        }
        return [
            *(command(f"{one}/{path}", handler, deprecated=True) for path, handler in commands.items()),
            old("GET", "/api/printers/status-quick", self.old_status_quick),
            old("GET", "/api/printers/status-quick-fixed", self.old_status_quick_fixed),
            old("GET", f"{one}/info", self.old_info),
            old("GET", f"{one}/light/status", self.old_light_status),
            old("GET", f"{one}/temperature", self.old_temperature),
            old("GET", f"{one}/ams", self.old_ams),
            old("GET", f"{one}/print/progress", self.old_print_progress),
            old("GET", f"{one}/camera/snapshot", self.old_snapshot, errors=PRINTER_ERRORS),
            old("DELETE", f"{one}/files/{{name}}", self.old_delete_file, status=200, errors=PRINTER_ERRORS),
        ]

    # ---- commands

    async def old_light_on(self, call: Call, printer_id: Id) -> OldOut:
        """Switch the chamber light on."""
        await self._hands(call, printer_id).light(on=True)
        return self._done(call, printer_id, "The light is on.")

    async def old_light_off(self, call: Call, printer_id: Id) -> OldOut:
        """Switch the chamber light off."""
        await self._hands(call, printer_id).light(on=False)
        return self._done(call, printer_id, "The light is off.")

    async def old_light_toggle(self, call: Call, printer_id: Id) -> OldOut:
        """Switch the chamber light to what it is not."""
        on = not self._one(call, printer_id).status.get("light")
        await self._hands(call, printer_id).light(on=on)
        return self._done(call, printer_id, f"The light is {'on' if on else 'off'}.")

    async def old_temp_nozzle(self, call: Call, printer_id: Id, body: HeatIn) -> OldOut:
        """Heat the nozzle."""
        await self._hands(call, printer_id).temperature(nozzle=int(body.temperature))
        return self._done(call, printer_id, "The nozzle's target is set.")

    async def old_temp_bed(self, call: Call, printer_id: Id, body: HeatIn) -> OldOut:
        """Heat the bed."""
        await self._hands(call, printer_id).temperature(bed=int(body.temperature))
        return self._done(call, printer_id, "The bed's target is set.")

    async def old_temp_off(self, call: Call, printer_id: Id) -> OldOut:
        """Let nozzle, bed and chamber cool."""
        await self._hands(call, printer_id).temperature(nozzle=0, bed=0)
        chamber = self._handling.on(call.store, printer_id, call.command_id_of("chamber"))
        if chamber.heats_chamber:
            await chamber.chamber(0)
        return self._done(call, printer_id, "The heaters are off.")

    async def old_print_pause(self, call: Call, printer_id: Id) -> OldOut:
        """Pause whatever the printer prints."""
        await self._jobs.pause_printer(call.store, printer_id, command_id=call.command_id)
        return self._done(call, printer_id, "The print is paused.")

    async def old_print_resume(self, call: Call, printer_id: Id) -> OldOut:
        """Let a paused printer go on."""
        await self._jobs.resume_printer(call.store, printer_id, command_id=call.command_id)
        return self._done(call, printer_id, "The print goes on.")

    async def old_print_stop(self, call: Call, printer_id: Id) -> OldOut:
        """Stop whatever the printer prints."""
        await self._jobs.stop_printer(call.store, printer_id, actor=call.principal.user_id)
        return self._done(call, printer_id, "The printer is being stopped.")

    async def old_print_cancel(self, call: Call, printer_id: Id) -> OldOut:
        """Stop whatever the printer prints; the same as stop."""
        return await self.old_print_stop(call, printer_id)

    async def old_filament_load(self, call: Call, printer_id: Id, body: SlotIn) -> OldOut:
        """Feed filament from a slot of the first AMS."""
        await self._hands(call, printer_id).load(body.ams_slot)
        return self._done(call, printer_id, "The filament is being loaded.")

    async def old_filament_unload(self, call: Call, printer_id: Id, body: UnloadIn) -> OldOut:
        """Pull the filament out."""
        await self._hands(call, printer_id).unload()
        return self._done(call, printer_id, "The filament is being unloaded.")

    async def old_filament_change(self, call: Call, printer_id: Id, body: ChangeIn) -> OldOut:
        """Change to another slot of the first AMS."""
        await self._hands(call, printer_id).load(body.to_slot)
        return self._done(call, printer_id, "The filament is being changed.")

    async def old_ams_reset(self, call: Call, printer_id: Id) -> OldOut:
        """Reset an AMS that is stuck."""
        await self._hands(call, printer_id).control_ams("reset")
        return self._done(call, printer_id, "The AMS is being reset.")

    async def old_cleared_toggle(self, call: Call, printer_id: Id) -> OldOut:
        """Say that the plate has been cleared. A clear plate stays clear: only a print closes the gate."""
        if self._one(call, printer_id).meta["cleared"]:
            raise conflict("cleared", "The plate is clear already.")
        await self._jobs.clear_plate(call.store, printer_id, actor=call.principal.user_id)
        return self._done(call, printer_id, "Printer cleared status updated to True")

    async def old_delete_file(self, call: Call, printer_id: Id, name: FileName) -> OldOut:
        """Delete a file in the root of the printer's storage."""
        await self._files.delete(call.store, printer_id, f"/{name}")
        return self._done(call, printer_id, "The file is deleted.")

    # ---- looking

    async def old_status_quick(self, call: Call) -> QuickOut:
        """Which printers are connected."""
        lines = [
            QuickLine(
                printer_id=str(one.meta["printer_id"]),
                name=one.meta["name"],
                model=_model(one),
                connected=one.online,
                status="idle" if one.online else "offline",
            )
            for one in self._controls.printers(call.store)
        ]
        return QuickOut(printers=lines)

    async def old_status_quick_fixed(self, call: Call) -> QuickOut:
        """Which printers are connected; the same as status-quick."""
        return await self.old_status_quick(call)

    async def old_info(self, call: Call, printer_id: Id) -> InfoOut:
        """What the printer is, and whether it is connected."""
        one = self._one(call, printer_id)
        line = InfoLine(
            id=str(one.meta["printer_id"]),
            name=one.meta["name"],
            model=_model(one),
            enabled=one.meta["is_active"],
            connected=one.online,
        )
        return InfoOut(**told(one, f"It is {status_word(one)}."), printer=line)

    async def old_light_status(self, call: Call, printer_id: Id) -> LightOut:
        """Whether the chamber light is on."""
        one = self._one(call, printer_id)
        known = "light" in one.status
        error = None if known else "The printer has not told."
        return LightOut(light_on=bool(one.status.get("light")), available=known, error=error)

    async def old_temperature(self, call: Call, printer_id: Id) -> TemperaturesOut:
        """How hot the printer is, and is to be."""
        one = self._one(call, printer_id)
        return TemperaturesOut(**told(one, ""), temperatures=temperatures(one.status))

    async def old_ams(self, call: Call, printer_id: Id) -> AmsOut:
        """What is in the trays."""
        one = self._one(call, printer_id)
        slots = [
            SlotOut(
                slot_number=tray["id"],
                is_loaded=tray["loaded"],
                filament_type=tray["type"],
                color=tray["color"],
                remaining=tray["remain"] if tray.get("remain", -1) >= 0 else None,
            )
            for tray in one.status.get("trays", ())
        ]
        now = one.status.get("tray", NO_TRAY)
        ams = AmsStatus(
            is_connected=bool(one.status.get("ams")), slots=slots, current_slot=None if now == NO_TRAY else now
        )
        return AmsOut(**told(one, ""), ams_status=ams)

    async def old_print_progress(self, call: Call, printer_id: Id) -> ProgressOut:
        """How far the print is; null when there is none."""
        one = self._one(call, printer_id)
        status, job = one.status, None
        if status_word(one) in ("printing", "paused"):
            progress = Progress(
                percentage=status.get("percent", 0),
                elapsed_time=None,
                remaining_time=status.get("remaining"),
                current_layer=status.get("layer"),
                total_layers=status.get("layers"),
            )
            job_id = one.job_id or status.get("task_id", "")
            name = status.get("task") or status.get("file", "")
            job = JobInfo(job_id=job_id, filename=name, status=status_word(one), progress=progress)
        return ProgressOut(**told(one, ""), job_info=job)

    async def old_snapshot(self, call: Call, printer_id: Id) -> SnapshotOut:
        """One fresh frame of the camera, as JSON."""
        frame = await self._controls.snapshot(call.store, printer_id)
        picture = Snapshot(image_data=base64.b64encode(frame).decode(), timestamp=clock.now())
        return SnapshotOut(**told(self._one(call, printer_id), ""), snapshot=picture)

    # ---- inside

    def _one(self, call: Call, printer_id: str) -> LivePrinter:
        return self._controls.printer(call.store, printer_id)

    def _hands(self, call: Call, printer_id: str) -> Hands:
        return self._handling.on(call.store, printer_id, call.command_id)

    def _done(self, call: Call, printer_id: str, message: str) -> OldOut:
        return OldOut(**told(self._one(call, printer_id), message))


def _model(one: LivePrinter) -> str:
    model = models.by_code(one.meta["model"])
    return model.name if model else str(one.meta["model"])
