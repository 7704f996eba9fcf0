"""Stand-ins for the chip's modules, for its board code run on the Unix port."""

from __future__ import annotations

import textwrap

from tests.firmware.micropython import run_code

CHIP = """
import sys, time, asyncio, errno
happened = []

class RTC:
    def datetime(self, value):
        happened.append(("rtc",) + value[:3])

class WDT:
    def __init__(self, timeout):
        happened.append(("armed", timeout))
    def feed(self):
        happened.append(("fed",))

class Machine:
    PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = range(1, 6)
    RTC, WDT = RTC, WDT
    @staticmethod
    def unique_id():
        return b"\\x01\\xab"
    @staticmethod
    def reset_cause():
        return 3
    @staticmethod
    def reset():
        happened.append(("reset",))
        raise SystemExit(7)

class WLAN:
    PM_NONE = 0
    def __init__(self, interface):
        self.on = self.connecting = False
        self.joins_after = 0
        self.answer = 1001
    def active(self, on=None):
        if on is not None:
            happened.append(("active", on))
            self.on = on
            self.connecting = self.connecting and on
        return self.on
    def status(self, what=None):
        if what == "rssi":
            return -61
        return self.answer if self.connecting else 1000
    def config(self, *names, **values):
        if names == ("essid",):
            return "farm"
        assert self.on, "these settings need the radio"
        happened.append(("config", values.get("reconnects")))
    def connect(self, ssid, password):
        assert not self.connecting, "no second connect while the driver works on the first"
        happened.append(("connect", ssid))
        self.connecting = True
    def isconnected(self):
        if not self.connecting:
            return False
        self.joins_after -= 1
        return self.joins_after < 0
    def disconnect(self):
        self.connecting = False
    def ifconfig(self, value=None):
        if value is None:
            return ("10.0.0.7", "", "", "")
        happened.append(("ifconfig", value))

class Network:
    STA_IF, AP_IF, STAT_IDLE, STAT_CONNECTING, STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD = 0, 1, 1000, 1001, 201, 202
    WLAN = WLAN
    @staticmethod
    def hostname(name):
        happened.append(("hostname", name))

stored = {}

class NVS:
    def __init__(self, name):
        assert name in ("printfarm", "pf")
    def get_blob(self, key, into):
        if key not in stored:
            raise OSError(-4354)
        into[:] = stored[key]
        return len(into)
    def set_blob(self, key, value):
        stored[key] = bytes(value)
    def get_i32(self, key):
        if key not in stored:
            raise OSError(-4354)
        return stored[key]
    def set_i32(self, key, value):
        stored[key] = value
    def get_blob(self, key, room):
        value = self.get_i32(key)
        room[: len(value)] = value
        return len(value)
    set_blob = set_i32
    def commit(self):
        happened.append(("commit",))

class Partition:
    # Of a flash with so many slots; the stock one has an application and no more.
    RUNNING = 1
    slots = 1
    def __init__(self, which):
        self.which = which
    def get_next_update(self):
        if self.slots < 2:
            raise OSError(2)
        return Partition(2)
    def info(self):
        return (0, 0x10, 0x10000 * self.which, 0x270000, "ota_%d" % (self.which - 1), False)
    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        if cls.slots < 2:
            raise OSError(-261)
        happened.append(("kept",))
    def set_boot(self):
        happened.append(("boots", self.which))

class Esp32:
    Partition = Partition
    @staticmethod
    def mcu_temperature():
        return 41.6
Esp32.NVS = NVS

class Pin:
    OUT, IN, PULL_UP = 1, 2, 3
    levels = {}
    def __init__(self, number, mode, pull=None):
        self.number = number
    def value(self, level=None):
        if level is None:
            return self.levels.get(self.number, 1)
        self.levels[self.number] = int(level)
Machine.Pin = Pin

class NeoPixel:
    shown = None
    def __init__(self, pin, count):
        self.pin, self.color = pin, None
    def __setitem__(self, index, color):
        self.color = color
    def write(self):
        NeoPixel.shown = (self.pin.number, self.color)

class NeoPixels:
    NeoPixel = NeoPixel
sys.modules["neopixel"] = NeoPixels

class Ntp:
    @staticmethod
    def settime():
        happened.append(("ntp",))
        raise OSError(errno.ETIMEDOUT)

sys.modules["machine"], sys.modules["network"] = Machine, Network
sys.modules["esp32"], sys.modules["ntptime"] = Esp32, Ntp
import hub.board.esp32 as board_module
from hub.board.esp32 import Board
"""


async def run(program: str) -> list[str]:
    return (await run_code(CHIP + textwrap.dedent(program), heap="2M")).out.splitlines()
