"""hub/improv*.py: frame by frame as the specification has them."""

from __future__ import annotations

import asyncio
import subprocess

from tests.firmware.micropython import run_code, start

PRELUDE = """
import asyncio, time
from binascii import hexlify, unhexlify
import hub.improv as improv
from hub.improv import Improv, checksum
from hub.improv_ble import CAPABLE, COMMAND, ERROR, RESULT, STATE, ImprovBle
from hub.improv_serial import ImprovSerial

class Radio:
    known = {"Farm": "secret123", "Open": ""}
    async def scan(self):
        return [("Farm", -50, True), ("Open", -70, False)]
    async def join(self, network):
        await asyncio.sleep_ms(1)
        if network["ssid"] not in self.known:
            return "no_network"
        return "" if self.known[network["ssid"]] == network["password"] else "wrong_password"

log = []
def joined(network):
    log.append(network["ssid"])
    return "https://farm.example/p"

def machine(locked=True):
    return Improv(("PrintFarm", "0.1.0", "ESP32-S3", "Hub-7K3Q"), Radio(), joined, lambda: log.append("blink"), locked)

def frame(command, data=b""):
    body = bytes([command, len(data)]) + data
    return body + bytes([checksum(body)])

def wifi(ssid, password):
    return b"".join([bytes([len(one)]) + one for one in (ssid.encode(), password.encode())])

async def settle():
    for _ in range(20):
        await asyncio.sleep_ms(1)
"""


async def micropython(source: str) -> list[str]:
    finished = await run_code(PRELUDE + source + "\nasyncio.run(main())\n")
    return finished.out.strip().splitlines()


async def test_the_frame_of_the_specification() -> None:
    program = """
async def main():
    print(hexlify(frame(1, wifi("Farm", "secret123"))).decode())
"""
    assert await micropython(program) == ["010f044661726d09736563726574313233bf"]


async def test_over_the_air_nothing_is_taken_until_the_button_is_pressed() -> None:
    program = """
async def main():
    core = machine()
    ble = ImprovBle(core)
    ble.write(COMMAND, frame(1, wifi("Farm", "secret123")))
    await settle()
    print(core.state, ble.read(ERROR), log)
    core.authorise()
    ble.write(COMMAND, frame(1, wifi("Farm", "wrong")))
    await settle()
    print(core.state, ble.read(ERROR), log)
    ble.write(COMMAND, frame(1, wifi("Farm", "secret123")))
    await settle()
    print(core.state, ble.read(ERROR), log, ble.read(RESULT))
    core = machine()
    core.authorise()
    core._until = time.ticks_add(time.ticks_ms(), -1)
    core.tick()
    print(core.state)
"""
    assert await micropython(program) == [
        "1 b'\\x04' []",
        "2 b'\\x03' []",
        "4 b'\\x00' ['Farm'] b'\\x01\\x17\\x16https://farm.example/pX'",
        "1",
    ]


async def test_half_a_frame_of_somebody_who_has_gone_does_not_spoil_the_next() -> None:
    program = """
async def main():
    core = machine(locked=False)
    ble = ImprovBle(core)
    ble.write(COMMAND, frame(3)[:2])
    ble.write(COMMAND, frame(3)[2:])
    await settle()
    print(ble.read(RESULT)[:1], core.error)
    ble.write(COMMAND, frame(1, wifi("Farm", "secret123"))[:9])
    ble._came = time.ticks_add(time.ticks_ms(), -6000)
    ble.write(COMMAND, frame(4))
    await settle()
    print(ble.read(RESULT)[:1], core.error)
"""
    assert await micropython(program) == ["b'\\x03' 0", "b'\\x04' 0"]


async def test_who_it_is_what_is_in_range_and_its_name() -> None:
    program = """
async def main():
    core = machine(locked=False)
    given = []
    core.renamed = given.append
    ble = ImprovBle(core)
    async def ask(command, data=b""):
        ble.write(COMMAND, frame(command, data))
        await settle()
        result = ble.read(RESULT)
        assert result[-1] == checksum(result[:-1]) and result[0] == command
        return improv.strings(result[2:-1]), core.error
    print(await ask(3))
    print(await ask(4))
    print(await ask(5), await ask(5, b"shelf-1"), await ask(5, b"\\x07shelf-2"))
    ble.write(COMMAND, frame(5, b"-bad-"))
    await settle()
    print(core.error, core.hostname)
    ble.write(COMMAND, frame(5, b"x" * 33))
    await settle()
    print(core.error, core.hostname, given)
    ble.write(COMMAND, frame(2))
    await settle()
    print(log, ble.read(CAPABLE))
    ble.write(COMMAND, frame(9))
    await settle()
    print(core.error)
    ble.write(COMMAND, frame(3)[:-1] + b"\\x00")
    await settle()
    print(core.error)
"""
    assert await micropython(program) == [
        "(['PrintFarm', '0.1.0', 'ESP32-S3', 'Hub-7K3Q'], 0)",
        "(['Farm', '-50', 'WPA2', 'Open', '-70', 'NO'], 0)",
        "(['Hub-7K3Q'], 0) (['shelf-1'], 0) (['shelf-2'], 0)",
        "5 shelf-2",
        "5 shelf-2 ['shelf-1', 'shelf-2']",
        "['blink'] b'\\x0f'",
        "2",
        "1",
    ]


async def test_however_many_networks_are_in_range_the_result_says_how_long_it_is() -> None:
    # A result's length is one byte, and Home Assistant's client takes no result whose length is another.
    program = """
class Crowd(Radio):
    async def scan(self):
        return [("Neighbour number %02d" % number, -40 - number, True) for number in range(40)]

async def main():
    core = Improv(("PrintFarm", "0.1.0", "ESP32-S3", "Hub-7K3Q"), Crowd(), joined, None, True)
    ble = ImprovBle(core)
    ble.write(COMMAND, frame(4))
    await settle()
    result = ble.read(RESULT)
    found = improv.strings(result[2:-1])
    print(len(result) - 3 == result[1], found[:3], len(found) % 3, len(found) // 3 > 5)
"""
    assert await micropython(program) == ["True ['Neighbour number 00', '-40', 'WPA2'] 0 True"]


async def test_a_frame_may_come_in_pieces_and_the_advertisement_tells_the_state() -> None:
    program = """
async def main():
    core = machine()
    ble = ImprovBle(core)
    print(len(ble.advertisement()), hexlify(ble.advertisement()).decode())
    core.authorise()
    whole = frame(1, wifi("Open", ""))
    for at in range(0, len(whole), 5):
        ble.write(COMMAND, whole[at:at + 5])
    await settle()
    print(core.state, hexlify(ble.advertisement()[-8:]).decode())
"""
    assert await micropython(program) == [
        "31 02010611070080267874276346722228626877460009167746010f00000000",
        "4 7746040f00000000",
    ]


async def test_over_a_cable_frames_are_found_among_other_lines() -> None:
    program = """
def rpc(command, data=b""):
    inner = bytes([command, len(data)]) + data
    body = b"IMPROV\\x01\\x03" + bytes([len(inner)]) + inner
    return body + bytes([checksum(body)]) + b"\\n"

async def main():
    out = []
    core = machine(locked=False)
    serial = ImprovSerial(core, out.append, lambda: log.append("console"))
    async def ask(data):
        out.clear()
        serial.take(data)
        await settle()
        found = []
        for line in b"".join(out).split(b"\\n"):
            if line:
                assert line[:7] == b"IMPROV\\x01" and line[-1] == checksum(line[:-1])
                found.append((line[7], line[9:-1]))
        return found
    print(await ask(b"garbage IMPR" + rpc(2)))
    print(await ask(rpc(3)))
    print(await ask(b"IIMPROV" + rpc(4)))
    print(await ask(rpc(1, wifi("Farm", "wrong"))))
    print(await ask(rpc(1, wifi("Farm", "secret123"))))
    print(await ask(rpc(2)))
    broken = bytearray(rpc(3))
    broken[-2] ^= 1
    print(await ask(bytes(broken)), log)
    print(await ask(b"\\x03"), log)
"""
    lines = await micropython(program)
    assert lines == [
        "[(2, b'\\x00'), (1, b'\\x02')]",
        "[(2, b'\\x00'), (4, b'\\x03\"\\tPrintFarm\\x050.1.0\\x08ESP32-S3\\x08Hub-7K3Q')]",
        "[(2, b'\\x00'), (4, b'\\x04\\r\\x04Farm\\x03-50\\x03YES'), (4, b'\\x04\\x0c\\x04Open\\x03-70\\x02NO'), (4, b'\\x04\\x00')]",  # noqa: E501
        "[(2, b'\\x00'), (1, b'\\x03'), (1, b'\\x02'), (2, b'\\x03')]",
        "[(2, b'\\x00'), (1, b'\\x03'), (1, b'\\x04'), (4, b'\\x01\\x17\\x16https://farm.example/p')]",
        "[(2, b'\\x00'), (1, b'\\x04'), (4, b'\\x02\\x17\\x16https://farm.example/p')]",
        "[(2, b'\\x01')] ['Farm']",
        "[] ['Farm', 'console']",
    ]


async def test_random_bytes_never_crash_and_never_join_anything() -> None:
    program = """
import random
random.seed(3)

async def main():
    core = machine()
    ble = ImprovBle(core)
    serial = ImprovSerial(machine(), lambda data: None, lambda: None)
    for turn in range(1500):
        data = bytes([random.getrandbits(8) for _ in range(random.randrange(30))])
        if turn % 3 == 0:
            data = b"IMPROV\\x01\\x03" + data
        ble.write(random.choice((COMMAND, STATE)), data)
        serial.take(data)
        if turn % 50 == 0:
            await settle()
    await settle()
    print(core.state, [one for one in log if one != "blink"])
"""
    assert await micropython(program) == ["1 []"]


async def test_the_chips_console_takes_frames_whole_and_gives_way_to_ctrl_c() -> None:
    program = (
        PRELUDE
        + """
import sys, micropython
from hub.board.serial_esp32 import Console
seen = []
micropython_kbd = micropython.kbd_intr
class Micropython:
    @staticmethod
    def kbd_intr(byte):
        seen.append(byte)
        micropython_kbd(byte)
import hub.board.serial_esp32 as module
module.micropython = Micropython

async def main():
    console = Console()
    way = ImprovSerial(machine(locked=False), console.send, console.interrupted)
    console.take = way.take
    try:
        await console.run()
    finally:
        console.stop()
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("to the console", seen)
"""
    )
    ask = bytes.fromhex("494d50524f5601030202 00e50a")
    async with start("-c", program, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"noise" + ask)
        async with asyncio.timeout(20):
            assert await process.stdout.readuntil(b"IMPROV\x01\x02\x01\x00") == b"\nIMPROV\x01\x02\x01\x00"
            await process.stdout.readuntil(b"IMPROV\x01\x01\x01\x02")
            process.stdin.write(b"\x03")
            rest = await process.stdout.read()
    assert b"to the console [-1, 3]" in rest
