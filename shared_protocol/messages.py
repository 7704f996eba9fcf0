"""Every message between hub and cloud, once.

Text frames carry one message each; binary frames are tunnel data (codec).
"""

from .schema import CLOUD, HUB, Anything, Choice, Field, Flag, Int, ListOf, Message, ProtocolError, Record, Text
from .status import STATES, STATUS

_ID = Text(40, 1)
_SENTENCE = Text(300)
_BOTH = (HUB, CLOUD)

# One object for each kind that is used more than once: they take a good part of a hub's heap.
_FLAG = Flag()
_COUNT = Int()
_ANYTHING = Anything()
_WORD = Text(32)
_NAME = Text(32, 1)
_SHORT = Text(64)
_HOST = Text(64, 1)
_FILE = Text(255)
_ADDRESS = Text(15)
_BOOT = Text(16, 8)
_PORT = Int(1, 65535)
_PERCENT = Int(0, 100)
_TRAY = Int(0, 255)
_PACE = Int(50, 600000)
_WINDOW = Int(1024, 2**20)

_FIXED = (
    Field("address", Text(18), optional=True),  # 192.168.1.7/24, with gateway and dns; absent = DHCP
    Field("gateway", _ADDRESS, optional=True),
    Field("dns", _ADDRESS, optional=True),
)
_SSID = Field("ssid", _NAME)
NETWORK = Record(_SSID, Field("password", _SHORT), *_FIXED)  # the password is a secret
# Without a password and an address: the one the hub knows by this name stays as it is.
_WANTED = Record(_SSID, Field("password", _SHORT, optional=True), *_FIXED)

# ---- commands: name -> arguments --------------------------------------------------------------------------------

START_ARGS = Record(
    Field("url", Text(300, 1)),  # where the printer finds the file
    Field("file", Text(255, 1)),  # its base name
    Field("plate", Int(1, 999)),
    Field("task", Text(128, 1)),  # subtask_name, our name for the job
    Field("task_id", Text(10, 1)),  # decimal, 1..2147483647, new for every attempt
    Field("bed_type", _WORD, optional=True),
    Field("use_ams", _FLAG),
    Field("mapping", ListOf(Int(-1, 255), 32)),  # index = filament id - 1, value = tray id, -1 = unused or external
    Field("bed_leveling", _FLAG, optional=True),
    Field("flow_cali", _FLAG, optional=True),
    Field("vibration_cali", _FLAG, optional=True),
    Field("layer_inspect", _FLAG, optional=True),
    Field("timelapse", _FLAG, optional=True),
)

_NOTHING = Record()

COMMANDS = {
    "start": START_ARGS,
    "pause": _NOTHING,
    "resume": _NOTHING,
    "stop": _NOTHING,
    "clean_error": _NOTHING,
    "refresh": _NOTHING,  # ask the printer for a full report
    "speed": Record(Field("level", Int(1, 4))),
    "light": Record(Field("on", _FLAG)),
    "temperature": Record(Field("nozzle", Int(0, 350), optional=True), Field("bed", Int(0, 120), optional=True)),
    "fan": Record(Field("fan", Choice(("part", "aux", "chamber"))), Field("percent", _PERCENT)),
    "home": _NOTHING,
    "gcode": Record(Field("lines", Text(4000, 1))),
    "calibrate": Record(Field("option", Int(1, 127))),  # bit mask: 1 lidar, 2 bed, 4 vibration, 8 motor noise, ...
    "skip_objects": Record(Field("objects", ListOf(Int(0, 2**31 - 1), 64))),
    "ams_change": Record(Field("tray", _TRAY), Field("nozzle", Int(0, 350), optional=True)),  # 255 = unload
    "ams_control": Record(Field("action", Choice(("resume", "pause", "reset", "done", "abort")))),
    "ams_tray": Record(
        Field("tray", _TRAY),
        Field("type", _NAME),
        Field("color", Text(7, 7)),
        Field("profile", _WORD, optional=True),
        Field("min", Int(0, 500)),
        Field("max", Int(0, 500)),
    ),
}

# Commands to the hub itself: no printer, and the same promise of once per id.
HUB_COMMANDS = {
    "restart": _NOTHING,
    "identify": Record(Field("seconds", Int(1, 120))),  # blink
    "logs": _NOTHING,  # result data: {"lines": [...]}, the newest last
    "release": _NOTHING,  # forget owner, key, printers and Wi-Fi; answered before it is done
    "key": Record(Field("key", Text(200, 16))),  # a secret: the key from the next connection on
    "wifi": Record(Field("networks", ListOf(_WANTED, 4))),  # all the hub should know, tried in this order
    # Those it knows: result data {"networks": [{"ssid", "state"}]}, a state of NETWORK_STATES as it was tried last.
    "networks": _NOTHING,
    "discover": _NOTHING,  # look for printers now; what is found comes as `found`
    # Try a printer that is not configured: result data {"serial", "model", "cert"}, or a code of PROBE_CODES.
    "probe": Record(
        Field("host", _HOST),
        Field("port", _PORT, optional=True),
        Field("serial", _WORD, optional=True),  # expected; absent = take what it says
        Field("code", _SHORT),  # access code: a secret
    ),
    # Fetch a release over HTTPS, from /hub/v1/releases/{version}/{target}/, and install it; `update` events tell.
    "update": Record(Field("version", _NAME)),
}

NETWORK_STATES = ("untried", "joined", "no_network", "wrong_password", "no_address")

PROBE_CODES = ("unreachable", "not_a_printer", "auth_failed", "wrong_serial", "lan_only_off", "developer_mode_off")

# What a failed result may say. `no_answer` and `interrupted` mean: it may have happened, look at the printer.
RESULT_CODES = (
    "unknown_printer",
    "unknown_command",
    "invalid",
    "offline",
    "auth_failed",
    "locked",
    "busy",
    "wrong_state",
    "expired",
    "rejected",
    "no_answer",
    "interrupted",
    "failed",
) + PROBE_CODES

# An update's way: fetched and verified, started for the first time, confirmed; or not.
UPDATE_STATES = ("fetching", "testing", "good", "failed", "rolled_back")

# ---- events: name -> data ---------------------------------------------------------------------------------------

EVENTS = {
    # The printer moved from one state to another, as reported by itself.
    "state": Record(
        Field("from", Choice(STATES)),
        Field("to", Choice(STATES)),
        Field("task", _FILE),
        Field("task_id", _WORD),
        Field("file", _FILE),
        Field("error", Int(0, 2**32 - 1)),
        Field("percent", _PERCENT),
        Field("layer", Int(0, 10**6)),
    ),
    # The hub started. `lost` counts older events that did not fit into the outbox.
    "boot": Record(Field("reason", _WORD), Field("firmware", _WORD), Field("lost", _COUNT)),
    # What the hub printed when it fell, kept across the reset.
    "crash": Record(Field("part", _WORD), Field("text", Text(1500))),
    # `code` and `message` only when it failed or was rolled back.
    "update": Record(
        Field("version", _WORD),
        Field("state", Choice(UPDATE_STATES)),
        Field("code", _WORD, optional=True),
        Field("message", _SENTENCE, optional=True),
    ),
}

# ---- the documents inside ---------------------------------------------------------------------------------------

PRINTER = Record(
    Field("id", _ID),
    Field("serial", _NAME),
    Field("host", _HOST),  # numeric address
    Field("port", _PORT, optional=True),  # MQTT, 8883 when absent
    Field("code", _SHORT),  # access code: a secret, never logged
    Field("cert", _SHORT, optional=True),  # pinned SHA-256 of the certificate, "" or absent = pin on first use
    Field("off", _FLAG, optional=True),  # the user disconnected it
)

CONFIG = Record(Field("revision", _COUNT), Field("printers", ListOf(PRINTER, 16)))

# A printer that announced itself on the hub's network.
FOUND = Record(
    Field("serial", _NAME),
    Field("host", _HOST),
    Field("model", _WORD),  # the maker's code, such as C12 or BL-P001; "" when it does not say
    Field("name", _SHORT),
    Field("firmware", _WORD),
)


def _event(message):
    if message["name"] not in EVENTS:
        raise ProtocolError("unknown_event", "name", "no such event")
    EVENTS[message["name"]].check(message["data"], "data")


def _command(message):
    name = message["name"]
    table = COMMANDS if "printer" in message else HUB_COMMANDS
    if name not in table:
        if name in COMMANDS:
            raise ProtocolError("invalid", "printer", "is missing")
        raise ProtocolError("unknown_command", "name", "no such command")
    table[name].check(message["args"], "args")


# ---- messages ---------------------------------------------------------------------------------------------------

MESSAGES = (
    Message(
        "hello",
        (HUB,),
        Field("hub", _ID),
        Field("firmware", _WORD),
        Field("board", _SHORT),
        Field("boot", _BOOT),  # random for each boot
        Field("uptime_ms", _COUNT),
        Field("last_event", _COUNT),  # the highest number given in this boot, 0 = none yet
        Field("revision", _COUNT),  # of the configuration it runs, 0 = none
        Field("sockets", Int(1, 64)),  # all the sockets this board has
        Field("max_printers", Int(0, 64)),
        Field("target", Text(16), optional=True),  # which releases fit: esp32s3, esp32, unix, ...
        Field("reset", _WORD, optional=True),  # why it started: power, watchdog, ...
        Field("safe", _FLAG, optional=True),  # it fell too often: only Wi-Fi, cloud and updates run
        Field("image", _WORD, optional=True),  # the MicroPython that runs: 1.28.0
        Field("image_room", _COUNT, optional=True),  # bytes another one may have that comes over the air, 0 = none can
    ),
    Message(
        "welcome",
        (CLOUD,),
        Field("time", _COUNT),  # Unix seconds
        Field("epoch", Int(1)),  # the fencing token of this connection
        Field("beat_ms", Int(200, 600000)),  # send a beat this often
        Field("dead_ms", Int(500, 3600000)),  # nothing from the peer for so long: the connection is dead
        Field("status_ms", _PACE),
        Field("backoff_min_ms", Int(0, 600000)),
        Field("backoff_max_ms", Int(0, 3600000)),
        Field("acked", _COUNT),  # the highest event number stored for this boot
        Field("config", CONFIG, optional=True),  # only when the revision differs
    ),
    Message("beat", _BOTH, Field("uptime_ms", _COUNT, optional=True), Field("heap_free", _COUNT, optional=True)),
    # How the hub is, once a minute and after each welcome; what a board cannot tell is absent.
    Message(
        "telemetry",
        (HUB,),
        Field("uptime_ms", _COUNT),
        Field("rssi", Int(-128, 0), optional=True),  # dBm
        Field("ssid", _WORD, optional=True),
        Field("ip", Text(45), optional=True),
        Field("temperature", Int(-60, 200), optional=True),  # of the chip, degrees Celsius
        Field("heap_free", _COUNT, optional=True),
        Field("heap_low", _COUNT, optional=True),  # the least free since the start, bytes
        Field("flash_free", _COUNT, optional=True),
        Field("stall_ms", _COUNT, optional=True),  # the loop's longest standstill since the last telemetry
        Field("cloud_drops", _COUNT, optional=True),  # connections lost since the start
        Field("wifi_drops", _COUNT, optional=True),
    ),
    # All printers that announce themselves; the newest list counts.
    Message("found", (HUB,), Field("printers", ListOf(FOUND, 32))),
    Message("config", (CLOUD,), Field("config", CONFIG)),
    Message("configured", (HUB,), Field("revision", _COUNT)),
    Message("pace", (CLOUD,), Field("status_ms", _PACE)),
    Message(
        "command",
        (CLOUD,),
        Field("id", _ID),
        Field("name", _NAME),
        Field("printer", _ID, optional=True),  # absent: the hub itself
        Field("args", _ANYTHING),
        Field("ttl_ms", Int(1, 600000)),
        Field("expect", ListOf(Choice(STATES), len(STATES)), optional=True),
        refine=_command,
    ),
    Message(
        "result",
        (HUB,),
        Field("id", _ID),
        Field("ok", _FLAG),
        Field("code", _WORD, optional=True),
        Field("message", _SENTENCE, optional=True),
        Field("data", _ANYTHING, optional=True),
    ),
    Message(
        "event",
        (HUB,),
        Field("boot", _BOOT),
        Field("n", Int(1)),
        Field("name", _NAME),
        Field("printer", _ID, optional=True),
        Field("at_ms", _COUNT),  # uptime of the hub when it happened
        Field("data", _ANYTHING),
        refine=_event,
    ),
    Message("ack", (CLOUD,), Field("boot", _BOOT), Field("n", _COUNT)),
    Message("status", (HUB,), Field("printer", _ID), Field("full", _FLAG), Field("data", STATUS)),
    Message(
        "tunnel_open",
        (CLOUD,),
        Field("tunnel", _PORT),
        Field("printer", _ID),
        Field("port", _PORT),
        Field("window", _WINDOW),  # bytes the hub may send before it is credited more
    ),
    Message("tunnel_opened", (HUB,), Field("tunnel", _PORT), Field("window", _WINDOW)),
    Message(
        "tunnel_close",
        _BOTH,  # ordered behind the data already sent; what is under way is still delivered
        Field("tunnel", _PORT),
        Field("code", Choice(("done", "refused", "unreachable", "reset", "no_socket", "unknown_printer", "timeout"))),
        Field("message", _SENTENCE, optional=True),
    ),
    Message("bye", _BOTH, Field("code", _WORD), Field("retry_ms", Int(0, 3600000), optional=True)),
    Message("error", _BOTH, Field("code", _WORD), Field("message", _SENTENCE), Field("re", _ID, optional=True)),
)

BY_KIND = {message.kind: message for message in MESSAGES}
