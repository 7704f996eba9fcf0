"""The normalised printer status: what every model's reports become, in one vocabulary and one set of units.

Temperatures in degrees Celsius, times in seconds, fans and progress in percent, colours as #RRGGBB.
A status is a flat dict; an absent key is unknown. A delta carries the changed keys only, and null for a key that
became unknown. Lists are replaced whole.
"""

from .schema import Choice, Field, Flag, Int, ListOf, Nullable, Number, Record, Text

# How the hub's own connection to the printer stands.
LINKS = ("connecting", "online", "offline", "auth_failed", "wrong_serial", "cert_changed", "off")
# `gcode_state` in lower case; `unknown` until the first report and for words no one has seen yet.
STATES = ("idle", "prepare", "slicing", "running", "pause", "finish", "failed", "init", "unknown")
# States in which the printer takes a new job. FAILED without an error is "ready again" on every model.
READY = ("idle", "finish", "failed")
# States in which a job is under way.
BUSY = ("prepare", "slicing", "running", "pause")
# Whether the printer obeys: Developer Mode off is `locked`; older models do not tell until asked (`unknown`).
CONTROLS = ("ok", "locked", "unknown")
STORAGES = ("none", "ok", "abnormal", "readonly", "unknown")

EXTERNAL_TRAY = 254
NO_TRAY = 255

_TEMPERATURE = Number(-100, 1000)
_PERCENT = Int(0, 100)

TRAY = Record(
    Field("id", Int(0, 255)),  # ams_id * 4 + slot; 128.. for AMS HT; 254 and 255 the external spools
    Field("loaded", Flag()),
    Field("type", Text(32)),  # "PLA"; "" when unknown
    Field("color", Text(7)),  # "#RRGGBB"; "" when unknown
    Field("profile", Text(32), optional=True),  # the slicer's profile id, "GFA00"
    Field("name", Text(48), optional=True),
    Field("remain", Int(-1, 100), optional=True),  # percent, -1 unknown
    Field("min", Int(0, 500), optional=True),  # nozzle temperature range
    Field("max", Int(0, 500), optional=True),
)

AMS_UNIT = Record(
    Field("id", Int(0, 255)),
    Field("kind", Text(16), optional=True),
    Field("humidity", Int(0, 100), optional=True),  # 1..5 as the printer grades it, 5 = dry
    Field("temp", _TEMPERATURE, optional=True),
)

HMS = Record(Field("attr", Int(0, 2**32 - 1)), Field("code", Int(0, 2**32 - 1)))

FIELDS = (
    Field("link", Choice(LINKS)),
    Field("problem", Text(200)),  # one sentence when the link is not online
    Field("cert", Text(64)),  # SHA-256 of the printer's certificate as last seen, hex
    Field("model", Text(16)),  # code of the model: "C12"
    Field("firmware", Text(32)),
    Field("control", Choice(CONTROLS)),
    Field("state", Choice(STATES)),
    Field("stage", Int(-1, 1000)),
    Field("percent", _PERCENT),
    Field("remaining", Int(0, 10**7)),  # seconds
    Field("layer", Int(0, 10**6)),
    Field("layers", Int(0, 10**6)),
    Field("file", Text(255)),
    Field("task", Text(255)),  # subtask_name: the name we gave the job
    Field("task_id", Text(32)),  # subtask_id: the number we gave the job
    Field("error", Int(0, 2**32 - 1)),  # print_error, 0 = none
    Field("hms", ListOf(HMS, 16)),
    Field("skipped", ListOf(Int(0, 2**31 - 1), 64)),
    Field("nozzle", _TEMPERATURE),
    Field("nozzle_target", _TEMPERATURE),
    Field("bed", _TEMPERATURE),
    Field("bed_target", _TEMPERATURE),
    Field("chamber", _TEMPERATURE),
    Field("fan_part", _PERCENT),
    Field("fan_aux", _PERCENT),
    Field("fan_chamber", _PERCENT),
    Field("speed", Int(1, 4)),  # silent, standard, sport, ludicrous
    Field("light", Flag()),
    Field("wifi", Int(-120, 0)),  # dBm
    Field("nozzle_diameter", Number(0, 2)),  # millimetres
    Field("nozzle_type", Text(32)),
    Field("storage", Choice(STORAGES)),
    Field("ams", ListOf(AMS_UNIT, 12)),
    Field("trays", ListOf(TRAY, 40)),
    Field("tray", Int(0, 255)),  # the tray in use, 255 none
)

NAMES = tuple(field.name for field in FIELDS)
STATUS = Record(*[Field(f.name, Nullable(f.kind), optional=True) for f in FIELDS])

# A change of one of these is told at once; all else waits for the next turn of the second.
URGENT = ("link", "state", "error", "task_id", "control")


def delta(old, new):
    """What turns `old` into `new`: changed keys with their values, vanished keys with None."""
    changes = {}
    for name in NAMES:
        if name in new:
            if name not in old or old[name] != new[name]:
                changes[name] = new[name]
        elif name in old:
            changes[name] = None
    return changes


def merge(status, changes):
    """Apply a delta to a status in place. Names this version does not know are ignored."""
    for name in NAMES:
        if name in changes:
            value = changes[name]
            if value is None:
                status.pop(name, None)
            else:
                status[name] = value


def urgent(changes):
    """True when a delta must not wait."""
    for name in URGENT:
        if name in changes:
            return True
    return False
