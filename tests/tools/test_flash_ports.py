"""Finding the board: one, several, none, and the next one of a tray."""

from __future__ import annotations

import pytest
from serial.tools import list_ports, list_ports_common

from tools.flash import ports
from tools.flash.failures import FlashError, Stage
from tools.flash.ports import Port

ONE, TWO = Port("/dev/ttyACM0", "Espressif, native USB", "AA"), Port("/dev/ttyUSB0", "CP210x")


def test_usb_ids_tell_boards_from_other_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name, vendor in (("/dev/ttyUSB0", 0x10C4), ("/dev/ttyS0", None), ("/dev/ttyACM1", 0x2341), ("/dev/a", 0x303A)):
        port = list_ports_common.ListPortInfo(name)
        port.vid = vendor
        found.append(port)
    monkeypatch.setattr(list_ports, "comports", lambda: found)
    assert [port.device for port in ports.candidates()] == ["/dev/a", "/dev/ttyUSB0"]


def test_the_only_one_is_taken_and_of_several_a_person_chooses() -> None:
    assert ports.choose([ONE], None) == ONE.device
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return " 2 "

    assert ports.choose([ONE, TWO], answer) == TWO.device
    assert "1  /dev/ttyACM0  Espressif, native USB AA" in asked[0]


@pytest.mark.parametrize("answer", ["", "0", "3", "x"])
def test_an_answer_that_is_none_of_them(answer: str) -> None:
    with pytest.raises(FlashError, match="none of them") as failed:
        ports.choose([ONE, TWO], lambda _question: answer)
    assert failed.value.stage == Stage.SEVERAL_BOARDS


def test_nobody_to_ask_and_nothing_there() -> None:
    with pytest.raises(FlashError, match=r"/dev/ttyACM0, /dev/ttyUSB0.*--port") as several:
        ports.choose([ONE, TWO], None)
    assert several.value.stage == Stage.SEVERAL_BOARDS
    with pytest.raises(FlashError, match="cable that carries data") as none:
        ports.choose([], None)
    assert none.value.stage == Stage.NO_BOARD


def test_the_next_of_a_tray_is_one_that_was_plugged_in_after_the_last_was_unplugged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "POLL_S", 0)
    seen = [[ONE], [ONE], [], [], [ONE]]
    ports.next_board([ONE.device], 60, lambda: seen.pop(0))
    assert seen == []
    with pytest.raises(FlashError, match="was not unplugged"):
        ports.next_board([ONE.device], -1, lambda: [ONE])
    with pytest.raises(FlashError, match="no further board"):
        ports.next_board([ONE.device], -1, list)
