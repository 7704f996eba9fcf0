"""Which serial port has the board."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serial.tools import list_ports

from tools.flash.failures import FlashError, Stage

VENDORS = {
    0x303A: "Espressif, native USB",
    0x10C4: "CP210x",
    0x1A86: "CH34x",
    0x0403: "FTDI",
}
"""USB vendors of what stands between a computer and an ESP32."""

HELP = (
    "no board was found: plug it in with a cable that carries data (many only charge), on Windows install the driver "
    "of its USB chip (CP210x or CH34x), on Linux be in the group dialout; or name its port with --port"
)

POLL_S = 0.5


@dataclass(frozen=True)
class Port:
    """A serial port with a USB device, maybe a board. `serial` tells boards of one kind apart, if they have one."""

    device: str
    what: str
    serial: str = ""


def candidates() -> list[Port]:
    """The ports that may have a board, by name."""
    found = [
        Port(port.device, VENDORS[port.vid], port.serial_number or "")
        for port in list_ports.comports()
        if port.vid in VENDORS
    ]
    return sorted(found, key=lambda port: port.device)


def choose(ports: Sequence[Port], ask: Callable[[str], str] | None) -> str:
    """The only port, or the one that is chosen. `ask` puts a question to a person; None when there is nobody."""
    if not ports:
        raise FlashError(Stage.NO_BOARD, HELP)
    if len(ports) == 1:
        return ports[0].device
    lines = [f"  {number}  {port.device}  {port.what} {port.serial}".rstrip() for number, port in enumerate(ports, 1)]
    if ask is None:
        names = ", ".join(port.device for port in ports)
        raise FlashError(Stage.SEVERAL_BOARDS, f"there are several boards ({names}); name one with --port")
    answer = ask("Which board?\n" + "\n".join(lines) + "\nNumber: ").strip()
    if not answer.isdigit() or not 0 < int(answer) <= len(ports):
        raise FlashError(Stage.SEVERAL_BOARDS, f"{answer or 'nothing'!r} is none of them; name one with --port")
    return ports[int(answer) - 1].device


def next_board(done: Sequence[str], seconds: float, look: Callable[[], Sequence[Port]] = candidates) -> None:
    """For a tray: wait until the boards at `done` are unplugged, then for another one. FlashError when none comes."""
    deadline = time.monotonic() + seconds
    while any(port.device in done for port in look()):
        if time.monotonic() > deadline:
            raise FlashError(
                Stage.NO_BOARD, "the board that is done was not unplugged; unplug it and go on with --count"
            )
        time.sleep(POLL_S)
    while not look():
        if time.monotonic() > deadline:
            raise FlashError(Stage.NO_BOARD, "no further board was plugged in; plug it in and go on with --count")
        time.sleep(POLL_S)
