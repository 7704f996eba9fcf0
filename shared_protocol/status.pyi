from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, NotRequired, TypedDict

from .schema import Field, Record

Link = Literal["connecting", "online", "offline", "auth_failed", "wrong_serial", "cert_changed", "off"]
State = Literal["idle", "prepare", "slicing", "running", "pause", "finish", "failed", "init", "unknown"]
Control = Literal["ok", "locked", "unknown"]
Storage = Literal["none", "ok", "abnormal", "readonly", "unknown"]

LINKS: tuple[Link, ...]
STATES: tuple[State, ...]
READY: tuple[State, ...]
BUSY: tuple[State, ...]
CONTROLS: tuple[Control, ...]
STORAGES: tuple[Storage, ...]
EXTERNAL_TRAY: int
NO_TRAY: int

class Tray(TypedDict):
    id: int
    loaded: bool
    type: str
    color: str
    profile: NotRequired[str]
    name: NotRequired[str]
    remain: NotRequired[int]
    min: NotRequired[int]
    max: NotRequired[int]

class AmsUnit(TypedDict):
    id: int
    kind: NotRequired[str]
    humidity: NotRequired[int]
    temp: NotRequired[float]

class Hms(TypedDict):
    attr: int
    code: int

class Status(TypedDict, total=False):
    link: Link
    problem: str
    cert: str
    model: str
    firmware: str
    control: Control
    state: State
    stage: int
    percent: int
    remaining: int
    layer: int
    layers: int
    file: str
    task: str
    task_id: str
    error: int
    hms: list[Hms]
    skipped: list[int]
    nozzle: float
    nozzle_target: float
    bed: float
    bed_target: float
    chamber: float
    fan_part: int
    fan_aux: int
    fan_chamber: int
    speed: int
    light: bool
    wifi: int
    nozzle_diameter: float
    nozzle_type: str
    storage: Storage
    ams: list[AmsUnit]
    trays: list[Tray]
    tray: int

TRAY: Record
AMS_UNIT: Record
HMS: Record
FIELDS: tuple[Field, ...]
NAMES: tuple[str, ...]
STATUS: Record
URGENT: tuple[str, ...]

def delta(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]: ...
def merge(status: MutableMapping[str, Any], changes: Mapping[str, Any]) -> None: ...
def urgent(changes: Mapping[str, Any]) -> bool: ...
