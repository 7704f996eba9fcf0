"""hub/wifi.py over a radio that is a file: which network, what is wrong, and that it never stops trying."""

from __future__ import annotations

from pathlib import Path

from tests.firmware.micropython import run_code as _run

PRELUDE = """
import asyncio, json, os, sys
import hub.wifi
from hub.board.radio_unix import Radio
from hub.wifi import Wifi, split_address

hub.wifi.LEAST_MS, hub.wifi.MOST_MS = 2, 4

def air(*points):
    with open("%s", "w") as file:
        json.dump(points, file)

def ap(ssid, password="", **more):
    point = {"ssid": ssid, "password": password}
    point.update(more)
    return point

def known(ssid, password="", **more):
    return ap(ssid, password, **more)
"""


async def micropython(tmp_path: Path, source: str) -> list[str]:
    radio = tmp_path / "radio.json"
    radio.write_text("[]")
    program = f'import os\nos.putenv("PF_RADIO", "{radio}")\n' + PRELUDE.replace("%s", str(radio)) + source
    finished = await _run(program + "\nasyncio.run(main())\n")
    return finished.out.strip().splitlines()


async def test_each_thing_that_can_be_wrong_has_its_word(tmp_path: Path) -> None:
    program = """
async def main():
    air(ap("Tired", "secret123", dhcp=False), ap("Farm", "secret123", rssi=-40))
    radio = Radio()
    codes = []
    for network in (known("Elsewhere"), known("Farm", "wrong"), known("Tired", "secret123"),
                    known("Tired", "secret123", address="10.0.0.7/24"), known("Farm", "secret123")):
        codes.append(await radio.join(network))
    print(codes)
    print(await radio.scan())
"""
    lines = await micropython(tmp_path, program)
    assert lines[0] == "['no_network', 'wrong_password', 'no_address', '', '']"
    assert lines[1] == "[('Farm', -40, True), ('Tired', -60, True)]"


async def test_the_first_network_in_range_is_taken_and_after_a_loss_the_next(tmp_path: Path) -> None:
    program = """
async def main():
    wifi, gone = Wifi(Radio()), []
    networks = [known("Office", "secret123"), known("Hall", "secret456"), known("Hidden", "x")]
    air(ap("Hall", "secret456"))
    await wifi.ensure(networks, lambda: gone.append(1))
    print(wifi._radio._joined["ssid"], wifi.drops)
    await wifi.ensure(networks, lambda: gone.append(1))  # nothing to do
    air(ap("Office", "secret123"))
    await wifi.ensure(networks, lambda: gone.append(1))
    print(wifi._radio._joined["ssid"], wifi.drops, gone)
"""
    lines = [line for line in await micropython(tmp_path, program) if not line.startswith("wifi")]
    assert lines == ["Hall 0", "Office 1 []"]


async def test_it_goes_on_trying_for_ever_and_says_each_trouble_once(tmp_path: Path) -> None:
    program = """
async def main():
    hub.wifi.PATIENCE = 5
    gone = []
    air(ap("Farm", "changed"))

    def give_up():
        gone.append(1)
        if len(gone) == 3:
            air(ap("Farm", "secret123"))

    await Wifi(Radio()).ensure([known("Farm", "secret123")], give_up)
    print("joined after", len(gone))
"""
    lines = await micropython(tmp_path, program)
    assert lines[-1] == "joined after 3"
    assert len([line for line in lines if "does not accept the password" in line]) == 1
    assert "secret123" not in "".join(lines[:-1])


async def test_fixed_addresses(tmp_path: Path) -> None:
    program = """
async def main():
    print(split_address("192.168.1.7/24"), split_address("10.1.2.3/20"))
    for wrong in ("192.168.1.7", "192.168.1.7/0", "192.168.1.7/31", "x/y"):
        try:
            print(split_address(wrong))
        except ValueError as error:
            print(error)
"""
    lines = await micropython(tmp_path, program)
    assert lines[0] == "('192.168.1.7', '255.255.255.0') ('10.1.2.3', '255.255.240.0')"
    assert lines[1:] == ["a fixed address looks like 192.168.1.7/24"] * 4
