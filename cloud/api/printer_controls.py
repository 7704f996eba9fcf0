"""/api/printers/{id}/...: what people make a printer do by hand.

Each is done once per Idempotency-Key, by the hub: a repeat is answered as the first was. Success means that the
printer acknowledged it, or shows the effect; every other end is an error that says whether it may have happened.
"""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.accounts.principal import Role
from cloud.api.errors import ApiError
from cloud.api.kit import Call, Endpoint, Handler
from cloud.api.shapes import Color, Id
from cloud.printing.asks import Answer
from cloud.printing.handling import AmsAction, Calibration, Fan, Handling, Hands

PRINTER_ERRORS = (409, 502, 503, 504)

NozzleHeat = Annotated[int, Meta(ge=0, le=350)]
BedHeat = Annotated[int, Meta(ge=0, le=120)]
Tray = Annotated[int, Meta(ge=0, le=254)]
"""AMS unit * 4 + slot; 128 and up an AMS HT; 254 the external spool."""
Filament = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9 ._+-]+$(?!\n)")]
Profile = Annotated[str, Meta(max_length=32, pattern=r"^[A-Za-z0-9_-]*$(?!\n)")]
# Short enough for the audit log to keep every line, whatever has to be escaped in it.
Gcode = Annotated[str, Meta(min_length=1, max_length=1900, pattern=r"^[\t\n\u0020-\u007e]*$")]
ObjectId = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class CommandOut(Struct, frozen=True, kw_only=True):
    """The printer acknowledged the command, or shows its effect."""

    ok: bool = True
    success: bool = True
    """The same, as clients of the old system read it."""
    code: str = "done"
    message: str = "The printer took the command."


class LightIn(Struct, frozen=True, forbid_unknown_fields=True):
    on: bool


class SpeedIn(Struct, frozen=True, forbid_unknown_fields=True):
    level: Annotated[int, Meta(ge=1, le=4)]
    """1 silent, 2 standard, 3 sport, 4 ludicrous."""


class TemperatureIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Targets in °C, 0 = off; what is left out stays. How hot is too hot depends on the model."""

    nozzle: NozzleHeat | None = None
    bed: BedHeat | None = None


class FanIn(Struct, frozen=True, forbid_unknown_fields=True):
    fan: Fan
    percent: Annotated[int, Meta(ge=0, le=100)]


class CalibrateIn(Struct, frozen=True, forbid_unknown_fields=True):
    """What to calibrate, in one run; what a model lacks it passes over."""

    options: Annotated[list[Calibration], Meta(min_length=1, max_length=7)] | UnsetType = UNSET
    bed_level: bool = True
    """This and the next two: as clients of the old system ask. Heeded when `options` is left out."""
    vibration_compensation: bool = True
    motor_noise_calibration: bool = True

    @property
    def chosen(self) -> list[Calibration]:
        if self.options is not UNSET:
            return self.options
        old: dict[Calibration, bool] = {
            "bed": self.bed_level,
            "vibration": self.vibration_compensation,
            "motor_noise": self.motor_noise_calibration,
        }
        return [name for name, wanted in old.items() if wanted]


class AmsLoadIn(Struct, frozen=True, forbid_unknown_fields=True):
    tray: Tray
    nozzle: NozzleHeat | None = None
    """°C while it is fed; left out: as the filament in the tray wants."""


class AmsTrayIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is in a tray, for spools that do not tell by themselves."""

    tray: Tray
    type: Filament
    color: Color
    profile: Profile | None = None
    """The slicer's filament profile, "GFA00"."""
    min: Annotated[int, Meta(ge=0, le=500)]
    """°C of the nozzle."""
    max: Annotated[int, Meta(ge=0, le=500)]


class AmsControlIn(Struct, frozen=True, forbid_unknown_fields=True):
    action: AmsAction


class SkipIn(Struct, frozen=True, forbid_unknown_fields=True):
    objects: Annotated[list[ObjectId], Meta(min_length=1, max_length=64)]
    """Ids as the file's plate has them."""


class GcodeIn(Struct, frozen=True, forbid_unknown_fields=True):
    lines: Gcode | UnsetType = UNSET
    """G28 only as a whole: homing single axes drives the nozzle into the bed on some models."""
    while_printing: bool = False
    """Also in the middle of a print, which it may ruin."""
    command: Gcode | UnsetType = UNSET
    """The same as `lines`, as clients of the old system name it."""
    wait_for_completion: bool = True
    """Of the old system; not heeded: the answer comes when the printer has taken the lines."""


class PrinterControlsApi:
    """Commands to one printer."""

    def __init__(self, handling: Handling) -> None:
        self._handling = handling

    def endpoints(self) -> list[Endpoint]:
        one = "/api/printers/{id}"
        paths: dict[str, Handler] = {
            "light": self.light,
            "speed": self.speed,
            "temperature": self.temperature,
            "fan": self.fan,
            "home": self.home,
            "calibrate": self.calibrate,
            "ams/load": self.ams_load,
            "ams/unload": self.ams_unload,
            "ams/change": self.ams_change,
            "ams/tray": self.ams_tray,
            "ams/control": self.ams_control,
            "skip-objects": self.skip_objects,
            "clean-error": self.clean_error,
            "refresh": self.refresh,
        }
        return [
            command(f"{one}/gcode", self.gcode, role="owner"),
            *(command(f"{one}/{path}", handler) for path, handler in paths.items()),
        ]

    async def light(self, call: Call, printer_id: Id, body: LightIn) -> CommandOut:
        """Switch the chamber light."""
        return done(await self._hands(call, printer_id).light(on=body.on))

    async def speed(self, call: Call, printer_id: Id, body: SpeedIn) -> CommandOut:
        """Choose how fast it prints."""
        return done(await self._hands(call, printer_id).speed(body.level))

    async def temperature(self, call: Call, printer_id: Id, body: TemperatureIn) -> CommandOut:
        """Heat nozzle or bed, or let them cool."""
        return done(await self._hands(call, printer_id).temperature(nozzle=body.nozzle, bed=body.bed))

    async def fan(self, call: Call, printer_id: Id, body: FanIn) -> CommandOut:
        """Set a fan."""
        return done(await self._hands(call, printer_id).fan(body.fan, body.percent))

    async def home(self, call: Call, printer_id: Id) -> CommandOut:
        """Home all axes of a printer that prints nothing."""
        return done(await self._hands(call, printer_id).home())

    async def calibrate(self, call: Call, printer_id: Id, body: CalibrateIn) -> CommandOut:
        """Run calibrations on a printer that prints nothing."""
        return done(await self._hands(call, printer_id).calibrate(body.chosen))

    async def ams_load(self, call: Call, printer_id: Id, body: AmsLoadIn) -> CommandOut:
        """Feed filament from a tray into the extruder."""
        return done(await self._hands(call, printer_id).load(body.tray, body.nozzle))

    async def ams_unload(self, call: Call, printer_id: Id) -> CommandOut:
        """Pull the filament out of the extruder."""
        return done(await self._hands(call, printer_id).unload())

    async def ams_change(self, call: Call, printer_id: Id, body: AmsLoadIn) -> CommandOut:
        """Change to the filament of another tray; the same as loading it."""
        return done(await self._hands(call, printer_id).load(body.tray, body.nozzle))

    async def ams_tray(self, call: Call, printer_id: Id, body: AmsTrayIn) -> CommandOut:
        """Tell the printer what is in a tray."""
        values = {"type": body.type, "color": body.color.upper(), "min": body.min, "max": body.max}
        if body.profile is not None:
            values["profile"] = body.profile
        return done(await self._hands(call, printer_id).set_tray(body.tray, values))

    async def ams_control(self, call: Call, printer_id: Id, body: AmsControlIn) -> CommandOut:
        """Answer an AMS that waits for somebody."""
        return done(await self._hands(call, printer_id).control_ams(body.action))

    async def skip_objects(self, call: Call, printer_id: Id, body: SkipIn) -> CommandOut:
        """Leave objects of the running print out; they cannot be taken up again."""
        return done(await self._hands(call, printer_id).skip(body.objects))

    async def gcode(self, call: Call, printer_id: Id, body: GcodeIn) -> CommandOut:
        """Send gcode as it is. The lines are kept in the audit log."""
        hands = self._hands(call, printer_id)
        lines = body.command if body.lines is UNSET else body.lines
        if lines is UNSET:
            raise ApiError(422, "invalid", "Say in `lines` what is to be sent.", details={"path": "$.lines"})
        return done(await hands.gcode(lines, while_printing=body.while_printing))

    async def clean_error(self, call: Call, printer_id: Id) -> CommandOut:
        """Dismiss the error the printer shows."""
        return done(await self._hands(call, printer_id).clean_error())

    async def refresh(self, call: Call, printer_id: Id) -> CommandOut:
        """Ask the printer to report everything anew."""
        return done(await self._hands(call, printer_id).refresh())

    def _hands(self, call: Call, printer_id: str) -> Hands:
        return self._handling.on(call.store, printer_id, call.command_id)


def command(
    path: str, handler: Handler, *, role: Role = "operator", summary: str = "", deprecated: bool = False
) -> Endpoint:
    """An endpoint that makes a printer do something."""
    common: dict[str, Any] = {"command": True, "errors": PRINTER_ERRORS}
    return Endpoint("POST", path, handler, role=role, summary=summary, deprecated=deprecated, **common)


def done(answer: Answer) -> CommandOut:
    """A command that was carried out; what the hub has to say of it outweighs our own words."""
    return CommandOut(message=answer.message) if answer.message else CommandOut()
