"""The chip's Wi-Fi against a stand-in for its driver: joined, lost, left, named, and said what is wrong."""

from __future__ import annotations

from tests.firmware.chip_kit import run


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
