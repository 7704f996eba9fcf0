"""The chip's board code against stand-ins for the chip's modules: what it asks of Wi-Fi, clock, flash and watchdog.

No hardware here: this proves that the code runs and decides rightly, not that the radio does.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

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


async def test_what_the_board_says_of_itself() -> None:
    await run(
        """
        board = Board()
        assert board.name == "esp32 01ab" and board.boot_reason == "watchdog"
        assert (board.sockets, board.max_printers, board.tunnel_window) == (10, 6, 32 * 1024)
        assert board.heap_free() is None
        ident = board.random_id()
        assert len(ident) == 16 and ident != board.random_id()
        assert ("active", True) in happened, "random numbers are good only while the radio is on"
        """
    )


async def test_a_board_without_external_memory_promises_less() -> None:
    await run(
        """
        board_module._ROOMY = 1 << 30
        board = Board()
        assert (board.max_printers, board.tunnel_window, board.tunnel_pieces) == (1, 4096, 2)
        """
    )


async def test_wifi_is_joined_once_and_then_left_to_the_driver() -> None:
    out = await run(
        """
        board = Board()
        board._wlan.joins_after = 3
        networks = [{"ssid": "farm", "password": "secret-password"}]
        asyncio.run(board.network(networks))
        asyncio.run(board.network(networks))
        assert [h for h in happened if h[0] == "connect"] == [("connect", "farm")]
        assert [h for h in happened if h[0] == "config"] == [("config", 0), ("config", -1)]
        assert ("ifconfig", "dhcp") in happened
        """
    )
    assert out == []


async def test_each_thing_that_can_be_wrong_with_a_network_has_its_word() -> None:
    await run(
        """
        import hub.board.radio_esp32 as radio_module
        radio_module._JOIN_MS = 10
        board = Board()
        board._wlan.joins_after = 10 ** 9
        found = []
        for answer in (201, 202, 1001):
            board._wlan.answer = answer
            board._wlan.active(False)
            found.append(asyncio.run(board.radio.join({"ssid": "farm", "password": "x"})))
        assert found == ["no_network", "wrong_password", "no_address"], found
        board._wlan.joins_after = 0
        board._wlan.active(False)
        fixed = {"ssid": "farm", "password": "x", "address": "10.0.0.7/24", "gateway": "10.0.0.1"}
        assert asyncio.run(board.radio.join(fixed)) == ""
        assert ("ifconfig", ("10.0.0.7", "255.255.255.0", "10.0.0.1", "10.0.0.1")) in happened, happened[-4:]
        """
    )


async def test_a_word_about_an_earlier_attempt_is_not_believed_of_this_one() -> None:
    """MicroPython 1.25 and later tell WRONG_PASSWORD and NO_AP_FOUND until an attempt has ended otherwise."""
    await run(
        """
        import hub.board.radio_esp32 as radio_module
        board = Board()
        WLAN.status = lambda self, what=None: self.answer
        for word in (202, 201):
            board._wlan.answer, board._wlan.joins_after = word, 3
            board._wlan.active(False)
            assert asyncio.run(board.radio.join({"ssid": "hall", "password": "the right one"})) == "", word
            board.radio.leave()
        radio_module._STALE_MS = 300
        board._wlan.answer, board._wlan.joins_after = 202, 10 ** 9
        assert asyncio.run(board.radio.join({"ssid": "hall", "password": "x"})) == "wrong_password", "wrong again"
        """
    )


async def test_another_network_is_joined_while_the_driver_still_seeks_the_lost_one() -> None:
    """Issue 17661 of MicroPython: a second `connect` then raises OSError."""
    out = await run(
        """
        import hub.board.radio_esp32 as radio_module
        radio_module._ROAM_MS = 10
        board = Board()
        farm, hall = {"ssid": "farm", "password": "x"}, {"ssid": "hall", "password": "y"}
        assert asyncio.run(board.radio.join(farm)) == ""
        board._wlan.joins_after, board._wlan.answer = 3, 201
        asyncio.run(board.radio.join(hall))
        board._wlan.joins_after = 10 ** 9
        radio_module._JOIN_MS = radio_module._STALE_MS = 10
        board._wlan.answer = 1001
        print(asyncio.run(board.radio.join(farm)))
        print([h[1] for h in happened if h[0] == "connect"])
        """
    )
    assert out == ["no_address", "['farm', 'hall', 'farm']"]


async def test_the_network_that_is_being_left_is_not_taken_for_the_new_one() -> None:
    """The driver says so from a thread of its own, a moment after `disconnect` has returned."""
    out = await run(
        """
        board = Board()
        wlan = board._wlan
        assert asyncio.run(board.radio.join({"ssid": "farm", "password": "x"})) == ""
        wlan.lingers = 2
        def isconnected(self):
            if self.lingers:
                self.lingers -= 1
                return True
            return False
        WLAN.isconnected, wlan.answer = isconnected, 202
        WLAN.disconnect = lambda self: setattr(self, "connecting", False)
        print(asyncio.run(board.radio.join({"ssid": "hall", "password": "wrong"})))
        """
    )
    assert out == ["wrong_password"]


async def test_a_radio_that_refuses_to_begin_and_one_that_asks_for_an_address_already_are_no_fault() -> None:
    out = await run(
        """
        def refuse(self, *arguments):
            raise OSError("Wifi Internal Error")
        board = Board()
        WLAN.ifconfig = refuse
        assert asyncio.run(board.radio.join({"ssid": "farm", "password": "x"})) == ""
        WLAN.connect = refuse
        print(asyncio.run(board.radio.join({"ssid": "hall", "password": "x"})))
        """
    )
    assert out == ["wifi: the radio does not begin: Wifi Internal Error", "no_network"]


async def test_a_chip_that_cannot_run_so_fast_starts_all_the_same() -> None:
    """C3 and C6 refuse 240 MHz, and MicroPython does not run main.py after a boot.py that raised."""
    boot = (Path(__file__).parents[2] / "firmware" / "boot.py").read_text()
    out = await run(
        f"""
        def freq(hertz):
            if hertz > 160_000_000:
                raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz or 160MHz")
            print(hertz)
        Machine.freq = staticmethod(freq)
        class Sys:
            platform = "esp32"
        sys.modules["sys"] = Sys
        exec({boot!r})
        """
    )
    assert out == ["160000000"]


async def test_who_comes_by_the_access_point_is_told_from_who_comes_by_the_network() -> None:
    program = """
        board = Board()
        print([board.radio.is_guest((host, 50000)) for host in ("192.168.4.2", "192.168.40.2", "10.0.0.9")])
        # Where the network has the same numbers nobody can tell, so nobody is let in.
        board.radio.wlan.ifconfig = lambda: ("192.168.4.77", "", "", "")
        print(board.radio.is_guest(("192.168.4.2", 50000)))
        board.radio.wlan.connecting = True
        print(board.radio.is_guest(("192.168.4.2", 50000)))
    """
    assert await run(program) == ["[True, False, False]", "True", "False"]


async def test_its_name_is_told_to_networks_before_joining_and_after_a_restart() -> None:
    await run(
        """
        board = Board()
        assert not [one for one in happened if one[0] == "hostname"], "nobody gave it a name"
        board.rename("shelf-1")
        assert asyncio.run(board.radio.join({"ssid": "farm", "password": "x"})) == ""
        told = [one for one in happened if one[0] in ("hostname", "connect")]
        assert told == [("hostname", "shelf-1"), ("connect", "farm")], told
        happened.clear()
        Board()
        assert ("hostname", "shelf-1") in happened
        """
    )


async def test_a_dead_radio_is_switched_off_and_on_and_at_last_the_board_is_reset() -> None:
    out = await run(
        """
        import hub.board.radio_esp32 as radio_module
        import hub.wifi
        radio_module._JOIN_MS, hub.wifi.PATIENCE, hub.wifi.LEAST_MS, hub.wifi.MOST_MS = 1, 3, 2, 2
        board = Board()
        board._wlan.joins_after = 10 ** 9
        try:
            asyncio.run(board.network([{"ssid": "farm", "password": "secret-password"}]))
            raise AssertionError("no reset")
        except SystemExit as end:
            assert end.args == (7,)
        switched = [h for h in happened if h[0] in ("active", "reset")]
        assert switched == [("active", True), ("active", False)] * 2 + [("active", True), ("reset",)], switched
        """
    )
    assert len(out) == 1 and "secret" not in "".join(out)


async def test_the_label_s_secret_is_made_once_and_kept() -> None:
    await run(
        """
        first = Board().device()
        assert len(first) == 16 and Board().device() == first
        """
    )


async def test_the_clock_comes_from_the_cloud_and_never_runs_backwards_over_a_reboot() -> None:
    await run(
        """
        board = Board()
        assert not [h for h in happened if h[0] == "rtc"], "never been online: nothing to restore"
        now = int(time.time()) + 946_684_800      # what counts from 2000 there, in Unix seconds
        board.set_time(now)
        assert not [h for h in happened if h[0] == "rtc"], "a clock that is right is left alone"
        assert stored == {"time": now - 946_684_800} and ("commit",) in happened
        happened.clear()
        board.set_time(now + 3600)
        assert [h[0] for h in happened] == ["rtc"], "set, but flash is spared"
        board.set_time(now + 7 * 3600)
        assert happened[-1] == ("commit",)
        happened.clear()
        stored["time"] += 10 ** 6
        Board()
        assert happened[0][0] == "rtc", "the last known time is the floor"
        happened.clear()
        stored["time"] = 5
        Board()
        assert happened == []
        """
    )


async def test_a_time_server_that_does_not_answer_is_no_fault() -> None:
    out = await run("Board().doubt_time()\nassert happened[-1] == ('ntp',)")
    assert len(out) == 1 and out[0].startswith("clock: no time from the network")


async def test_a_time_server_that_answers_nonsense_is_no_fault() -> None:
    """Too few bytes are ValueError to ntptime, and anybody may answer by UDP."""
    out = await run(
        """
        def nonsense():
            raise ValueError("buffer too small")
        Ntp.settime = staticmethod(nonsense)
        Board().doubt_time()
        """
    )
    assert len(out) == 1 and out[0].startswith("clock: no time from the network")


async def test_uptime_does_not_wrap_with_the_ticks() -> None:
    await run(
        """
        now = [2 ** 30 - 500]
        class Ticks:
            time, gmtime = time.time, time.gmtime
            @staticmethod
            def ticks_ms():
                return now[0] % 2 ** 30
            @staticmethod
            def ticks_diff(a, b):
                return (a - b + 2 ** 29) % 2 ** 30 - 2 ** 29
        board_module.time = Ticks
        board = Board()
        assert board.uptime_ms() == 0
        for hour in range(1, 1000):
            now[0] += 3_600_000
            assert board.uptime_ms() == hour * 3_600_000
        """
    )


async def test_the_watchdog_is_fed_only_when_armed() -> None:
    await run(
        """
        board = Board()
        board.feed()
        assert happened == []
        board.arm()
        board.feed()
        assert happened == [("armed", 30000), ("fed",)]
        """
    )


async def test_why_it_started_over_is_known_after_a_reset() -> None:
    await run(
        """
        board = Board()
        assert (board.recall("epoch", 0), board.recall("word", "none")) == (0, "none")
        board.remember("epoch", 7)
        board.remember("word", "farm")
        assert (board.recall("epoch", 0), board.recall("word", "none")) == (7, "farm")
        try:
            board.reset("restart")
        except SystemExit:
            pass
        assert happened[-1] == ("reset",)
        assert Board().boot_reason == "restart"
        assert Board().boot_reason == "watchdog", "told once; then what the chip says"
        """
    )


async def test_what_the_board_tells_of_itself() -> None:
    await run(
        """
        import os
        names = ("Generic ESP32S3 module with Octal-SPIRAM with ESP32S3", "Generic ESP32-C6 with ESP32C6", "other")
        assert [board_module._target(name) for name in names] == ["esp32s3", "esp32c6", "esp32"]
        class Os:
            urandom = os.urandom
            statvfs = staticmethod(lambda path: (4096, 4096, 500, 100, 90, 0, 0, 0, 0, 255))
        board_module.os = Os
        board = Board()
        assert board.vitals() == {"flash_free": 368640, "wifi_drops": 0, "temperature": 41}
        board._wlan.active(True)
        board._wlan.connect("farm", "")
        assert board.connected()
        vitals = board.vitals()
        assert (vitals["ip"], vitals["rssi"], vitals["ssid"]) == ("10.0.0.7", -61, "farm")
        """
    )


async def test_whether_there_is_a_slot_for_another_micropython() -> None:
    await run(
        """
        board = Board()
        assert board.image == "%d.%d.%d" % sys.implementation.version[:3]
        assert board.image_room == 0
        board.keep_image()                            # OSError -261 is no fault
        Partition.slots = 2
        board = Board()
        assert board.image_room == 0x270000
        board.keep_image()
        assert happened[-1] == ("kept",)
        """
    )


async def test_when_nothing_loads_the_boot_loader_is_given_the_other_image() -> None:
    await run(
        """
        import main
        class Nvs(NVS):
            def __init__(self, name):
                assert name == "pf_slots"
        Esp32.NVS = Nvs
        memory = main.ChipMemory()
        memory.other_image()                          # no slots: nothing to be done
        assert not [h for h in happened if h[0] == "boots"]
        Partition.slots = 2
        try:
            memory.other_image()
        except SystemExit:
            pass
        assert happened[-2:] == [("boots", 2), ("reset",)]
        """
    )


async def test_light_and_button_are_where_the_board_says() -> None:
    await run(
        """
        import os
        from hub.board.lamp import Lamp
        lamp = Lamp("/nowhere", "esp32s3")
        lamp.set((0, 12, 0))
        assert NeoPixel.shown == (48, (0, 12, 0))
        lamp.set(None)
        assert NeoPixel.shown == (48, (0, 0, 0))
        assert not lamp.pressed()
        Pin.levels[0] = 0
        assert lamp.pressed()
        plain = Lamp("/nowhere", "esp32")
        plain.set((1, 1, 1))
        assert Pin.levels[2] == 1
        plain.set(None)
        assert Pin.levels[2] == 0
        """
    )


async def test_another_wiring_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "board.json").write_text('{"led": 5, "kind": "low", "button": 9}')
    program = """
        from hub.board.lamp import Lamp
        lamp = Lamp("FOLDER", "esp32s3")
        lamp.set((9, 9, 9))
        assert Pin.levels[5] == 0
        lamp.set(None)
        assert Pin.levels[5] == 1
        Pin.levels[9] = 0
        assert lamp.pressed()
    """
    await run(program.replace("FOLDER", str(tmp_path)))
    (tmp_path / "board.json").write_text("[]")
    out = await run(program.replace("FOLDER", str(tmp_path)).split("lamp.set")[0] + "assert lamp._strip is not None")
    assert any("board.json is damaged" in line for line in out)
