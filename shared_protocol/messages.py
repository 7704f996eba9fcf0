"""Every message between hub and cloud, once.

Text frames carry one message each; binary frames are tunnel data (codec).
"""

from .schema import CLOUD, HUB, Anything, Choice, Field, Flag, Int, ListOf, Message, ProtocolError, Record, Text
from .status import STATES, STATUS

_ID = Text(40, 1)
_SENTENCE = Text(300)
_BOTH = (HUB, CLOUD)

NETWORK = Record(
    Field("ssid", Text(32, 1)),
    Field("password", Text(64)),  # a secret
    Field("address", Text(18), optional=True),  # 192.168.1.7/24, with gateway and dns; absent = DHCP
    Field("gateway", Text(15), optional=True),
    Field("dns", Text(15), optional=True),
)

# ---- commands: name -> arguments --------------------------------------------------------------------------------

START_ARGS = Record(
    Field("url", Text(300, 1)),  # where the printer finds the file
    Field("file", Text(255, 1)),  # its base name
    Field("plate", Int(1, 999)),
    Field("task", Text(128, 1)),  # subtask_name, our name for the job
    Field("task_id", Text(10, 1)),  # decimal, 1..2147483647, new for every attempt
    Field("bed_type", Text(32), optional=True),
    Field("use_ams", Flag()),
    Field("mapping", ListOf(Int(-1, 255), 32)),  # index = filament id - 1, value = tray id, -1 = unused or external
    Field("bed_leveling", Flag(), optional=True),
    Field("flow_cali", Flag(), optional=True),
    Field("vibration_cali", Flag(), optional=True),
    Field("layer_inspect", Flag(), optional=True),
    Field("timelapse", Flag(), optional=True),
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
    "light": Record(Field("on", Flag())),
    "temperature": Record(Field("nozzle", Int(0, 350), optional=True), Field("bed", Int(0, 120), optional=True)),
    "fan": Record(Field("fan", Choice(("part", "aux", "chamber"))), Field("percent", Int(0, 100))),
    "home": _NOTHING,
    "gcode": Record(Field("lines", Text(4000, 1))),
    "calibrate": Record(Field("option", Int(1, 127))),  # bit mask: 1 lidar, 2 bed, 4 vibration, 8 motor noise, ...
    "skip_objects": Record(Field("objects", ListOf(Int(0, 2**31 - 1), 64))),
    "ams_change": Record(Field("tray", Int(0, 255)), Field("nozzle", Int(0, 350), optional=True)),  # 255 = unload
    "ams_control": Record(Field("action", Choice(("resume", "pause", "reset", "done", "abort")))),
    "ams_tray": Record(
        Field("tray", Int(0, 255)),
        Field("type", Text(32, 1)),
        Field("color", Text(7, 7)),
        Field("profile", Text(32), optional=True),
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
    "wifi": Record(Field("networks", ListOf(NETWORK, 4))),  # all the hub should know, tried in this order
    "discover": _NOTHING,  # look for printers now; what is found comes as `found`
    # Try a printer that is not configured: result data {"serial", "model", "cert"}, or a code of PROBE_CODES.
    "probe": Record(
        Field("host", Text(64, 1)),
        Field("port", Int(1, 65535), optional=True),
        Field("serial", Text(32), optional=True),  # expected; absent = take what it says
        Field("code", Text(64)),  # access code: a secret
    ),
    # Fetch a release over HTTPS, from /hub/v1/releases/{version}/{target}/, and install it; `update` events tell.
    "update": Record(Field("version", Text(32, 1))),
}

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
        Field("task", Text(255)),
        Field("task_id", Text(32)),
        Field("file", Text(255)),
        Field("error", Int(0, 2**32 - 1)),
        Field("percent", Int(0, 100)),
        Field("layer", Int(0, 10**6)),
    ),
    # The hub started. `lost` counts older events that did not fit into the outbox.
    "boot": Record(Field("reason", Text(32)), Field("firmware", Text(32)), Field("lost", Int())),
    # What the hub printed when it fell, kept across the reset.
    "crash": Record(Field("part", Text(32)), Field("text", Text(1500))),
    # `code` and `message` only when it failed or was rolled back.
    "update": Record(
        Field("version", Text(32)),
        Field("state", Choice(UPDATE_STATES)),
        Field("code", Text(32), optional=True),
        Field("message", _SENTENCE, optional=True),
    ),
}

# ---- the documents inside ---------------------------------------------------------------------------------------

PRINTER = Record(
    Field("id", _ID),
    Field("serial", Text(32, 1)),
    Field("host", Text(64, 1)),  # numeric address
    Field("port", Int(1, 65535), optional=True),  # MQTT, 8883 when absent
    Field("code", Text(64)),  # access code: a secret, never logged
    Field("cert", Text(64), optional=True),  # pinned SHA-256 of the certificate, "" or absent = pin on first use
    Field("off", Flag(), optional=True),  # the user disconnected it
)

CONFIG = Record(Field("revision", Int()), Field("printers", ListOf(PRINTER, 16)))

# A printer that announced itself on the hub's network.
FOUND = Record(
    Field("serial", Text(32, 1)),
    Field("host", Text(64, 1)),
    Field("model", Text(32)),  # the maker's code, such as C12 or BL-P001; "" when it does not say
    Field("name", Text(64)),
    Field("firmware", Text(32)),
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
        Field("firmware", Text(32)),
        Field("board", Text(64)),
        Field("boot", Text(16, 8)),  # random for each boot
        Field("uptime_ms", Int()),
        Field("last_event", Int()),  # the highest number given in this boot, 0 = none yet
        Field("revision", Int()),  # of the configuration it runs, 0 = none
        Field("sockets", Int(1, 64)),  # all the sockets this board has
        Field("max_printers", Int(0, 64)),
        Field("target", Text(16), optional=True),  # which releases fit: esp32s3, esp32, unix, ...
        Field("reset", Text(32), optional=True),  # why it started: power, watchdog, ...
        Field("safe", Flag(), optional=True),  # it fell too often: only Wi-Fi, cloud and updates run
    ),
    Message(
        "welcome",
        (CLOUD,),
        Field("time", Int()),  # Unix seconds
        Field("epoch", Int(1)),  # the fencing token of this connection
        Field("beat_ms", Int(200, 600000)),  # send a beat this often
        Field("dead_ms", Int(500, 3600000)),  # nothing from the peer for so long: the connection is dead
        Field("status_ms", Int(50, 600000)),
        Field("backoff_min_ms", Int(0, 600000)),
        Field("backoff_max_ms", Int(0, 3600000)),
        Field("acked", Int()),  # the highest event number stored for this boot
        Field("config", CONFIG, optional=True),  # only when the revision differs
    ),
    Message("beat", _BOTH, Field("uptime_ms", Int(), optional=True), Field("heap_free", Int(), optional=True)),
    # How the hub is, once a minute and after each welcome; what a board cannot tell is absent.
    Message(
        "telemetry",
        (HUB,),
        Field("uptime_ms", Int()),
        Field("rssi", Int(-128, 0), optional=True),  # dBm
        Field("ssid", Text(32), optional=True),
        Field("ip", Text(45), optional=True),
        Field("temperature", Int(-60, 200), optional=True),  # of the chip, degrees Celsius
        Field("heap_free", Int(), optional=True),
        Field("heap_low", Int(), optional=True),  # the least free since the start, bytes
        Field("flash_free", Int(), optional=True),
        Field("stall_ms", Int(), optional=True),  # the loop's longest standstill since the last telemetry
        Field("cloud_drops", Int(), optional=True),  # connections lost since the start
        Field("wifi_drops", Int(), optional=True),
    ),
    # All printers that announce themselves; the newest list counts.
    Message("found", (HUB,), Field("printers", ListOf(FOUND, 32))),
    Message("config", (CLOUD,), Field("config", CONFIG)),
    Message("configured", (HUB,), Field("revision", Int())),
    Message("pace", (CLOUD,), Field("status_ms", Int(50, 600000))),
    Message(
        "command",
        (CLOUD,),
        Field("id", _ID),
        Field("name", Text(32, 1)),
        Field("printer", _ID, optional=True),  # absent: the hub itself
        Field("args", Anything()),
        Field("ttl_ms", Int(1, 600000)),
        Field("expect", ListOf(Choice(STATES), len(STATES)), optional=True),
        refine=_command,
    ),
    Message(
        "result",
        (HUB,),
        Field("id", _ID),
        Field("ok", Flag()),
        Field("code", Text(32), optional=True),
        Field("message", _SENTENCE, optional=True),
        Field("data", Anything(), optional=True),
    ),
    Message(
        "event",
        (HUB,),
        Field("boot", Text(16, 8)),
        Field("n", Int(1)),
        Field("name", Text(32, 1)),
        Field("printer", _ID, optional=True),
        Field("at_ms", Int()),  # uptime of the hub when it happened
        Field("data", Anything()),
        refine=_event,
    ),
    Message("ack", (CLOUD,), Field("boot", Text(16, 8)), Field("n", Int())),
    Message("status", (HUB,), Field("printer", _ID), Field("full", Flag()), Field("data", STATUS)),
    Message(
        "tunnel_open",
        (CLOUD,),
        Field("tunnel", Int(1, 65535)),
        Field("printer", _ID),
        Field("port", Int(1, 65535)),
        Field("window", Int(1024, 2**20)),  # bytes the hub may send before it is credited more
    ),
    Message("tunnel_opened", (HUB,), Field("tunnel", Int(1, 65535)), Field("window", Int(1024, 2**20))),
    Message(
        "tunnel_close",
        _BOTH,  # ordered behind the data already sent; what is under way is still delivered
        Field("tunnel", Int(1, 65535)),
        Field("code", Choice(("done", "refused", "unreachable", "reset", "no_socket", "unknown_printer", "timeout"))),
        Field("message", _SENTENCE, optional=True),
    ),
    Message("bye", _BOTH, Field("code", Text(32)), Field("retry_ms", Int(0, 3600000), optional=True)),
    Message("error", _BOTH, Field("code", Text(32)), Field("message", _SENTENCE), Field("re", _ID, optional=True)),
)

BY_KIND = {message.kind: message for message in MESSAGES}
