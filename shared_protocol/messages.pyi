from typing import Any, Literal, NotRequired, TypedDict

from .schema import Message, Record
from .status import State

class StartArgs(TypedDict):
    url: str
    file: str
    plate: int
    task: str
    task_id: str
    bed_type: NotRequired[str]
    use_ams: bool
    mapping: list[int]
    bed_leveling: NotRequired[bool]
    flow_cali: NotRequired[bool]
    vibration_cali: NotRequired[bool]
    layer_inspect: NotRequired[bool]
    timelapse: NotRequired[bool]

class Printer(TypedDict):
    id: str
    serial: str
    host: str
    port: NotRequired[int]
    code: str
    cert: NotRequired[str]
    off: NotRequired[bool]

class Config(TypedDict):
    revision: int
    printers: list[Printer]

class Hello(TypedDict):
    kind: Literal["hello"]
    hub: str
    firmware: str
    board: str
    boot: str
    uptime_ms: int
    last_event: int
    revision: int
    sockets: int
    max_printers: int
    target: NotRequired[str]
    reset: NotRequired[str]
    safe: NotRequired[bool]
    image: NotRequired[str]
    image_room: NotRequired[int]

class Telemetry(TypedDict):
    kind: Literal["telemetry"]
    uptime_ms: int
    rssi: NotRequired[int]
    ssid: NotRequired[str]
    ip: NotRequired[str]
    temperature: NotRequired[int]
    heap_free: NotRequired[int]
    heap_low: NotRequired[int]
    flash_free: NotRequired[int]
    stall_ms: NotRequired[int]
    cloud_drops: NotRequired[int]
    wifi_drops: NotRequired[int]

class FoundPrinter(TypedDict):
    serial: str
    host: str
    model: str
    name: str
    firmware: str

class Network(TypedDict):
    ssid: str
    password: str
    address: NotRequired[str]
    gateway: NotRequired[str]
    dns: NotRequired[str]

class Welcome(TypedDict):
    kind: Literal["welcome"]
    time: int
    epoch: int
    beat_ms: int
    dead_ms: int
    status_ms: int
    backoff_min_ms: int
    backoff_max_ms: int
    acked: int
    config: NotRequired[Config]

class Command(TypedDict):
    kind: Literal["command"]
    id: str
    name: str
    printer: NotRequired[str]
    args: dict[str, Any]
    ttl_ms: int
    expect: NotRequired[list[State]]

class Result(TypedDict):
    kind: Literal["result"]
    id: str
    ok: bool
    code: NotRequired[str]
    message: NotRequired[str]
    data: NotRequired[dict[str, Any]]

class Event(TypedDict):
    kind: Literal["event"]
    boot: str
    n: int
    name: str
    printer: NotRequired[str]
    at_ms: int
    data: dict[str, Any]

START_ARGS: Record
PRINTER: Record
CONFIG: Record
COMMANDS: dict[str, Record]
HUB_COMMANDS: dict[str, Record]
NETWORK: Record
NETWORK_STATES: tuple[str, ...]
FOUND: Record
EVENTS: dict[str, Record]
UPDATE_STATES: tuple[str, ...]
PROBE_CODES: tuple[str, ...]
RESULT_CODES: tuple[str, ...]
MESSAGES: tuple[Message, ...]
BY_KIND: dict[str, Message]
