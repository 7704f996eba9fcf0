"""The chip's board code against stand-ins for the chip's modules: what it asks of Wi-Fi, clock, flash and watchdog.

No hardware here: this proves that the code runs and decides rightly, not that the radio does.
"""

from __future__ import annotations

from pathlib import Path

from tests.firmware.chip_kit import run


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
