"""What people do to a printer by hand through its hub: heat, fans, homing, calibration, spools, objects, gcode.

Every command has the id of the request that asked for it: however often that is repeated, the printer gets it once.
What is possible in which state is decided by the hub, right before it sends the command; here is decided what this
printer must never be told.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from cloud.catalog import models
from cloud.catalog.sliced import Plate
from cloud.errors import DomainError, conflict
from cloud.printing.asks import Answer
from cloud.printing.controls import Controls
from cloud.printing.live import LivePrinter, LivePrinters
from cloud.storage import files
from cloud.storage.tenant import TenantStore
from shared_protocol.status import BUSY, EXTERNAL_TRAY, NO_TRAY, READY

Fan = Literal["part", "aux", "chamber"]
AmsAction = Literal["resume", "pause", "reset", "done", "abort"]
Calibration = Literal["lidar", "bed", "vibration", "motor_noise", "nozzle", "heated_bed", "clumping"]
"""In the order of the bits: reference/bambu.md §3.2."""

CAREFUL_NOZZLE: Final = 300
CAREFUL_BED: Final = 100
"""°C, for a model that is not known."""
WARM_CHAMBER: Final = 40
"""°C: above it a machine with an air path heats in a circle, up to it the path lets air out. reference/bambu.md §3.2"""
_SPOOLS: Final = (*READY, "pause")
_PRINTING: Final = "The printer is busy: wait until nothing is printed, or stop the print."


class Handling:
    """Each call returns when the printer acknowledged the command or shows its effect. Raises DomainError."""

    def __init__(self, controls: Controls, live: LivePrinters) -> None:
        self._controls = controls
        self._live = live

    def on(self, tenant: TenantStore, printer_id: str, command_id: str) -> "Hands":
        """The printer, and the id under which it is told something. Raises DomainError not_found."""
        return Hands(self._controls, self._live, tenant, self._controls.printer(tenant, printer_id), command_id)


class Hands:
    """One request about one printer."""

    def __init__(
        self, controls: Controls, live: LivePrinters, tenant: TenantStore, printer: LivePrinter, command_id: str
    ) -> None:
        self._controls = controls
        self._live = live
        self._tenant = tenant
        self._printer = printer
        self._command_id = command_id

    async def light(self, *, on: bool) -> Answer:
        return await self._do("light", {"on": on})

    async def speed(self, level: int) -> Answer:
        """1 silent, 2 standard, 3 sport, 4 ludicrous."""
        return await self._do("speed", {"level": level})

    async def temperature(self, *, nozzle: int | None = None, bed: int | None = None) -> Answer:
        """Targets in °C, 0 = off; None = as it is. DomainErrors: invalid, too_hot."""
        wanted = {name: value for name, value in (("nozzle", nozzle), ("bed", bed)) if value is not None}
        if not wanted:
            raise DomainError("invalid", 422, "Say how hot the nozzle or the bed is to be.")
        model = self._model()
        bounds = {
            "nozzle": model.max_nozzle if model else CAREFUL_NOZZLE,
            "bed": model.max_bed if model else CAREFUL_BED,
        }
        for name, value in wanted.items():
            if value > bounds[name]:
                kind = model.name if model else "printer of an unknown model"
                sentence = f"The {name} of a {kind} takes at most {bounds[name]} °C."
                raise DomainError("too_hot", 422, sentence, limit=bounds[name])
        return await self._do("temperature", wanted)

    @property
    def heats_chamber(self) -> bool:
        """Whether the model has a heater in its chamber."""
        model = self._model()
        return model is not None and model.max_chamber > 0

    async def chamber(self, degrees: int) -> Answer:
        """The chamber's target in °C, 0 = off. DomainErrors: no_heater, too_hot."""
        model = self._model()
        if model is None or not model.max_chamber:
            kind = model.name if model else "printer of an unknown model"
            raise DomainError("no_heater", 422, f"The chamber of a {kind} has no heater.")
        if degrees > model.max_chamber:
            sentence = f"The chamber of a {model.name} takes at most {model.max_chamber} °C."
            raise DomainError("too_hot", 422, sentence, limit=model.max_chamber)
        return await self._do("gcode", {"lines": "\n".join(_chamber_lines(model, degrees))})

    async def fan(self, fan: Fan, percent: int) -> Answer:
        return await self._do("fan", {"fan": fan, "percent": percent})

    async def home(self) -> Answer:
        return await self._do("home", expect=READY, otherwise=_PRINTING)

    async def calibrate(self, options: Collection[Calibration]) -> Answer:
        """One run of everything named. DomainError invalid when nothing is."""
        if not options:
            raise DomainError("invalid", 422, "Say what is to be calibrated.")
        mask = sum(1 << get_args(Calibration).index(option) for option in set(options))
        return await self._do("calibrate", {"option": mask}, expect=READY, otherwise=_PRINTING)

    async def load(self, tray: int, nozzle: int | None = None) -> Answer:
        """Feed filament from a tray, at this temperature or the one its filament wants. DomainError: no_such_tray."""
        self._check_tray(tray)
        return await self._change(tray, nozzle)

    async def unload(self) -> Answer:
        """Pull the filament out of the extruder."""
        return await self._change(NO_TRAY, None)

    async def set_tray(self, tray: int, values: Mapping[str, Any]) -> Answer:
        """Tell the printer what is in a tray: type, color, profile, min, max. DomainErrors: no_such_tray, invalid."""
        self._check_tray(tray)
        if values["min"] > values["max"]:
            raise DomainError("invalid", 422, "The lowest temperature is above the highest.")
        return await self._do("ams_tray", {"tray": tray, **values})

    async def control_ams(self, action: AmsAction) -> Answer:
        return await self._do("ams_control", {"action": action})

    async def skip(self, objects: Sequence[int]) -> Answer:
        """Leave objects of the running print out. DomainErrors: no_job, not_skippable, no_such_object."""
        plate = await self._plate()
        if not plate.skippable:
            raise conflict("not_skippable", "The file was sliced without object labels: nothing can be skipped.")
        known = {one.id for one in plate.objects}
        if strange := sorted(set(objects) - known):
            raise DomainError("no_such_object", 422, "Not on this plate.", objects=strange, known=sorted(known))
        otherwise = "Objects can be skipped only while the print runs or is paused."
        return await self._do(
            "skip_objects", {"objects": list(objects)}, expect=("running", "pause"), otherwise=otherwise
        )

    async def gcode(self, lines: str, *, while_printing: bool) -> Answer:
        """Send lines as they are; what must never be sent is known to the hub."""
        otherwise = (
            "The printer is busy: gcode in the middle of a print can ruin it. Say `while_printing` if you mean it."
        )
        expect = (*READY, *BUSY) if while_printing else READY
        return await self._do("gcode", {"lines": lines}, expect=expect, otherwise=otherwise)

    async def clean_error(self) -> Answer:
        """Dismiss the error the printer shows."""
        return await self._do("clean_error")

    async def refresh(self) -> Answer:
        """Ask the printer to report everything anew."""
        return await self._do("refresh")

    # ---- inside

    async def _do(
        self, name: str, args: Mapping[str, Any] | None = None, *, expect: Collection[str] = (), otherwise: str = ""
    ) -> Answer:
        return await self._controls.command(
            self._tenant,
            self._printer.meta["id"],
            name,
            args,
            expect=expect,
            command_id=self._command_id,
            otherwise=otherwise,
        )

    async def _change(self, tray: int, nozzle: int | None) -> Answer:
        args = {"tray": tray} if nozzle is None else {"tray": tray, "nozzle": nozzle}
        otherwise = "Spools can be changed when nothing is printed, or while the print is paused."
        return await self._do("ams_change", args, expect=_SPOOLS, otherwise=otherwise)

    def _check_tray(self, tray: int) -> None:
        """A printer that has told of its trays is asked for no other; the external spool is always there."""
        trays = self._printer.status.get("trays")
        if trays is None or tray == EXTERNAL_TRAY:
            return
        known = sorted(one["id"] for one in trays)
        if tray not in known:
            raise DomainError("no_such_tray", 422, f"The printer has no tray {tray}.", known=known)

    def _model(self) -> models.PrinterModel | None:
        """As the printer says; what was typed in counts until then."""
        return models.by_code(self._printer.status.get("model") or "") or models.by_code(self._printer.meta["model"])

    async def _plate(self) -> Plate:
        job = self._live.job(self._printer.job_id)
        file_id = job["print_file_id"] if job else None
        file = await self._tenant.read(lambda tx: files.get(tx, file_id)) if file_id else None
        if job is None or file is None:
            raise conflict("no_job", "No job of ours is on this printer: what is on its plate is not known.")
        plates = (msgspec.convert(one, Plate) for one in file.plates)
        return next(plate for plate in plates if plate.index == job["plate"])


def _chamber_lines(model: models.PrinterModel, degrees: int) -> list[str]:
    target = f"M141 S{degrees}"
    if not model.air_path:
        return [target]
    return ["M145 P1", target] if degrees > WARM_CHAMBER else [target, "M145 P0"]
