"""The chip's Bluetooth against a stand-in for NimBLE: services, values, hints, and a peer that floods."""

from __future__ import annotations

import textwrap

from tests.firmware.micropython import run_code

CHIP = """
import asyncio, sys

class Stack:
    def __init__(self):
        self.values, self.hinted, self.advertised, self.on = {}, [], [], False
    def active(self, on):
        self.on = on
    def config(self, **values):
        assert values["mtu"] <= 517 and values["gap_name"] == b"PrintFarm-7K3Q"
    def irq(self, handler):
        self.handler = handler
    def gatts_register_services(self, services):
        self.services, handle, found = services, 10, []
        for _, characteristics in services:
            found.append(tuple(range(handle, handle + len(characteristics))))
            handle += len(characteristics)
        return tuple(found)
    def gatts_set_buffer(self, handle, size):
        assert size == 512, "values are cut at 20 bytes otherwise"
    def gatts_write(self, handle, value):
        self.values[handle] = value
    def gatts_read(self, handle):
        return self.values[handle]
    def gatts_notify(self, peer, handle):
        if peer == 9:
            raise OSError(107)
        self.hinted.append((peer, handle))
    def gap_advertise(self, interval, data=None, resp_data=None):
        assert self.on
        assert data is None or len(data) <= 31 and len(resp_data) <= 31
        self.advertised.append(data)
    def written(self, handle, data, peer=1):
        self.values[handle] = data
        self.handler(3, (peer, handle))

stack = Stack()

class Bluetooth:
    FLAG_READ, FLAG_WRITE, FLAG_NOTIFY = 2, 8, 16
    UUID = str
    @staticmethod
    def BLE():
        return stack

sys.modules["bluetooth"] = Bluetooth
from hub.board.ble_esp32 import Ble

class Service:
    uuid, characteristics = "s", {"in": "w", "out": "rn"}
    def __init__(self):
        self.taken, self.value = [], b"first"
    def read(self, uuid):
        return self.value if uuid == "out" else b""
    def write(self, uuid, data):
        self.taken.append((uuid, data))
        self.value = b"answer"
        self.changed("out")

service = Service()
ble = Ble("PrintFarm-7K3Q", [service], lambda: b"a" * 31)
IN, OUT = 10, 11
"""


async def run(program: str) -> None:
    await run_code(CHIP + textwrap.dedent(program), heap="2M")


async def test_what_is_written_reaches_the_service_and_its_answer_can_be_read() -> None:
    await run(
        """
        async def main():
            task = asyncio.create_task(ble.run())
            await asyncio.sleep_ms(0)
            assert stack.services == (("s", (("in", 8), ("out", 18))),) and stack.values == {OUT: b"first"}
            assert stack.advertised == [b"a" * 31]
            for peer in (1, 9):
                stack.handler(1, (peer, 0, b""))
            stack.written(IN, b"box")
            await asyncio.sleep_ms(20)
            assert service.taken == [("in", b"box")] and stack.values[OUT] == b"answer"
            assert stack.hinted == [(1, OUT)], "a peer that has left is no fault"
            assert len(stack.advertised) == 1, "not while somebody is connected"
            for peer in (1, 9):
                stack.handler(2, (peer, 0, b""))
            await asyncio.sleep_ms(20)
            assert len(stack.advertised) == 2
            task.cancel()
            ble.stop()
            assert stack.advertised[-1] is None and not stack.on, "the memory is given back"
        asyncio.run(main())
        """
    )


async def test_a_peer_that_writes_faster_than_the_hub_reads_fills_no_heap() -> None:
    await run(
        """
        async def main():
            task = asyncio.create_task(ble.run())
            await asyncio.sleep_ms(0)
            stack.handler(1, (1, 0, b""))
            for number in range(500):  # while a search for networks keeps the loop for seconds
                stack.written(IN, bytes(512))
            await asyncio.sleep_ms(20)
            assert 4 <= len(service.taken) <= 16, len(service.taken)
            stack.written(IN, b"next")
            await asyncio.sleep_ms(20)
            assert service.taken[-1] == ("in", b"next")
            task.cancel()
        asyncio.run(main())
        """
    )
